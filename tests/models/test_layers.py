"""Every feature layer, output layer and activation passes the same tests by being listed in its table.

Longer than most files: all layers pass the same tests, and what they compile is shared in one process.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from effort import OPTIONS

from keplearn.core.files import read_sealed
from keplearn.integrate import Grid, adaptive_solve, fixed_solve, grid_solve
from keplearn.models import acceptance
from keplearn.models.activations import ACTIVATIONS, PRELU_SLOPE
from keplearn.models.features import FEATURE_LAYERS, LayerSettings, feature_names, spherical_harmonics
from keplearn.models.files import load_model, save_model
from keplearn.models.network import INITS
from keplearn.models.neural_ode import Architecture, NeuralODE, new_model
from keplearn.models.outputs import MAGNITUDES, OUTPUT_LAYERS, HeadValues
from keplearn.models.trials import awkward_states, model, ordinary_states, program

EPS = 1e-8


@pytest.fixture(autouse=True)
def _x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def pairs() -> list[tuple[str, str]]:
    """Every feature layer with a head of each kind that it allows, and every head with two feature layers."""
    features = [(name, "mlp_4D_logmag_unit_exp") for name in FEATURE_LAYERS]
    heads = [("sph_4D_rinv", name) for name in OUTPUT_LAYERS]
    moving = [("radial_transverse", name) for name, head in OUTPUT_LAYERS.items() if head.uses_velocity]
    still = [("log_radius", name) for name in ("potential", "potential_exp", "mlp_rtn")]
    return list(dict.fromkeys(features + heads + moving + still))


@pytest.mark.parametrize(("features", "head"), pairs())
def test_values_and_gradients_are_finite_and_right(features, head):
    acceptance.check_values_and_gradients(features, head)


@pytest.mark.parametrize(("features", "head"), pairs())
def test_velocity_matters_where_it_is_declared_to(features, head):
    acceptance.check_velocity(features, head)


@pytest.mark.parametrize("name", FEATURE_LAYERS)
def test_features_are_rotation_invariant_where_declared(name):
    acceptance.check_invariance(name)


@pytest.mark.parametrize("head", OUTPUT_LAYERS)
def test_heads_are_rotation_equivariant_where_declared(head):
    """With invariant features, a(Qy) = Q a(y), and else not."""
    acceptance.check_equivariance(head)


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def unit(d):
    return d / (np.linalg.norm(d) + EPS)


PRODUCTS = {
    "mlp_4D_signed": lambda m, d: m * d,
    "mlp_4D": lambda m, d: abs(m) * d,
    "mlp_4D_softplus": lambda m, d: softplus(m) * d,
    "mlp_4D_accsoftplus": lambda m, d: softplus(m) * d,
    "mlp_4D_activation": lambda m, d: np.tanh(m) * np.tanh(d),
    "mlp_4D_unit": lambda m, d: abs(m) * unit(d),
    "mlp_4D_signed_unit": lambda m, d: m * unit(d),
    "mlp_4D_unit_scaled": lambda m, d: np.exp(0.3) * abs(m) * unit(d),
    "mlp_4D_unit_softplus": lambda m, d: softplus(m) * unit(d),
    "mlp_4D_logmag_exp": lambda m, d: np.exp(m) * d,
    "mlp_4D_logmag_unit_exp": lambda m, d: np.exp(m) * unit(d),
    "mlp_4D_logmag_unit_softplus": lambda m, d: (softplus(m) + EPS) * unit(d),
    "mlp_4D_logmag_unit_tanh_exp": lambda m, d: np.exp(m) * unit(np.tanh(d)),
    "mlp_4D_logmag_unit_tanh_softplus": lambda m, d: (softplus(m) + EPS) * unit(np.tanh(d)),
    "mlp_4D_unit_sigmoid": lambda m, d: 2.5 / (1 + np.exp(-m)) * unit(d),
}
OTHERS = {"mlp_simple": 6, "mlp_simple_hybrid": 3, "mlp_rtn": 3, "mlp_rtn_logmag_unit_exp": 4, "potential": 1}
OTHERS |= {"central": 1, "potential_exp": 1}
FEATURES = {
    "sph_4D_rinv_vel": 7, "sph_4D_rinv_vinv": 8, "sph_4D_rinv_vel_harmonics": 12, "sph_4D_rinv": 4,
    "sph_4D_logr": 4, "sph_4D_logr_vel": 7, "sph_4D_rinv_rtn": 7, "sph_4D_rinv_speed": 7,
    "radial_transverse": 3, "log_radius": 1, "cartesian": 6, "fourier": 32,
    "sph_4D_logr_logv": 8, "sph_4D_logr_vscaled": 7, "log_speed": 2, "position": 3,
}  # fmt: skip

R, V = np.array([0.4, -0.3, 0.5]), np.array([0.2, 0.9, -0.1])


def head_value(name: str, outputs: np.ndarray) -> np.ndarray:
    """A head's acceleration where the network returns ``outputs``."""
    values = HeadValues(jnp.asarray(0.3), jnp.asarray(2.5))
    r, v = jnp.asarray(R), jnp.asarray(V)
    return np.asarray(OUTPUT_LAYERS[name].function(r, v, lambda r, v: jnp.asarray(outputs), values))


