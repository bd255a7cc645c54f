"""Plugins are forgotten after each test."""

import sys

import pytest

from keplearn.core import plugins, tables
from keplearn.evaluation.registry import METRICS


@pytest.fixture(autouse=True)
def forget(monkeypatch):
    """Return a function that forgets all plugins, as a new process would know none; it is done after each test."""
    monkeypatch.setenv(plugins.ALLOWED, "")
    metrics = dict(METRICS)

    def forget():
        for digest in list(tables.sources):
            tables.remove(digest)
        for name in list(tables.modules):
            del tables.modules[name], sys.modules[name]
        tables.for_all.clear()
        METRICS.clear()
        METRICS.update(metrics)
        plugins.load_installed.cache_clear()

    yield forget
    forget()
