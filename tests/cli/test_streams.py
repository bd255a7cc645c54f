"""Standard streams that are closed, full, or of a narrow encoding: in real processes, started by a shell."""

import os
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
