"""Surroundings for the mirror: a home of its own, and a server that stands in for W&B's."""

import os

import matplotlib
import pytest
from stand_in import StandIn

MATPLOTLIB = matplotlib.get_cachedir()  # of the user, before a test has a home of its own


@pytest.fixture(autouse=True)
def surroundings(tmp_path_factory, monkeypatch):
    """A home and a temporary directory of the test's own, and nothing of a user's W&B."""
    place = tmp_path_factory.mktemp("surroundings")
    for name, variable in (("home", "HOME"), ("tmp", "TMPDIR")):
        (place / name).mkdir()
        monkeypatch.setenv(variable, str(place / name))
    for name in [name for name in os.environ if name.startswith(("XDG_", "WANDB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MPLCONFIGDIR", MATPLOTLIB)
    return place


@pytest.fixture
def server(monkeypatch):
    """The stand-in, which W&B's client takes for the real one."""
    server = StandIn()
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    yield server
    server.close()
    assert server.unknown == []


@pytest.fixture
def outside(surroundings):
    """Say what is in the home and in the temporary directory."""
    return lambda: sorted(str(path.relative_to(surroundings)) for path in surroundings.rglob("*"))
