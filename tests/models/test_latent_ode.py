"""The latent ODE: what its encoder heeds, what its latent means, and that a file gives the model back."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.data.units import Units
from keplearn.models.encoders import ENCODERS, Observed
from keplearn.models.files import load_model, save_model
from keplearn.models.kinds import KINDS, field_of, kind_of, name_of
from keplearn.models.latent_architecture import LatentArchitecture
from keplearn.models.latent_ode import LatentODE, new_latent_ode
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.models.watching import WATCHED, earth, sighted, watch
from keplearn.orbits.constants import EARTH_RADIUS, EARTH_ROTATION, MU_EARTH
from keplearn.orbits.stations import places_of

NETWORK = Architecture("sph_4D_logr", "mlp_4D_logmag_unit_exp", 5, 1, "tanh", planar_constraint=True)
SECOND = LatentArchitecture(NETWORK, hidden_size=4)
FREE = replace(SECOND, latent_dynamics="free", latent_size=3)
SHAPES = {
    "second_order": SECOND,
    "free": FREE,
    "state": replace(FREE, observe="state"),
    "given": replace(SECOND, likelihood_noise=0.01),
    "stations": replace(SECOND, observe="range_angles", stations="0 0"),
    "linear": replace(FREE, decoder="linear"),
}


@pytest.fixture(autouse=True)
def _x64():
    with jax.enable_x64(True):
        yield


def trained(shape: LatentArchitecture) -> LatentODE:
    """One whose parameters are any numbers, as if it had been trained: at first the encoder answers 0."""
    made, draw = new_latent_ode(shape, 0, "float64"), np.random.default_rng(5)
    moved = jax.tree.map(lambda x: x + 0.5 * draw.standard_normal(x.shape), made.parameters)
    return replace(made, parameters=moved)


def observed(samples: int = 7, seed: int = 0, components: int = 2) -> Observed:
    """Two trajectories of random numbers at random times, all observed."""
    draw = np.random.default_rng(seed)
    times = np.sort(draw.uniform(0, 3, (samples, 2)), axis=0)
    values = draw.standard_normal((samples, components, 2))
    return Observed(jnp.asarray(times), jnp.asarray(values), jnp.ones((samples, 2)))


def answers(model: LatentODE, given: Observed) -> list[np.ndarray]:
    """Mean and log spread of the beginning."""
    return [np.asarray(x) for x in model.posterior(given)]


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("shape", [SECOND, FREE], ids=["second_order", "free"])
def test_what_is_not_observed_changes_nothing(shape, encoder):
    """Neither its values, numbers or not, nor that it is there: without it the encoding is the same."""
    model, given = trained(replace(shape, encoder=encoder)), observed()
    seen = given.seen.at[jnp.array([2, 4, 6])].set(0)
    hidden = given._replace(seen=seen)
    expected = answers(model, hidden)
    assert not np.allclose(expected[0], answers(model, given)[0])
    for value in (1e6, np.nan, np.inf):
        other = hidden._replace(values=jnp.where(seen[:, None] > 0, given.values, value))
        np.testing.assert_array_equal(answers(model, other), expected)
    kept = np.array([0, 1, 3, 5])
    np.testing.assert_allclose(answers(model, Observed(*(x[kept] for x in given[:3]))), expected, rtol=1e-12)


def test_padding_may_stand_in_any_order_and_number():
    model, given = trained(SECOND), observed()
    expected = answers(model, given)
    order = np.array([1, 0])
    for more in (order, np.tile(order, 3)):
        end = np.asarray(given.times[-1])
        padding = Observed(
            jnp.tile(end, (len(more), 1)), observed(len(more), 9).values[more % 2], jnp.zeros((len(more), 2))
        )
        whole = Observed(*(jnp.concatenate(pair) for pair in zip(given[:3], padding[:3], strict=True)))
        np.testing.assert_allclose(answers(model, whole), expected, rtol=1e-12)


def test_how_far_apart_samples_are_counts_and_the_time_at_which_they_begin_does_not():
    model, given = trained(SECOND), observed()
    np.testing.assert_allclose(
        answers(model, given._replace(times=given.times + 100)), answers(model, given), rtol=1e-9
    )
    assert not np.allclose(answers(model, given._replace(times=2 * given.times)), answers(model, given))
    # Where the first sample is missing, the time from the beginning to the first observed one counts too.
    missing = given._replace(seen=given.seen.at[0].set(0))
    earlier = missing._replace(times=missing.times.at[0].add(-1))
    assert not np.allclose(answers(model, earlier), answers(model, missing))


def test_a_batch_is_its_trajectories_one_by_one():
    model, given = trained(FREE), observed()
    one = Observed(*(x[..., 1] for x in given[:3]))
    np.testing.assert_allclose(
        np.stack(answers(model, one)), np.stack(answers(model, given))[..., 1], rtol=1e-12
    )


def test_nothing_observed_is_encoded_without_a_number_that_is_none():
    model, given = trained(SECOND), observed()
    assert np.isfinite(answers(model, given._replace(seen=0 * given.seen))).all()


def test_an_untrained_latent_of_second_order_begins_where_a_cubic_through_the_first_samples_does():
    """Exactly on a cubic, whatever is missing; the state's velocity, if it is observed, is taken as it is."""
    model, times = new_latent_ode(SECOND, 0, "float64"), np.array([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.8])
    cubics = np.array([[1.0, 2.0, -3.0, 0.5], [0.2, -1.0, 0.3, 2.0]])
    values = np.stack([np.polynomial.Polynomial(one)(times) for one in cubics], axis=1)[..., None]
    for missing in ([], [0], [1, 4]):
        seen = np.ones((7, 1))
        seen[missing] = 0
        mean, _ = answers(model, Observed(*(jnp.asarray(x) for x in (times[:, None], values, seen))))
        np.testing.assert_allclose(mean[:, 0], [1.0, 0.2, 2.0, -1.0], atol=1e-4)


