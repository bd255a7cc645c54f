"""The loss figure shows every step where it happened, on axes that say what they are."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from keplearn.config import run_config
from keplearn.core.errors import KeplearnError
from keplearn.figures.parts.phases import phase_labels
from keplearn.figures.parts.series import thin_out
from keplearn.figures.parts.spikes import find_spikes
from keplearn.figures.plots.loss import loss


def lines(figure: Figure, gid: str) -> list[Any]:
    return [line for axes in figure.axes for line in axes.lines if line.get_gid() == gid]


def drawn(figure: Figure, gid: str) -> np.ndarray:
    """X and y of all lines of this name, (2, point)."""
    return np.concatenate([np.array(line.get_data()) for line in lines(figure, gid)], axis=1)


def legend(figure: Figure, panel: int = 0) -> list[str]:
    found = figure.axes[panel].get_legend()
    assert found is not None
    return [text.get_text() for text in found.get_texts()]


def test_every_step_is_drawn_at_its_place_in_the_whole_run(metrics):
    figure = loss(metrics)
    x, y = drawn(figure, "loss:steps")
    np.testing.assert_array_equal(x, np.arange(1, 66))
    np.testing.assert_array_equal(y, metrics["loss"])
    for part in ("percent_error", "nmse"):
        np.testing.assert_array_equal(drawn(figure, f"{part}:steps")[1], metrics[part])


def test_validation_is_drawn_at_its_own_steps(metrics):
    figure = loss(metrics)
    x, y = drawn(figure, "val_loss")
    np.testing.assert_array_equal(x, [10, 20, 30, 40, 50, 60, 65])
    np.testing.assert_array_equal(y, metrics["val_loss"].dropna())
    assert all(line.get_drawstyle() == "default" for line in lines(figure, "val_loss"))
    assert len(lines(figure, "val_nmse")) == len(lines(figure, "val_percent_error")) == 2


def test_axes_and_legend_say_what_is_drawn(metrics):
    figure = loss(metrics, title="a run")
    panel, gradient = figure.axes
    assert panel.get_ylabel() == "loss (%)"
    assert panel.get_yscale() == gradient.get_yscale() == "log"
    assert gradient.get_ylabel() == "gradient\nnorm"
    assert gradient.get_xlabel() == "optimiser step"
    assert set(legend(figure)) >= {"total", "percent error", "NMSE", "validation", "running median"}
    assert figure.get_suptitle() == "a run"


def test_a_loss_of_one_part_is_one_curve_under_the_parts_name(metrics):
    figure = loss(metrics.drop(columns=["nmse", "val_nmse"]))
    assert figure.axes[0].get_ylabel() == "percent error (%)"
    assert not lines(figure, "percent_error:steps")


def test_the_gradient_has_its_median_by_phase(metrics):
    figure = loss(metrics)
    for phase, rows in metrics.groupby("phase"):
        steps, values = drawn(figure, f"gradient:{phase}")
        assert set(values) == {rows["grad_norm"].median()} and steps[1] - steps[0] == len(rows) - 1
    assert [label[:8] for label in legend(figure, 1)] == ["phase 0:", "phase 1:"]


def texts(figure: Figure, gid: str) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts if text.get_gid() == gid]


def test_phases_are_marked_where_they_start(metrics):
    figure = loss(metrics, phases=["adam, segments of 4", "half an orbit"])
    assert [line.get_xdata()[0] for line in lines(figure, "phase")] == [0, 40, 0, 40]
    labels = [text.replace("\n", ", ") for text in texts(figure, "phase label")]
    assert labels == ["adam, segments of 4", "half an orbit"]
    assert "lr 0.01" in texts(loss(metrics), "phase label")[0]
    with pytest.raises(KeplearnError, match="1 labels for 2 phases"):
        loss(metrics, phases=["one"])


def test_a_phase_too_short_for_its_label_is_numbered_and_its_label_listed(metrics):
    short = metrics[(metrics["phase"] == 0) | (metrics["step"] <= 3)]
    figure = loss(short, phases=["adam, segments of 4", "bfgs, segments of 10"])
    assert texts(figure, "phase number") == ["0", "1"]
    assert texts(figure, "phase label") == ["phase 0: adam, segments of 4\nphase 1: bfgs, segments of 10"]


def test_labels_of_phases_say_how_each_trains():
    config = run_config(
        "complex_TBP_planar_2_train",
        optimizer=[["adam", "bfgs"]],
        dtype="float64",
        lr_strategy=[[1e-2, 1e-3]],
        schedule=[["cosine", "constant"]],
        segment_length_strategy=[[4, 10]],
        length_strategy=[[[0.0, 0.5], [0.0, 1.0]]],
    )
    first, second = phase_labels(config.parameters)
    assert first == "adam, lr 0.01 (cosine), segments of 4, window 0 to 0.5"
    assert second == "bfgs, segments of 10, whole orbits"  # it takes no learning rate


def trained(loss_of_steps: Any, **columns: Any) -> pd.DataFrame:
    """Metrics of one phase."""
    values = np.asarray(loss_of_steps, float)
    return pd.DataFrame({"phase": 0, "step": np.arange(1, len(values) + 1), "loss": values} | columns)


def test_spikes_are_told_with_what_led_to_them():
    """A single high step, and a rise to a higher level, whose cause is a step before it shows."""
    values, gradients = np.full(200, 2.0), np.full(200, 10.0)
    values[49], gradients[49] = 30.0, 4000.0
    values[120:160], gradients[117] = 8.0, 500.0
    lost = np.where(np.arange(200) == 117, 3, 0)
    rows = trained(values, grad_norm=gradients, lr=0.01, lost=lost)
    highest, level = find_spikes(rows, rows["step"].to_numpy(float))
    assert highest == (50.0, 30.0, 15.0, 4000.0, 50.0, 0.01, 0)
    assert level == (121.0, 8.0, 4.0, 500.0, 118.0, 0.01, 3)
    figure = loss(rows)
    assert texts(figure, "spike") == ["1", "2"]
    head, *said = texts(figure, "spikes")[0].splitlines()
    assert head == "Spikes (loss above 3 × the median of the 25 steps before):"
    assert said == [
        "1  step 50: 15 × the median before, gradient norm 4000 (step 50), lr 0.01, no segments lost",
        "2  step 121: 4 × the median before, gradient norm 500 (step 118), lr 0.01, 3 segments lost",
    ]


def test_neither_noise_nor_a_new_phase_nor_a_lost_step_is_a_spike():
    noise = np.random.default_rng(0).uniform(1.0, 2.9, 300)
    noise[100] = np.nan
    rows = trained(noise)
    assert find_spikes(rows, rows["step"].to_numpy(float)) == []
    later = trained(9.0 * noise).assign(phase=1)
    both = pd.concat([rows, later], ignore_index=True)
    assert find_spikes(both, np.arange(1.0, 601.0)) == []
    assert texts(loss(both), "spikes") == []


def test_of_many_spikes_the_three_highest_are_marked_none_beside_another():
    values = np.ones(600)
    values[[99, 199, 299, 399, 499]] = (10.0, 20.0, 50.0, 40.0, 30.0)
    values[320] = 45.0  # within the 25 steps after the one at 300
    figure = loss(trained(values))
    head, *said = texts(figure, "spikes")[0].splitlines()
    assert head.endswith("the 3 highest of 5:")
    assert [line.split()[2] for line in said] == ["300:", "400:", "500:"]


def test_the_error_of_the_field_has_a_panel_of_its_own_and_the_kept_model_a_mark(metrics):
    field = metrics["val_loss"] * 3.0
    figure = loss(metrics.assign(val_field=field), kept=(0, 30))
    panel = figure.axes[1]
    assert panel.get_ylabel() == "acceleration\nerror (%)"
    assert legend(figure, 1) == ["field at the true states"]
    np.testing.assert_array_equal(drawn(figure, "val_field")[1], field.dropna())
    assert len(lines(figure, "val_field")) == 1  # it compares from phase to phase
    (x, _), (_, y) = drawn(figure, "kept")
    row = metrics[(metrics["phase"] == 0) & (metrics["step"] == 30)]
    assert x == 30.0 and y == pytest.approx(3.0 * float(row["val_loss"].iloc[0]))
    assert "model that is kept" in legend(figure)
    assert not lines(loss(metrics), "kept") and len(loss(metrics).axes) == 2


def test_lost_segments_have_a_panel_when_there_are_any(metrics):
    assert len(loss(metrics).axes) == 2
    broken = metrics.copy()
    broken.loc[5, ["loss", "grad_norm"]] = np.nan
    broken.loc[5, ["percent_error", "nmse"]] = 0.0
    broken.loc[5, "lost"] = 16
    figure = loss(broken)
    assert figure.axes[2].get_ylabel() == "lost\nsegments"
    assert legend(figure, 2) == ["training"]
    # A mean over no segment is no loss of 0.
    assert np.isnan(drawn(figure, "percent_error:steps")[1][5])


def test_zeros_do_not_stretch_the_axis_and_are_said(metrics):
    attraction = metrics.assign(attraction=0.0, val_attraction=np.nan)
    figure = loss(attraction)
    assert "attraction\n(always 0)" in legend(figure)
    low, _ = figure.axes[0].get_ylim()
    assert low > 1e-4 * metrics["loss"].min()


def test_a_long_run_keeps_its_envelope_in_few_points(metrics):
    steps = np.arange(1, 15001)
    noise = np.random.default_rng(0).lognormal(size=len(steps))
    figure = loss(pd.DataFrame({"phase": 0, "step": steps, "loss": noise, "percent_error": noise}))
    x, y = drawn(figure, "loss:steps")
    assert len(x) <= 1200
    assert (y.min(), y.max()) == (noise.min(), noise.max())
    np.testing.assert_array_equal(y, noise[x.astype(int) - 1])


def test_thinning_out_passes_over_what_is_not_finite():
    y = np.array([3.0, np.nan, 1.0, 2.0, np.nan, np.nan, np.nan, np.nan, 5.0])
    x, kept = thin_out(np.arange(9.0), y, 4)
    np.testing.assert_array_equal(x, [0, 2, 4, 8])
    np.testing.assert_array_equal(kept, [3.0, 1.0, np.nan, 5.0])


def test_a_run_of_one_step_without_validation_is_drawn(metrics):
    figure = loss(metrics.iloc[:1].drop(columns=[c for c in metrics if str(c).startswith("val_")]))
    assert drawn(figure, "loss:steps").shape == (2, 1)
    assert "validation" not in legend(figure)


def test_nothing_to_draw_is_an_error(metrics):
    with pytest.raises(KeplearnError, match="no step"):
        loss(metrics.iloc[:0])
    with pytest.raises(KeplearnError, match="lack phase, step, loss"):
        loss(pd.DataFrame())


def test_several_runs_are_drawn_in_one_figure(metrics):
    worse = metrics.assign(
        loss=3 * metrics["loss"], val_field=np.where(metrics["step"] % 10 == 0, 5.0, np.nan)
    )
    figure = loss({"seed 0": metrics, "seed 1": worse}, title="two runs")
    above, below = figure.axes
    for label, rows in (("seed 0", metrics), ("seed 1", worse)):
        x, y = drawn(figure, f"val_loss:{label}")
        np.testing.assert_array_equal(x, [10, 20, 30, 40, 50, 60, 65])
        np.testing.assert_array_equal(y, rows["val_loss"].dropna())
        curves = lines(figure, f"loss:{label}")
        assert len(curves) == metrics["phase"].nunique()  # losses of phases do not compare
        assert len({line.get_color() for line in (*curves, *lines(figure, f"val_loss:{label}"))}) == 1
    np.testing.assert_allclose(drawn(figure, "loss:seed 1")[1], 3 * drawn(figure, "loss:seed 0")[1])
    assert not lines(figure, "val_field:seed 0")
    assert set(drawn(figure, "val_field:seed 1")[1]) == {5.0}
    assert above.get_yscale() == below.get_yscale() == "log"
    assert {"seed 0", "seed 1"} <= {text.get_text() for text in figure.legends[0].get_texts()}
    with pytest.raises(KeplearnError, match="no run was given"):
        loss({})
