"""State distance belongs to two sets of states, and tells a law that holds near from one that holds everywhere."""

from pathlib import Path

import numpy as np
import pytest
from gentle import gentle_model
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from keplearn.config import run_config
from keplearn.core.errors import KeptWarning
from keplearn.data.dataset import load_dataset, save_dataset
from keplearn.data.units import units_for
from keplearn.evaluation import store
from keplearn.evaluation.distance import REGIONS, TrainingStates
from keplearn.evaluation.metrics import METRICS
from keplearn.evaluation.ranking import best, drawn_value
from keplearn.evaluation.scores import keep_scores
from keplearn.evaluation.store import keep_evaluation
from keplearn.evaluation.table import summarize, summary
from keplearn.evaluation.trained_on import training_states
from keplearn.experiment.plan import prepare
from keplearn.groups.error_table import error_table
from keplearn.models.neural_ode import Architecture
from keplearn.orbits.constants import MU_EARTH
from keplearn.runs.store import Run
from keplearn.runs.writer import RunWriter
from tests.evaluation.known_fields import kepler_dataset, padded

TRAINED = load_dataset("complex_TBP_planar_3_train")
TESTED = load_dataset("complex_TBP_planar_5_test")
IN_SPACE = load_dataset("complex_TBP_4_test").states[:, ::12]


def known(states, mu: float = MU_EARTH, centred: bool = True) -> TrainingStates:
    return TrainingStates.of(states[np.isfinite(states).all(axis=-1)], mu, centred)


def run_of(path: Path, data: str, **parameters) -> Path:
    """A run's directory without a model, as one is that trains."""
    config = run_config(data, group="study", test=[], **parameters)
    with RunWriter(path, config) as writer:
        writer.start({}, resume=False)
    return writer.path


def test_training_states_are_at_distance_0_of_their_own_and_within_their_radii():
    own = known(TRAINED.states)
    assert np.all(own.distances(TRAINED.states, TRAINED.mu) == 0.0)
    assert np.all(own.beyond(TRAINED.states) == 0.0)
    assert np.any(own.distances(TESTED.states, TESTED.mu) > 0.1)


def test_it_is_the_least_distance_of_all_pairs():
    orbits = padded(TESTED, [300, 360, 50, 360, 2])
    own, phi = known(TRAINED.states), {}
    for name, x in (("training", own.states), ("test", orbits.states.reshape(-1, 6))):
        radius = np.sqrt((x[:, :3] ** 2).sum(axis=1))[:, None]
        phi[name] = np.hstack([x[:, :3] / radius, np.log(radius), x[:, 3:] * np.sqrt(radius / MU_EARTH)])
    pairs = ((phi["test"][:, None, ::] - phi["training"][None]) ** 2).sum(axis=-1)
    nearest = np.sqrt(pairs.min(axis=1)).reshape(orbits.times.shape)
    assert own.distances(orbits.states, orbits.mu) == pytest.approx(nearest, rel=1e-7, abs=1e-12, nan_ok=True)


@settings(max_examples=15, deadline=None)
@given(turn=st.integers(0, 2**32 - 1), length=st.floats(1e-4, 1e4), mu=st.floats(1e-3, 1e9))
def test_it_is_the_same_in_turned_frames_and_in_all_units(turn: int, length: float, mu: float):
    first, last = IN_SPACE[:2], IN_SPACE[2:]
    rotation = Rotation.from_rotvec(np.random.default_rng(turn).normal(size=3)).as_matrix()
    scale = np.repeat([length, np.sqrt(mu / MU_EARTH / length)], 3)
    turned = [scale * (x.reshape(*x.shape[:-1], 2, 3) @ rotation.T).reshape(x.shape) for x in (first, last)]
    distances = known(turned[0], mu).distances(turned[1], mu)
    assert distances == pytest.approx(known(first).distances(last, MU_EARTH), rel=1e-6)


