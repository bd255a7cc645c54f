"""Which parameters of a group drive a metric: rank correlation, a random forest's importance, and dependence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from keplearn.errors import KeplearnError
from keplearn.figures import style
from keplearn.figures.facets import draw_legend, name_ticks
from keplearn.figures.labels import (
    default_title,
    is_ordered,
    level_text,
    levels,
    limits,
    metric_label,
    parameter_label,
    require_columns,
    values_of,
    wants_log,
    wrap,
)

_TREES = 200
_LEAF = 3
_REPEATS = 5
_FEWEST = 10


def importance_table(
    table: pd.DataFrame, metric: str = "mean", parameters: Sequence[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Measure how much each parameter drives a metric, over the runs where it is finite.

    Rank correlation: Spearman's ρ for parameters that are numbers with an order; for the others the
    correlation ratio η of the ranks, the root of the share of their variance that lies between the values
    (Kruskal and Wallis, *J. Am. Stat. Assoc.* 47, 1952). η has no sign, and grows with the number of values.

    Permutation importance (Breiman, *Machine Learning* 45, 2001): by how much the out-of-bag R² of a random
    forest falls when the parameter's values are exchanged among the runs; interactions count.

    Parameters
    ----------
    table
        As from `keplearn.evaluation.group_table.group_table`, a row a run.
    metric
        A key of SPEC 4, or another column of numbers; the forest learns log10 of it if all are positive.
    parameters
        Columns; by default all that vary.
    seed
        Decides the forest and the permutations.

    Returns
    -------
    importances
        One row a parameter, the most important first: ``levels`` (number of values), ``measure`` (``rho`` or
        ``eta``), ``correlation``, ``permutation`` (mean fall of R²), ``spread`` (its standard deviation over
        the permutations). In ``attrs``: ``oob_r2``, ``runs``, ``left_out`` (runs without a finite value),
        ``scale`` (``log10`` or ``linear``), ``metric``, ``group``, ``dataset``.

    Raises
    ------
    KeplearnError
        If scikit-learn is missing, fewer than 10 runs are finite, a parameter is missing, or none varies.
    """
    return _importances(_learn(table, metric, parameters, seed))


