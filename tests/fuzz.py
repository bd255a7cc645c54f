"""Mutated files of every kind that is kept, through the commands that read them.

``python tests/fuzz.py --count 10000 --seed 0`` makes a small study and in each trial damages one file of one run: no
command may end in a traceback, show another number, or lose a byte of what was there. Bit flips, truncations,
overwritten, inserted and cut out stretches, another kept file in its place; of records without a checksum (those of
the version before) also entries of other types. Longer than most files: a way to damage after the other.
"""

import argparse
import io
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gentle import gentle_model

from keplearn.cli import main
from keplearn.cli.progress import LINE_EVERY
from keplearn.config import RunConfig, run_config
from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.data.units import units_for
from keplearn.evaluation.scores import keep_scores
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import summary
from keplearn.groups.study import Study
from keplearn.models.neural_ode import Architecture
from keplearn.runs.labels import write_label
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from keplearn.training.events import Checkpoint

TRAINED_ON = "complex_TBP_planar_1_train"
TESTED_ON = "simple_TBP_planar_2_test"
SCORED_ON = "simple_TBP_planar_1_test"
LAYERS = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh", "depth": 1}
GROUP = "study"


class Place:
    """A study of three runs: the first finished and is damaged, the second finished, the third was killed."""

    def __init__(self, path: Path):
        self.runs, self.file, self.whole = path / "runs", path / "mine.nc", path / "whole"
        self.configs = [
            run_config(
                TRAINED_ON, group=GROUP, test=[TESTED_ON], width=4, steps_strategy=20, seed=seed, **LAYERS
            )
            for seed in range(3)
        ]
        dataset = load_dataset(TESTED_ON)
        save_dataset(replace(dataset, name="mine"), self.file)
        model = gentle_model(
            Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True),
            0,
            units=units_for(dataset),
        )
        for config in self.configs:
            _write_run(self.runs, config, model, finished=config is not self.configs[2])
        Study.of(self.configs, self.runs).write()
        write_label(self.runs / GROUP / self.configs[0].run_id, "mine")
        self.victim, self.other, self.killed = (self.runs / GROUP / c.run_id for c in self.configs)
        shutil.copytree(path / "runs", self.whole)
        self.dataset = self.file.read_bytes()
        self.right = {name: command(self) for name, command in COMMANDS.items()}
        self.restore()

    def restore(self) -> None:
        """Put everything back."""
        shutil.rmtree(self.runs)
        shutil.copytree(self.whole, self.runs)
        self.file.write_bytes(self.dataset)


def _write_run(runs: Path, config: RunConfig, model: Any, finished: bool) -> None:
    with RunWriter(runs, config) as writer:
        writer.start({}, resume=False)
        rows = [{"phase": 0, "step": k, "loss": 1.0 / k, "val_loss": None} for k in range(1, 21)]
        writer.rows(rows[:10])
        writer.checkpoint(Checkpoint(0, 10, {"state.0": np.arange(3.0)}))
        if not finished:
            return
        writer.rows(rows[10:])
        writer.model("model", model)
        writer.model("phase-0-best", model)
        keep_scores([Run(writer.path)], load_dataset(SCORED_ON))
        evaluation = keep_evaluation(writer.path, model, load_dataset(TESTED_ON))
        writer.end("finished", scores={TESTED_ON: summary(evaluation)})


# Commands: what each shows, by run; None where it refuses.


def keplearn(*arguments: object) -> tuple[int, str, str]:
    """Run a command in this process: exit code, stdout, stderr."""
    out, err, argv, code = io.StringIO(), io.StringIO(), sys.argv, 0
    sys.argv = ["keplearn", *map(str, arguments)]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = argv
    return code, out.getvalue(), err.getvalue()


def _run(*arguments: object) -> str | None:
    code, out, err = keplearn(*arguments)
    assert code in (0, 2), f"exit code {code}: {err}"
    assert not err or err.startswith(("error: ", "warning: ", "skipped: ", "no losses: ", "not evaluated: "))
    return out if code == 0 else None


