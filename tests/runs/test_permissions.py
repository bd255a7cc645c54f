"""Places that may not be read or written: what is there is left out and named, and scored without keeping."""

import json
import os
import resource
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from fuzz import GROUP, TESTED_ON, Place, keplearn

from keplearn.core.errors import KeplearnError
from keplearn.evaluation import store
from keplearn.runs.writer import RunWriter

_NOBODY = 65534


@pytest.fixture(scope="module")
def place():
    """A small study that others may read; what pytest makes is for its user alone."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        study = Place(Path(directory))
        (study.runs.parent / "out").mkdir()
        (study.runs.parent / "out").chmod(0o777)
        yield study


@contextmanager
def another_user():
    """Be a user without the rights of root: root may read all."""
    if os.geteuid() != 0:
        pytest.skip("files of another user can only be made by root")
    os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


COMMANDS = {
    "runs": ("runs", "--format", "json"),
    "runs of the group": ("runs", "--group", GROUP, "--format", "json"),
    "evaluate": ("evaluate", GROUP, "--on", TESTED_ON, "--format", "json"),
    "report": ("report", GROUP, "--out", "OUT"),
    "dots": ("plot", "dots", GROUP, "--out", "OUT/dots.png"),
    "sweep status": ("sweep", "status", GROUP),
    "show": ("runs", "show", "VICTIM"),
}


@pytest.mark.parametrize("what", ["run.json", "run", "group", "runs"])
@pytest.mark.parametrize("name", COMMANDS)
def test_what_may_not_be_read_is_named_and_the_rest_is_shown(place, what, name):
    place.restore()
    closed = {"run.json": place.victim / "run.json", "run": place.victim, "group": place.runs / GROUP}
    closed["runs"] = place.runs
    words = [
        w.replace("OUT", str(place.runs.parent / "out")).replace("VICTIM", place.victim.name)
        for w in COMMANDS[name]
    ]
    closed[what].chmod(0)
    try:
        with another_user():
            code, out, err = keplearn(*words, "--runs", place.runs)
    finally:
        closed[what].chmod(0o755)
    assert "cannot be read: Permission denied" in out + err
    if what in ("run.json", "run") and name != "show":
        assert code == 0, err
    else:
        assert code in (0, 2)
    if code == 0 and "json" in words and what in ("run.json", "run"):
        assert place.other.name in {row["run_id"] for row in json.loads(out)}
        assert place.victim.name not in {row["run_id"] for row in json.loads(out)}


def test_what_may_not_be_read_is_not_trained_over(place):
    place.restore()
    record = place.victim / "run.json"
    os.chown(place.victim, _NOBODY, _NOBODY)
    os.chown(place.victim / "lock", _NOBODY, _NOBODY)
    record.chmod(0)
    before = sorted(place.victim.iterdir())
    with (
        another_user(),
        RunWriter(place.runs, place.configs[0]) as writer,
        pytest.raises(KeplearnError, match=r"run\.json: cannot be read: Permission denied"),
    ):
        writer.start({}, resume=True)
    assert sorted(place.victim.iterdir()) == before
    os.chown(place.victim, 0, 0)


def test_read_only_runs_are_scored_without_keeping_and_with_one_warning(place, monkeypatch):
    place.restore()
    monkeypatch.setattr(store, "_unkept", set())  # as in a process of its own
    other = "circular_TBP_planar_1_test"
    with another_user():
        code, out, err = keplearn("evaluate", GROUP, "--runs", place.runs, "--on", other, "--format", "json")
    assert code == 0, err
    assert err.count("scored without keeping") == 1
    assert not list(place.runs.rglob(f"{other}*"))
    writable = keplearn("evaluate", GROUP, "--runs", place.runs, "--on", other, "--format", "json")
    assert json.loads(writable[1]) == json.loads(out)
    assert list(place.runs.rglob(f"{other}*"))


@pytest.mark.parametrize(
    "words",
    [
        ("data", "make", "complex_TBP_planar_10_test", "--out", "OUT"),
        ("evaluate", GROUP, "--runs", "RUNS", "--on", "circular_TBP_planar_1_test"),
        ("report", GROUP, "--runs", "RUNS", "--out", "OUT", "--on", "circular_TBP_planar_1_test"),
    ],
)
def test_a_file_that_does_not_fit_is_one_message(place, words):
    """The kernel refuses writes beyond 20 kB a file, as on a full disk."""
    place.restore()
    texts = [w.replace("OUT", str(place.runs.parent / "out")).replace("RUNS", str(place.runs)) for w in words]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        code, _, err = keplearn(*texts)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 2
    assert "cannot be written: File too large" in err
    assert not list(place.runs.parent.rglob("*.tmp"))
