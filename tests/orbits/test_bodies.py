"""A gravitational parameter tells which body it is of; what a user states is taken at its word, or refused."""

import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.orbits.bodies import KNOWN, Body, body_of, central_body
from keplearn.orbits.constants import EARTH_RADIUS, MU_EARTH


@pytest.mark.parametrize(
    ("mu", "name"),
    [
        (398600.4418, "Earth"),
        (398600.8, "Earth"),  # WGS 72, as in SGP4
        (4902.800118, "Moon"),
        (4902.8, "Moon"),
        (126686531.9, "Jupiter"),  # without its moons
        (1.32712440018e11, "Sun"),
        (403503.2, "central body"),  # the Earth with the Moon
        (1.0, "central body"),
    ],
)
def test_mu_tells_the_body(mu, name):
    found = body_of(mu)
    assert found.name == name
    assert found.radius == (KNOWN[name].radius if name in KNOWN else None)


def test_no_two_bodies_have_one_mu():
    values = sorted(known.mu for known in KNOWN.values())
    assert (np.diff(np.log(values)) > 0.01).all()


@pytest.mark.parametrize(
    ("given", "body", "mu"),
    [
        ({}, Body("Earth", EARTH_RADIUS), MU_EARTH),
        ({"mu": 4902.8}, Body("Moon", 1737.4), 4902.8),
        ({"name": " moon "}, Body("Moon", 1737.4), 4902.800118),
        ({"name": "Moon", "radius": 1738.1}, Body("Moon", 1738.1), 4902.800118),
        ({"name": "Bennu", "mu": 4.89e-9}, Body("Bennu"), 4.89e-9),
        ({"name": "Bennu", "mu": 4.89e-9, "radius": 0.245}, Body("Bennu", 0.245), 4.89e-9),
        ({"mu": 1.0}, Body("central body"), 1.0),
        ({"mu": 1.0, "radius": 2.0}, Body("central body", 2.0), 1.0),
    ],
)
def test_a_user_states_a_body_by_name_mu_and_radius(given, body, mu):
    assert central_body(**given) == (body, mu)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "Mooon"}, r"'Mooon' is not known here .*give its --mu too.*Did you mean 'Moon'"),
        ({"name": "moon", "mu": 398600.4418}, "not that of the Moon, 4902.8"),
        ({"mu": 4902.8, "radius": -1.0}, "radius of the Moon must be a positive number"),
        ({"mu": float("nan")}, "mu must be a positive number"),
        ({"mu": 0.0}, "mu must be a positive number"),
    ],
)
def test_a_body_that_cannot_be_is_refused(given, message):
    with pytest.raises(KeplearnError, match=message):
        central_body(**given)


@pytest.mark.parametrize("body", [Body("Moon", 1737.4), Body("Bennu"), Body()])
def test_attributes_of_a_file_bring_a_body_back(body):
    assert body_of(MU_EARTH, body.attributes()) == body


@pytest.mark.parametrize(
    "attributes",
    [
        {"body": 3, "body_radius_km": 1.0},
        {"body": "Moon"},
        {"body": "Moon", "body_radius_km": "far"},
        {"body": "Moon", "body_radius_km": -2.0},
    ],
)
def test_attributes_that_state_no_body_are_refused(attributes):
    with pytest.raises(KeplearnError, match=r"body|radius"):
        body_of(MU_EARTH, attributes)
