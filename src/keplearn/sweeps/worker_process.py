"""A worker as the process that watches it sees it: started, given runs, heard, and what it died of."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOG_LINES = 20


@dataclass
class Worker:
    """A worker process, its pipe, its log, and the run it is at; ``group`` are the runs that it is to train next."""

    core: int
    process: subprocess.Popen[bytes]
    reports: int
    log: Path
    run: str | None = None
    ready: bool = False
    trained: int = 0
    retired: bool = False
    group: list[str] = field(default_factory=list)
    since: float = 0.0
    log_from: int = 0
    verdict: tuple[str, str] | None = None
    unread: bytes = b""

    @classmethod
    def start(cls, command: Sequence[str], core: int, scratch: Path, on_cpu: bool = True) -> "Worker":
        """Start a worker on a core (-1: on any) with its log in ``scratch``; it says when it is ready.

        ``on_cpu``: it computes there, whatever the environment says; else on a device that it may share with others.

        Raises
        ------
        OSError
            If it cannot be started.
        """
        read, write = os.pipe()
        log = scratch / f"worker-{core}-{len(list(scratch.glob('worker-*')))}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*command, str(write), str(os.getpid()), str(core)],
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[write],
                env=os.environ | worker_environment(scratch, on_cpu),
                start_new_session=True,  # Ctrl-C is for this process, which ends its workers in order
            )
        os.close(write)
        return cls(core, process, read, log, since=time.monotonic())

    def give(self, run: str) -> bool:
        """Tell it to train a run; False if it died just now."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{run}\n".encode())
        except BrokenPipeError:
            return False
        self.run, self.since, self.log_from = run, time.monotonic(), self.log.stat().st_size
        return True

    def retire(self) -> None:
        """Let it end, since there is no more to train for it."""
        self.retired = True
        assert self.process.stdin is not None
        self.process.stdin.close()

    def read(self) -> list[dict[str, Any]] | None:
        """Return what it has reported since, or None once it has ended."""
        chunk = os.read(self.reports, 65536)
        if not chunk:
            return None
        *lines, self.unread = (self.unread + chunk).split(b"\n")
        return [json.loads(line) for line in lines]

    def said(self, start: int) -> str:
        """Return the last lines of its log, from a place on."""
        with self.log.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start, size - 8000))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-LOG_LINES:])

    def close(self) -> None:
        """Close its pipes."""
        os.close(self.reports)
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()


def worker_environment(scratch: Path, on_cpu: bool) -> dict[str, str]:
    """Return what a worker's environment has beside that of the process that starts it."""
    one = dict.fromkeys(("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    # A worker has one core and trains on it, whatever JAX is told to use elsewhere; of a GPU it takes what it needs,
    # for others train there too.
    place = {"JAX_PLATFORMS": "cpu"} if on_cpu else {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    fixed = place | {"TMPDIR": str(scratch / "tmp"), "PYTHONUNBUFFERED": "1"}
    return one | {"EQX_ON_ERROR": os.environ.get("EQX_ON_ERROR", "off")} | fixed


def cause_of_death(code: int) -> tuple[str, str]:
    """Return kind and reason of a worker's end by its exit code."""
    if code == 130:
        return "killed", "the worker was told to end (SIGTERM)"
    if code >= 0:
        return "exited", f"the worker ended with exit code {code} in the middle of the run"
    names = {int(s): s.name for s in signal.Signals}
    name = names.get(-code, f"signal {-code}")
    if name == "SIGSEGV":
        return "segmentation_fault", "the worker died of a segmentation fault (SIGSEGV)"
    if name == "SIGKILL":
        return "killed", "the worker was killed (SIGKILL): by somebody, or by the system where memory ran out"
    return "killed", f"the worker was killed by {name}"
