"""Keys of a config that do nothing are said, once a file, where no run of it uses them."""

import re
import warnings
from pathlib import Path

import jax
import pytest
from config_helpers import runs_of

from keplearn.cli.app import app
from keplearn.config import ConfigWarning, run_config, runs_from_dict
from keplearn.config.effects import EFFECTS, SAME
from keplearn.config.names import known_names
from keplearn.config.schema import TABLES
from keplearn.models.outputs import PRODUCTS

CASES = Path(__file__).parents[1] / "cases"
ONE = "complex_TBP_planar_1_train"
TEN = "complex_TBP_planar_10_train"
DOUBLE = {"dtype": "float64"}

# For each line of the table: values of its keys, a choice that makes them idle, and one that heeds them.
PAIRS = [
    ({"entity": "me", "mode": "online"}, {}, {"project": "p"}),
    ({"score_segments": 18}, {"test": []}, {}),
    (
        {"lr_strategy": 1e-2, "batch_size": 8, "schedule": "cosine", "max_grad_norm": 1.0},
        {"optimizer": "bfgs", **DOUBLE},
        {"optimizer": [["adam", "bfgs"]], **DOUBLE},
    ),
    ({"train_val_split": 0.5}, {"dataset_name": ONE}, {"dataset_name": TEN}),
    ({"loss_fcn": "mean_squared_error"}, {"model": "latent_ode"}, {}),
    ({"mse_weight": 2.0}, {"loss_fcn": "percent_error"}, {"loss_fcn": "percent_error_plus_nmse"}),
    (
        {
            "feature_layer": "sph_4D_rinv",
            "output_layer": "mlp_4D_unit",
            "standardize": True,
            "skip": True,
            "init": "glorot",
        },
        {"model": "latent_ode", "latent_dynamics": "free"},
        {"model": "latent_ode", "latent_dynamics": "second_order"},
    ),
    ({"rtol": 1e-5, "atol": 1e-7}, {"integrator": "grid"}, {"integrator": [["grid", "adaptive"]]}),
    ({"integrator": "adaptive"}, {"objective": "derivative"}, {"objective": [["weak", "trajectory"]]}),
    ({"continuity": 3.0}, {"objective": "trajectory"}, {"objective": [["weak", "shooting"]]}),
    ({"stride": 2, "grid_rtol": 1e-2}, {"integrator": "adaptive"}, {"integrator": [["grid", "adaptive"]]}),
    ({"split_order": "segments"}, {"train_val_split": 1.0}, {"train_val_split": 0.8}),
    ({"length_unit": "earth_radius"}, {"from_run": "group/0123456789abcdef"}, {}),
    ({"attraction_weight": 2.0}, {}, {"loss_fcn": "percent_error_with_attraction"}),
    ({"harmonics_degree": 3}, {}, {"feature_layer": "sph_4D_rinv_vel_harmonics"}),
    ({"fourier_count": 8, "fourier_scale": 2.0}, {}, {"feature_layer": "fourier"}),
    ({"weight_decay": 0.1}, {"optimizer": "adam"}, {"optimizer": "lion"}),
    (
        {
            "latent_dynamics": "second_order",
            "encoder": "gru",
            "hidden_size": 8,
            "observe": "state",
            "observed_fraction": 0.3,
            "kl_weight": 0.5,
            "kl_annealing": 9,
            "likelihood_noise": 0.1,
            "refine": 2,
            "refine_training": 2,
            "bound_samples": 3,
            "likelihood": "relative",
        },
        {},
        {"model": "latent_ode"},
    ),
    (
        {"latent_size": 3, "decoder": "linear"},
        {"model": "latent_ode"},
        {"model": "latent_ode", "latent_dynamics": "free"},
    ),
    ({"stations": "52 21"}, {"model": "latent_ode"}, {"model": "latent_ode", "observe": "angles"}),
    ({"fitted_to": "all"}, {"model": "latent_ode"}, {"model": "latent_ode", "refine_training": 2}),
]


