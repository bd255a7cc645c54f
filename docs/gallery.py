"""Make docs/gallery.md and its pictures: ``make gallery`` (a study of 48 runs, some minutes, then every figure).

The study is ``benchmarks/study.yaml``; a sweep that has been trained already is drawn at once. The figures are those
that are declared (`keplearn.figures.registry`): a new one is here without a line.
"""

import argparse
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from keplearn.evaluation.ranking import best
from keplearn.figures.declarations import Declaration, declarations
from keplearn.figures.parts import style
from keplearn.runs.find import find_runs

HOME = Path(__file__).parent
STUDY = HOME.parent / "benchmarks" / "study.yaml"
TEST, LESS = "complex_TBP_planar_100_test", "complex_TBP_planar_10_test"

TEN = "dataset_name=complex_TBP_planar_10_train"
SOME = f"{TEN} depth=2 segment_length_strategy=18"

WORDS = {
    "datasets": "complex_TBP_planar_10_train complex_TBP_10_test",
    "metrics": "RUN",
    "evaluation": f"RUN --orbit {TEST}#3",
    "orbit": f"RUN --orbit {TEST}#3",
    "phases": "RUN",
    "model": "RUN",
    "models": "RUN",
    "runs": f"RUN --on {TEST}",
    "group": f"study --on {TEST}",
}
"""What figures are drawn of, by what they need; RUN is the best run of the study on its first test dataset."""

FORECASTS = HOME.parent / "configs" / "latent_ode.yaml"
KNOBS = HOME.parent / "configs" / "latent_knobs.yaml"
MORE = {
    "ahead": [f"latent_ode --on {TEST}"],
    "forecast": [f"latent_ode --orbit {TEST}#3"],
    "samples": [f"latent_ode --orbit {TEST}#3"],
    "latent": [f"latent_ode --orbit {TEST}#3"],
    "gaps": [f"latent_ode --on {TEST}"],
    "acceleration": [f"RUN --orbit {TEST}#3", f"RUN --all --on {TEST}"],
    "box": [
        f"study --on {TEST} --by feature_layer,output_layer",
        f"study --where {TEN} --on {LESS} {TEST} --per run --violin --by feature_layer",
    ],
    "dots": [
        f"study --on {TEST} --x segment_length_strategy --column dataset_name --row feature_layer "
        "--colour output_layer",
        "latent_knobs --x kl_weight --column observed_fraction --colour latent_size --metric forecast-median",
    ],
    "distance": [f"study --where {SOME} --on {TEST}"],
    "ensemble": [f"study --where {SOME} --on {TEST}"],
    "field": ["RUN --show vectors"],
    "grid": ["RUN", f"study --where {SOME} --a 7000,42000 --e 0,0.6"],
    "heatmap": [
        f"study --on {TEST} --x segment_ratio --y num_train_orbits --column output_layer",
        f"study --where {TEN} --on {LESS} {TEST} --x segment_ratio --y test --column feature_layer",
    ],
    "loss": ["RUN", f"study --where {SOME}"],
    "slope": ["RUN", f"study --where {SOME}"],
    "orbit": [f"RUN --orbit {TEST}#3", "RUN --orbit a=20000,e=0.4,nu0=20deg"],
}
"""Where options show more of a figure: its words instead, each a picture."""

ORDER = ("group", "datasets", "metrics", "evaluation", "orbit", "phases", "runs", "models", "model")
FIRST = ("dots", "box", "heatmap", "importance")


def figures() -> Iterator[tuple[Declaration, list[str]]]:
    """Yield every figure with the words of its pictures, in the page's order."""

    def place(declared: Declaration) -> tuple[int, int]:
        return ORDER.index(declared.of), FIRST.index(declared.name) if declared.name in FIRST else len(FIRST)

    for declared in sorted(declarations().values(), key=place):
        yield declared, MORE.get(declared.name, [WORDS[declared.of]])


def main() -> None:
    """Train what is missing, draw every figure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", default="runs", help="the directory of all runs")
    runs = parser.parse_args().runs
    keplearn = [sys.executable, "-m", "keplearn"]
    for study in (STUDY, FORECASTS, KNOBS):
        subprocess.run([*keplearn, "sweep", str(study), "--runs", runs], check=True)
    finished = [run for run in find_runs(runs, "study", "finished") if run.config.test]
    run = best((run, run.record["scores"][run.config.test[0]]) for run in finished)
    if run is None:
        sys.exit("no run of the study has a score")
    # Pictures of a page, not of a paper.
    style.STYLE["savefig.dpi"] = 100
    from keplearn.cli.plot import app

    p = run.config.parameters
    lines = [
        "# Gallery",
        "",
        "Every figure of `keplearn plot`, drawn from a study of 48 runs (`benchmarks/study.yaml`: 3 datasets, 2",
        "segment lengths, 2 depths, 2 feature layers, 2 output layers, 3000 steps each). `make gallery` makes it",
        f"again. RUN is the run with the smallest mean error on its first test dataset, `{run.run_id}`:",
        f"{p.feature_layer} + {p.output_layer}. Add `--out FILE.pdf` for a paper, `--data FILE.csv` for the numbers.",
    ]
    (HOME / "gallery").mkdir(exist_ok=True)
    for old in (HOME / "gallery").glob("*.png"):
        old.unlink()
    for declared, drawn in figures():
        lines += ["", f"## {declared.about.rstrip('.')}"]
        for number, words in enumerate(drawn, start=1):
            picture = f"{declared.name}{f'-{number}' if len(drawn) > 1 else ''}.png"
            told = [run.run_id if word == "RUN" else word for word in shlex.split(words)]
            out = ["--runs", runs, "--out", str(HOME / "gallery" / picture)]
            app([declared.name, *told, *out], result_action="return_value")
            lines += [
                "",
                f"    keplearn plot {declared.name} {words}",
                "",
                f"![{declared.about}](gallery/{picture})",
            ]
    (HOME / "gallery.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
