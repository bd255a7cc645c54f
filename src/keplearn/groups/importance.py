"""How much each parameter of a group drives a metric: rank correlation and a random forest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from keplearn.core.errors import KeplearnError
from keplearn.evaluation.ranking import LEADING, drawn_values
from keplearn.groups.values import is_ordered, levels, require_columns, values_of

_TREES = 200
_LEAF = 3
_REPEATS = 5
_FEWEST = 10


def importance_table(
    table: pd.DataFrame, metric: str = LEADING, parameters: Sequence[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """Measure how much each parameter drives a metric, over the runs that have it.

    A run that lost samples is worse than any number: it has the last rank, and the forest, which learns numbers, is
    given the worst that any run has.

    Rank correlation: Spearman's ρ for parameters that are numbers with an order; for the others the
    correlation ratio η of the ranks, the root of the share of their variance that lies between the values
    (Kruskal and Wallis, *J. Am. Stat. Assoc.* 47, 1952). η has no sign, and grows with the number of values.

    Permutation importance (Breiman, *Machine Learning* 45, 2001): by how much the out-of-bag R² of a random
    forest falls when the parameter's values are exchanged among the runs; interactions count.

    Parameters
    ----------
    table
        As from `keplearn.groups.table.group_table`, a row a run.
    metric
        A metric's key, or another column of numbers; the forest learns log10 of it if all are positive.
    parameters
        Columns; by default all that vary.
    seed
        Decides the forest and the permutations.

    Returns
    -------
    importances
        One row a parameter, the most important first: ``levels`` (number of values), ``measure`` (``rho`` or
        ``eta``), ``correlation``, ``permutation`` (mean fall of R²), ``spread`` (its standard deviation over
        the permutations). In ``attrs``: ``oob_r2``, ``runs``, ``lost`` of them, ``left_out`` (runs without a
        value), ``scale`` (``log10`` or ``linear``), ``metric``, ``group``, ``dataset``.

    Raises
    ------
    KeplearnError
        If scikit-learn is missing, fewer than 10 runs have a value, a parameter is missing, or none varies.
    """
    return importances(learn(table, metric, parameters, seed))


def dependence_table(
    table: pd.DataFrame, metric: str = LEADING, parameters: Sequence[str] | None = None, seed: int = 0
) -> pd.DataFrame:
    """For each value of each parameter: what the forest gives on average, and the best run.

    Arguments and errors as for `importance_table`.

    Returns
    -------
    dependence
        One row a value: ``parameter``, ``value``, ``runs``, ``partial`` (the partial dependence of Friedman,
        *Annals of Statistics* 29, 2001: the forest's mean when every run had this value; a geometric mean
        where it learns log10), ``best`` (the least metric among the runs with this value, infinite where all of
        them lost samples) and ``best_run``.
        Metrics in their own units.
    """
    return dependence(learn(table, metric, parameters, seed))


@dataclass(frozen=True)
class Learnt:
    """A forest and what it learnt: ``inputs`` are numbers of levels, ``target`` the metric or its log10."""

    runs: pd.DataFrame
    metric: str
    parameters: list[str]
    levels: dict[str, list[Any]]
    inputs: Float64[np.ndarray, "run parameter"]
    target: Float64[np.ndarray, "run"]
    standing: Float64[np.ndarray, "run"]
    """The metric, infinite where samples were lost."""
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


def learn(table: pd.DataFrame, metric: str, parameters: Sequence[str] | None, seed: int) -> Learnt:
    """Grow a forest on the runs that have a value."""
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ImportError as error:
        raise KeplearnError(
            "The importance of parameters needs scikit-learn: pip install 'keplearn[study]'"
        ) from error
    names = list(table.attrs.get("varying", [])) if parameters is None else list(parameters)
    require_columns(table, metric, names)
    values = drawn_values(table, metric)
    runs = table[~np.isnan(values)]
    if len(runs) < _FEWEST or not np.isfinite(values).any():
        raise KeplearnError(
            f"{metric} has a value in {len(runs)} of {len(table)} runs, {int(np.isfinite(values).sum())} of them "
            f"finite: a forest needs at least {_FEWEST}."
        )
    left = {name: set(values_of(runs[name])) for name in names}
    # In the order of the whole table, as in the group's other figures.
    found = {name: [v for v in levels(values_of(table[name])) if v in left[name]] for name in names}
    names = [name for name in names if len(found[name]) > 1]
    if not names:
        raise KeplearnError(f"no parameter varies among the runs that have {metric}.")
    columns = [[found[name].index(value) for value in values_of(runs[name])] for name in names]
    inputs = np.array(columns, np.float64).T
    standing, finite = values[~np.isnan(values)], values[np.isfinite(values)]
    log = bool((finite > 0).all())
    learnable = np.minimum(standing, finite.max())
    target = np.log10(learnable) if log else learnable
    forest = RandomForestRegressor(_TREES, min_samples_leaf=_LEAF, random_state=seed, n_jobs=1)
    forest.fit(inputs, target)
    unseen = []
    for chosen in forest.estimators_samples_:
        rest = np.ones(len(target), bool)
        rest[chosen] = False
        unseen.append(rest)
    trees: list[Callable[[Any], Any]] = [tree.tree_.predict for tree in forest.estimators_]
    return Learnt(
        runs, metric, names, found, inputs, target, standing, log, trees, unseen, seed, len(table) - len(runs)
    )


def importances(learnt: Learnt) -> pd.DataFrame:
    """Return the table of `importance_table`."""
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
        correlation = (_spearman if ordered else _eta)(learnt.inputs[:, k], learnt.standing)
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
        "oob_r2": whole, "runs": len(learnt.runs), "left_out": learnt.left_out,
        "lost": int(np.isposinf(learnt.standing).sum()), "metric": learnt.metric,
        "scale": "log10" if learnt.log else "linear", "group": learnt.runs.attrs.get("group", ""),
        "dataset": learnt.runs.attrs.get("dataset", ""), "segments": learnt.runs.attrs.get("segments", 0),
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


def dependence(learnt: Learnt) -> pd.DataFrame:
    """Return the table of `dependence_table`."""
    rows = []
    for k, name in enumerate(learnt.parameters):
        for code, value in enumerate(learnt.levels[name]):
            chosen = learnt.inputs[:, k] == code
            here, standing = learnt.runs[chosen], learnt.standing[chosen]
            same = learnt.inputs.copy()
            same[:, k] = code
            best = here.iloc[int(standing.argmin())]
            rows.append(
                {
                    "parameter": name,
                    "value": value,
                    "runs": len(here),
                    "partial": learnt.mean(same),
                    "best": float(standing.min()),
                    "best_run": best.get("run_id", ""),
                }
            )
    found = pd.DataFrame(rows)
    found["value"] = pd.Series([row["value"] for row in rows], dtype=object)
    return found
