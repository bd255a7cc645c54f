"""Imports Matplotlib whatever a user's surroundings say of it.

It refuses to be imported where ``MPLBACKEND`` names a backend that is not installed here, as notebooks set it for
the shells in them, and where ``matplotlibrc`` is no text. Figures need neither.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

try:
    import matplotlib
except ValueError:
    _names = ("MPLBACKEND", "MATPLOTLIBRC")
    _given = {name: os.environ.pop(name) for name in _names if name in os.environ}
    # What a refused import leaves behind does not fit together with a second one.
    for _part in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        del sys.modules[_part]
    _spec = find_spec("matplotlib")
    if _spec is not None and _spec.origin is not None:
        os.environ["MATPLOTLIBRC"] = str(Path(_spec.origin).with_name("mpl-data") / "matplotlibrc")
    try:
        import matplotlib  # noqa: F401
    finally:
        os.environ.pop("MATPLOTLIBRC", None)
        os.environ.update(_given)