def test_all_names_are_there_with_their_sizes():
    assert {name: layer.size for name, layer in OUTPUT_LAYERS.items()} == dict.fromkeys(PRODUCTS, 4) | OTHERS
    sizes = {name: Architecture(name, "mlp_simple", depth=1).layer_sizes[0] for name in FEATURE_LAYERS}
    assert sizes == FEATURES
    settings = LayerSettings(harmonics_degree=3, fourier_count=5)
    assert Architecture("sph_4D_rinv_vel_harmonics", "mlp_4D", settings=settings).layer_sizes[0] == 1 + 15 + 3
    assert Architecture("fourier", "mlp_4D", width=9, depth=3, settings=settings).layer_sizes == [
        10,
        9,
        9,
        9,
        4,
    ]


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_of_magnitude_and_direction_are_as_named(name):
    for outputs in np.random.default_rng(4).standard_normal((4, 4)) * 2:
        expected = PRODUCTS[name](outputs[0], outputs[1:])
        np.testing.assert_allclose(head_value(name, outputs), expected, rtol=1e-13)


def test_heads_outside_the_table():
    out = np.array([0.7, -0.2, 0.4, 1.1, -0.6, 0.3])
    np.testing.assert_array_equal(head_value("mlp_simple", out), out)
    np.testing.assert_array_equal(head_value("mlp_simple_hybrid", out[:3]), out[:3])
    radial = R / np.linalg.norm(R)
    normal = np.cross(R, V) / np.linalg.norm(np.cross(R, V))
    frame = np.stack([radial, np.cross(normal, radial), normal])
    np.testing.assert_allclose(head_value("mlp_rtn", out[:3]), out[:3] @ frame, rtol=1e-13)
    expected = np.exp(out[0]) * unit(out[1:4]) @ frame
    np.testing.assert_allclose(head_value("mlp_rtn_logmag_unit_exp", out[:4]), expected, rtol=1e-13)
    well = lambda r, v: jnp.stack([-1 / jnp.linalg.norm(r)])  # noqa: E731
    np.testing.assert_allclose(head_value("central", out[:1]), -np.exp(out[0]) * radial, rtol=1e-13)
    values = HeadValues(jnp.asarray(0.0), jnp.asarray(1.0))
    deep = OUTPUT_LAYERS["potential_exp"].function(
        jnp.asarray(R), jnp.asarray(V), lambda r, v: jnp.log(-well(r, v)), values
    )
    np.testing.assert_allclose(deep, -R / np.linalg.norm(R) ** 3, rtol=1e-13)
    force = OUTPUT_LAYERS["potential"].function(jnp.asarray(R), jnp.asarray(V), well, values)
    np.testing.assert_allclose(force, -R / np.linalg.norm(R) ** 3, rtol=1e-13)


