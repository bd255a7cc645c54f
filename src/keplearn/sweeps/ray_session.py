"""Ray for one sweep: a cluster that is there, or one started here, of which nothing is left."""

import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from keplearn.core.errors import KeplearnError
from keplearn.core.signals import held
from keplearn.sweeps.ray_home import SESSION, TOKEN, make_home, remove_home

# Ray's object store holds ids alone; this is about the least it takes.
STORE_BYTES = 100_000_000
# How a client of HTTP/2 begins, which gRPC speaks: a fixed line, and SETTINGS that are empty (RFC 9113, 3.4).
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
# Seconds that a cluster has to answer it.
ANSWER = 10.0
# Ray gives itself 30 s to start, which a busy machine may exceed.
STARTS = 3


@contextmanager
def ray_session(scratch: Path, workers: int, address: str | None) -> Iterator[Any]:
    """Connect to a cluster, or start Ray here and leave nothing of it."""
    kept = dict(os.environ)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:
        options |= _own_session(scratch, workers)
    else:
        _check_address(address)
        # `ray start` asks for a token where there is one, and ray.init has to be told.
        if (Path.home() / ".ray" / "auth_token").exists():
            os.environ.setdefault("RAY_AUTH_MODE", "token")
    try:
        try:
            import ray
        except ImportError as error:
            raise KeplearnError("--engine ray needs Ray: pip install 'keplearn[ray]'.") from error
        try:
            with _handlers_kept():
                _connect(ray, address, options)
        except SystemExit:  # by the handler of SIGTERM that Ray has set
            raise KeyboardInterrupt from None
        except Exception as error:
            where = f"no Ray cluster at {address}" if address else "Ray does not start here"
            raise KeplearnError(f"{where}: {(str(error).strip() or '-').splitlines()[0]}") from error
        try:
            yield ray
        finally:
            with held(), _handlers_kept():
                ray.shutdown()
    finally:
        if address is None:
            remove_home(scratch)
        os.environ.clear()
        os.environ.update(kept)


def _connect(ray: Any, address: str | None, options: dict[str, Any]) -> None:
    """Connect to a cluster; one that is started here has some tries."""
    for _ in range(STARTS - 1 if address is None else 0):
        try:
            ray.init(address="local", **options)
            return
        except Exception:
            ray.shutdown()
    ray.init(address=address or "local", **options)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Undo what Ray does to signals: it starts with handlers that end this process, and ends with none for SIGTERM.

    Its compiled part sets them behind Python, which takes its own for being there still: they are set in any case.
    """
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _own_session(scratch: Path, workers: int) -> dict[str, Any]:
    """Return what starts Ray here: for this user on this machine alone, whatever the surroundings say of clusters."""
    home = make_home(scratch)
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_TMPDIR"):
        os.environ.pop(name, None)
    # Without them, Ray makes a token in the user's home, which all clusters would ask for from then on.
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(home / TOKEN))
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else it takes another address for loopback's
    # On a busy machine its parts take long to start.
    os.environ.setdefault("RAY_agent_register_timeout_ms", "100000")
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "100")
    return {
        "_temp_dir": str(home / SESSION),
        "_node_ip_address": "127.0.0.1",
        "num_cpus": workers,
        "object_store_memory": STORE_BYTES,
        "include_dashboard": False,
    }


def _check_address(address: str) -> None:
    """Refuse an address where nobody listens, or what listens is not Ray, which itself would ask it for minutes."""
    given = address
    if address == "auto":
        given = os.environ.get("RAY_ADDRESS") or _last_started()
        if given in (
            "",
            "auto",
        ):  # Ray looks for processes of its own, and says so at once where there are none
            return
    host, _, port = given.rpartition("://")[2].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "1" and not _speaks_grpc(connection):
                raise ConnectionError("what listens there is not Ray")
    except (OSError, ValueError, OverflowError) as error:
        which = "" if given == address else f" ({given})"
        raise KeplearnError(
            f"no Ray cluster at {address}{which}: {error}. Give HOST:PORT of its head (ray start --head prints it), "
            "or auto."
        ) from None


def _speaks_grpc(connection: socket.socket) -> bool:
    """Say whether a server begins with SETTINGS of the whole connection, as gRPC's do, soon enough."""
    try:
        connection.sendall(PREFACE)
        with connection.makefile("rb") as answers:
            head = answers.read(9)
    except OSError:
        return False
    return len(head) == 9 and head[3] == 4 and head[5:] == bytes(4)


def _last_started() -> str:
    """Return the address that ``ray start`` left last on this machine; empty where there is none."""
    try:
        return Path("/tmp/ray/ray_current_cluster").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