def _rows(text: str | None, *keys: str) -> dict[str, Any] | None:
    return {row["run_id"]: [row[key] for key in keys] for row in json.loads(text)} if text else None


def listed(place: Place) -> Any:
    """``runs``: state and scores of every run."""
    text = _run("runs", "--group", GROUP, "--runs", place.runs, "--format", "json")
    return _rows(text, "state", "mean", "field", "steps", "label")


def scored(place: Place) -> Any:
    """``evaluate``: the scores on a dataset by name."""
    text = _run("evaluate", GROUP, "--runs", place.runs, "--on", TESTED_ON, "--format", "json")
    return _rows(text, "mean", "field", "max", "diverged")


def scored_on_file(place: Place) -> Any:
    """``evaluate``: the scores on a dataset's file."""
    text = _run("evaluate", place.other.name, "--runs", place.runs, "--on", place.file, "--format", "json")
    return _rows(text, "mean", "field", "max", "diverged")


def scored_as_kept(place: Place) -> Any:
    """``evaluate``: the scores that are kept beside an evaluation, and that alone are read."""
    text = _run("evaluate", GROUP, "--runs", place.runs, "--on", SCORED_ON, "--format", "json")
    return _rows(text, "mean", "field", "max", "diverged")


def scored_by_phase(place: Place) -> Any:
    """``evaluate``: the scores of a phase's model."""
    words = ("evaluate", GROUP, "--runs", place.runs, "--on", SCORED_ON, "--model", "phase:0")
    return _rows(_run(*words, "--format", "json"), "mean", "field", "max", "diverged")


def drawn(place: Place) -> Any:
    """``plot dots``: whether there is a figure, of the runs that can be read."""
    file = place.runs / "out" / "dots.png"
    words = ("plot", "dots", GROUP, "--runs", place.runs, "--on", TESTED_ON, "--x", "seed")
    return None if _run(*words, "--out", file) is None else file.read_bytes()[:4]


def shown(place: Place) -> Any:
    """``data show``."""
    return _run("data", "show", place.file, "--format", "json")


def reported(place: Place) -> Any:
    """``report``: the losses and scores in the page."""
    if _run("report", GROUP, "--runs", place.runs, "--out", place.runs / "out") is None:
        return None
    page = (place.runs / "out" / f"{GROUP}.html").read_text()
    study, details = (
        page.split(f'id="{name}">', 1)[1].split("</script>", 1)[0] for name in ("study", "details")
    )
    head = json.loads(study)
    columns = {c["key"]: c.get("values") for c in head["columns"]}
    (runs,) = (c for c in head["columns"] if c["key"] == "run_id")
    names = [runs["levels"][code] for code in runs["codes"]]
    losses = [json.loads(line).get("loss") for line in details.splitlines()]
    means = columns.get(f"mean@{TESTED_ON}") or [None] * len(names)
    return {name: row for name, *row in zip(names, losses, means, strict=True)}


def swept(place: Place) -> Any:
    """``sweep status``."""
    text = _run("sweep", "status", GROUP, "--runs", place.runs, "--json")
    return text and {"best": json.loads(text)["best"], "states": json.loads(text)["states"]}


def resumed(place: Place) -> Any:
    """What ``train`` does first with a run that was killed: the step that it goes on from."""
    with RunWriter(place.runs, place.configs[2]) as writer:
        checkpoint = writer.start({}, resume=True)
    return checkpoint and [checkpoint.step, checkpoint.arrays["state.0"].tolist()]


