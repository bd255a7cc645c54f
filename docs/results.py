"""Write the numbers of the documents: each block of a page is what a function here makes of trainings.

``make numbers`` trains the studies anew and writes every block, ``python docs/results.py draws demo`` some of them;
``make test-slow`` makes them again and compares. How, and how closely: ``docs/blocks.py``.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from itertools import product
from pathlib import Path

import numpy as np
from blocks import BLOCKS, HOME, block

from keplearn import demo as the_demo
from keplearn.cli.demo import print_scores
from keplearn.config import load_config
from keplearn.core.machine import processor
from keplearn.data.dataset import load_dataset
from keplearn.data.names import parse_name
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.ranking import drawn_value, order
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import summary
from keplearn.orbits.families import complex_family
from keplearn.runs.find import find_runs
from keplearn.runs.store import Run

TEST = "complex_TBP_planar_100_test"
FRESH = "complex_TBP_planar_100@1_test"
DRAWS = [f"complex_TBP_planar_10{suffix}_train" for suffix in ("", "@1", "@2", "@3", "@4")]


def trained(study: Path, runs: Path, changes: Sequence[str] = ()) -> list[Run]:
    """Train what is missing of a study by a sweep, and return its runs in the order of the file.

    ``changes``: "key=value" for entries of the file.
    """
    command = [sys.executable, "-m", "keplearn", "sweep", str(study), "--runs", str(runs)]
    subprocess.run([*command, *(word for change in changes for word in ("--set", change))], check=True)
    configs = load_config(study, changes)
    found = {run.run_id: run for run in find_runs(runs, configs[0].group, "finished")}
    return [found[config.run_id] for config in configs]


def score(run: Run, which: str = "best", segments: int | None = None, on: str = TEST) -> dict[str, float]:
    """Return the scores of a run's model on the hundred unseen orbits, or on others."""
    dataset = load_dataset(on)
    return summary(keep_evaluation(run.path, run.model(which), dataset, which=which, segments=segments))


def middle(scores: Sequence[dict[str, float]], key: str = "mean") -> str:
    """Return the median, the range, and how many orbits diverged where means are of those that did not.

    Of an even number of runs the median is the worse of the two in the middle.
    """
    ranked = [s[key] for s in sorted(scores, key=lambda s: order(s, key))]
    lost = sum(int(s["diverged"]) for s in scores) if key == "mean" else 0
    gone = f"; {lost} of {100 * len(scores)} diverged" if lost else ""
    return f"{short(ranked[len(ranked) // 2])} ({short(ranked[0])} to {short(ranked[-1])}{gone})"


def short(value: float) -> str:
    """Three significant digits, without an exponent where a number is not very small."""
    if 0.0 < abs(value) < 1e-4:
        return f"{value:.2e}"
    return np.format_float_positional(float(f"{value:.3g}"), trim="-")


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (titles, ["---"] * len(titles), *rows))


@block("docs/findings.md")
def draws(runs: Path) -> str:
    """How round the orbits of each draw are, and how many sets of ten are as round."""
    largest = [float(load_dataset(name).elements[:, 1].max()) for name in DRAWS]
    middles = (np.arange(1_000_000) + 0.5) / 1_000_000
    steepest = complex_family(lambda element: middles if element == "a" else np.ones_like(middles))[1]

    def share(e: float) -> float:
        """Of orbits with an eccentricity up to e: it is uniform in [0, e_max(a)], and a is uniform."""
        return float(np.minimum(1.0, e / steepest).mean())

    grid = np.linspace(0.0, 1.0, 1001)
    median = np.interp(0.5, [share(e) ** 10 for e in grid], grid)
    cells = table(
        ["draw", *map(str, range(len(DRAWS)))],
        [["largest e of its ten orbits", *(f"{e:.3f}" for e in largest)]],
    )
    return (
        f"{cells}\n\nThe median of the largest e of ten orbits is {median:.2f}. One set of ten in "
        f"{1 / share(largest[0]) ** 10:.0f} is as round as draw 0."
    )


