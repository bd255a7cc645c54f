"""The cores and memory that a process may use: of its affinity, and of control groups as containers have them."""

import os

import pytest

from keplearn.core import machine


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux alone keeps processes on cores")
def test_cores_are_those_of_the_affinity():
    mine = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert machine.cores() == [min(mine)]
        assert machine.core_count() == 1
    finally:
        os.sched_setaffinity(0, mine)
    assert set(machine.cores()) == mine
    assert 1 <= machine.core_count() <= len(mine)
    assert set(machine.idlest(sorted(mine), 1)) <= mine


@pytest.mark.parametrize("version", [1, 2])
def test_limits_of_a_control_group_count(version, tmp_path, monkeypatch):
    """Files as Docker makes them for --cpus 1 --memory 300m, 100 MB of it used."""
    if version == 2:
        home, line = tmp_path / "box", "0::/box"
        files = {
            "cpu.max": "100000 100000",
            "memory.max": "300000000",
            "memory.stat": "anon 100000000\nfile 7",
        }
    else:
        home, line = tmp_path, "5:cpu,cpuacct:/\n4:memory:/"
        files = {
            "cpu/cpu.cfs_quota_us": "100000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "300000000",
            "memory/memory.stat": "cache 7\ntotal_rss 100000000",
        }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    read = machine._read
    monkeypatch.setattr(machine, "_GROUPS", tmp_path)
    monkeypatch.setattr(
        machine, "_read", lambda path: line if str(path) == "/proc/self/cgroup" else read(path)
    )
    assert machine.core_count() == 1
    assert machine.free_memory() == 200_000_000