def said(*choices: dict[str, object]) -> list[str]:
    """Return the warnings with which a config of these entries is read, a variant for each but the first."""
    base, *variants = choices
    tables = {name: {key: base[key] for key in keys if key in base} for name, keys in TABLES.items()}
    tables["data"] = {"dataset_name": TEN} | tables["data"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        runs_from_dict(tables | ({"variants": variants} if variants else {}))
    return [str(warning.message) for warning in caught]


@pytest.mark.parametrize(
    ("effect", "pair"),
    list(zip(EFFECTS.items(), PAIRS, strict=True)),
    ids=lambda x: "-".join(x[0]) if isinstance(x[0], dict) else x[0].else_why,
)
def test_a_key_that_no_run_heeds_is_said_once(effect, pair):
    (effect, of), (keys, idle, heeding) = effect, pair
    assert tuple(keys) == of
    assert said(keys | idle) == [f"given without effect: {', '.join(keys)} ({effect.else_why})"]
    assert said(keys | heeding) == []
    assert said(idle | heeding) == said(idle) == []


def test_one_run_that_heeds_a_key_is_enough():
    weighted = {"mse_weight": 0.5, "loss_fcn": ["percent_error", "percent_error_plus_nmse"]}
    assert said(weighted) == []
    assert said({"rtol": 1e-5}, {"seed": 1}, {"integrator": "adaptive"}) == []
    assert len(said({}, {"seed": 1, "rtol": 1e-5}, {"seed": 2, "mse_weight": 3.0})) == 1


# For each: lists, how many of how many runs repeat another, and by which keys.
ALIKE = [
    (
        {"mse_weight": [0.5, 1], "loss_fcn": ["percent_error", "percent_error_plus_nmse"]},
        (1, 4),
        {"mse_weight": 1},
    ),
    (
        {"integrator": ["grid", "adaptive"], "rtol": [1e-4, 1e-6], "atol": [1e-6, 1e-8]},
        (3, 8),
        {"rtol": 3, "atol": 3},
    ),
    ({"harmonics_degree": [2, 3, 4], "seed": [0, 1]}, (4, 6), {"harmonics_degree": 4}),
    (
        {"optimizer": [["adam", "bfgs"]], "lr_strategy": [[1e-3, 1e-3], [1e-3, 1e-4]], **DOUBLE},
        (1, 2),
        {"lr_strategy": 1},
    ),
    ({"num_trajs": [5, 10, -1]}, (1, 3), {"num_trajs": 1}),
    ({"output_layer": ["mlp_4D_softplus", "mlp_4D_accsoftplus"]}, (1, 2), {"output_layer": 1}),
    ({"activation": ["swish", "silu", "tanh"], "depth": [1, 2]}, (2, 6), {"activation": 2}),
]


@pytest.mark.parametrize(
    ("lists", "runs", "keys"), ALIKE, ids=lambda x: "-".join(x) if isinstance(x, dict) else ""
)
def test_runs_that_cannot_differ_are_counted_with_what_makes_them(lists, runs, keys):
    told = said(lists)[-1]
    assert told.startswith(f"{runs[0]} of {runs[1]} runs cannot differ from another of the set, by ")
    counted = re.findall(r"(\w+) \([^()]*; (\d+) runs\)", told)
    assert {key: int(count) for key, count in counted} == keys
    assert "variants" in told


@pytest.mark.parametrize(
    "choices",
    [
        ({"seed": [0, 1], "rtol": 1e-5},),
        ({"lr_strategy": [[1e-3, 1e-3], [1e-4, 1e-3]], "optimizer": [["adam", "bfgs"]], **DOUBLE},),
        ({"num_trajs": [5, -1]},),
        # As the warning says: the list stands beside what heeds it.
        ({}, {"loss_fcn": "percent_error"}, {"loss_fcn": "percent_error_plus_nmse", "mse_weight": [0.5, 2]}),
    ],
)
def test_runs_that_differ_are_not_doubted(choices):
    assert not [text for text in said(*choices) if "cannot differ" in text]


def test_names_of_one_function_are_known():
    maps: dict[str, object] = dict(PRODUCTS)
    functions: dict[str, object] = {
        name: getattr(jax.nn, name) for name in known_names()["activation"] if hasattr(jax.nn, name)
    }
    for table in (maps, functions):
        seen: dict[object, str] = {}
        for name, what in table.items():
            first = seen.setdefault(what, name)
            assert SAME.get(name, name) == SAME.get(first, first)
    assert all(
        table[name] == table[other]
        for name, other in SAME.items()
        for table in (maps, functions)
        if name in table
    )


def test_the_layer_that_was_changed_says_so_with_what_restores_it():
    told = "output_layer mlp_4D is |m| d since it was changed; what it was in old runs, m d, is called mlp_4D_signed: "
    assert said({"output_layer": "mlp_4D"}) == [f"{told}--set 'output_layer=mlp_4D_signed' restores it"]
    several = said({"output_layer": ["mlp_4D", "mlp_simple", "mlp_4D_signed"], "seed": [0, 1]})
    assert several == [f"{told}--set 'output_layer=[mlp_4D_signed, mlp_simple]' restores it"]
    assert said({}, {"output_layer": "mlp_4D"}, {"output_layer": "mlp_simple"}) == [
        f"{told}write that in its place"
    ]
    assert said({"output_layer": ["mlp_4D_signed", "mlp_4D_unit"]}) == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = run_config(TEN, output_layer="mlp_4D").to_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs_from_dict(record)


def test_what_splits_the_training_orbits_is_idle_beside_a_validation_dataset():
    own: dict[str, object] = {"validation": "complex_TBP_planar_10_val"}
    (told,) = said(own | {"train_val_split": 0.5, "split_order": "segments"})
    assert "train_val_split (one orbit trains and validates, or validation has its own data)" in told
    assert "split_order (nothing is split off)" in told
    assert said(own, {"train_val_split": 0.5, "validation": None}) == []


def test_null_chooses_nothing():
    assert said({"project": None, "mode": None, "stride": None, "integrator": "adaptive"}) == []


def test_the_layers_and_losses_of_the_table_exist():
    """A name that is gone, or a new loss with a weight of its own, would make the table wrong in silence."""
    names = known_names()
    assert {"percent_error_plus_nmse", "percent_error_with_attraction"} <= set(names["loss_fcn"])
    assert "fourier" in names["feature_layer"]
    assert [name for name in names["feature_layer"] if "harmonics" in name] == ["sph_4D_rinv_vel_harmonics"]
    every = {"adam", "adamw", "lion", "bfgs", "lbfgs", "levenberg_marquardt"}
    assert set(names["optimizer"]) == every


def test_a_mirror_of_no_project_is_said_once(capsys):
    file = CASES / "wandb_online.yaml"
    app(["config", "show", str(file), "--format", "csv"], result_action="return_value")
    why = "given without effect: entity, mode (no project is named, so nothing goes to Weights & Biases)"
    assert capsys.readouterr().err == f"warning: {file}: {why}\n"


def test_a_record_of_a_run_chooses_nothing_and_an_override_does(tmp_path):
    record = run_config(TEN, rtol=1e-5, integrator="adaptive").to_dict()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runs_from_dict(record)
        runs_from_dict(record, ["integrator=grid"])
    with pytest.warns(ConfigWarning, match=r"^given without effect: mse_weight \(loss_fcn is not"):
        runs_from_dict(record, ["mse_weight=2.0"])
    with pytest.warns(
        ConfigWarning, match=r"study\.yaml: given without effect: stride \(integrator is not grid\)$"
    ):
        runs_of(tmp_path, f"data: {{dataset_name: {TEN}}}", "stride=2", "integrator=adaptive")
