"""Which code made a score: a hash of the source that decides it, kept beside every evaluation and score.

It is a hash and not a number that somebody must remember to raise: who changes a metric, a tolerance or a layer is
never served a score of before. Comments, docstrings and the layers that a model does not have do not count, so
that a layer that is added leaves the scores of all others as they are. Neither do the versions of libraries: the
solver's tolerances hold whatever they are.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).parents[1]
EVALUATING = (
    "integrate/diffrax_steps.py",
    "data/units.py",
    *(f"systems/{name}.py" for name in ("system", "field", "two_body")),
    *(f"models/{name}.py" for name in ("geometry", "activations", "features", "outputs", "neural_ode")),
    *(f"evaluation/{name}.py" for name in ("planes", "subject", "propagation", "metrics", "rollout")),
    *(f"evaluation/{name}.py" for name in ("keys", "ranking")),
    "evaluation/statistics.py:finite_mean",
)
"""The source that decides the numbers of an evaluation; behind a colon, one function of a file."""
SUMMING = (
    *EVALUATING,
    "evaluation/statistics.py",
    "evaluation/table.py:samples_of",
    "evaluation/table.py:true_samples",
    "evaluation/table.py:summary",
)
"""The source that decides the scores that are taken from it."""
_LAYER_DECORATORS = ("feature_layer", "output_layer")


class _Statement(NamedTuple):
    name: str | None
    is_layer: bool
    text: str


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
        for name, is_layer, text in _statements(root / file):
            if function in ("", name) and (not is_layer or name in layers):
                digest.update(text.encode() + b"\n")
    return digest.hexdigest()[:16]


@cache
def _statements(file: Path) -> list[_Statement]:
    """Return the statements of a module, without docstrings and comments."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return [_Statement(getattr(n, "name", None), _is_layer(n), ast.unparse(n)) for n in module.body]


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_layer(node: ast.stmt) -> bool:
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef) else []
    called = [d.func for d in decorators if isinstance(d, ast.Call)]
    return any(isinstance(f, ast.Name) and f.id in _LAYER_DECORATORS for f in called)