def dependence_table(
    table: pd.DataFrame, metric: str = "mean", parameters: Sequence[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """For each value of each parameter: what the forest gives on average, and the best run.

    Arguments and errors as for `importance_table`.

    Returns
    -------
    dependence
        One row a value: ``parameter``, ``value``, ``runs``, ``partial`` (the partial dependence of Friedman,
        *Annals of Statistics* 29, 2001: the forest's mean when every run had this value; a geometric mean
        where it learns log10), ``best`` (the least metric among the runs with this value) and ``best_run``.
        Metrics in their own units.
    """
    return _dependence(_learn(table, metric, parameters, seed))


@dataclass(frozen=True)
class _Learnt:
    """A forest and what it learnt: ``inputs`` are numbers of levels, ``target`` the metric or its log10."""

    runs: pd.DataFrame
    metric: str
    parameters: list[str]
    levels: dict[str, list[Any]]
    inputs: Float64[np.ndarray, "run parameter"]
    target: Float64[np.ndarray, "run"]
    log: bool
    trees: list[Callable[[Any], Any]]
    unseen: list[Bool[np.ndarray, "run"]]
    """Of each tree, the runs that it was not grown from."""
    seed: int
    left_out: int

    def out_of_bag(self, inputs: Float64[np.ndarray, "run parameter"]) -> float:
        """R² of each run's mean over the trees that were not grown from it."""
        total, count = np.zeros(len(self.target)), np.zeros(len(self.target))
        for predict, unseen in zip(self.trees, self.unseen, strict=True):
            total[unseen] += predict(inputs[unseen].astype(np.float32)).ravel()
            count[unseen] += 1
        some = count > 0
        target = self.target[some]
        variance = float(((target - target.mean()) ** 2).sum())
        return 1.0 - float(((target - total[some] / count[some]) ** 2).sum()) / variance if variance else 0.0

    def mean(self, inputs: Float64[np.ndarray, "run parameter"]) -> float:
        """Mean of the forest over runs, in the metric's unit."""
        single = inputs.astype(np.float32)
        value = float(np.mean([predict(single) for predict in self.trees]))
        return 10**value if self.log else value


def _learn(table: pd.DataFrame, metric: str, parameters: Sequence[str] | None, seed: int) -> _Learnt:
    """Grow a forest on the finite runs."""
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ImportError as error:
        raise KeplearnError(
            "The importance of parameters needs scikit-learn: pip install 'keplearn[study]'"
        ) from error
    names = list(table.attrs.get("varying", [])) if parameters is None else list(parameters)
    require_columns(table, metric, names)
    values = table[metric].to_numpy(np.float64)
    runs = table[np.isfinite(values)]
    if len(runs) < _FEWEST:
        raise KeplearnError(
            f"{metric} is finite in {len(runs)} of {len(table)} runs: a forest needs at least {_FEWEST}."
        )
    left = {name: set(values_of(runs[name])) for name in names}
    # In the order of the whole table, as in the group's other figures.
    found = {name: [v for v in levels(values_of(table[name])) if v in left[name]] for name in names}
    names = [name for name in names if len(found[name]) > 1]
    if not names:
        raise KeplearnError(f"no parameter varies among the runs whose {metric} is finite.")
    columns = [[found[name].index(value) for value in values_of(runs[name])] for name in names]
    inputs = np.array(columns, np.float64).T
    finite = values[np.isfinite(values)]
    log = bool((finite > 0).all())
    target = np.log10(finite) if log else finite
    forest = RandomForestRegressor(_TREES, min_samples_leaf=_LEAF, random_state=seed, n_jobs=1)
    forest.fit(inputs, target)
    unseen = []
    for chosen in forest.estimators_samples_:
        rest = np.ones(len(target), bool)
        rest[chosen] = False
        unseen.append(rest)
    trees: list[Callable[[Any], Any]] = [tree.tree_.predict for tree in forest.estimators_]
    return _Learnt(
        runs, metric, names, found, inputs, target, log, trees, unseen, seed, len(table) - len(runs)
    )


def _importances(learnt: _Learnt) -> pd.DataFrame:
    whole = learnt.out_of_bag(learnt.inputs)
    random = np.random.default_rng(learnt.seed)
    rows = []
    for k, name in enumerate(learnt.parameters):
        falls = []
        for _ in range(_REPEATS):
            mixed = learnt.inputs.copy()
            mixed[:, k] = random.permutation(mixed[:, k])
            falls.append(whole - learnt.out_of_bag(mixed))
        ordered = is_ordered(name, learnt.levels[name])
        correlation = (_spearman if ordered else _eta)(learnt.inputs[:, k], learnt.target)
        rows.append(
            {
                "parameter": name,
                "levels": len(learnt.levels[name]),
                "measure": "rho" if ordered else "eta",
                "correlation": correlation,
                "permutation": float(np.mean(falls)),
                "spread": float(np.std(falls)),
            }
        )
    found = (
        pd.DataFrame(rows).set_index("parameter").sort_values("permutation", ascending=False, kind="stable")
    )
    found.attrs = {
        "oob_r2": whole, "runs": len(learnt.runs), "left_out": learnt.left_out, "metric": learnt.metric,
        "scale": "log10" if learnt.log else "linear", "group": learnt.runs.attrs.get("group", ""),
        "dataset": learnt.runs.attrs.get("dataset", ""),
    }  # fmt: skip
    return found


def _spearman(x: Float64[np.ndarray, "run"], y: Float64[np.ndarray, "run"]) -> float:
    """Correlation of the ranks; 0 if all of one are equal."""
    first, second = (pd.Series(one).rank().to_numpy() for one in (x, y))
    return float(np.corrcoef(first, second)[0, 1]) if first.std() > 0 < second.std() else 0.0


def _eta(x: Float64[np.ndarray, "run"], y: Float64[np.ndarray, "run"]) -> float:
    """Correlation ratio of the ranks of y over the values of x; 0 if all y are equal."""
    ranks = pd.Series(y).rank()
    total = float(((ranks - ranks.mean()) ** 2).sum())
    between = ranks.groupby(x).transform("mean")
    return float(np.sqrt(((between - ranks.mean()) ** 2).sum() / total)) if total else 0.0


def _dependence(learnt: _Learnt) -> pd.DataFrame:
    rows = []
    for k, name in enumerate(learnt.parameters):
        for code, value in enumerate(learnt.levels[name]):
            here = learnt.runs[learnt.inputs[:, k] == code]
            same = learnt.inputs.copy()
            same[:, k] = code
            best = here.loc[here[learnt.metric].idxmin()]
            rows.append(
                {
                    "parameter": name,
                    "value": value,
                    "runs": len(here),
                    "partial": learnt.mean(same),
                    "best": float(best[learnt.metric]),
                    "best_run": best.get("run_id", ""),
                }
            )
    found = pd.DataFrame(rows)
    found["value"] = pd.Series([row["value"] for row in rows], dtype=object)
    return found


@style.styled
def importance(
    table: pd.DataFrame,
    metric: str = "mean",
    parameters: Sequence[str] | None = None,
    seed: int = 0,
    title: str = "",
) -> Figure:
    """Draw which parameters drive a metric, and for each value what is best on average and best at best.

    Above, rank correlations and permutation importances as in `importance_table`, the most important
    parameter on top; below, the partial dependence on each and the best run of each value, the least of
    either filled: where the two differ, what is best on average is not what the best run had.

    Parameters
    ----------
    table, metric, parameters, seed
        As for `importance_table`.
    title
        Above the figure; by default the group and the test dataset.

    Raises
    ------
    KeplearnError
        As for `importance_table`.
    """
    learnt = _learn(table, metric, parameters, seed)
    found, dependence = _importances(learnt), _dependence(learnt)
    names = list(found.index)
    columns = 3 if len(names) <= 6 else 4
    rows = ceil(len(names) / columns)
    upper = 0.55 + 0.24 * len(names)
    figure, axes = style.new_figure(2.0 + upper + 2.05 * rows, [upper, *[1.7] * rows], 12, share_x=False)
    grid = axes[0].get_gridspec()
    assert grid is not None
    for one in axes:
        one.remove()
    left, right = figure.add_subplot(grid[0, :6]), figure.add_subplot(grid[0, 6:])
    _draw_correlations(left, found)
    _draw_permutations(right, found)
    share = 12 // columns
    panels = [
        figure.add_subplot(grid[1 + k // columns, share * (k % columns) : share * (k % columns + 1)])
        for k in range(len(names))
    ]
    drawn = dependence[["partial", "best"]].to_numpy(np.float64)
    log = wants_log(drawn) or (learnt.log and float(drawn.max()) > 5 * float(drawn.min()))
    for k, (name, panel) in enumerate(zip(names, panels, strict=True)):
        if log:
            style.log_axis(panel)
        panel.set_ylim(*limits(drawn, log))
        _draw_dependence(panel, name, dependence[dependence["parameter"] == name], 5.6 / columns)
        if k % columns:
            panel.tick_params(labelleft=False, which="both")
        else:
            panel.set_ylabel(wrap(metric_label(metric), 26), fontsize=8)
    for one in (left, right, *panels):
        one.tick_params(labelsize=7.5, which="both")
    draw_legend(figure, [("", part) for part in _legend(learnt, found)])
    figure.suptitle(title or default_title(table))
    return figure


def _draw_bars(axes: Axes, found: pd.DataFrame, widths: Any, texts: Sequence[str], **look: Any) -> None:
    """Draw a bar a parameter, the first on top, its number at its end."""
    y = np.arange(len(found))
    axes.barh(y, widths, height=0.62, **look)
    for at, width, text in zip(y, widths, texts, strict=True):
        axes.annotate(
            text, (max(width, 0.0), at), (4, 0), textcoords="offset points", va="center", ha="left",
            fontsize=7.5, annotation_clip=False,
        )  # fmt: skip
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def _two_digits(value: float) -> str:
    """Return a number with two digits after the point and a proper sign, none if it is 0."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _draw_correlations(axes: Axes, found: pd.DataFrame) -> None:
    signs = {"rho": "ρ", "eta": "η"}
    texts = [
        f"{signs[measure]} = {_two_digits(value)}"
        for measure, value in zip(found["measure"], found["correlation"], strict=True)
    ]
    colours = [
        _ETA if measure == "eta" else _RISES if value >= 0 else _FALLS
        for measure, value in zip(found["measure"], found["correlation"], strict=True)
    ]
    _draw_bars(axes, found, found["correlation"].abs().to_numpy(), texts, color=colours, gid="correlation")
    axes.set_yticks(range(len(found)), [parameter_label(str(name)) for name in found.index])
    axes.set_xlim(0, 1)
    axes.set_xlabel("rank correlation\n(|ρ| or η)")


def _draw_permutations(axes: Axes, found: pd.DataFrame) -> None:
    falls, spread = found["permutation"].to_numpy(), found["spread"].to_numpy()
    texts = [_two_digits(fall) for fall in falls]
    _draw_bars(axes, found, falls, texts, color=style.SKY, gid="permutation", xerr=spread, error_kw=_WHISKER)
    # The number stands after the whisker.
    for text, error in zip(axes.texts, spread, strict=True):
        x, y = text.xy  # type: ignore[attr-defined]
        text.xy = (x + error, y)  # type: ignore[attr-defined]
    axes.set_yticks(range(len(found)), [""] * len(found))
    axes.set_xlim(
        min(0.0, 1.1 * float((falls - spread).min())), 1.22 * max(float((falls + spread).max()), 0.05)
    )
    axes.set_xlabel("permutation importance\n(fall of out-of-bag R²)")


_RISES, _FALLS, _ETA = style.VERMILION, style.BLUE, "#9A9A9A"
_WHISKER: dict[str, Any] = {"linewidth": 0.8, "ecolor": style.BLACK}
_PARTIAL: dict[str, Any] = {"color": style.BLUE, "marker": "o", "markersize": 5.0, "linewidth": 1.2}
_BEST: dict[str, Any] = {
    "color": style.GREEN, "marker": "v", "markersize": 5.0, "linewidth": 1.0, "linestyle": (0, (2, 1.5)),
}  # fmt: skip


def _draw_dependence(axes: Axes, name: str, rows: pd.DataFrame, inches: float) -> None:
    """Draw the forest's mean and the best run at each value; the least of either is filled."""
    at = np.arange(len(rows))
    for key, look in (("partial", _PARTIAL), ("best", _BEST)):
        values = rows[key].to_numpy(np.float64)
        # Between names there is nothing: a line would say otherwise.
        line: dict[str, Any] = {} if is_ordered(name, rows["value"]) else {"linestyle": "none"}
        alone: dict[str, Any] = look | {"linestyle": "none"}
        axes.plot(at, values, markerfacecolor="white", gid=f"{key}:{name}", **(look | line))
        least = int(values.argmin())
        axes.plot(
            at[least : least + 1],
            values[least : least + 1],
            gid=f"least {key}:{name}",
            **alone,
        )
    axes.set_xlim(-0.5, len(rows) - 0.5)
    axes.grid(visible=False, axis="x")
    axes.set_title(parameter_label(name), fontsize=8)
    name_ticks(axes, [level_text(value) for value in rows["value"]], inches / len(rows), 7.0)


def _legend(learnt: _Learnt, found: pd.DataFrame) -> list[list[Any]]:
    said = f"random forest on {'log10 of the metric' if learnt.log else 'the metric'}:"
    kinds = set(found["measure"])
    signed = found["correlation"][found["measure"] == "rho"]
    first: list[Any] = []
    if (signed >= 0).any():
        first.append(Patch(color=_RISES, label="ρ (Spearman): rises with it"))
    if (signed < 0).any():
        first.append(Patch(color=_FALLS, label="ρ (Spearman): falls with it"))
    if "eta" in kinds:
        first.append(Patch(color=_ETA, label="η: correlation ratio of ranks,\nfor values without order"))
    out = f", {learnt.left_out} left out" if learnt.left_out else ""
    second = [
        Line2D([], [], markerfacecolor="white", label="forest's mean (partial dependence)", **_PARTIAL),
        Line2D([], [], markerfacecolor="white", label="best run; filled: the least", **_BEST),
        Line2D(
            [], [], linestyle="none",
            label=f"{said}\nout-of-bag R² = {found.attrs['oob_r2']:.2f}, {len(learnt.runs)} runs{out}",
        ),
    ]  # fmt: skip
    return [first, second]
