"""Locks that many ask about while one takes them."""

import os
import subprocess
import sys

from keplearn.core import locks

ASK = """
import sys
from pathlib import Path
from keplearn.core import locks
locks.is_held(Path(sys.argv[1]))
print("asking", flush=True)
while True: locks.is_held(Path(sys.argv[1]))
"""


def test_who_only_asks_keeps_nobody_from_taking_a_lock(tmp_path):
    file = tmp_path / "lock"
    file.touch()
    command = [sys.executable, "-c", ASK, str(file)]
    asking = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    try:
        for process in asking:
            assert process.stdout is not None
            assert process.stdout.readline() == b"asking\n"
        for _ in range(2000):
            lock = locks.take(file)
            assert lock is not None
            os.close(lock)
    finally:
        for process in asking:
            process.kill()
            process.communicate()


def test_a_lock_is_held_by_one_until_it_gives_it_back_or_dies(tmp_path):
    file = tmp_path / "lock"
    assert not locks.is_held(file)
    take = "import sys, time; from pathlib import Path; from keplearn.core import locks\n"
    take += "locks.take(Path(sys.argv[1])); print('taken', flush=True); time.sleep(100)"
    with subprocess.Popen([sys.executable, "-c", take, str(file)], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"taken\n"
        assert locks.is_held(file)
        assert locks.take(file) is None
        other.kill()
    assert not locks.is_held(file)
    lock = locks.take(file)
    assert lock is not None
    file.unlink()  # the next one makes a file of its own, though this one is held
    again = locks.take(file)
    assert again is not None
    os.close(lock)
    os.close(again)