def test_features_are_what_they_say():
    r, v, h = np.linalg.norm(R), np.linalg.norm(V), np.cross(R, V)
    radial_speed = R @ V / r
    transverse = np.linalg.norm(h) / r
    expected = {
        "sph_4D_rinv_vel": [1 / r, *R / r, *V],
        "sph_4D_rinv_vinv": [1 / r, *R / r, 1 / v, *V / v],
        "sph_4D_rinv": [1 / r, *R / r],
        "sph_4D_logr": [np.log(r), *R / r],
        "sph_4D_logr_vel": [np.log(r), *R / r, *V],
        "sph_4D_rinv_rtn": [1 / r, *R / r, radial_speed, transverse, np.linalg.norm(h)],
        "sph_4D_rinv_speed": [1 / r, *R / r, v, transverse / v, radial_speed / v],
        "radial_transverse": [np.log(r), radial_speed, transverse],
        "log_radius": [np.log(r)],
        "sph_4D_logr_logv": [np.log(r), *R / r, np.log(v), *V / v],
        "sph_4D_logr_vscaled": [np.log(r), *R / r, *V / np.sqrt(1 / r)],
        "log_speed": [np.log(r), np.log(v)],
        "position": [*R],
        "cartesian": [*R, *V],
    }
    for name, features in expected.items():
        found = FEATURE_LAYERS[name].function(jnp.asarray(R), jnp.asarray(V), LayerSettings())
        np.testing.assert_allclose(found, features, rtol=1e-13, err_msg=name)
    fourier = np.asarray(FEATURE_LAYERS["fourier"].function(jnp.asarray(R), jnp.asarray(V), LayerSettings()))
    np.testing.assert_allclose(fourier[:16] ** 2 + fourier[16:] ** 2, 1, rtol=1e-13)
    harmonics = FEATURE_LAYERS["sph_4D_rinv_vel_harmonics"].function(
        jnp.asarray(R), jnp.asarray(V), LayerSettings()
    )
    np.testing.assert_allclose(harmonics[1:9], closed_form_harmonics(*R / r)[:8], rtol=1e-13)


def closed_form_harmonics(x, y, z) -> np.ndarray:
    """Real spherical harmonics of degrees 1 to 3 as in the usual tables (Cartesian form, unit vector)."""
    a, b, c = np.sqrt(3 / (4 * np.pi)), np.sqrt(15 / np.pi) / 2, np.sqrt(5 / np.pi) / 4
    s35, s105, s21, s7 = (
        np.sqrt(35 / (2 * np.pi)),
        np.sqrt(105 / np.pi),
        np.sqrt(21 / (2 * np.pi)),
        np.sqrt(7 / np.pi),
    )
    return np.array(
        [
            a * y, a * z, a * x,
            b * x * y, b * y * z, c * (3 * z * z - 1), b * x * z, b / 2 * (x * x - y * y),
            s35 / 4 * y * (3 * x * x - y * y), s105 / 2 * x * y * z, s21 / 4 * y * (5 * z * z - 1),
            s7 / 4 * (5 * z**3 - 3 * z), s21 / 4 * x * (5 * z * z - 1), s105 / 4 * z * (x * x - y * y),
            s35 / 4 * x * (x * x - 3 * y * y),
        ]
    )  # fmt: skip


