"""The same forty runs as Ray tasks, on a real Ray."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import pytest
from cluster import free_ports
from forty_runs import CLI, SABOTEUR, assert_forty_ended, processes_of, wait_for
from fuzz import keplearn

from keplearn.core.errors import KeplearnError
from keplearn.core.processes import open_files
from keplearn.groups.standing import Standing
from keplearn.groups.study import Study
from keplearn.sweeps import ray_session
from keplearn.sweeps.driver import driving
from keplearn.sweeps.limits import Limits
from keplearn.sweeps.on_ray import sweep_on_ray
from keplearn.sweeps.ray_home import processes_in

pytestmark = pytest.mark.system
if find_spec("ray") is None:  # not imported: Ray reads the mode of its tokens as it is imported
    pytest.skip("Ray is not installed", allow_module_level=True)


def test_seven_of_forty_runs_fail_and_harm_no_other(study, alone):
    limits = Limits(seconds=40.0, memory=1_500_000_000)
    sessions = set()
    with driving(study) as scratch:
        outcome = sweep_on_ray(
            study, list(study.configs), scratch, limits, workers=2, worker=SABOTEUR,
            on_look=lambda: sessions.add((scratch / "ray").resolve()),
        )  # fmt: skip
    assert (outcome.ended, outcome.left, outcome.stopped) == (40, {}, None)
    assert_forty_ended(Standing(study).read(), alone)
    assert {path.name for path in study.path.iterdir()} == {"sweep.json", *study.configs}
    (session,) = sessions
    assert session.name.startswith("keplearn-ray-")
    assert not session.exists()


def listening(processes):
    """The addresses at which processes listen, as the kernel writes them: four bytes, or sixteen."""
    sockets = set()
    for process in processes:
        sockets |= set(open_files(process))
    found = set()
    for table in Path("/proc/net").glob("tcp*"):  # Linux alone tells
        for line in table.read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                found.add(words[1].partition(":")[0])
    return found


def test_a_killed_driver_leaves_no_orphan_and_nothing_temporary_after_the_next_start(file, tmp_path):
    """Ray is for this sweep alone: other users and other machines cannot reach it, the home stays as it is."""
    runs, home = tmp_path / "runs", tmp_path / "home"
    home.mkdir()
    words = ["sweep", str(file), "--runs", str(runs), "--workers", "2"]
    surroundings = os.environ | {"HOME": str(home), "RAY_ADDRESS": "127.0.0.1:1"}
    said = tmp_path / "said"
    with said.open("w") as output:
        driver = subprocess.Popen([*CLI, *words, "--engine", "ray"], stderr=output, env=surroundings)

    def has_finished(least):
        assert driver.poll() is None, said.read_text()
        return Standing(study).read().counts["finished"] >= least

    wait_for(lambda: (runs / "forty" / "sweep.json").exists())
    study = Study.read(runs, "forty")
    wait_for(lambda: has_finished(4), seconds=300.0)
    session = (study.path / ".sweep" / "ray").resolve()
    assert session.is_dir()
    assert processes_of(session, "")
    assert session.stat().st_mode & 0o777 == 0o700
    everything = list(processes_in(session))
    assert len(everything) > 3
    loopback = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
    assert listening(everything) <= set(loopback)
    driver.kill()
    driver.wait()
    wait_for(lambda: not processes_of(runs) and not processes_of(session, ""), seconds=30.0)
    before = Standing(study).read()
    assert before.counts["finished"] < 33
    code, _, err = keplearn(*words)
    assert code == 0, err
    after = Standing(study).read()
    assert after.counts == {"finished": 33}
    for run_id in before.having("finished"):
        assert after.records[run_id] == before.records[run_id]
    assert not session.exists()
    assert not set(everything) & set(processes_of(Path("ray"), ""))
    assert not list(home.iterdir())
    assert {path.name for path in study.path.iterdir()} == {"sweep.json", *study.configs}


def test_a_sweep_is_stopped_in_order(file, tmp_path):
    """Runs under way leave checkpoints, and Ray goes with the sweep."""
    runs = tmp_path / "runs"
    long = ["--set", "parameters.steps_strategy=[[1000000]]", "--set", "parameters.seed=[5,6]"]
    command = [*CLI, "sweep", str(file), "--runs", str(runs), "--engine", "ray", "--workers", "2", *long]
    driver = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: len([p for p in runs.glob("forty/*/metrics.jsonl") if p.stat().st_size]) == 2)
    session = (runs / "forty" / ".sweep" / "ray").resolve()
    _, out, err = keplearn("sweep", "stop", "forty", "--runs", runs)
    assert "2 interrupted" in out, err
    said = driver.communicate(timeout=60)[1]
    assert (driver.returncode, said.count("interrupted")) == (130, 1), said
    assert len(list(runs.glob("forty/*/checkpoint.npz"))) == 2
    assert not session.exists()
    wait_for(lambda: not processes_of(runs) and not processes_of(session, ""), seconds=30.0)


class SlowToStart:
    """What the session calls of Ray, which cannot be made to be late at will."""

    def __init__(self, failures):
        self.failures, self.calls = failures, []

    def init(self, address, **options):
        self.calls.append(address)
        if len([a for a in self.calls if a != "shutdown"]) <= self.failures:
            raise RuntimeError("The current node timed out during startup.")

    def shutdown(self):
        self.calls.append("shutdown")


def test_a_ray_that_is_late_is_started_again_and_a_cluster_is_asked_once():
    late = SlowToStart(2)
    ray_session._connect(late, None, {})
    assert late.calls == ["local", "shutdown", "local", "shutdown", "local"]
    for failing, address, tries in ((SlowToStart(3), None, 3), (SlowToStart(1), "there:1", 1)):
        with pytest.raises(RuntimeError, match="timed out"):
            ray_session._connect(failing, address, {})
        assert failing.calls.count(address or "local") == tries


def test_a_ray_that_does_not_start_is_named_and_leaves_nothing(file, tmp_path):
    surroundings = os.environ | {"RAY_gcs_server_port_wait_time_s": "0"}  # it waits for nothing
    command = [*CLI, "sweep", str(file), "--runs", str(tmp_path), "--engine", "ray", "--workers", "2"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=120, env=surroundings)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False), refused.stderr
    assert "Ray does not start here" in refused.stderr
    assert not (tmp_path / "forty" / ".sweep").exists()
    assert not processes_of(Path("keplearn-ray-"), "/ray/")


def test_a_cluster_that_is_not_there_is_named(file, tmp_path):
    words = ["--runs", str(tmp_path), "--engine", "ray", "--address", "127.0.0.1:1"]
    refused = subprocess.run([*CLI, "sweep", str(file), *words], capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2
    assert "no Ray cluster at 127.0.0.1:1" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("greeting", [b"", b"SSH-2.0-server\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_what_listens_and_is_not_ray_is_refused(study, tmp_path, monkeypatch, greeting):
    """One that says nothing at all, and ones that speak of something else, as Ray's own dashboard does."""
    monkeypatch.setattr(ray_session, "ANSWER", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:

        def answer():
            with server.accept()[0] as connection:
                connection.sendall(greeting)
                while connection.recv(100):  # until the sweep goes
                    pass

        served = pool.submit(answer)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(
            KeplearnError, match=f"no Ray cluster at {address}: what listens there is not Ray"
        ):
            sweep_on_ray(study, list(study.configs), tmp_path, Limits(), address=address)
        served.result()


def test_a_cluster_trains_what_it_is_given_and_stays(file, tmp_path):
    # Ended by the end of its own process: `ray stop` would end those of others too.
    port, out = free_ports(1)[0], tmp_path / "ray.out"
    ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={port}"]
    options = ["--num-cpus=2", "--include-dashboard=false", "--object-store-memory=100000000"]
    environment = os.environ | {"RAY_USAGE_STATS_ENABLED": "0"}
    with out.open("w") as output:
        head = subprocess.Popen([*ray, *options], stdout=output, stderr=output, env=environment)
    try:
        wait_for(lambda: "Ray runtime started" in out.read_text() or head.poll() is not None)
        words = ["--engine", "ray", "--address", f"127.0.0.1:{port}", "--set", "parameters.seed=[5,6,7,8]"]
        command = [*CLI, "sweep", str(file), "--runs", str(tmp_path / "runs"), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert "4 finished, 0 failed" in done.stdout
        study = Study.read(tmp_path / "runs", "forty")
        assert {path.name for path in study.path.iterdir()} == {"sweep.json", *study.configs}
        socket.create_connection(("127.0.0.1", port), timeout=10).close()  # its head still listens
    finally:
        head.terminate()
        head.wait(60)
