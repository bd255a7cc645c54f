"""The loss figure shows every step where it happened, on axes that say what they are."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError
from keplearn.figures.parts.series import thin_out
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


def test_phases_are_marked_where_they_start(metrics):
    figure = loss(metrics, phases=["adam, segments of 4", "half an orbit"])
    assert [line.get_xdata()[0] for line in lines(figure, "phase")] == [0, 40, 0, 40]
    labels = [text.get_text().replace("\n", ", ") for text in figure.axes[0].texts]
    assert labels == ["adam, segments of 4", "half an orbit"]
    assert "lr 0.01" in loss(metrics).axes[0].texts[0].get_text()
    with pytest.raises(KeplearnError, match="1 labels for 2 phases"):
        loss(metrics, phases=["one"])


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