def test_without_a_centre_it_counts_in_standard_deviations():
    corners = np.vstack([np.eye(6), -np.eye(6)]) * np.repeat([2.0, 0.5], 3)
    own = known(corners, centred=False)
    # Positions are sqrt(2) from their mean, root mean square, velocities sqrt(2)/4.
    away = np.array([[2.0 + 10.0 * np.sqrt(2.0), 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.5 + np.sqrt(2.0), 0]])
    assert own.distances(away[None], 1.0) == pytest.approx(np.array([[10.0, 4.0]]), rel=1e-12)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"num_trajs": 2, "segment_length_strategy": 7},
        {"train_val_split": 0.5, "length_strategy": [[[0.0, 0.3], [0.2, 0.55]]], "steps_strategy": [[3, 3]]},
        {"train_val_split": 0.6, "split_order": "segments", "segment_length_strategy": 10},
    ],
)
@pytest.mark.parametrize(
    "data", ["complex_TBP_planar_4_train", "complex_TBP_planar_missing30_noise1e-3_4_train"]
)
def test_a_run_knows_the_states_of_its_training_segments(tmp_path, data: str, parameters):
    run = run_of(tmp_path, data, **parameters)
    plan = prepare(Run(run).config)
    seen = [np.moveaxis(split.train.states, 1, -1).reshape(-1, 6) for split in plan.splits]
    own = training_states(Run(run))
    assert own is not None
    units = plan.model.units
    assert units is not None
    expected = units.from_canonical_states(np.unique(np.concatenate(seen).round(12), axis=0))
    assert len(own.states) == len(expected)
    assert own.distances(expected[None], MU_EARTH) == pytest.approx(0.0, abs=1e-10)
    first = training_states(Run(run), "phase:0")
    assert first is not None
    assert (first == own) == (len(plan.splits) == 1)


def test_a_run_that_goes_on_from_another_knows_that_ones_states_too(tmp_path):
    origin = run_of(tmp_path, "complex_TBP_planar_1_train")
    config = run_config("simple_TBP_planar_1_train", group="study", test=[])
    with RunWriter(tmp_path, config.model_copy(update={"from_run": origin.name})) as writer:
        writer.start({}, resume=False)
    own = training_states(Run(writer.path))
    assert own is not None
    for name in ("complex_TBP_planar_1_train", "simple_TBP_planar_1_train"):
        (states,) = load_dataset(name).states
        assert own.distances(states[None, :360:40], MU_EARTH) == pytest.approx(0.0, abs=1e-12)


# Circles: trained at 10 000 km and 12 000 km; one between, one a little beyond, one beyond, one far beyond.
CIRCLES, OTHERS = (
    kepler_dataset([[a, 0.0, 0.0, np.nan, np.nan, 0.0] for a in radii], samples=120)
    for radii in ((1e4, 1.2e4), (1.05e4, 1.28e4, 1.5e4, 3e4))
)


def scores_of(beyond: float, orbits=slice(None)) -> dict[str, float | int]:
    """The summary of a field that is exact up to a radius of 12 200 km, and wrong by ``beyond`` (%, °) further out."""
    own, states = known(CIRCLES.states), OTHERS.states[orbits]
    errors = np.where(np.linalg.norm(states[..., :3], axis=-1) < 1.22e4, 0.0, beyond)
    samples = dict.fromkeys(("field", "mean", "theta_deg"), errors)
    return summarize(samples | {"distance": own.distances(states, OTHERS.mu), "beyond": own.beyond(states)})


def test_a_field_that_is_exact_near_and_wrong_far_shows_so():
    scores = scores_of(50.0)
    # The circles are 0.049, 0.065, 0.22 and 0.92 away, all of it in ln r.
    assert (scores["near%"], scores["far%"], scores["outside%"]) == (50.0, 25.0, 75.0)
    assert [scores[f"field-{region}"] for region in ("near", "far", "in", "out")] == [25.0, 50.0, 0.0, 50.0]
    for metric in ("mean", "theta"):
        assert [scores[f"{metric}-{region}"] for region in ("near", "far")] == [25.0, 50.0]
    inside = 100.0 - scores["outside%"]
    parts = scores["outside%"] * scores["field-out"] + inside * scores["field-in"]
    assert parts / 100.0 == pytest.approx(scores["field"])
    (nearest, furthest) = (scores_of(50.0, orbits) for orbits in (slice(1), slice(3, 4)))
    assert (nearest["near%"], furthest["near%"], furthest["field-far"]) == (100.0, 0.0, 50.0)
    assert np.isnan(nearest["field-far"])