def test_spherical_harmonics_are_those_of_the_tables_and_orthonormal():
    points = ordinary_states(8)[:, :3]
    points /= np.linalg.norm(points, axis=1)[:, None]
    found = jax.vmap(lambda u: spherical_harmonics(u, 3))(jnp.asarray(points))
    np.testing.assert_allclose(found, closed_form_harmonics(*points.T).T, atol=1e-14)
    # Gauss-Legendre in z times the rectangle rule in longitude is exact for these polynomials.
    z, weights = np.polynomial.legendre.leggauss(8)
    longitude = 2 * np.pi * np.arange(16) / 16
    z, longitude = (x.ravel() for x in np.meshgrid(z, longitude, indexing="ij"))
    sphere = np.stack(
        [np.sqrt(1 - z * z) * np.cos(longitude), np.sqrt(1 - z * z) * np.sin(longitude), z], axis=-1
    )
    y = np.asarray(jax.vmap(lambda u: spherical_harmonics(u, 5))(jnp.asarray(sphere)))
    gram = np.einsum("n,ni,nj->ij", np.repeat(weights, 16) * 2 * np.pi / 16, y, y)
    np.testing.assert_allclose(gram, np.eye(35), atol=1e-13)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_are_finite_with_right_gradients(name):
    acceptance.check_activation(name)


def test_prelu_has_a_slope_that_is_trained_and_shifted_softplus_goes_through_the_origin():
    architecture = Architecture("sph_4D_rinv", "mlp_simple_hybrid", width=8, activation="prelu")
    made = new_model(architecture, 0, "float64")
    y = jnp.asarray(ordinary_states()[0])
    gradient = jax.grad(lambda p: NeuralODE(p, made.scales, architecture)(0, y)[3:].sum())(made.parameters)
    assert [float(slope) for slope in made.parameters.slopes] == [PRELU_SLOPE] * 3
    assert all(float(slope) != 0 for slope in gradient.slopes[:2])
    assert abs(float(ACTIVATIONS["shifted_softplus"](jnp.asarray(0.0), jnp.asarray(0.0)))) < 1e-15


def test_a_positive_scale_is_trained():
    flat, run = program("sph_4D_rinv", "mlp_4D_unit_scaled", "float64")
    by_parameters = run(flat, jnp.asarray(ordinary_states()))[1][0]
    assert np.abs(by_parameters[:, -1]).min() > 0  # log_scale is the last parameter
    assert float(MAGNITUDES["s|m|"](jnp.asarray(-2.0), HeadValues(jnp.asarray(-9.0), jnp.asarray(1.0)))) > 0


@pytest.mark.parametrize("head", OUTPUT_LAYERS)
def test_a_planar_model_has_no_rate_of_z(head):
    """Exactly none, at states in the plane: every step of an integrator is a sum of such rates."""
    made = model("sph_4D_rinv" if head == "potential" else "sph_4D_rinv_vel", head, planar=True)
    states = ordinary_states(7) * np.array([1, 1, 0, 1, 1, 0])
    drift, acceleration = made.derivative(jnp.asarray(states[:, :3].T), jnp.asarray(states[:, 3:].T))
    np.testing.assert_array_equal(np.stack([drift[2], acceleration[2]]), 0.0)
    assert np.abs(acceleration[:2]).min(axis=1).max() > 1e-6


@pytest.mark.parametrize("head", ["mlp_4D_signed", "mlp_simple"])
def test_a_planar_model_keeps_z_exactly_zero(head):
    """By the grid's steps, and by those of a field of whole states."""
    made = model("sph_4D_rinv_vel", head, planar=True)
    times = jnp.linspace(0.0, 0.3, 7)
    y = jnp.array([0.8, 0.1, 0.0, -0.2, 0.9, 0.0])
    batched = jax.vmap(made.acceleration, in_axes=(None, -1, -1), out_axes=-1)
    moving, grid = made.architecture.uses_velocity, Grid(7, 3)

    @partial(jax.jit, compiler_options=OPTIONS)
    def solve(y):
        if OUTPUT_LAYERS[head].whole_state:
            return fixed_solve(made, y, times, grid)[1:]
        return grid_solve(batched, y[:3, None], y[3:, None], times[:, None], grid, moving).states[..., 0]

    states = solve(y)
    assert np.isfinite(states).all()
    np.testing.assert_array_equal(np.asarray(states)[:, [2, 5]], 0.0)
    assert np.abs(np.asarray(states)[-1, :2] - y[:2]).max() > 1e-3


