"""What every feature layer, output layer and activation must fulfil, keplearn's own and yours: `check_layer`.

Values and gradients are finite at ordinary and awkward states, gradients are those of finite differences, a batch
gives what its states give one by one, and what the decorator declares is true.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from keplearn.core.errors import KeplearnError, nearest
from keplearn.models.activations import ACTIVATIONS, PRELU_SLOPE
from keplearn.models.features import FEATURE_LAYERS, LayerSettings, feature_names
from keplearn.models.neural_ode import Architecture, new_model
from keplearn.models.outputs import OUTPUT_LAYERS
from keplearn.models.trials import WEIGHTS, awkward_states, model, ordinary_states, program, turn

# Of finite differences.
STEP = 1e-6


def check_layer(name: str) -> None:
    """Hold a feature layer, output layer or activation to all that keplearn's own fulfil; some seconds.

    Parameters
    ----------
    name
        Its name, as a config has it.

    Raises
    ------
    KeplearnError
        Saying what it does not fulfil, or that there is none of this name.
    """
    tables = {
        check_feature_layer: FEATURE_LAYERS,
        check_output_layer: OUTPUT_LAYERS,
        check_activation: ACTIVATIONS,
    }
    found = [
        (check, table.full_name(name)) for check, table in tables.items() if table.full_name(name) in table
    ]
    if not found:
        known = [one for table in tables.values() for one in (*table, *table.latest)]
        raise KeplearnError(f"no layer or activation {name!r}.{nearest(name, known)}")
    for check, full_name in found:
        check(full_name)


def check_feature_layer(name: str) -> None:
    """`check_layer` for a feature layer."""
    check_names_of_features(name, LayerSettings())
    check_batch_of_features(name)
    check_invariance(name)
    check_model(name, "mlp_4D_logmag_unit_exp")


def check_output_layer(name: str) -> None:
    """`check_layer` for an output layer."""
    layer = OUTPUT_LAYERS[name]
    _require(len(set(layer.output_names)) == layer.size, name, f"{layer.size} outputs need as many names")
    check_equivariance(name)
    for features in ("sph_4D_rinv", *(["radial_transverse"] if layer.uses_velocity else [])):
        check_model(features, name)


def check_model(features: str, head: str) -> None:
    """Check what a model of two layers fulfils."""
    check_values_and_gradients(features, head)
    check_velocity(features, head)
    check_batch(features, head)


def check_values_and_gradients(features: str, head: str) -> None:
    """Check that values and gradients are finite, of their dtype, and gradients those of finite differences."""
    names = f"{features} + {head}"
    with jax.enable_x64(True):
        for dtype in ("float64", "float32"):
            flat, run = program(features, head, dtype)
            states = np.concatenate([ordinary_states(), awkward_states()])
            for parameters in (flat, 0 * flat):
                value, gradients = run(parameters, jnp.asarray(states, dtype))
                _require(
                    value.shape == (len(states), 3),
                    names,
                    f"accelerations of shape {value.shape[1:]}, not (3,)",
                )
                for what, array in {
                    "value": value,
                    "gradient": gradients[0],
                    "gradient by state": gradients[1],
                }.items():
                    _require(array.dtype == dtype, names, f"{what} is {array.dtype} in a model of {dtype}")
                    wrong = ~np.isfinite(array).reshape(len(states), -1).all(axis=1)
                    _require(not wrong.any(), names, f"{what} is not finite in {dtype} at {states[wrong]}")
        flat, run = program(features, head, "float64")
        states = ordinary_states()
        _, (by_parameters, by_state) = run(flat, jnp.asarray(states))
        for k in range(6):
            ends = [run(flat, jnp.asarray(states + sign * STEP * np.eye(6)[k]))[0] for sign in (1, -1)]
            _require_slope(
                by_state[:, k], (ends[0] - ends[1]) @ WEIGHTS, names, f"by component {k} of the state"
            )
        along = np.random.default_rng(1).standard_normal(flat.shape)
        ends = [run(flat + sign * STEP * along, jnp.asarray(states))[0] for sign in (1, -1)]
        _require_slope(by_parameters @ along, (ends[0] - ends[1]) @ WEIGHTS, names, "by the parameters")


def check_velocity(features: str, head: str) -> None:
    """Check that the acceleration depends on velocity where the layers say so, and nowhere else."""
    with jax.enable_x64(True):
        flat, run = program(features, head, "float64")
        states = ordinary_states()
        other = np.concatenate([states[:, :3], ordinary_states(seed=5)[:, 3:]], axis=1)
        one, two = (run(flat, jnp.asarray(y))[0] for y in (states, other))
    uses, change = model(features, head).architecture.uses_velocity, np.abs(one - two).max()
    right = change > 1e-6 if uses else change == 0
    _require(
        right, f"{features} + {head}", f"uses_velocity is {uses}, but velocity changes values by {change:.2g}"
    )


def check_batch(features: str, head: str) -> None:
    """Check that what a model makes of (3, batch) is what it makes of each state."""
    if OUTPUT_LAYERS[head].position_features_only and FEATURE_LAYERS[features].uses_velocity:
        return
    made = new_model(Architecture(features, head, 5, 2, "prelu", "tanh", True), 1, "float64")
    with jax.enable_x64(True):
        r, v = jnp.asarray(np.random.default_rng(0).standard_normal((2, 3, 7)))
        one_by_one = jax.vmap(made.derivative, in_axes=-1, out_axes=-1)(r, v)
        for whole, single in zip(made.derivative(r, v), one_by_one, strict=True):
            _require_equal(
                whole, single, f"{features} + {head}", "a batch (3, 7) is not its states one by one"
            )


def check_batch_of_features(name: str) -> None:
    """Check that features of (3, batch) are those of each state."""
    function = FEATURE_LAYERS[name].function
    with jax.enable_x64(True):
        r, v = jnp.asarray(np.random.default_rng(1).standard_normal((2, 3, 7)))
        single = jax.vmap(lambda r, v: function(r, v, LayerSettings()), in_axes=-1, out_axes=-1)(r, v)
        _require_equal(
            function(r, v, LayerSettings()), single, name, "a batch (3, 7) is not its states one by one"
        )


def check_names_of_features(name: str, settings: LayerSettings) -> None:
    """Check that every feature has a name of its own."""
    names = feature_names(name, settings)
    size = Architecture(name, "mlp_simple", settings=settings).layer_sizes[0]
    _require(
        len(set(names)) == len(names) == size, name, f"{size} features, and the names {', '.join(names)}"
    )


def check_invariance(name: str) -> None:
    """Check that features are the same in a rotated frame where that is declared, and nowhere else."""
    layer = FEATURE_LAYERS[name]
    with jax.enable_x64(True):
        function = jax.vmap(lambda y: layer.function(y[:3], y[3:], LayerSettings()))
        states = ordinary_states()
        change = np.abs(function(jnp.asarray(states)) - function(jnp.asarray(turn(states)[1]))).max()
    declared = layer.rotation_invariant
    said = f"rotation_invariant is {declared}, but a rotated state changes features by {change:.2g}"
    _require((change < 1e-12) == declared, name, said)


def check_equivariance(head: str) -> None:
    """Check a(Qy) = Q a(y), with invariant features, where that is declared, and nowhere else."""
    with jax.enable_x64(True):
        flat, run = program("log_radius", head, "float64")
        states = ordinary_states()
        q, turned = turn(states)
        expected = np.einsum("nij,nj->ni", q, run(flat, jnp.asarray(states))[0])
        change = np.abs(run(flat, jnp.asarray(turned))[0] - expected).max()
    declared = OUTPUT_LAYERS[head].rotation_equivariant
    said = (
        f"rotation_equivariant is {declared}, but rotated states are {change:.2g} off rotated accelerations"
    )
    _require((change < 1e-12) == declared, head, said)


def check_activation(name: str) -> None:
    """Check an activation: finite, of its argument's dtype, with the gradients of finite differences."""
    with jax.enable_x64(True):
        slope = jnp.asarray(PRELU_SLOPE)
        x = jnp.asarray([-50.0, -4.1, -0.7, -1e-3, 1e-3, 0.4, 2.2, 7.3, 50.0])
        value = lambda x: ACTIVATIONS[name](x, slope)  # noqa: E731
        gradient = jax.vmap(jax.grad(value))(x)
        finite = np.isfinite(value(x)).all() and np.isfinite(jax.vmap(jax.grad(value))(0 * x)).all()
        _require(bool(finite), name, "value or gradient is not finite")
        _require_slope(gradient, value(x + STEP) - value(x - STEP), name, "by its argument", 1e-6, 1e-7)
        for dtype in (jnp.float32, jnp.float64):
            found = ACTIVATIONS[name](x.astype(dtype), slope.astype(dtype)).dtype
            _require(found == dtype, name, f"gives {found} of {np.dtype(dtype)}")


def _require(right: bool | np.bool_, name: str, said: str) -> None:
    if not right:
        raise KeplearnError(f"{name}: {said}.")


def _require_equal(found: Any, wanted: Any, name: str, said: str) -> None:
    shapes = np.shape(found), np.shape(wanted)
    _require(shapes[0] == shapes[1], name, f"{said}: shape {shapes[0]} and {shapes[1]}")
    _require(np.allclose(found, wanted, rtol=1e-12, atol=1e-14), name, said)


def _require_slope(
    found: Any, difference: Any, name: str, of: str, rtol: float = 1e-5, atol: float = 1e-6
) -> None:
    """Compare a gradient with a difference over two steps."""
    slope = np.asarray(difference) / (2 * STEP)
    off = np.abs(np.asarray(found) - slope)
    said = f"the gradient {of} is {off.max():.2g} off finite differences"
    _require((off <= atol + rtol * np.abs(slope)).all(), name, said)
