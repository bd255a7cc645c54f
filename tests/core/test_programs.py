"""Compiled programs: kept on disk where nobody else can put one, bounded in memory, made again where one fails."""

import hashlib
import os
import pickle
import subprocess
import sys
import warnings
import weakref
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.core import programs
from keplearn.core.errors import KeplearnWarning
from keplearn.core.machine import others_may_change


def scaled(factor, x):
    return factor * jnp.sum(x)


def run(factor, size=3):
    """Return where the program came from, and what it gives: factor times size."""
    x = np.ones(size)
    with jax.enable_x64(True):
        found = programs.compiled(scaled, factor, x)
        return found.source, float(found.call(x))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An empty directory of programs, and a process that holds none."""
    home = tmp_path / "programs"
    monkeypatch.setenv("KEPLEARN_CACHE_DIR", str(home))
    monkeypatch.setattr(programs, "_programs", programs.OrderedDict())
    return home


def forget():
    programs._programs.clear()


def test_a_program_is_made_once_and_read_afterwards(kept):
    assert [run(2.0), run(2.0)] == [("compiled", 6.0), ("memory", 6.0)]
    forget()
    assert run(2.0) == ("disk", 6.0)
    (file,) = kept.iterdir()
    assert (kept.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


SOLVING = """
import jax
import jax.numpy as jnp
import numpy as np

from keplearn.core.programs import compiled


def solved(_, matrix, vector):
    return jnp.linalg.solve(matrix, vector)


with jax.enable_x64(True):
    given = 4 * np.eye(2), np.ones((2, 1))
    found = compiled(solved, None, *given)
    print(found.source, float(found.call(*given)[0, 0]))
"""


def test_a_process_that_has_not_traced_a_solver_of_linear_equations_runs_a_kept_program_of_one(tmp_path):
    """It calls LAPACK, whose routines JAX looks up as it traces such a call."""
    environment = os.environ | {"KEPLEARN_CACHE_DIR": str(tmp_path / "programs")}
    (tmp_path / "solving.py").write_text(SOLVING)
    command = [sys.executable, str(tmp_path / "solving.py")]
    told = [subprocess.run(command, env=environment, capture_output=True, text=True) for _ in range(2)]
    assert [(one.returncode, one.stdout) for one in told] == [(0, "compiled 0.25\n"), (0, "disk 0.25\n")]


class Bomb:
    """Makes a file when it is unpickled, as any kept program could."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return os.mkdir, (self.marker,)


def bomb(file, marker):
    body = pickle.dumps(Bomb(marker))
    file.write_bytes(hashlib.sha256(file.name.encode() + body).digest() + body)


def linked(file):
    file.rename(file.with_name("elsewhere"))
    file.symlink_to("elsewhere")


SPOILED = {
    "a group can write it": lambda file: file.chmod(0o660),
    "all can write it": lambda file: file.chmod(0o606),
    "it belongs to another": lambda file: os.chown(file, 12345, -1),
    "it is a link": linked,
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_program_that_another_user_may_have_written_is_not_read(spoil, kept, tmp_path, monkeypatch):
    if spoil == "it belongs to another" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    if spoil == "a group can write it":
        monkeypatch.setattr("keplearn.core.machine._own_group", lambda number: False)
    run(2.0)
    forget()
    (file,) = kept.iterdir()
    bomb(file, tmp_path / "exploded")
    SPOILED[spoil](file)
    assert run(2.0) == ("compiled", 6.0)
    assert not (tmp_path / "exploded").exists()
    forget()
    assert run(2.0) == ("disk", 6.0)  # the user's own has taken its place


def test_a_program_under_the_name_of_another_is_not_read(kept):
    run(2.0)
    (two,) = kept.iterdir()
    run(3.0)
    (three,) = set(kept.iterdir()) - {two}
    three.replace(two)
    forget()
    assert run(2.0) == ("compiled", 6.0)


def test_a_named_pipe_in_the_place_of_a_program_is_not_waited_for(kept):
    run(2.0)
    forget()
    (file,) = kept.iterdir()
    file.unlink()
    os.mkfifo(file)
    assert run(2.0) == ("compiled", 6.0)


@pytest.mark.parametrize("spoiled", ["programs", "above"])
def test_a_directory_that_others_can_change_keeps_no_programs_and_that_is_said(
    spoiled, tmp_path, monkeypatch
):
    home = tmp_path / "above" / "programs"
    home.mkdir(parents=True)
    (home.parent if spoiled == "above" else home).chmod(0o777)
    monkeypatch.setenv("KEPLEARN_CACHE_DIR", str(home))
    monkeypatch.setattr(programs, "_programs", programs.OrderedDict())
    with pytest.warns(KeplearnWarning, match=f"everyone can write .*{spoiled}, .* KEPLEARN_CACHE_DIR"):
        assert run(2.0) == ("compiled", 6.0)
    assert list(home.iterdir()) == []
    with warnings.catch_warnings():  # once
        warnings.simplefilter("error")
        assert run(4.0) == ("compiled", 12.0)


def test_a_directory_where_each_may_change_his_own_is_trusted(tmp_path):
    """As /tmp is."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    assert others_may_change(shared) == ""
    shared.chmod(0o777)
    assert "everyone can write" in others_may_change(shared)


def test_a_user_without_a_home_keeps_no_programs(monkeypatch):
    """As a container's --user 12345 has none."""
    monkeypatch.delenv("KEPLEARN_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", partial(dict.__getitem__, {}))
    monkeypatch.setattr(programs, "_programs", programs.OrderedDict())
    assert programs.cache_directory() is None
    assert [run(2.0), run(2.0)] == [("compiled", 6.0), ("memory", 6.0)]


def test_a_kept_program_that_fails_at_its_first_call_is_compiled_anew(kept):
    run(2.0)
    (file,) = kept.iterdir()
    with jax.enable_x64(True):
        other = jax.jit(partial(scaled, 2.0)).lower(np.ones(5)).compile()
    programs._write(file.name, other)
    forget()
    assert run(2.0) == ("disk", 6.0)
    assert run(2.0) == ("memory", 6.0)
    forget()
    assert run(2.0) == ("disk", 6.0)  # what was made anew is kept


def test_the_programs_held_in_memory_are_bounded(kept, monkeypatch):
    monkeypatch.setattr(programs, "MAX_HELD", 2)
    run(1.0)
    (first,) = programs._programs.values()
    first = weakref.ref(first)
    run(2.0)
    assert run(1.0)[0] == "memory"  # used again: the second is now the older
    run(3.0)
    assert run(1.0)[0] == "memory"
    assert run(2.0)[0] == "disk"
    assert run(3.0)[0] == "disk"
    assert len(programs._programs) == 2
    assert first() is None


def test_programs_run_as_such_whatever_the_process_has_set_jax_to(kept):
    with jax.disable_jit(), jax.debug_nans(True):
        assert run(2.0) == ("compiled", 6.0)
        assert np.isnan(run(float("nan"))[1])
        forget()
        assert run(2.0) == ("disk", 6.0)
