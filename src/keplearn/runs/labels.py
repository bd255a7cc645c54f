"""Labels of runs: a user's own words for one, by which figures, the page and lists call it.

A label is kept in the run's directory in a sealed file of its own: the record belongs to the run's writer, which may be
at work and would write over what another puts in. It outlives a training anew.
"""

import json
from pathlib import Path

from keplearn.core.errors import Damaged, KeplearnError, printable
from keplearn.core.files import not_written, read_sealed, write_bytes
from keplearn.core.seal import close_json

LABEL = "label.json"
LETTERS = 80


def read_label(run: Path) -> str | None:
    """Return the label of a run's directory, None where it has none.

    Raises
    ------
    Damaged
        If it is not as it was written.
    KeplearnError
        If it cannot be read.
    """
    file = run / LABEL
    try:
        file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        pass  # reading it says why it may not be read
    try:
        label = json.loads(read_sealed(file, must=True).content)["label"]
        return _checked(label)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Damaged(f"{file}: damaged: it holds no label.") from error


def write_label(run: Path, text: str) -> None:
    """Label a run; an empty text takes its label away.

    Raises
    ------
    KeplearnError
        If the text is no label.
    NotWritten
        If it cannot be written.
    """
    file = run / LABEL
    if not text.strip():
        try:
            file.unlink(missing_ok=True)
        except OSError as error:
            raise not_written(file, error) from error
        return
    try:
        label = _checked(text.strip())
    except ValueError as error:
        raise KeplearnError(f"label {printable(text)!r}: {error}.") from None
    write_bytes(file, close_json({"label": label}), within=run)


def _checked(label: object) -> str:
    """Refuse what would not fit into a legend or a line of a table."""
    if not isinstance(label, str) or not label.isprintable() or not label.strip():
        raise ValueError("a label is one line of text that can be printed")
    if len(label) > LETTERS:
        raise ValueError(f"a label has at most {LETTERS} letters, not {len(label)}")
    return label