def machine() -> str:
    """Return what the trainings' last digits depend on: processor, its vectors, versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy"))
    return f"{processor('model name')}, {_vectors()}; {packages}"


def _vectors() -> str:
    """Return the widest vector instructions, which decide the order of sums."""
    flags = processor("flags", "Features").split()
    return next((name for name in ("avx512f", "avx2", "avx", "asimd") if name in flags), "no vectors")


@block("docs/findings.md")
def machines(runs: Path) -> str:
    """Which blocks were written where."""
    written: dict[str, list[str]] = {}
    for name, found in BLOCKS.items():
        if name != "machines":
            written.setdefault(found.machine(), []).append(f"`{name}`")
    return "\n".join(f"- {where}: {', '.join(names)}" for where, names in written.items())


@block("README.md", factor=3.0)
def demo(runs: Path) -> str:
    """What `keplearn demo` prints."""
    found = trained(the_demo.CONFIG, runs)
    scores = the_demo.score_demo(found, print)
    with redirect_stdout(StringIO()) as printed:
        print_scores(scores, found)
    return "\n".join(["```", printed.getvalue().rstrip(), "```"])


@block("docs/findings.md", factor=3.0)
def best_recipe(runs: Path) -> str:
    """Adam and BFGS on integrated segments by draw, before and after BFGS."""
    found = trained(HOME / "configs" / "best_recipe.yaml", runs)[:3]
    rows = []
    for which, after in (("phase:0", "after Adam alone"), ("best", "and then BFGS")):
        scores = [score(run, which) for run in found]
        rows += [[f"`{key}` {after}, %", *(short(s[key]) for s in scores)] for key in ("mean", "field")]
    return table(["", *(the_demo.training_set(run.config.dataset_name) for run in found)], rows)


@block("docs/findings.md", factor=3.0)
def whole_orbits(runs: Path) -> str:
    """Whole orbits, short segments and the field, for recipe (a) of the demo."""
    found = [run for run in trained(the_demo.CONFIG, runs) if the_demo.recipe(run).startswith("(a)")]
    rows = []
    for run in found:
        whole, segments = score(run), score(run, segments=18)
        lost = f" ({whole['diverged']} diverged)"
        cells = (short(whole["mean"]) + lost, short(segments["mean"]), short(whole["field"]))
        rows.append([the_demo.training_set(run.config.dataset_name), *cells])
    titles = ["trained on", "`mean`, whole orbits", "`mean`, segments of 18", "`field`"]
    return table(titles, rows)


@block("docs/findings.md", factor=3.0)
def velocity(runs: Path) -> str:
    """Features of positions alone beside those with velocity, by draw."""
    found = trained(HOME / "configs" / "velocity.yaml", runs)
    kinds = ("sph_4D_rinv", "sph_4D_rinv_vel")
    scores = {(run.config.dataset_name, run.config.parameters.feature_layer): score(run) for run in found}
    rows = []
    for name in DRAWS:
        without, seeing = (scores[name, kind] for kind in kinds)
        cells = [f"{short(s['mean'])} ({s['diverged']} diverged)" for s in (without, seeing)]
        cells += [short(s["field"]) for s in (without, seeing)]
        rows.append([the_demo.training_set(name), *cells])
    rows.append(
        [
            "median (range)",
            *(
                middle([scores[n, kind] for n in DRAWS], key)
                for key, kind in product(("mean", "field"), kinds)
            ),
        ]
    )
    titles = [
        f"`{key}`, {what}" for key in ("mean", "field") for what in ("positions alone", "with velocity")
    ]
    means = {kind: [scores[name, kind]["mean"] for name in DRAWS] for kind in kinds}
    better = sum(without < seeing for without, seeing in zip(*means.values(), strict=True))
    none, some = (sum(mean > 100.0 for mean in means[kind]) for kind in kinds)
    return (
        table(["trained on", *titles], rows)
        + f"\n\nPositions alone have the smaller `mean` on {better} draws of {len(DRAWS)}. Worse than predicting no "
        f"acceleration at all, 100 %, are models with velocity on {some} and models without on {none}."
    )


RECIPES = ("neutral", "position", "conference", "spherical", "skip", "rtn", "potential", "central")
LADDER = (
    f"data.dataset_name=[{','.join(DRAWS[:3])}]",
    f"data.test=[{TEST}]",
    "parameters.seed=[0,1,2,3,4,5,6,7,8,9]",
)
"""What the ladder's recipes are trained on, and from which beginnings."""


@block("docs/findings.md", factor=10.0)
def ladder(runs: Path) -> str:
    """All recipes, on three draws of ten orbits from ten seeds each: medians and ranges."""
    rows = []
    keys = ("field-near", "field-in", "field-out", "field-far", "mean")
    for name in RECIPES:
        found = trained(HOME / "configs" / "recipes" / f"{name}.yaml", runs, LADDER)
        scores = [run.record["scores"][TEST] for run in found]
        fresh = [score(run, on=FRESH) for run in found]
        rows.append([f"`{name}`", *(middle(scores, key) for key in keys), middle(fresh, "field-near")])
    return table(["recipe", *(f"`{key}`, %" for key in keys), "`field-near` on another hundred, %"], rows)


SEEDS = "parameters.seed=[0,1,2]"
NOISY = "complex_TBP_planar_missing50_noise1e-3_100"
HALF_MISSING = (
    f"data.dataset_name={NOISY}_train",
    f"data.test=[{NOISY}_test]",
    "parameters.segment_length_strategy=[[10,10,180]]",
)
"""Of the samples half are missing: a whole orbit has 180."""


