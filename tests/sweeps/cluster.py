"""A real SLURM cluster of one machine, from Debian's packages, in a directory of its own: for tests."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PACKAGES = ("slurm-wlm", "munge")
CONFIG = """\
ClusterName=test
SlurmctldHost={host}
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={home}/munge.socket
CryptoType=crypto/munge
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
SlurmctldLogFile={home}/slurmctld.log
SlurmdLogFile={home}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
ReturnToService=2
KillWait=20
NodeName={host} CPUs=2 State=UNKNOWN
PartitionName=short Nodes=ALL Default=YES MaxTime=60 State=UP
"""


class Cluster:
    """munged, slurmctld and slurmd; a context manager that gives the environment for SLURM's commands."""

    def __init__(self, home: Path):
        self.home = home
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> dict[str, str]:
        install()
        for name in ("state", "spool"):
            (self.home / name).mkdir()
        host = socket.gethostname().partition(".")[0]
        ports = free_ports(2)
        (self.home / "slurm.conf").write_text(CONFIG.format(host=host, home=self.home, ports=ports))
        environment = os.environ | {"SLURM_CONF": str(self.home / "slurm.conf")}
        key = self.home / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        socket_file = self.home / "munge.socket"
        munge = {"socket": socket_file, "key-file": key, "pid-file": "munge.pid", "log-file": "munge.log"}
        munge |= {"seed-file": "munge.seed"}
        words = [f"--{name}={self.home / value}" for name, value in munge.items()]
        self._start(["munged", "--foreground", "--force", *words], environment)
        _wait(socket_file.exists)
        self._start(["slurmctld", "-D"], environment)
        self._start(["slurmd", "-D", "-N", host], environment)

        def states() -> str:
            command = ["sinfo", "--noheader", "--format", "%T"]
            return subprocess.run(command, env=environment, capture_output=True, text=True).stdout

        _wait(lambda: "idle" in states())
        return environment

    def _start(self, command: list[str], environment: dict[str, str]) -> None:
        with (self.home / f"{command[0]}.out").open("wb") as output:
            self.running.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))

    def __exit__(self, *exc: object) -> None:
        for process in reversed(self.running):
            process.terminate()
        for process in self.running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def obstacle() -> str:
    """Return why no cluster can be started here; nothing where it can."""
    if os.geteuid() != 0:
        return "a SLURM cluster is started by root alone"
    return "" if _installed() or shutil.which("apt-get") else "no SLURM here, and no apt-get to install it"


def _installed() -> bool:
    return all(map(shutil.which, ("munged", "slurmctld", "slurmd", "sbatch")))


def install() -> None:
    """Install SLURM where it is not there, as the machine's administrator."""
    if _installed():
        return
    quiet = {"stdout": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES]
    if subprocess.run(command, **quiet).returncode != 0:
        subprocess.run(["apt-get", "update"], check=True, **quiet)
        subprocess.run(command, check=True, **quiet)


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _wait(condition, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError("the SLURM cluster of the tests does not start")
        time.sleep(0.2)
