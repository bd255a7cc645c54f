"""The numbers behind a figure, read off what is drawn: one table for every kind of figure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection, PolyCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.quiver import Quiver

COLUMNS = ("panel", "series", "x_label", "y_label", "x", "y", "value")


def figure_numbers(figure: Figure) -> pd.DataFrame:
    """Return what a figure draws: one row a point, cell, bar or edge.

    Returns
    -------
    numbers
        ``panel`` (its number, from 0), ``series`` (what it is, the figure function's own name for it), the labels
        of both axes with their units, ``x``, ``y`` in them, and ``value``: the colour's number of a cell or a
        point, NaN where there is none.
    """
    rows = [
        (panel, series, axes.get_xlabel(), axes.get_ylabel(), x, y, value)
        for panel, axes in enumerate(figure.axes)
        for series, points in _series(axes)
        for x, y, value in points
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _series(axes: Axes) -> Iterator[tuple[str, list[tuple[Any, Any, float]]]]:
    """Yield each thing that is drawn by its name, with its points; frames and guides have no name."""
    for number, artist in enumerate((*axes.lines, *axes.collections, *axes.patches)):
        label = str(artist.get_label())
        name = artist.get_gid() or ("" if label.startswith("_") else label)
        if name or isinstance(artist, QuadMesh | PathCollection):
            points = [point for point in _points(artist) if len(point) == 3]
            if points:
                yield name or f"{type(artist).__name__} {number}", points


def _points(artist: Artist) -> list[tuple[Any, Any, float]]:
    """Return the points of one artist, in the units of its axes."""
    if isinstance(artist, Line2D):
        x, y = (np.atleast_1d(np.asarray(values)) for values in artist.get_data(orig=True))
        return [(a, b, np.nan) for a, b in zip(x, y, strict=False)]
    if isinstance(artist, QuadMesh):
        corners = np.asarray(artist.get_coordinates(), float)
        centres = (corners[:-1, :-1] + corners[1:, 1:]) / 2
        values = np.ma.filled(np.ma.asarray(artist.get_array()).astype(float), np.nan).ravel()
        return [(x, y, value) for (x, y), value in zip(centres.reshape(-1, 2), values, strict=True)]
    if isinstance(artist, Quiver):
        lengths = np.hypot(np.asarray(artist.U), np.asarray(artist.V))
        return [
            (x, y, value)
            for x, y, value in zip(np.asarray(artist.X), np.asarray(artist.Y), lengths, strict=True)
        ]
    if isinstance(artist, PathCollection):
        offsets = np.ma.filled(np.ma.asarray(artist.get_offsets()).astype(float), np.nan)
        array = artist.get_array()
        values = (
            np.full(len(offsets), np.nan) if array is None else np.ma.filled(np.ma.asarray(array), np.nan)
        )
        return [(x, y, value) for (x, y), value in zip(offsets, values, strict=False)]
    if isinstance(artist, LineCollection | PolyCollection):
        corners = [point for path in artist.get_paths() for point in np.asarray(path.vertices)]
        return [(x, y, np.nan) for x, y in corners]
    if isinstance(artist, Rectangle):
        left, bottom = artist.get_xy()
        return [(left + artist.get_width() / 2, bottom + artist.get_height(), np.nan)]
    if isinstance(artist, PathPatch):
        return [(x, y, np.nan) for x, y in np.asarray(artist.get_path().vertices)]
    return []
