"""Which code made a score: a hash of the source that decides it, kept beside every evaluation and score.

It is a hash and not a number that somebody must remember to raise: who changes a metric, a tolerance or a layer is
never served a score of before. Comments, docstrings and the layers that a model does not have do not count, so
that a layer that is added leaves the scores of all others as they are. A metric has a hash of its own (`code_of`),
so that one that is added leaves those of all others. Neither do the versions of libraries count: the solver's
tolerances hold whatever they are.
"""

import ast
import hashlib
import inspect
import marshal
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

_HERE = Path(__file__).parents[1]
SOURCE = _HERE
_MODELS = (
    *("geometry", "activations", "network", "features", "outputs", "neural_ode"),
    *("encoders", "posterior", "watching", "latent_architecture", "latent_ode", "kinds"),
)
EVALUATING = (
    "integrate/diffrax_steps.py",
    "data/units.py",
    "orbits/kepler.py",
    "orbits/stations.py",
    *(f"systems/{name}.py" for name in ("system", "field", "two_body")),
    *(f"models/{name}.py" for name in _MODELS),
    *(
        f"evaluation/{name}.py"
        for name in (
            "planes",
            "subject",
            "propagation",
            "encoded",
            "baselines",
            "vectors",
            "samples",
            "lead",
            "rollout",
        )
    ),
    "evaluation/statistics.py:finite_mean",
)
"""The source that decides the numbers of an evaluation, metrics apart; behind a colon, one function of a file."""
SUMMING = (
    *EVALUATING,
    "evaluation/statistics.py",
    "evaluation/ranking.py:with_lost",
    "evaluation/distance.py",
    "evaluation/trained_on.py",
    *(
        f"evaluation/table.py:{name}"
        for name in ("samples_of", "asked_samples", "true_samples", "summarize", "_within", "summary")
    ),
)
"""The source that decides the scores that are taken from it, metrics apart."""
_LAYER_DECORATORS = ("feature_layer", "output_layer")
_METRIC_DECORATORS = ("metric", "statistic")


class _Statement(NamedTuple):
    """A statement of a module: what it is called, whether it is a layer, its text, and names it binds and reads."""

    name: str | None
    is_layer: bool
    text: str
    binds: frozenset[str]
    reads: frozenset[str]


def evaluator(feature_layer: str, output_layer: str) -> str:
    """Return 16 hex digits that stand for the code that evaluates a model of these layers."""
    return _fingerprint(SOURCE, EVALUATING, frozenset((feature_layer, output_layer)))


def scorer(feature_layer: str, output_layer: str) -> str:
    """Return 16 hex digits that stand for the code that scores a model of these layers: `evaluator`, and means."""
    return _fingerprint(SOURCE, SUMMING, frozenset((feature_layer, output_layer)))


@cache
def _fingerprint(root: Path, sources: tuple[str, ...], layers: frozenset[str]) -> str:
    digest = hashlib.sha256()
    for source in sources:
        file, _, function = source.partition(":")
        for name, is_layer, text, *_ in _statements(root / file):
            if function in ("", name) and (not is_layer or name in layers):
                digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


@cache
def code_of(function: Callable[..., object]) -> str:
    """Return 16 hex digits that stand for a function's code, and for all of its file that it makes use of.

    A metric's decorator does not count: it holds words. What the function takes from other files counts by name
    alone. Outside a file (a notebook) only the function itself is known.
    """
    function = inspect.unwrap(function)
    file = inspect.getsourcefile(function)
    if file is None or not Path(file).is_file():
        code = getattr(function, "__code__", None)
        content = marshal.dumps(code) if code else repr(function).encode()
        return hashlib.sha256(content).hexdigest()[:16]
    path = Path(file).resolve()
    path = SOURCE / path.relative_to(_HERE) if path.is_relative_to(_HERE) else path
    statements, waiting, used = _statements(path), {function.__name__}, set[int]()
    while waiting:
        new = {k for k, s in enumerate(statements) if k not in used and s.binds & waiting}
        used |= new
        waiting = {name for k in new for name in statements[k].reads}
    digest = hashlib.sha256(function.__name__.encode())
    for k in sorted(used):
        digest.update(statements[k].text.encode() + b"\n")
    return digest.hexdigest()[:16]


@cache
def _statements(file: Path) -> list[_Statement]:
    """Return the statements of a module, without docstrings, comments and metrics' decorators."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.decorator_list = [d for d in node.decorator_list if not _calls(d, _METRIC_DECORATORS)]
    return [_statement(node) for node in module.body]


def _statement(node: ast.stmt) -> _Statement:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    named = [n for n in ast.walk(node) if isinstance(n, ast.Name)]
    binds = {n.id for n in named if isinstance(n.ctx, ast.Store)}
    if isinstance(node, ast.Import | ast.ImportFrom):
        binds = {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    name = getattr(node, "name", None)
    return _Statement(
        name,
        any(_calls(d, _LAYER_DECORATORS) for d in decorators),
        ast.unparse(node),
        frozenset({name} if name else binds),
        frozenset(n.id for n in named if isinstance(n.ctx, ast.Load)),
    )


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _calls(decorator: ast.expr, names: tuple[str, ...]) -> bool:
    """Whether a decorator is a call of one of these, ``f(…)`` or ``module.f(…)``."""
    function = decorator.func if isinstance(decorator, ast.Call) else None
    if isinstance(function, ast.Attribute):
        return function.attr in names
    return isinstance(function, ast.Name) and function.id in names
