"""Write the numbers of the documents: each block of a page is what a function here makes of trainings.

``make numbers`` trains the studies anew and writes every block, ``python docs/results.py draws demo`` some of them;
``make test-slow`` makes them again and compares. How, and how closely: ``docs/blocks.py``.
"""

import argparse
import json
import tempfile
from contextlib import redirect_stdout
from importlib.metadata import version
from io import StringIO
from itertools import product
from pathlib import Path

import latent  # noqa: F401  (its block)
import numpy as np
import recipes
from blocks import BLOCKS, HOME, block
from trainings import DRAWS, middle, score, short, spread, table, trained

from keplearn import demo as the_demo
from keplearn.cli.demo import print_scores
from keplearn.core.files import write_text
from keplearn.core.machine import processor
from keplearn.data.dataset import load_dataset
from keplearn.data.names import parse_name
from keplearn.orbits.families import complex_family
from keplearn.runs.store import Run


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
    write_text(recipes.REACHED, json.dumps(recipes.reached(BLOCKS["ladder"].written()), indent=2) + "\n")


if __name__ == "__main__":
    main()
