"""Blocks: parts of a page between two marks, each what one function makes; and how a page is compared with it.

A block is compared with what its function makes now (`differences`):

- on the processor and with the versions that its mark names, to the last digit printed, give or take one;
- elsewhere a training ends at other weights: sums are rounded in another order, and thousands of steps make much of
  it. There, numbers must agree within the block's ``factor``, or both be above 100 (an error of more than 100 % says
  that a model fails, not by how much), and what stands in parentheses (ranges, orbits that diverged) is not compared.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from keplearn.core.files import write_text

HOME = Path(__file__).parents[1]

_NUMBER = re.compile(r"(?<![\w.@])\d+(?:\.\d+)?(?:e[+-]?\d+)?(?![\w@])")


@dataclass(frozen=True)
class Block:
    """A part of a page, and how far its numbers may lie apart on another processor (1: not at all)."""

    page: str
    make: Callable[[Path], str]
    factor: float

    @property
    def name(self) -> str:
        """What its marks call it."""
        return self.make.__name__

    def written(self) -> str:
        """Return what stands in the page now."""
        return self._found()["text"]

    def machine(self) -> str:
        """Return the processor and the versions that it was written on."""
        return self._found()["machine"]

    def write(self, text: str, machine: str) -> None:
        """Put a text between the marks, and on which machine it was made into the first."""
        found = self._found()
        begin = f"<!-- {self.name}: written by docs/results.py on {machine} -->"
        page = f"{found.string[: found.start()]}{begin}\n{text.strip()}{found.string[found.end('text') :]}"
        write_text(HOME / self.page, page)

    def _found(self) -> re.Match[str]:
        page = (HOME / self.page).read_text(encoding="utf-8")
        begin, end = f"<!-- {self.name}: written by docs/results.py on", f"<!-- end of {self.name} -->"
        found = re.search(
            rf"{re.escape(begin)} (?P<machine>[^\n]*) -->\n(?P<text>.*?)\n{re.escape(end)}", page, re.DOTALL
        )
        if found is None:
            raise SystemExit(f"{self.page} lacks the marks of {self.name}: {begin} MACHINE --> and {end}")
        return found


BLOCKS: dict[str, Block] = {}


def block(page: str, factor: float = 1.0) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
    """Make a function from a directory of runs to Markdown the source of a part of a page."""

    def add(make: Callable[[Path], str]) -> Callable[[Path], str]:
        BLOCKS[make.__name__] = Block(page, make, factor)
        return make

    return add


def differences(written: str, made: str, factor: float = 1.0) -> list[str]:
    """Say where a text differs from what a page says: in words, or in numbers beyond rounding or the factor."""
    if factor > 1.0:
        written, made = (re.sub(r" ?\([^()]*\)", "", text) for text in (written, made))
    words, new_words = (re.sub(r"[\s-]+", " ", _NUMBER.sub("#", text)).strip() for text in (written, made))
    if words != new_words:
        return [f"other words: {words!r}, now {new_words!r}"]
    pairs = zip(_NUMBER.findall(written), _NUMBER.findall(made), strict=True)
    return [f"{old}, now {new}" for old, new in pairs if not _agree(old, new, factor)]


def _agree(old: str, new: str, factor: float) -> bool:
    low, high = sorted((float(old), float(new)))
    mantissa, _, exponent = old.partition("e")
    last_digit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    near = factor > 1.0 and (high <= factor * low or low > 100.0)
    return near or high - low <= 1.000001 * last_digit
