"""Lint and check the types of the page's program, as it is delivered: one file of all its parts.

By Deno, which is a package of PyPI and has both, with the types of a browser, and needs no network.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from keplearn.report.page import SCRIPTS, program

SETTINGS = Path(__file__).with_name("deno.json")
HOME = Path("src/keplearn/report/script")


def check() -> int:
    """Print what is wrong, each with its file and line, and return the exit code."""
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "program.js")
        file.write_text(program(), encoding="utf-8")
        quiet = {"DENO_DIR": place, "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
        code = 0
        for words in (["lint"], ["check", "--no-remote"]):
            done = subprocess.run(
                [Path(sys.executable).with_name("deno"), *words, "--quiet", "--config", SETTINGS, file],
                env=os.environ | quiet,
                capture_output=True,
                text=True,
            )
            code = code or done.returncode
            if done.returncode:
                print(_placed(done.stdout + done.stderr, file))
    return code


def _placed(text: str, file: Path) -> str:
    """Name the file and line of each place in the whole program."""
    starts, start = [], 3  # two lines stand above the first file
    for name in SCRIPTS:
        starts.append((start, name))
        start += (HOME / f"{name}.js").read_text(encoding="utf-8").count("\n") + 1

    def place(match: re.Match[str]) -> str:
        line = int(match[1])
        first, name = max(part for part in starts if part[0] <= line)
        return f"{HOME}/{name}.js:{line - first + 1}"

    return re.sub(rf"(?:file://)?{re.escape(str(file))}:(\d+)", place, text)


if __name__ == "__main__":
    sys.exit(check())
