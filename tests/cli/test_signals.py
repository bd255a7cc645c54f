"""Signals that end a command: real ones, to real processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import heeding_ctrl_c

from keplearn.cli import main
from keplearn.core.files import read_sealed

CLI = (sys.executable, "-m", "keplearn")


def started(*words, **kwargs):
    """Start a process whose standard error is read, and which heeds Ctrl-C though a shell may have it ignored."""
    return subprocess.Popen(
        heeding_ctrl_c(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kwargs
    )


def script(body):
    """Start a Python process that heeds signals, and wait until it is in the middle of something."""
    head = (
        "import os, sys, time, gc, signal, hashlib\nfrom keplearn.core.signals import busy, heeding, held\n"
    )
    process = started(sys.executable, "-c", head + body)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def test_nothing_large_is_imported_before_the_command_listens_for_signals():
    names = "import sys, keplearn.__main__; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", names], capture_output=True, text=True, check=True)
    large = {"cyclopts", "rich", "numpy", "jax", "pandas", "matplotlib", "pydantic", "typing", "pathlib"}
    assert not large & set(loaded.stdout.split())


def test_ctrl_c_while_libraries_are_imported_is_one_line():
    if not Path("/proc/self/status").exists():
        pytest.skip("which signals a process heeds is told by /proc alone")
    process = started(*CLI, "evaluate", "nothing")
    status = Path(f"/proc/{process.pid}/status")
    heeded = 0
    while not heeded & 1 << (signal.SIGTERM - 1):  # as soon as it listens
        heeded = int(status.read_text().partition("SigCgt:")[2].split()[0], 16)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, ("", "interrupted\n"))


@pytest.mark.parametrize(
    "module", ["signal", "keplearn.cli", "keplearn.core.signals", "threading", "cyclopts"]
)
def test_ctrl_c_at_the_very_first_is_one_line(module):
    """The signal comes when the command begins to import a module."""
    body = """
import os, runpy, signal, sys
class Finder:
    def find_spec(name, *rest):
        if name == sys.argv[1]: os.kill(os.getpid(), signal_number)
sys.meta_path.insert(0, Finder)
signal_number = signal.SIGINT
sys.modules.pop(sys.argv[1], None)
runpy.run_module("keplearn", run_name="__main__", alter_sys=True)
"""
    process = started(sys.executable, "-c", body, module)
    assert process.communicate(timeout=60) == ("", "interrupted\n")
    assert process.returncode == 130


@pytest.mark.parametrize(
    "swallower",
    [
        "gc.callbacks.append(lambda phase, info: time.sleep(0.5))\nread = gc.collect",
        "def read():\n  try: time.sleep(0.5)\n  except: pass",
    ],
)
def test_a_signal_that_a_library_swallows_comes_again(swallower):
    """As JAX's callback of the garbage collector does: nothing is said of it, and the command ends."""
    process = script(
        f"{swallower}\nwith heeding():\n  print('ready', flush=True)\n  for _ in range(240): read(); time.sleep(0.5)"
    )
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert errors.startswith("interrupted\n") or errors.startswith("interrupted: waits")
    assert "Exception ignored" not in errors
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_a_second_signal_does_not_break_off_the_answer_to_the_first(tmp_path):
    kept = tmp_path / "kept"
    process = script(
        f"with heeding():\n  try:\n    print('ready', flush=True)\n    time.sleep(100)\n"
        f"  finally:\n    print('ending', flush=True)\n    time.sleep(1.5)\n    open({str(kept)!r}, 'w').write('all')"
    )
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "ending\n"
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGINT):
        process.send_signal(number)
        time.sleep(0.1)
    errors = process.communicate(timeout=60)[1]
    assert kept.read_text() == "all"
    assert errors.count("interrupted") == 1


def test_what_a_signal_waits_for_is_said_while_it_waits():
    """A compilation lets nothing else of Python run; hashing here does likewise."""
    process = script(
        "with heeding(), busy('the compilation to end'):\n  print('ready', flush=True)\n"
        "  hashlib.pbkdf2_hmac('sha256', b'', b'', 60_000_000)"
    )
    time.sleep(0.5)  # it says that it is ready just before it begins
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert process.stderr.readline() == "interrupted: waits for the compilation to end\n"
    assert process.poll() is None
    process.kill()
    process.communicate()


