"""What a user's environment holds for other programs never breaks a command: in real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib

from keplearn.data.dataset import load_dataset
from keplearn.figures.parts.style import save_figure
from keplearn.figures.plots.orbits import orbits

CASES = Path(__file__).parent / "cases"
KEPLEARN = Path(sys.executable).with_name("keplearn")


def start(directory, *arguments, shell="", **environment):
    """Start a command in a directory, with more in its environment, and with redirections of a shell."""
    return subprocess.Popen(
        ["bash", "-c", f'"$@" {shell}', "bash", KEPLEARN, *arguments],
        cwd=directory,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """Return a process's exit code and what it said."""
    out, err = process.communicate()
    return process.returncode, out, err


def test_figures_are_the_same_whatever_matplotlib_was_told(tmp_path):
    """The backend of a notebook that is not installed; a matplotlibrc that wants LaTeX, one that is no text."""
    binary = tmp_path / "settings" / "matplotlibrc"
    binary.parent.mkdir()
    binary.write_bytes(b"\xff\xfe\x00")
    surroundings = [
        {},
        {"MATPLOTLIBRC": str(CASES / "matplotlib_usetex" / "matplotlibrc")},
        {
            "MATPLOTLIBRC": str(binary),
            "MPLBACKEND": "module://not_installed.backend_inline",
        },
    ]
    command = ("plot", "orbits", "complex_TBP_planar_1_train", "--out")
    drawing = [start(tmp_path, *command, f"{k}.png", **more) for k, more in enumerate(surroundings)]
    said = [ended(process) for process in drawing]
    assert [code for code, *_ in said] == [0] * len(surroundings), said
    assert len({(tmp_path / f"{k}.png").read_bytes() for k in range(len(surroundings))}) == 1


def test_a_callers_settings_change_no_figure_and_stay(tmp_path):
    dataset = load_dataset("complex_TBP_planar_1_train")
    plain = save_figure(orbits([dataset]), tmp_path / "plain.png").read_bytes()
    settings: dict[Any, Any] = {
        "text.usetex": True,
        "axes.facecolor": "red",
        "lines.linestyle": "--",
        "axes.prop_cycle": "cycler(color='r')",
    }
    with matplotlib.rc_context(settings):
        before = dict(matplotlib.rcParams)
        assert save_figure(orbits([dataset]), tmp_path / "set.png").read_bytes() == plain
        assert dict(matplotlib.rcParams) == before


def test_a_device_that_is_not_there_is_one_message(tmp_path):
    command = ("train", CASES / "three_seeds.yaml")
    code, out, err = ended(start(tmp_path, *command, JAX_PLATFORMS="cuda"))
    assert (code, out) == (2, "")
    assert err == (
        "error: JAX_PLATFORMS=cuda in the environment, and JAX finds no such device here: unset it, "
        "or set it to cpu.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_programs_kept_by_one_of_several_devices_serve_the_next_process(tmp_path):
    """With four devices each; the first cannot print what it has done, the second has nowhere to say anything."""
    devices = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    command = ("train", CASES / "three_seeds.yaml", "--set", "data.test=[]", "--set")
    code, out, err = ended(start(tmp_path, *command, "seed=0", shell=">/dev/full", **devices))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == "error: what it prints cannot be written: No space left on device."
    code, out, err = ended(
        start(tmp_path, *command, "seed=1", "--json", shell="2>&-", JAX_DEBUG_NANS="1", **devices)
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["state"] == "finished"
    records = [json.loads(file.read_text()) for file in tmp_path.glob("runs/sw/*/run.json")]
    assert [record["state"] for record in records] == ["finished"] * 2
    read = {record["config"]["parameters"]["seed"]: record["summary"]["programs"] for record in records}
    assert read[0]["compiled"] > 0
    assert read[1] == {"disk": read[0]["compiled"], "compiled": 0}
