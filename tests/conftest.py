"""Array shapes and dtypes in annotations are checked at run time; programs and studies are made once a session.

The suite runs in several processes, a file of tests in one of them; they share what is dear to make.
"""

import compileall
import fcntl
import os
import subprocess
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from effort import LITTLE_EFFORT, is_enough_for, little_effort
from jaxtyping import install_import_hook

install_import_hook("keplearn", "beartype.beartype")

# All processes of a session share one another's compiled programs, and nothing is left in the user's cache.
if "PYTEST_XDIST_WORKER" not in os.environ:
    # Where Python writes no bytecode, each process that a test starts would compile keplearn anew.
    compileall.compile_dir(Path(__file__).parents[1] / "src", quiet=2)
    _programs = tempfile.TemporaryDirectory(prefix="keplearn-programs-")
    os.environ["KEPLEARN_CACHE_DIR"] = _programs.name
    # What JAX compiles beside them, a line of NumPy's kind at a time, is compiled once for all processes too:
    # the same code, and no part of any number.
    _lines = tempfile.TemporaryDirectory(prefix="keplearn-lines-")
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": _lines.name,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }

import hypothesis  # noqa: E402
import pytest  # noqa: E402

# The dearest files, those first that take longest on the clock: begun last, one would keep a single process busy.
DEAREST = (
    "sweeps/test_ray.py",
    "training/test_fit.py",
    "sweeps/test_local.py",
    "cli/test_plot_all.py",
    "sweeps/test_slurm.py",
    "runs/test_train_command.py",
    "models/test_layers.py",
    "tracking/test_offline.py",
    "figures/test_run_figures.py",
    "test_demo_recipe.py",
    "test_demo.py",
    "test_surroundings.py",
    "training/test_stack.py",
    "evaluation/test_rollout.py",
    "integrate/test_integrate.py",
    "figures/test_group_figures.py",
    "tracking/test_push.py",
    "report/test_report_page.py",
    "cli/test_plot.py",
    "plugins/test_plugins.py",
)

# How long an example takes is the machine's.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")


def pytest_collection_modifyitems(items):
    """Begin with the dearest files."""
    order = {Path(__file__).parent / file: number for number, file in enumerate(DEAREST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    """Compile with little effort for tests that need no more, what they share included."""
    with little_effort() if is_enough_for(item) else nullcontext():
        return (yield)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """``made_once(name, make)``: a directory that ``make`` has filled, once for all processes of the session."""
    place = tmp_path_factory.getbasetemp()
    place = place.parent if "PYTEST_XDIST_WORKER" in os.environ else place

    def made_once(name, make):
        directory, made = place / name, place / f"{name}.made"
        with (place / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                directory.mkdir(exist_ok=True)
                make(directory)
                made.touch()
        return directory

    return made_once


@pytest.fixture(scope="session")
def small_study(made_once):
    """The directory of a real small study, ``small``, trained once: see ``small_study.py``.

    By a process of its own, which compiles with little effort: what is tested is what becomes of its numbers.
    """
    script = Path(__file__).with_name("small_study.py")
    environment = os.environ | LITTLE_EFFORT
    return made_once(
        "small_study",
        lambda runs: subprocess.run([sys.executable, script, runs], check=True, env=environment),
    )


@pytest.fixture
def forget(monkeypatch):
    """Return a function that forgets all plugins, as a new process would know none; it is done after the test."""
    from keplearn.core import plugins, tables
    from keplearn.evaluation.registry import METRICS

    monkeypatch.setenv(plugins.ALLOWED, "")
    metrics = dict(METRICS)

    def forget():
        for digest in list(tables.sources):
            tables.remove(digest)
        for name in list(tables.modules):
            del tables.modules[name], sys.modules[name]
        tables.for_all.clear()
        METRICS.clear()
        METRICS.update(metrics)
        plugins.load_installed.cache_clear()

    yield forget
    forget()