COMMANDS: dict[str, Callable[[Place], Any]] = {
    f.__name__: f
    for f in (
        *(listed, scored, scored_on_file, scored_as_kept, scored_by_phase),
        *(shown, reported, drawn, swept, resumed),
    )
}
TARGETS: dict[str, tuple[Callable[[Place], Path], tuple[str, ...]]] = {
    "run.json": (lambda p: p.victim / "run.json", ("listed", "swept", "scored", "reported", "drawn")),
    "metrics.parquet": (lambda p: p.victim / "metrics.parquet", ("reported",)),
    "model.eqx": (lambda p: p.victim / "model.eqx", ("scored", "reported")),
    "evaluation": (lambda p: p.victim / "evaluations" / f"{TESTED_ON}.nc", ("scored",)),
    "kept scores": (lambda p: p.victim / "evaluations" / f"{SCORED_ON}.json", ("scored_as_kept",)),
    "model of a phase": (lambda p: p.victim / "phase-0-best.eqx", ("scored_by_phase",)),
    "checkpoint.npz": (lambda p: p.killed / "checkpoint.npz", ("resumed",)),
    "metrics.jsonl": (lambda p: p.killed / "metrics.jsonl", ("resumed", "listed")),
    "record of a killed run": (lambda p: p.killed / "run.json", ("resumed", "listed")),
    "label.json": (lambda p: p.victim / "label.json", ("listed",)),
    "sweep.json": (lambda p: p.runs / GROUP / "sweep.json", ("swept",)),
    "dataset": (lambda p: p.file, ("shown", "scored_on_file")),
    "record without checksum": (lambda p: p.victim / "run.json", ("listed", "swept", "scored", "reported")),
}

_COSTLY = ("metrics.parquet", "model.eqx", "evaluation", "kept scores", "model of a phase", "dataset")


# Mutations


def mutate(content: bytes, draw: np.random.Generator, others: list[Path]) -> bytes:
    """Return the content with one to three changes."""
    for _ in range(draw.integers(1, 4)):
        at, length = int(draw.integers(len(content) + 1)), int(2 ** draw.uniform(0, 10))
        kind = int(draw.integers(7))
        if kind <= 1 and content:
            at = min(at, len(content) - 1)
            content = content[:at] + bytes([content[at] ^ (1 << draw.integers(8))]) + content[at + 1 :]
        elif kind == 2:
            content = content[:at]
        elif kind == 3:
            content = content[:at] + draw.bytes(length) + content[at + length :]
        elif kind == 4:
            content = content[:at] + content[at + length :]
        elif kind == 5:
            content = content[:at] + bytes(length) + content[at:]
        elif draw.random() < 0.2:
            content = others[int(draw.integers(len(others)))].read_bytes()
    return content


_VALUES = (None, True, -1, 7, 1e300, "", "x" * 50, "1", [], [1], [{}], {}, {"a": {}}, {"phase": None})


def mutate_record(content: bytes, draw: np.random.Generator) -> bytes:
    """Return a record without checksum, with one to three entries of other types, at any depth."""
    record = json.loads(content) | {"format": 1}
    del record["seal"]
    for _ in range(draw.integers(1, 4)):
        table: Any = record
        while True:
            keys = list(table) if isinstance(table, dict) else list(range(len(table)))
            key = keys[int(draw.integers(len(keys)))]
            if isinstance(table[key], dict | list) and table[key] and draw.random() < 0.6:
                table = table[key]
                continue
            if isinstance(table, dict) and draw.random() < 0.3:
                del table[key]
            else:
                table[key] = deepcopy(_VALUES[int(draw.integers(len(_VALUES)))])  # it may be changed next
            break
        if not record:
            break
    return json.dumps(record).encode()