def test_a_latent_of_second_order_is_a_state_whose_field_is_that_of_a_neural_ode():
    model, r = new_latent_ode(SECOND, 3, "float64", 2.0), jnp.array([0.4, 0.3, 0.0])
    v = jnp.array([-1.0, 0.5, 0.0])
    same = new_model(NETWORK, 3, "float64", 2.0)
    np.testing.assert_array_equal(field_of(model).acceleration(0.0, r, v), same.acceleration(0.0, r, v))
    start = model.begin(jnp.array([0.4, 0.3, -1.0, 0.5]))
    np.testing.assert_array_equal(start, jnp.concatenate([r, v]))
    np.testing.assert_array_equal(model.decode(start), [0.4, 0.3])
    in_space = replace(SECOND, network=replace(NETWORK, planar_constraint=False), observe="state")
    assert in_space.components == in_space.coordinates == (0, 1, 2, 3, 4, 5)


def test_a_known_law_and_what_is_learned_add_up():
    model, r = (
        new_latent_ode(replace(SECOND, latent_dynamics="known+learned"), 3, "float64", 2.0),
        [0.4, 0.3, 0.0],
    )
    learned = new_model(NETWORK, 3, "float64", 2.0)
    r, v = jnp.array(r), jnp.array([-1.0, 0.5, 0.0])
    expected = learned.acceleration(0.0, r, v) - r / 0.5**3
    np.testing.assert_allclose(field_of(model).acceleration(0.0, r, v), expected, rtol=1e-12)


def test_a_station_sees_what_is_above_its_horizon_and_turns_with_the_earth():
    """The satellite hangs where the first of two stations has its zenith at time 0; an eighth of a day later not."""
    body, day = earth(None), 2 * np.pi / EARTH_ROTATION / Units(EARTH_RADIUS, MU_EARTH).time_s
    places = ((30.0, 40.0), (-30.0, -140.0))
    zenith = np.array([np.cos(np.radians(30)) * f(np.radians(40)) for f in (np.cos, np.sin)] + [0.5])
    times = jnp.asarray(day * np.array([0.0, 0.125, 0.5]))
    found = watch(places, jnp.asarray(body), jnp.tile(jnp.asarray(1.2 * zenith), (3, 1)), times)
    np.testing.assert_array_equal(found.seen, [1, 0, 0])
    np.testing.assert_allclose(found.sites[0], zenith, rtol=1e-12)
    np.testing.assert_allclose(
        sighted("range_angles", 1.2 * jnp.asarray(zenith), found.sites[0]), [0.2, *zenith]
    )
    np.testing.assert_allclose(sighted("angles", 1.2 * jnp.asarray(zenith), found.sites[0]), zenith)
    # From far enough away the other station sees it half a day later, at the same place.
    far = watch(places, jnp.asarray(body), jnp.tile(jnp.asarray(9.0 * zenith), (3, 1)), times)
    np.testing.assert_array_equal(far.seen, [1, 1, 1])
    np.testing.assert_allclose(far.sites[2], zenith * [1, 1, -1], atol=1e-12)


