"""Plugins are forgotten after each test."""

import pytest


@pytest.fixture(autouse=True)
def forgotten(forget):
    """Every test here begins and ends without plugins."""
