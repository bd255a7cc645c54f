"""Make docs/gallery.md and its pictures: ``make gallery`` (a study of 48 runs, some minutes, then every figure).

The study is ``benchmarks/study.yaml``; a sweep that has been trained already is drawn at once.
"""

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from keplearn.figures import style
from keplearn.runs.find import find_runs

HOME = Path(__file__).parent
STUDY = HOME.parent / "benchmarks" / "study.yaml"
TEST = "complex_TBP_planar_100_test"
DATASETS = "complex_TBP_planar_10_train complex_TBP_10_test"

# What is drawn, by a line of what it shows; RUN is the best run of the study on the first test dataset.
FIGURES = {
    "How does the mean acceleration error depend on feature layer, output layer, segment length and training "
    "dataset at once?": f"dots study --on {TEST} --x segment_length_strategy --column dataset_name "
    "--row feature_layer --colour output_layer",
    "Orbits of datasets, the Earth to scale": f"orbits {DATASETS}",
    "Their orbital elements": f"elements {DATASETS}",
    "The loss, training and validation, phases marked": "loss RUN",
    "An orbit, true and predicted, with arrows of acceleration": f"orbit RUN --orbit {TEST}#3",
    "The same of an orbit chosen by its elements": "orbit RUN --orbit a=20000,e=0.4,nu0=20deg",
    "Position and velocity over time": f"states RUN --orbit {TEST}#3",
    "The acceleration along an orbit, and its error": f"acceleration RUN --orbit {TEST}#3",
    "The same over all test orbits: what happens at periapsis": f"acceleration RUN --all --on {TEST}",
    "Every test orbit's error, against eccentricity and semi-major axis": f"errors RUN --on {TEST}",
    "What goes into the network": f"features RUN --orbit {TEST}#3",
    "What comes out": f"outputs RUN --orbit {TEST}#3",
    "The model after each phase, on the orbit of the training set's mean elements": "phases RUN",
    "Residual of the learned field": "field RUN --show vectors",
    "Acceleration against radius": "slope RUN",
    "Error over semi-major axis and eccentricity": "grid RUN",
    "Errors of all test orbits by layers": f"box study --on {TEST} --by feature_layer,output_layer",
    "A metric over two parameters": f"heatmap study --on {TEST} --x segment_ratio --y num_train_orbits "
    "--column output_layer",
    "Which parameters drive the error": f"importance study --on {TEST}",
}


def main() -> None:
    """Train what is missing, draw every figure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs", help="the directory of all runs")
    runs = parser.parse_args().runs
    keplearn = [sys.executable, "-m", "keplearn"]
    subprocess.run([*keplearn, "sweep", str(STUDY), "--runs", runs], check=True)
    finished = [run for run in find_runs(runs, "study", "finished") if run.config.test]
    best = min(finished, key=lambda run: run.record["scores"][run.config.test[0]]["mean"] or float("inf"))
    # Pictures of a page, not of a paper.
    style.STYLE["savefig.dpi"] = 100
    from keplearn.cli.plot import app

    lines = [
        "# Gallery",
        "",
        "Every figure of `keplearn plot`, drawn from a study of 48 runs (`benchmarks/study.yaml`: 3 datasets, 2",
        "segment lengths, 2 depths, 2 feature layers, 2 output layers, 3000 steps each). `make gallery` makes it",
        f"again. RUN is the run with the smallest mean error on its first test dataset, `{best.run_id}`:",
        f"{best.config.parameters.feature_layer} + "
        f"{best.config.parameters.output_layer}. Add `--out FILE.pdf` for a paper, `--data FILE.csv` for the numbers.",
    ]
    (HOME / "gallery").mkdir(exist_ok=True)
    for old in (HOME / "gallery").glob("*.png"):
        old.unlink()
    for number, (title, command) in enumerate(FIGURES.items(), start=1):
        words = [best.run_id if word == "RUN" else word for word in shlex.split(command)]
        picture = HOME / "gallery" / f"{number:02d}-{words[0]}.png"
        app([*words, "--runs", runs, "--out", str(picture)], result_action="return_value")
        lines += [
            "",
            f"## {title}",
            "",
            f"    keplearn plot {command}",
            "",
            f"![{title}](gallery/{picture.name})",
        ]
    (HOME / "gallery.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