@pytest.mark.parametrize("planar", [False, True])
def test_mlp_simple_is_integrated_alike_by_both_integrators(planar):
    """Its r' is not v: the grid is Diffrax's Tsit5 on all of the state."""
    made = model("sph_4D_rinv_vel", "mlp_simple", planar=planar)
    y, times = jnp.asarray(awkward_states()[-1]), jnp.linspace(0.0, 0.6, 7)
    jit = partial(jax.jit, compiler_options=OPTIONS)
    fixed = jit(lambda y: fixed_solve(made, y, times, Grid(7, 3)))(y)
    adaptive, ok = jit(lambda y: adaptive_solve(made, y, times, rtol=1e-9, atol=1e-11))(y)
    assert ok
    np.testing.assert_allclose(fixed, adaptive, atol=1e-5)
    assert np.abs(np.diff(fixed[:, 0]) / 0.1 - fixed[1:, 3]).max() > 0.01


def test_a_batch_over_the_last_axis_equals_one_by_one():
    states = ordinary_states(5)
    for head in ("mlp_4D_signed", "mlp_rtn", "potential", "mlp_simple"):
        made = model("sph_4D_rinv", head)
        r, v = jnp.asarray(states[:, :3].T), jnp.asarray(states[:, 3:].T)
        batched = jax.jit(
            lambda r, v, f=made.acceleration: jax.vmap(f, in_axes=(None, -1, -1), out_axes=-1)(0.0, r, v)
        )(r, v)
        one = jax.jit(lambda r, v, f=made.acceleration: f(0.0, r, v))
        single = np.stack([one(r[:, k], v[:, k]) for k in range(5)], axis=-1)
        np.testing.assert_allclose(batched, single, rtol=1e-13, atol=1e-15)


def test_a_seed_means_the_same_network_in_both_precisions():
    architecture = Architecture("sph_4D_rinv_vel", "mlp_4D", width=8)
    single, double, other = (
        new_model(architecture, *seed) for seed in ((3, "float32"), (3, "float64"), (4, "float64"))
    )
    for a, b, c in zip(*(m.parameters.weights for m in (single, double, other)), strict=True):
        np.testing.assert_array_equal(a, np.asarray(b).astype(np.float32))
        assert not np.array_equal(b, c)
        assert np.abs(b).max() <= 1 / np.sqrt(b.shape[1])
    assert single.astype("float64").parameters.weights[0].dtype == np.float64


@pytest.mark.parametrize("output_layer", sorted(OUTPUT_LAYERS))
@pytest.mark.parametrize("feature_layer", ["sph_4D_rinv_vel_harmonics", "fourier", "radial_transverse"])
def test_a_batch_is_its_states_one_by_one(feature_layer, output_layer):
    """Layers go along the first axis: what they make of (3, batch) is what ``vmap`` makes of each state."""
    if OUTPUT_LAYERS[output_layer].position_features_only:
        feature_layer = "fourier"
    acceptance.check_batch(feature_layer, output_layer)


@pytest.mark.parametrize("name", sorted(FEATURE_LAYERS))
def test_features_of_a_batch_are_those_of_its_states(name):
    acceptance.check_batch_of_features(name)


@pytest.mark.parametrize("settings", [LayerSettings(), LayerSettings(harmonics_degree=3, fourier_count=5)])
@pytest.mark.parametrize("name", sorted(FEATURE_LAYERS))
def test_every_feature_has_a_name_of_its_own(name, settings):
    assert FEATURE_LAYERS[name].names is not None
    acceptance.check_names_of_features(name, settings)