@block("docs/latent_ode.md", factor=10.0)
def latent(runs: Path) -> str:
    """A latent ODE and a neural ODE trained for as long, on clean orbits and with noise and gaps; three seeds each."""
    keys = ("forecast", "forecast-median", "forecast-end", "field", "coverage90")
    rows, floors = [], []
    for what, test, changes in (("clean", TEST, ()), ("noise and gaps", f"{NOISY}_test", HALF_MISSING)):
        found = trained(HOME / "configs" / "latent_ode.yaml", runs, [SEEDS, *changes])
        scores = [score(run, on=test) for run in found]
        floors.append(scores[0])
        rows.append([f"latent ODE, {what}", _minutes(found), *(middle(scores, key) for key in keys)])
        found = trained(HOME / "configs" / "latent_baseline.yaml", runs, [SEEDS, *changes[:2]])
        scores = [_second_half(run, test) for run in found]
        cells = (middle(scores, key) for key in keys[:-1])
        rows.append([f"neural ODE from full states, {what}", _minutes(found), *cells, ""])
    for key, name in (
        ("forecast-line", "straight line"),
        ("forecast-osculating", "last osculating orbit"),
        ("forecast-kepler", "Kepler fit"),
    ):
        rows += [
            [f"{name}, {what}", "", short(scores[key]), *[""] * 4]
            for what, scores in zip(("clean", "noise and gaps"), floors, strict=True)
        ]
    titles = [
        "",
        "training, minutes",
        "`forecast`, %",
        "median, %",
        "at the end, %",
        "`field`, %",
        "`coverage90`, %",
    ]
    return table(titles, rows)


def _minutes(runs: Sequence[Run]) -> str:
    """Return the minutes that a training took, compiling aside: the longest of some."""
    return short(max(run.record["summary"]["seconds"]["train"] for run in runs) / 60)


def _second_half(run: Run, on: str) -> dict[str, float]:
    """Return the scores of a neural ODE where a latent ODE forecasts: in the second half, from the true first state."""
    dataset = load_dataset(on)
    evaluation = keep_evaluation(run.path, run.model(), dataset)
    half = dataset.times.shape[1] // 2
    off = evaluation[METRICS["position%"].of].values[:, half:]
    known = np.where(np.isfinite(off), off, np.inf)
    found = {"forecast": off, "forecast-end": off[:, -1]}
    means = {key: float(np.nanmean(np.where(np.isfinite(x), x, np.nan))) for key, x in found.items()}
    whole = summary(evaluation)
    return means | {
        "forecast-median": float(np.median(known)),
        **{key: whole[key] for key in ("field", "diverged")},
    }


NOTEBOOK = {
    "seeds": "seed",
    "heads": "output_layer",
    "activations": "activation",
    "sizes": "width",
    "segments": "orbits",
}
"""The studies of configs/notebook, and by what their runs stand in a table."""


@block("docs/findings.md", factor=3.0)
def notebook(runs: Path) -> str:
    """The five small studies of a notebook: a row a value, a cell the median over the other axes, and the range."""
    rows = []
    for study, key in NOTEBOOK.items():
        levels: dict[str, list[dict[str, float]]] = {}
        for run in trained(HOME / "configs" / "notebook" / f"{study}.yaml", runs):
            values = {"seed": "all", "orbits": _orbits(run)}
            value = values.get(key) or str(getattr(run.config.parameters, key))
            levels.setdefault(value, []).append(next(iter(run.record["scores"].values())))
        rows += [
            [
                f"`{study}`",
                value,
                str(len(found)),
                *(spread(found, name) for name in ("median", "field")),
            ]
            for value, found in levels.items()
        ]
    return table(["study", "value", "runs", "`median`, %", "`field`, %"], rows)


def _orbits(run: Run) -> str:
    """Return how many orbits a run was trained on, and their kind."""
    (term,) = parse_name(run.config.dataset_name).terms
    kind = f"{term.family} from the periapsis" if "fixnu0" in str(term) else term.family
    return f"{term.n} {kind}"


def spread(scores: Sequence[dict[str, float]], key: str) -> str:
    """Return the median, and the range of the runs that lost no sample; one that did is worse than any number."""
    values = sorted(drawn_value(s, key) for s in scores)
    kept = [value for value in values if np.isfinite(value)]
    half = float(np.median(values))
    told = [f"{short(kept[0])} to {short(kept[-1])}"] if kept else []
    told += [f"{len(values) - len(kept)} lost"] if len(kept) < len(values) else []
    return f"{short(half) if np.isfinite(half) else 'lost'} ({'; '.join(told)})"


def main() -> None:
    """Write the blocks that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("blocks", nargs="*", metavar="BLOCK", help=f"{', '.join(BLOCKS)}; by default all")
    parser.add_argument(
        "--runs", type=Path, help="a directory of runs to go on from; by default all is trained anew"
    )
    options = parser.parse_args()
    if unknown := set(options.blocks) - set(BLOCKS):
        parser.error(f"no block {', '.join(sorted(unknown))}: there are {', '.join(BLOCKS)}")
    with tempfile.TemporaryDirectory(prefix="keplearn-numbers-") as scratch:
        for name in options.blocks or BLOCKS:
            BLOCKS[name].write(BLOCKS[name].make(options.runs or Path(scratch)), machine())
            print(f"wrote {name} into {BLOCKS[name].page}")
    BLOCKS["machines"].write(machines(Path()), machine())


if __name__ == "__main__":
    main()
