"""The error figures show every sample and every orbit, the diverged ones too."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from keplearn.core.errors import KeplearnError
from keplearn.figures.plots.acceleration import acceleration
from keplearn.figures.plots.errors import errors


def lines(figure: Figure, gid: str) -> list[Any]:
    return [line for axes in figure.axes for line in axes.lines if line.get_gid() == gid]


def labels(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_errors_and_magnitudes_are_drawn_at_every_sample(planar):
    figure = acceleration(planar, 3)
    one = planar.isel(orbit=3)
    for name in ("mean", "field"):
        (line,) = lines(figure, name)
        np.testing.assert_array_equal(line.get_ydata(), one[name])
        np.testing.assert_allclose(line.get_xdata(), np.arange(360), atol=1e-9)
    for name in ("acceleration", "predicted_acceleration", "field_acceleration"):
        (line,) = lines(figure, name)
        np.testing.assert_array_equal(line.get_ydata(), np.linalg.norm(one[name], axis=1))


def test_the_angle_is_that_between_true_and_predicted(diverged):
    """A prediction turned by 30 degrees is 30 degrees off."""
    turned = diverged.copy(deep=True)
    turn = np.array(
        [[np.cos(np.pi / 6), -np.sin(np.pi / 6), 0], [np.sin(np.pi / 6), np.cos(np.pi / 6), 0], [0, 0, 1]]
    )
    turned["field_acceleration"][:] = turned["acceleration"].to_numpy() @ turn.T
    (line,) = lines(acceleration(turned, 1), "angle:field_acceleration")
    np.testing.assert_allclose(line.get_ydata(), 30.0)


def test_axes_have_units_and_the_legend_has_the_means(planar):
    figure = acceleration(planar)
    above, middle, below = figure.axes
    assert middle.get_ylabel() == "angle to the true\nacceleration (°)"
    assert above.get_ylabel() == "|a| (km/s²)"
    assert below.get_ylabel() == "acceleration error (%)"
    assert below.get_xlabel() == "mean anomaly since the first sample (°)"
    assert above.get_yscale() == below.get_yscale() == "log"
    mean = float(planar["mean"][0].mean())
    legend = below.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == [f"propagated path\nmean {mean:.3g} %", "true states\nmean 1 %"]


def test_the_periapsis_is_where_the_true_acceleration_is_greatest(planar):
    for k in range(planar.sizes["orbit"]):
        greatest = np.linalg.norm(planar["acceleration"][k], axis=1).argmax()
        passages = lines(acceleration(planar, k), "periapsis")
        assert {round(line.get_xdata()[0] - greatest) % 360 for line in passages} <= {0, 1, 359}


def test_where_a_prediction_has_diverged_is_shaded(diverged):
    figure = acceleration(diverged, 2)
    patches: list[Any] = [patch for axes in figure.axes for patch in axes.patches]
    shades = [patch for patch in patches if patch.get_gid() == "diverged"]
    assert len(shades) == 3
    np.testing.assert_allclose([shades[0].get_x(), shades[0].get_width()], [199, 160])
    assert not [p for axes in acceleration(diverged, 1).axes for p in axes.patches]


def test_one_point_an_orbit_and_model(planar, spatial):
    figure = errors({"law": planar, "in space": spatial})
    assert len(figure.axes) == 2
    for label, evaluation in (("law", planar), ("in space", spatial)):
        inside, other = lines(figure, f"{label}:in")
        np.testing.assert_array_equal(inside.get_xdata(), evaluation["eccentricity"])
        np.testing.assert_array_equal(other.get_xdata(), evaluation["semi_major_axis"])
        np.testing.assert_allclose(inside.get_ydata(), evaluation["mean"].mean("sample"))
        median = lines(figure, f"{label}:median")[0].get_ydata()[0]
        assert median == pytest.approx(np.median(evaluation["mean"].mean("sample")))
    assert [axes.get_xlabel() for axes in figure.axes] == ["eccentricity", "semi-major axis (10³ km)"]
    assert "(%)" in figure.axes[0].get_ylabel()
    assert labels(figure)[0].startswith("law: median ")


def test_diverged_orbits_have_a_strip_and_are_counted(diverged, planar):
    figure = errors({"good": planar, "bad": diverged})
    shown = lines(figure, "lost")
    assert [line.get_xdata().tolist() for line in shown] == [
        [float(diverged["eccentricity"][2])],
        [float(diverged["semi_major_axis"][2])],
    ]
    assert len(lines(figure, "bad:in")[0].get_xdata()) == 9
    assert labels(figure)[1].endswith("1 of 10 lost")
    assert "lost" not in labels(figure)[0]
    # At the true states no sample of that orbit is lost.
    assert not lines(errors({"bad": diverged}, quantity="field"), "lost")
    legend = acceleration(diverged, 2).axes[2].get_legend()
    assert legend is not None
    assert "160 of 360 samples lost" in legend.get_texts()[0].get_text()


def test_where_most_orbits_diverged_there_is_no_median(planar):
    figure = errors({"lost": planar.assign(diverged=("orbit", np.ones(10, bool)))})
    assert labels(figure) == ["lost: median: lost, 10 of 10 lost"]
    assert not lines(figure, "lost:median")


def test_orbits_that_leave_the_training_radii_are_hollow(planar):
    radius = np.linalg.norm(planar["position"].to_numpy(), axis=-1)
    low, high = radius.min() + 1000.0, radius.max() - 1000.0
    outside = ((radius < low) | (radius > high)).any(axis=1)
    figure = errors({"law": planar}, training_range=(low, high))
    (hollow, _) = lines(figure, "law:out")
    assert len(hollow.get_xdata()) == outside.sum() > 0
    assert hollow.get_markerfacecolor() == "white"
    assert labels(figure)[-1].startswith("training radii")


def test_other_quantities_have_their_own_axis(planar):
    label = errors({"law": planar}, quantity="field").axes[0].get_ylabel()
    assert "at the true states" in label.replace("\n", " ")
    with pytest.raises(KeplearnError, match="Did you mean 'field'"):
        errors({"law": planar}, quantity="filed")


def test_nothing_to_draw_is_an_error(planar):
    with pytest.raises(KeplearnError, match="no evaluation"):
        errors({})
    with pytest.raises(KeplearnError, match="no orbit"):
        errors({"law": planar.isel(orbit=slice(0))})
    with pytest.raises(KeplearnError, match="no orbit 12"):
        acceleration(planar, 12)
