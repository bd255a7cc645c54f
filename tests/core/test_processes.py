"""Other processes, as Linux tells of them and as ps does; a process that ends with its parent."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from keplearn.core import processes

ELSEWHERE = str(Path(__file__).parents[1] / "elsewhere")


@pytest.fixture(params=["/proc", "ps"])
def source(request, monkeypatch, tmp_path):
    if request.param == "ps":
        monkeypatch.setattr(processes, "_PROC", tmp_path)


@pytest.mark.usefixtures("source")
def test_resident_memory_grows_by_what_is_taken():
    """Pages mapped anew: what an earlier test gave back, the allocator may hand out again without growing."""
    before = processes.resident_memory(os.getpid())
    with mmap.mmap(-1, 100_000_000) as taken:
        # Written page by page: a copy of all would be taken too.
        for page in range(0, len(taken), mmap.PAGESIZE):
            taken[page] = 1
        assert processes.resident_memory(os.getpid()) - before == pytest.approx(len(taken), rel=0.1)
    assert processes.resident_memory(2**22 + 1) == 0


@pytest.mark.usefixtures("source")
def test_the_users_processes_are_told_with_their_commands():
    words, pipe = [sys.executable, "-c", "input(0)", "a word"], subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe) as other:
        assert other.stdout is not None
        other.stdout.read(1)  # it runs: a process that is only beginning has no command yet
        found = dict(processes.own_processes())
        assert found[other.pid].split() == " ".join(words).split()
        assert os.getpid() in found
        other.communicate(b"\n")


PARENT = """
import subprocess, sys, time
child = "import os; from keplearn.core.processes import die_with; die_with(os.getppid()); print('ready', flush=True); "
subprocess.Popen([sys.executable, "-c", child + "import time; time.sleep(1000)"]).wait()
"""


@pytest.mark.parametrize("place", ["", ELSEWHERE], ids=["prctl", "watched"])
def test_a_process_dies_with_its_parent(place):
    """The pipe that both write to is closed when the last of them is gone."""
    environment = os.environ | {"PYTHONPATH": place}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        assert parent.stdout.read() == b""


def test_a_process_whose_parent_is_gone_already_dies_at_once():
    orphan = "from keplearn.core.processes import die_with; die_with(2**22 + 1); print('alive')"
    done = subprocess.run([sys.executable, "-c", orphan], capture_output=True)
    assert (done.returncode, done.stdout) == (-9, b"")


@pytest.mark.skipif(not Path("/proc/self/autogroup").exists(), reason="Linux alone shares cores by session")
def test_children_of_other_sessions_step_back_with_their_parent():
    """The parent is a process of its own, which steps back for good."""
    script = """
import subprocess, sys
from pathlib import Path
from keplearn.core.processes import keep_children_back, step_back
step_back(7)
child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
told = Path(f"/proc/{child.pid}/autogroup")
print(told.read_text().split()[-1])
keep_children_back()
print(told.read_text().split()[-1])
child.communicate(b"\\n")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "7"]