@pytest.mark.parametrize("observe", WATCHED)
def test_what_stations_observe_says_roughly_where_a_trajectory_begins(observe):
    """Range and lines of sight give positions; lines of sight alone a direction, whatever the distance."""
    units = Units(20_000.0, MU_EARTH)
    orbit = load_dataset("orbit(a=15000,e=0.2,nu0=30deg)")
    model = new_latent_ode(
        replace(SECOND, observe=observe, stations="0 0, 40 120, -40 240"), 0, "float64", units=units
    )
    states = jnp.asarray(units.to_canonical_states(orbit.states[0, :20]))
    seen = model.watch(states, jnp.asarray(units.to_canonical_times(orbit.times[0, :20])))
    assert seen.values.shape == (20, WATCHED[observe]) and np.asarray(seen.seen).sum() > 10
    mean = model.posterior(seen).mean
    if observe == "range_angles":
        np.testing.assert_allclose(mean, states[0, np.array([0, 1, 3, 4])], atol=0.02)
    assert np.isfinite(mean).all()


def test_places_of_stations_are_read_and_refused():
    assert places_of("52.2 21, -31.8 116") == ((52.2, 21.0), (-31.8, 116.0))
    for wrong in ("52.2", "95 0", "a b", "1 2,"):
        with pytest.raises(KeplearnError, match="is no place of a station: write latitude and longitude"):
            places_of(wrong)


def test_a_free_latent_has_no_field_and_says_so():
    model = new_latent_ode(FREE, 0, "float64")
    assert model.begin(jnp.arange(3.0)).shape == (3,) and model.decode(jnp.arange(3.0)).shape == (2,)
    with pytest.raises(KeplearnError, match="no field of positions and velocities, for its latent is free"):
        field_of(model)


def test_a_noise_that_is_given_is_not_trained():
    for noise, gradient in ((0.01, 0.0), (None, 1.0)):
        model = new_latent_ode(replace(SECOND, likelihood_noise=noise), 0, "float64")
        slope = jax.grad(lambda p, model=model: jnp.log(replace(model, parameters=p).noise))(model.parameters)
        assert float(slope.log_noise) == gradient
        assert noise is None or float(model.noise) == pytest.approx(noise, rel=1e-12)


@pytest.mark.parametrize(
    ("fraction", "samples", "expected"), [(0.5, 360, 180), (0.5, 5, 3), (0.1, 6, 2), (1.0, 8, 8)]
)
def test_the_observed_share_is_of_the_first_samples_two_at_least(fraction, samples, expected):
    assert replace(SECOND, observed_fraction=fraction).observed_samples(samples) == expected


@pytest.mark.parametrize("shape", SHAPES.values(), ids=list(SHAPES))
def test_a_file_gives_the_model_back(tmp_path, shape):
    model = new_latent_ode(shape, 1, "float32", 2.0, Units(7000.0, 398600.4418))
    save_model(model, tmp_path / "g" / "model.eqx")
    read = load_model(tmp_path / "g" / "model.eqx")
    assert (read.architecture, read.units) == (shape, model.units)
    for one, other in zip(jax.tree.leaves(read), jax.tree.leaves(model), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_kind_of_an_architecture_is_told_by_itself():
    assert {name_of(shape) for shape in (NETWORK, SECOND)} == {"neural_ode", "latent_ode"} == set(KINDS)
    for shape in (NETWORK, SECOND, FREE):
        made = kind_of(shape).new(shape, 0)
        again = kind_of(shape).model(made.parameters, made.scales, shape)
        assert jax.tree.structure(again) == jax.tree.structure(made)
