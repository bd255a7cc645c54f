"""Standard streams that are closed, full, or of a narrow encoding: in real processes, started by a shell."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from threading import Thread

from keplearn.cli.streams import _Patient

KEPLEARN = Path(sys.executable).with_name("keplearn")
FULL = "error: what it prints cannot be written: No space left on device.\n"


def shell(*commands):
    """Run commands of a shell side by side; return their exit codes and what they said on stdout and stderr."""
    started = [
        subprocess.Popen(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for command in commands
    ]
    said = [process.communicate() for process in started]
    return [
        (process.returncode, out.decode("latin-1"), err.decode("latin-1"))
        for process, (out, err) in zip(started, said, strict=True)
    ]


def test_what_a_stream_cannot_take_is_lost_and_stdouts_loss_is_said():
    plain, closed, none, full, told, wrong = shell(
        f"{KEPLEARN} config defaults",
        f"{KEPLEARN} config defaults >&-",
        f"{KEPLEARN} config defaults <&- >&- 2>&-",
        f"{KEPLEARN} config defaults >/dev/full",
        f"{KEPLEARN} config defaults 2>/dev/full",
        f"{KEPLEARN} config show none.yaml 2>&-",
    )
    assert plain[0] == 0
    assert closed == none == (0, "", "")
    assert full == (1, "", FULL)
    assert told == plain
    assert wrong == (2, "", "")


# Runs commands with some streams closed, as a shell's 2>&- leaves them at the start, and keeps their exit codes.
CLOSED = """
import contextlib, json, os, sys
from pathlib import Path
from keplearn.cli import main
commands, codes = json.loads(sys.argv[1]), []
for closed in (["stderr"], ["stdin", "stdout", "stderr"]):
    for words in commands:
        for name in closed:
            with contextlib.suppress(OSError):
                os.close(("stdin", "stdout", "stderr").index(name))
            setattr(sys, name, None)
            setattr(sys, f"__{name}__", None)
        sys.argv, code = ["keplearn", *words], 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code = f"{type(error).__name__}: {error}"
        codes.append([" ".join([*words, "without", *closed]), code])
Path("codes.json").write_text(json.dumps(codes))
"""


def test_commands_do_their_work_with_closed_streams(small_study, tmp_path):
    run = next(p for p in sorted((small_study / "small").iterdir()) if (p / "model.eqx").exists())
    shutil.copytree(run, tmp_path / "runs" / "small" / run.name)
    (tmp_path / "study.yaml").write_text("data: {dataset_name: complex_TBP_planar_1_train}\n")
    orbits = "complex_TBP_planar_1_train"
    right = [
        f"report small --out {tmp_path / 'out'}",
        f"evaluate small --on {orbits}",
        f"evaluate small --on {orbits} --format json",
        "runs --group small",
        f"runs show {run.name}",
        f"runs logs {run.name}",
        "runs varying --group small",
        f"plot loss {run.name} --out loss.png",
        f"plot orbits {orbits} --out orbits.png",
        f"data show {orbits}",
        f"data make {orbits}",
        "config show study.yaml",
        "config diff study.yaml study.yaml",
        "sweep study.yaml --dry-run",
        "--version",
        "--help",
    ]
    wrong = ["report none", "evaluate none", "sweep status none", "sweep stop none", "data import none.csv"]
    wrong += ["data satellites none.tle", "plot loss none", "train none.yaml", "no command"]
    commands = json.dumps([command.split() for command in right + wrong])
    words = [sys.executable, "-c", CLOSED, commands]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    codes = json.loads((tmp_path / "codes.json").read_text())
    assert [code for _, code in codes] == 2 * ([0] * len(right) + [2] * len(wrong)), codes
    made = {"loss.png", "orbits.png", f"{orbits}.nc", "out", "runs", "study.yaml", "codes.json"}
    assert {path.name for path in tmp_path.iterdir()} == made
    assert (tmp_path / "out" / "small.html").read_text().rstrip().endswith("</html>")


def test_a_reader_who_has_seen_enough_is_no_error():
    ((code, _, err),) = shell(f"set -o pipefail; {KEPLEARN} --help | true")
    assert (code, err) == (1, "")


def test_characters_that_an_encoding_lacks_are_replaced():
    drifts = {"latin-1": "v²/2 - ?/r", "ascii": "v?/2 - ?/r"}
    said = shell(*(f"PYTHONIOENCODING={encoding} {KEPLEARN} config defaults" for encoding in drifts))
    for drift, (code, out, err) in zip(drifts.values(), said, strict=True):
        assert (code, err) == (0, "")
        assert f"the drift of {drift} along segments" in out


def test_a_pipe_that_does_not_wait_gets_all():
    """Terminals and pipes are left so by some programs: a write that does not fit at once fails."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    filled = os.write(writer, b"x" * 10**6)
    stream = _Patient(writer)
    writing = Thread(target=stream.write, args=(b"the end",))
    writing.start()
    got = b""
    while len(got) < filled + len("the end"):
        got += os.read(reader, 10**6)
    writing.join()
    assert got.endswith(b"xthe end")
    assert stream.failure is None
    os.close(reader)
    os.close(writer)
