"""A folder of figures with a page, ``index.html``, that shows them: plain HTML, no script; it opens offline."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from keplearn.core.errors import KeplearnError
from keplearn.core.files import not_written, write_text

PAGE = "index.html"
_MARK = '<meta name="generator" content="keplearn plot all">'
_OWN = re.compile(r'<a href="([\w.-]+\.(?:png|csv))"')

_HEAD = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
{_MARK}
<title>{{title}}</title>
<style>
body {{{{ font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 56rem; margin: 2rem auto; padding: 0 1rem; }}}}
h2 {{{{ margin: 3rem 0 0.3rem; font-size: 1.15rem; }}}}
p {{{{ margin: 0.4rem 0; }}}}
nav a {{{{ margin-right: 0.8rem; white-space: nowrap; }}}}
img {{{{ width: 100%; height: auto; }}}}
pre {{{{ background: #f4f4f4; padding: 0.5rem 0.7rem; overflow-x: auto; font-size: 13px; }}}}
</style>
</head>
"""


@dataclass(frozen=True)
class Drawn:
    """A picture of the page: its heading, what it is drawn of, how it is read, its command, and its files."""

    heading: str
    of: str
    caption: str
    command: str
    picture: str
    numbers: str | None = None

    @property
    def name(self) -> str:
        """What the page calls it."""
        return Path(self.picture).stem


@dataclass(frozen=True)
class NotDrawn:
    """A figure that is not there, and why not, in a line."""

    name: str
    reason: str


class Folder:
    """The folder: what it held before is replaced by what is drawn now, and nothing else in it is touched.

    Raises
    ------
    KeplearnError
        If it has a page that is not keplearn's, or is no folder.
    """

    def __init__(self, path: Path):
        self.path = path
        self._before = self._files()

    def _files(self) -> set[str]:
        """Return the files of the page that is there."""
        page = self.path / PAGE
        try:
            text = page.read_text(encoding="utf-8")
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            raise KeplearnError(f"--out {self.path}: {PAGE} there cannot be read: {error}.") from error
        if _MARK not in text:
            raise KeplearnError(f"--out {self.path}: {page} is another program's: choose another folder.")
        return set(_OWN.findall(text))

    def close(
        self, title: str, about: str, pictures: Sequence[Drawn], missing: Sequence[NotDrawn] = ()
    ) -> Path:
        """Write the page, once its files are there; those of the page before that are not of this one go."""
        page = self.path / PAGE
        write_text(page, page_text(title, about, pictures, missing))
        for name in self._before - {file for one in pictures for file in (one.picture, one.numbers)}:
            try:
                (self.path / name).unlink(missing_ok=True)
            except OSError as error:
                raise not_written(self.path / name, error) from error
        return page


def page_text(title: str, about: str, pictures: Sequence[Drawn], missing: Sequence[NotDrawn] = ()) -> str:
    """Return the page: its pictures in their order, then what is not there."""
    links = "\n".join(f'<a href="#{one.name}">{one.name}</a>' for one in pictures)
    parts = [
        _HEAD.format(title=escape(title)),
        f"<body>\n<h1>{escape(title)}</h1>\n<p>{escape(about)}</p>\n<nav>\n{links}\n</nav>",
    ]
    for one in pictures:
        lines = [
            f'<h2 id="{one.name}">{escape(one.heading)}</h2>',
            f"<p>{escape(one.of)}</p>",
            f'<a href="{one.picture}"><img src="{one.picture}" alt="{escape(one.heading)}" loading="lazy"></a>',
            *(f"<p>{_marked(part)}</p>" for part in one.caption.split("\n\n") if part),
            f"<pre>{escape(one.command)}</pre>",
            *([f'<p>Its numbers: <a href="{one.numbers}">{one.numbers}</a></p>'] if one.numbers else []),
        ]
        parts.append("\n".join(lines))
    if missing:
        rows = "\n".join(f"<li><code>{escape(one.name)}</code>: {escape(one.reason)}</li>" for one in missing)
        parts.append(f"<h2>Not drawn</h2>\n<ul>\n{rows}\n</ul>")
    return "\n".join([*parts, "</body>\n</html>\n"])


def _marked(text: str) -> str:
    """Return a paragraph of a docstring as HTML: names in backticks as code."""
    return re.sub(r"`+([^`]+)`+", r"<code>\1</code>", escape(text.replace("\\|", "|")))