def test_a_field_that_is_lost_far_away_ranks_behind_one_that_is_wrong_there():
    wrong, lost = scores_of(1e6), scores_of(np.inf)
    assert lost["field-near"] < wrong["field-near"]  # of the samples that are left
    for metric in (
        "field-near",
        "field-far",
        "field-out",
        "mean-near",
        "mean-far",
        "theta-near",
        "theta-far",
    ):
        assert best({"lost": lost, "wrong": wrong}.items(), metric) == "wrong"
        assert drawn_value(lost, metric) == np.inf


SHAPE = Architecture("log_radius", "mlp_rtn", 4, 1, "tanh", planar_constraint=True)


def with_model(path: Path, data: str) -> Run:
    layers = {"feature_layer": "log_radius", "output_layer": "mlp_rtn", "activation": "tanh"}
    with RunWriter(path, run_config(data, group="study", test=[], width=4, **layers)) as writer:
        writer.start({}, resume=False)
        writer.model("model", gentle_model(SHAPE, 0, units=units_for(TRAINED)))
        writer.end("finished")
    return Run(writer.path)


SHORT = load_dataset("simple_TBP_planar_2_test")


def test_an_evaluation_that_is_kept_serves_though_no_distance_is_in_it(tmp_path, monkeypatch):
    run = with_model(tmp_path, "complex_TBP_planar_1_train")
    model = run.model()
    keep_evaluation(run.path, model, SHORT)
    file = next((run.path / "evaluations").iterdir())
    assert "distance" not in store.open_netcdf(file, sealed=store._MARK)["of_samples"]
    monkeypatch.setattr(store, "evaluate_together", lambda models, *rest, **options: [1 / 0 for _ in models])
    found = summary(keep_evaluation(run.path, model, SHORT))
    own = training_states(run)
    assert own is not None
    distances = own.distances(SHORT.states, SHORT.mu)
    assert found["near%"] == 100.0 * (distances <= 0.1).mean()
    # In boxes by orbit stand those orbits that come into the region, and no other is called lost.
    for metric, there in (("field-near", distances <= 0.1), ("field-far", distances > 0.3)):
        boxes = error_table([run], SHORT.name, ["width"], metric=metric)
        assert boxes["orbit"].tolist() == [str(k) for k in np.flatnonzero(there.any(axis=1))]
        assert np.isfinite(boxes["value"]).all()
    assert not (distances <= 0.1).any(axis=1).all()


def test_without_a_run_there_is_none_of_it(tmp_path):
    found = summary(keep_evaluation(tmp_path, gentle_model(SHAPE, 0, units=units_for(TRAINED)), SHORT))
    absent = [key for key, one in METRICS.items() if one.over in REGIONS or one.of in ("distance", "beyond")]
    assert len(absent) == 11
    assert np.isnan([found[key] for key in absent]).all()


def test_training_data_that_are_gone_are_told_of_and_found_again(tmp_path):
    file = save_dataset(kepler_dataset([[1e4, 0.1, 0.0, np.nan, np.nan, 0.0]]), tmp_path / "own.nc")
    run = with_model(tmp_path, str(file))
    file.rename(tmp_path / "away.nc")
    with pytest.warns(KeptWarning, match="training states are not at hand.*own.nc"):
        (gone,) = keep_scores([run], SHORT)
    (tmp_path / "away.nc").rename(file)
    (back,) = keep_scores([run], SHORT)
    assert gone is not None
    assert back is not None
    assert np.isnan(gone.summary["far%"])
    assert back.summary["far%"] > 0.0
    assert back.summary["field"] == gone.summary["field"]