def trial(place: Place, target: str, draw: np.random.Generator) -> str:
    """Damage one file, and hold what the commands show against what they show of the whole: what became of it."""
    of, commands = TARGETS[target]
    file = of(place)
    before = file.read_bytes()
    others = [p for p in place.whole.rglob("*") if p.is_file()]
    unsealed = target == "record without checksum"
    damaged = mutate_record(before, draw) if unsealed else mutate(before, draw, others)
    if damaged == before:
        return "same"
    file.write_bytes(damaged)
    kept = {p: p.read_bytes() for p in place.runs.rglob("*") if p.is_file()}
    name = commands[0] if draw.random() < 0.8 else str(draw.choice(commands))
    try:
        found = COMMANDS[name](place)
        _compare(place, name, found, target, unsealed)
        _nothing_is_lost(place, kept, file, damaged, resumed=name == "resumed" and found is not None)
        return "refused" if found is None else "as before" if found == place.right[name] else "left out"
    finally:
        place.restore()


def _compare(place: Place, name: str, found: Any, target: str, unsealed: bool) -> None:
    right = place.right[name]
    if found is None or found == right:
        return
    assert name != "resumed", f"resumed from {found}"
    if name == "shown":
        raise AssertionError(f"data show says {found}")
    if name == "swept":
        assert target in ("run.json", "record without checksum"), found
        return
    for run, values in right.items():
        own = run == (place.killed if "killed" in target or "jsonl" in target else place.victim).name
        if not own:
            assert found.get(run) == values, f"{run}: {found.get(run)} for {values}"
        elif run in found and not unsealed:
            pairs = zip(found[run], values, strict=True)
            assert all(x == y or x is None for x, y in pairs), f"{found[run]} for {values}"


def _nothing_is_lost(
    place: Place, kept: dict[Path, bytes], file: Path, damaged: bytes, resumed: bool
) -> None:
    """Every byte is where it was, or was set aside; but what a training that goes on writes over."""
    now = {p: p.read_bytes() for p in place.runs.rglob("*") if p.is_file()}
    contents = set(now.values())
    for path, content in kept.items():
        written_over = resumed and path.parent == place.killed
        assert written_over or content in contents, f"{path} is lost"
    if file.is_relative_to(place.runs) and not resumed:
        assert damaged in contents, f"{file} is lost"


def fuzz(
    count: int,
    seed: int,
    place: Path,
    say: Callable[[str], object] = print,
    on_trial: Callable[[int], object] = lambda done: None,
) -> Counter[tuple[str, str]]:
    """Run trials; each is told by its number and seed where it fails; ``on_trial`` is told how many are done."""
    study = Place(place)
    outcomes: Counter[tuple[str, str]] = Counter()
    # What costs a propagation or a page is damaged less often.
    names = [name for name in TARGETS for _ in range(1 if name in _COSTLY else 3)]
    for number in range(count):
        target = names[number % len(names)]
        try:
            outcomes[target, trial(study, target, np.random.default_rng([seed, number]))] += 1
        except (Exception, SystemExit) as error:
            outcomes[target, "FAILED"] += 1
            say(f"trial {number} of seed {seed}, {target}: {type(error).__name__}: {error}")
        on_trial(number + 1)
    return outcomes


class _Lines:
    """Says every ten seconds on stderr how many trials are done, their rate and the time left."""

    def __init__(self, count: int):
        self.count, self.started = count, time.monotonic()
        self.last = self.started

    def __call__(self, done: int) -> None:
        now = time.monotonic()
        if now - self.last < LINE_EVERY:
            return
        rate, self.last = done / (now - self.started), now
        left = (self.count - done) / rate
        print(f"{done}/{self.count} trials, {rate:.1f} trials/s, {left:.0f} s left", file=sys.stderr)


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    started = time.time()
    with tempfile.TemporaryDirectory() as place:
        outcomes = fuzz(options.count, options.seed, Path(place), on_trial=_Lines(options.count))
    for (target, outcome), number in sorted(outcomes.items()):
        print(f"{target:26} {outcome:10} {number}")
    failed = sum(number for (_, outcome), number in outcomes.items() if outcome == "FAILED")
    print(f"{sum(outcomes.values())} trials, {failed} failed, {time.time() - started:.0f} s")
    sys.exit(bool(failed))


if __name__ == "__main__":
    _main()
