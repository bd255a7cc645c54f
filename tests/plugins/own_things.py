"""What CONTRIBUTING shows of things of one's own."""

import re
from pathlib import Path

CONTRIBUTING = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def shown(what: str) -> str:
    """Return the example of something."""
    found = re.search(rf"\*\*{what}\*\*.*?```python\n(.*?)```", CONTRIBUTING, re.DOTALL)
    assert found is not None
    return found[1]


FOR_ALL = shown("A sink") + shown("A metric")