def test_names_of_features_stand_at_their_places():
    r, v = jnp.array([0.3, -0.4, 0.0]), jnp.array([0.5, 0.25, 2.0])
    values = {"1/r": 2.0, "x/r": 0.6, "y/r": -0.8, "z/r": 0.0, "log r": np.log(0.5), "x": 0.3}
    values |= {"v_x": 0.5, "v_y": 0.25, "v_z": 2.0, "v_r": 0.1, "v_t": np.sqrt(5 * 0.0625 + 4 - 0.01)}
    for name, layer in FEATURE_LAYERS.items():
        for feature, found in zip(
            feature_names(name, LayerSettings()), layer.function(r, v, LayerSettings()), strict=True
        ):
            if feature in values:
                assert float(found) == pytest.approx(values[feature]), (name, feature)


@pytest.mark.parametrize("name", sorted(OUTPUT_LAYERS))
def test_every_output_of_the_network_has_a_name_of_its_own(name):
    layer = OUTPUT_LAYERS[name]
    assert layer.names and len(set(layer.output_names)) == layer.size


STATES = np.concatenate([ordinary_states(40).T[:5], np.zeros((1, 40))])  # v_z is 0


def standardized(dtype: str = "float64") -> NeuralODE:
    shape = Architecture(
        "cartesian", "mlp_4D_signed", 6, 1, "tanh", standardize=True, skip=True, init="zero_last"
    )
    return new_model(shape, 0, dtype, states=STATES)


def test_standardized_features_have_mean_0_and_variance_1_over_the_training_states_unless_they_do_not_vary():
    found = standardized().scales.standardized(jnp.asarray(STATES))
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(found.std(axis=1), [1, 1, 1, 1, 1, 0], rtol=1e-12)
    one = standardized().scales.standardized(jnp.asarray(STATES[:, 3]))
    np.testing.assert_allclose(one, found[:, 3], rtol=1e-13)


def test_a_linear_path_stands_beside_a_network_that_is_the_same_without_it():
    both = standardized()
    r, v = jnp.asarray(STATES[:3]), jnp.asarray(STATES[3:])
    assert both.parameters.skip is not None
    linear = both.parameters.skip @ both.scales.standardized(jnp.asarray(STATES))
    # The last layer begins at 0: what is left of the network are its last biases.
    np.testing.assert_allclose(both.network(r, v), linear + both.parameters.biases[-1][:, None], rtol=1e-12)
    plain = new_model(replace(both.architecture, skip=False, standardize=False), 0, "float64")
    for one, other in zip(both.parameters.weights, plain.parameters.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert plain.parameters.skip is None and plain.scales.mean is None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_of_a_model_has_its_scales_and_its_linear_path(dtype, tmp_path):
    made = standardized(dtype)
    save_model(made, tmp_path / "model.eqx")
    read = load_model(tmp_path / "model.eqx")
    assert read.architecture == made.architecture
    assert jax.tree.leaves(jax.tree.map(np.array_equal, read, made)) == [True] * len(jax.tree.leaves(made))


def test_a_file_that_knows_nothing_of_them_is_read_as_a_model_without(tmp_path):
    made = new_model(Architecture("cartesian", "mlp_4D_signed", 6, 1), 0, "float64")
    save_model(made, file := tmp_path / "model.eqx")
    head, _, arrays = file.read_bytes().partition(b"\n")
    header = json.loads(head)
    for key in ("standardize", "skip", "init"):
        del header["architecture"][key]
    # Files of that time had no checksum either.
    file.write_bytes(json.dumps(header).encode() + b"\n" + read_sealed(file).content.partition(b"\n")[2])
    assert arrays and load_model(file).architecture == made.architecture


def test_first_weights_are_as_named():
    draw = np.random.default_rng(0)
    for name, spread in (
        ("default", 1 / np.sqrt(3 * 200)),
        ("glorot", np.sqrt(2 / 500)),
        ("he", np.sqrt(2 / 200)),
    ):
        assert INITS[name](draw, 200, 300, False)[0].std() == pytest.approx(spread, rel=0.02), name
    assert (
        not INITS["zero_last"](draw, 5, 4, True)[0].any() and INITS["zero_last"](draw, 5, 4, False)[0].all()
    )
