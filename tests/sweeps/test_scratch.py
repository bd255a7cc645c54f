"""A sweep removes what it made, proves that it did, and follows no link."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from forty_runs import wait_for

from keplearn.core.errors import KeplearnError, KeptWarning
from keplearn.runs.contents import remove_beginnings
from keplearn.sweeps import ray_home
from keplearn.sweeps.driver import driving
from keplearn.sweeps.limits import Limits
from keplearn.sweeps.slurm import Machine, submit
from keplearn.sweeps.slurm_jobs import clear


@pytest.fixture
def precious(tmp_path):
    """A directory of the user's, outside the group, with a file."""
    place = tmp_path / "precious"
    place.mkdir()
    (place / "thesis.tex").write_text("years of work")
    (place / ".thesis.tex.abcdefgh.tmp").write_text("a backup")
    return place


def names(place):
    return {path.name for path in place.iterdir()}


def leave_behind(study, link: Path | None = None, target: Path | None = None):
    """What a driver that was killed leaves: its scratch directory, and in it a link."""
    (study.path / ".sweep" / "tmp").mkdir(parents=True)
    (study.path / ".sweep" / "driver.json").write_text("{}")
    if link is not None:
        (study.path / ".sweep" / link).symlink_to(target)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("link", ["ray", "tmp/mine", "mine"])
def test_a_link_in_the_scratch_directory_is_removed_and_not_followed(study, precious, link):
    before = names(precious)
    leave_behind(study, link, precious)
    with driving(study) as scratch:
        assert names(scratch) == {"driver.json"}
    assert names(precious) == before
    assert names(study.path) == {"sweep.json"}


def test_what_is_not_a_sweeps_is_refused_and_left(study, precious):
    before = names(precious)
    study.path.mkdir()
    (study.path / ".sweep").symlink_to(precious)
    with pytest.raises(KeplearnError, match=r"\.sweep: a link"), driving(study):
        pass
    (study.path / ".sweep").unlink()
    precious.rename(study.path / ".sweep")
    with pytest.raises(KeplearnError, match=r"\.sweep: not a sweep's"), driving(study):
        pass
    assert names(study.path / ".sweep") == before


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"cut"])
def test_a_damaged_set_of_runs_is_set_aside_and_that_is_said(study, content):
    study.write()
    file = study.path / "sweep.json"
    whole = file.read_bytes()
    damaged = whole[: len(whole) // 2] if content == b"cut" else content
    file.write_bytes(damaged)
    with (
        pytest.warns(KeptWarning, match=r"sweep.json: damaged: .* is now sweep.json.damaged"),
        driving(study),
    ):
        assert file.read_bytes() == whole
    assert (study.path / "sweep.json.damaged").read_bytes() == damaged


def test_a_home_of_ray_is_removed_only_where_its_mark_names_this_sweep(study, precious):
    leave_behind(study)
    home = ray_home.make_home(study.path / ".sweep")
    assert home.stat().st_mode & 0o777 == 0o700
    assert (home / "auth_token").stat().st_mode & 0o777 == 0o600
    (home / "mine").symlink_to(precious)
    with driving(study):
        pass
    assert not home.exists()
    assert (precious / "thesis.tex").exists()

    for fault in ("no mark", "another sweep's", "open to others", "another name"):
        leave_behind(study)
        home = ray_home.make_home(study.path / ".sweep")
        if fault == "no mark":
            (home / "keplearn.json").unlink()
        elif fault == "another sweep's":
            (home / "keplearn.json").write_text('{"scratch": "/other/.sweep", "host": "here"}')
        elif fault == "open to others":
            home.chmod(0o777)
        else:
            home = home.rename(Path(tempfile.gettempdir()) / f"not-{home.name}")
            (study.path / ".sweep" / "ray").unlink()
            (study.path / ".sweep" / "ray").symlink_to(home)
        try:
            with driving(study):
                pass
            assert (home / "auth_token").exists(), fault
        finally:
            for file in home.iterdir():
                file.unlink()
            home.rmdir()


def test_what_of_ray_lives_in_a_home_is_ended_and_nothing_else(study):
    """A process with Ray's title and a log of that home open goes; a user's that reads the log stays."""
    leave_behind(study)
    home = ray_home.make_home(study.path / ".sweep")
    log = home / "agent.log"
    log.touch()
    with log.open() as output:
        agent = subprocess.Popen(["ray::DashboardAgent", "100"], executable="/bin/sleep", stdin=output)
        reader = subprocess.Popen(["sleep", "100"], stdin=output)
        stranger = subprocess.Popen(["ray::DashboardAgent", "100"], executable="/bin/sleep")
    try:
        with driving(study):
            pass
        wait_for(lambda: agent.poll() is not None, seconds=10.0)
        assert (reader.poll(), stranger.poll()) == (None, None)
    finally:
        for process in (agent, reader, stranger):
            process.kill()
            process.wait()


def test_temporary_files_are_removed_where_keplearn_made_them(tmp_path, precious):
    run, study = tmp_path / "run", tmp_path / "study"
    for place in (run / "evaluations", run / "damaged", run / "notes", study):
        place.mkdir(parents=True)
    ours = [".run.json.a1b2c3_4.tmp", ".phase-0-best.eqx.a1b2c3_4.tmp", "evaluations/.x.nc.a1b2c3_4.tmp"]
    theirs = [".mine.tmp", ".thesis.tex.a1b2c3_4.tmp", "notes/.run.json.a1b2c3_4.tmp"]
    theirs += ["damaged/.run.json.a1b2c3_4.tmp", "evaluations/.thesis.tex.a1b2c3_4.tmp"]
    for file in ours + theirs:
        (run / file).touch()
    (run / "linked").symlink_to(precious)
    (study / "evaluations").symlink_to(precious)
    before = names(precious)
    remove_beginnings(run)
    remove_beginnings(study)
    left = {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()}
    assert left == set(theirs)
    assert names(precious) == before


def test_a_link_in_place_of_submissions_is_not_followed(study, precious):
    (precious / "job.json").write_text('{"job": null, "name": "nobody"}')
    before = names(precious)
    (study.path / ".slurm").mkdir(parents=True)
    (study.path / ".slurm" / "linked").symlink_to(precious)
    os.environ["PATH"], path = str(_no_slurm(study.runs)), os.environ["PATH"]
    try:
        clear(study)
        with pytest.raises(KeplearnError, match="sbatch"):
            submit(study, list(study.configs)[:2], Machine(python=sys.executable), Limits())
    finally:
        os.environ["PATH"] = path
    assert names(precious) == before


def _no_slurm(place: Path) -> Path:
    """A directory of commands in which squeue has nothing in its queue, and sbatch is not there."""
    (place / "bin").mkdir()
    squeue = place / "bin" / "squeue"
    squeue.write_text("#!/bin/sh\nexit 0\n")
    squeue.chmod(0o755)
    return place / "bin"