def test_what_must_not_be_broken_off_is_done_first():
    process = script(
        "with heeding():\n  with held():\n    print('ready', flush=True)\n    time.sleep(1)\n"
        "    print('whole', flush=True)\n  print('too far')"
    )
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "whole\n"


def test_what_is_held_is_not_signalled_again():
    """A library that ends may leave SIGTERM without a handler until it is done, as Ray's compiled part does."""
    process = script(
        "import ctypes\nwith heeding():\n  try:\n    print('ready', flush=True)\n    time.sleep(100)\n"
        "  finally:\n    with held():\n      handler = signal.getsignal(signal.SIGTERM)\n"
        "      ctypes.CDLL(None).signal(signal.SIGTERM, 0)\n      time.sleep(1)\n"
        "      signal.signal(signal.SIGTERM, handler)\n      print('whole', flush=True)"
    )
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=60)
    assert said[0] == "whole\n"
    assert said[1].rstrip().endswith("KeyboardInterrupt")


def test_ctrl_c_just_before_a_file_is_in_place_leaves_it_whole(small_study, tmp_path):
    """Of a page that was there the new one is left, of an evaluation the one just made: no half, nothing temporary."""
    run = next(p for p in sorted((small_study / "small").iterdir()) if (p / "model.eqx").exists())
    runs, page = tmp_path / "runs", tmp_path / "out" / "small.html"
    shutil.copytree(run, runs / "small" / run.name)
    evaluation = runs / "small" / run.name / "evaluations" / "simple_TBP_planar_2_test.nc"
    page.parent.mkdir()
    page.write_text("the old page")
    body = """
import os, runpy, signal, sys
target, replace = sys.argv.pop(1), os.replace
def interrupted(source, path, **more):
    if str(path) == target: os.kill(os.getpid(), signal.SIGINT)
    return replace(source, path, **more)
os.replace = interrupted
runpy.run_module("keplearn", run_name="__main__", alter_sys=True)
"""
    commands = {
        page: ("report", "small", "--out", page.parent),
        evaluation: ("evaluate", "small", "--on", "simple_TBP_planar_2_test"),
    }
    ending = [
        started(sys.executable, "-c", body, target, *map(str, words), "--runs", str(runs))
        for target, words in commands.items()
    ]
    for process in ending:
        assert process.communicate(timeout=120) == ("", "interrupted\n")
        assert process.returncode == 130
    assert page.read_text().rstrip().endswith("</html>")
    assert read_sealed(evaluation, must=True).content
    assert not list(tmp_path.rglob("*.tmp"))


def test_the_calling_process_gets_its_handlers_back(monkeypatch):
    def state():
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        return [signal.getsignal(number) for number in numbers], sys.unraisablehook

    before, descriptors = state(), len(os.listdir("/dev/fd"))  # noqa: PTH208
    for words in (["config", "defaults"], ["runs", "--state", "none"]):
        monkeypatch.setattr(sys, "argv", ["keplearn", *words])
        try:
            main()
        except SystemExit as end:
            assert end.code in (None, 0, 2)
        assert state() == before
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    assert wakeup == -1
    until = time.monotonic() + 30
    while len(os.listdir("/dev/fd")) > descriptors:  # noqa: PTH208
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_signal_that_comes_while_the_process_ends_changes_nothing():
    """All is done and said, and libraries are ending: a supervisor that repeats SIGTERM gets the same exit code."""
    body = (
        "import atexit, sys, time\nfrom keplearn.__main__ import run\n"
        "atexit.register(lambda: (print('ends', flush=True), time.sleep(0.5)))\nrun()\n"
    )
    for words, code in ((["config", "show", "none.yaml"], 2), (["--version"], 0)):
        process = started(sys.executable, "-c", body, *words)
        assert process.stdout is not None
        while process.stdout.readline() != "ends\n":
            assert process.poll() is None
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            process.send_signal(number)
        assert "Traceback" not in process.communicate(timeout=60)[1]
        assert process.returncode == code


def test_a_working_directory_that_is_gone_is_said(tmp_path):
    place = tmp_path / "gone"
    place.mkdir()
    study = tmp_path / "study.yaml"
    study.write_text("data: {dataset_name: complex_TBP_planar_1_train}\n")
    words = (*CLI, "sweep", str(study))
    process = started("/bin/sh", "-c", f'rmdir "{place}" && exec "$@"', "sh", *words, cwd=place)
    errors = process.communicate(timeout=60)[1]
    assert (process.returncode, errors.count("\n")) == (2, 1)
    assert "working directory is gone" in errors
