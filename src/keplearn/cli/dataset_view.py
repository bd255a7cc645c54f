"""What ``keplearn data show`` prints of a dataset."""

import math
from typing import Any

from keplearn.cli.output import print_table


def print_description(content: dict[str, Any]) -> None:
    """Print the description of a dataset as two columns."""
    from keplearn.core.errors import printable

    degrees = math.degrees(1.0)
    rows = [
        ["problem", content["problem"] + (", planar" if content["planar"] else ", three-dimensional")],
        ["orbits", str(content["orbits"])],
        ["samples an orbit", _span(content["samples_per_orbit"], "d")],
        ["duration", _span(content["duration_s"], ".6g", "s")],
        ["spacing", _spacing(content["sampling"])],
        ["largest step", f"{content['sampling']['largest_step_deg']:.4g}° of motion"],
        ["radius", _span(content["radius_km"], ".6g", "km")],
        *_observed(content["observed"]),
    ]
    for element, bounds in content["elements"].items():
        unit, scale = {"semi_major_axis": ("km", 1.0), "eccentricity": ("", 1.0)}.get(element, ("°", degrees))
        shown = "undefined" if bounds is None else _span([scale * b for b in bounds], ".6g", unit)
        rows.append([element.replace("_", " "), shown])
    units = content["max_radius_units"]
    rows += [
        ["mu", f"{content['mu_km3_s2']} km³/s²"],
        ["central body", _body(content["body"])],
        ["units max_radius", f"length {units['length_km']:.6g} km, time {units['time_s']:.6g} s"],
        ["acceleration from", content["acceleration_source"]],
        ["distance from two-body law", f"{content['distance_from_two_body_law_percent']:.2g} % (mean)"],
        ["content hash", content["content_hash"]],
        *([key.replace("_", " "), value] for key, value in content["provenance"].items()),
    ]
    print(printable(content["name"]))
    print_table(["", ""], rows)


def _observed(observed: dict[str, Any] | None) -> list[list[str]]:
    """What of the samples is observed, where that is not all of them as they are."""
    if observed is None:
        return []
    errors = [f"{observed[f'{part}_error_percent']:.3g}" for part in ("position", "velocity")]
    exact = "none" if errors == ["0", "0"] else f"{errors[0]} % of the radius, {errors[1]} % of the speed"
    left = f"{_span(observed['samples_per_orbit'], 'd')} an orbit, {observed['missing']} missing"
    return [
        ["observed samples", left],
        ["error of the observed", exact if exact == "none" else f"{exact} (rms of a component)"],
        ["acceleration in training from", observed["acceleration_source"]],
    ]


def _body(body: dict[str, Any]) -> str:
    radius = body["radius_km"]
    return f"{body['name']}, {'radius unknown' if radius is None else f'radius {radius:g} km'}"


def _spacing(sampling: dict[str, Any]) -> str:
    """``least to largest s``, and whether it is equal within each orbit."""
    words = (
        "equal within each orbit"
        if sampling["equal_spacing"]
        else f"uneven, median {sampling['median_spacing_s']:.6g} s"
    )
    return f"{_span(sampling['spacing_s'], '.6g', 's')} ({words})"


def _span(bounds: list[Any], form: str, unit: str = "") -> str:
    """``least to largest unit``, or one number where they are equal."""
    least, largest = (format(bound, form) for bound in bounds)
    return f"{least if least == largest else f'{least} to {largest}'} {unit}".strip()
