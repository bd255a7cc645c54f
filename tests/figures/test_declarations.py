"""Every figure's command, help and place in the gallery come from its one declaration; a user's own is drawn too."""

import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import get_args

import gallery
import numpy as np
import pandas as pd
import pytest

import keplearn
from keplearn.cli.needs import NEEDS
from keplearn.cli.plot import FIGURES, app, plot
from keplearn.core.errors import KeplearnError
from keplearn.data.dataset import load_dataset
from keplearn.figures.declarations import declarations, read_declarations

HOME = Path(__file__).parents[2]


@pytest.mark.parametrize("name", declarations())
def test_what_is_read_of_a_figure_is_what_its_function_has(name):
    declared = declarations()[name]
    found = declared.load()
    assert declared.file.stem == name == found.draw.__name__
    assert getattr(keplearn.figures, name) is found.draw
    assert declared.of in NEEDS
    parameters = dict(signature(found.prepare).parameters) if found.prepare else {}
    parameters |= signature(found.draw).parameters
    for option in declared.options:
        default = parameters[option.parameter].default
        assert option.default == default
        optional = get_args(parameters[option.parameter].annotation) if default is None else ()  # int | None
        kinds = (list[str], type(default), str, *optional)
        assert option.kind in kinds or default in get_args(option.kind)
    assert "title" in parameters
    assert (found.draw.__doc__ or "").splitlines()[0].lower() == f"draw {declared.about}".lower()


def test_the_gallery_has_every_figure():
    page = (HOME / "docs" / "gallery.md").read_text(encoding="utf-8")
    drawn = dict(gallery.figures())
    assert {declared.name for declared in drawn} == set(declarations())
    for declared, words in drawn.items():
        assert all(f"    keplearn plot {declared.name} {one}\n" in page for one in words)


def test_the_list_of_figures_needs_neither_matplotlib_nor_jax_nor_numpy():
    heavy = "{'matplotlib', 'jax', 'numpy', 'pandas', 'keplearn.figures.parts'} & set(sys.modules)"
    code = f"""
import sys
from keplearn.cli import main
sys.argv = ['keplearn', 'plot', *sys.argv[1:], '--help']
try:
    main()
finally:
    print({heavy}, file=sys.stderr)
"""
    for words, told in (([], "Every run as a dot"), (["dots"], "--color")):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
        )
        assert told in done.stdout
        assert done.stderr == "set()\n"


@pytest.fixture
def own(tmp_path):
    """The figure that CONTRIBUTING shows, in a file outside the package."""
    text = (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = (part for part in text.split("```python\n") if "@keplearn.figure(" in part)
    file = tmp_path / "my_figures.py"
    file.write_text(block.partition("```")[0], encoding="utf-8")
    yield file
    FIGURES.pop("speeds", None)
    if "speeds" in app:
        del app["speeds"]


def test_a_figure_of_ones_own_is_a_command(own, tmp_path, capsys):
    with pytest.raises(SystemExit):
        plot("--plugin", str(own), "speeds", "--help")
    said = capsys.readouterr().out
    assert "Speed against radius, sample by sample." in said
    assert "--every INT" in said
    del app["speeds"]
    name, numbers, picture = "complex_TBP_planar_2_train", tmp_path / "x.csv", tmp_path / "x.png"
    with pytest.raises(SystemExit) as ended:
        plot(
            *(
                "speeds",
                name,
                "--every",
                "4",
                "--data",
                str(numbers),
                f"--plugin={own}",
                "--out",
                str(picture),
            )
        )
    assert not ended.value.code
    assert picture.stat().st_size > 10_000
    speeds = np.linalg.norm(load_dataset(name).states[:, ::4, 3:], axis=-1).ravel()
    table = pd.read_csv(numbers)
    np.testing.assert_allclose(table["y"], speeds)
    assert set(table["y_label"]) == {"speed (km/s)"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "@figure('datasets', HELP)\ndef a(datasets, title=''):\n    '''A.'''",
            "my_figures.py:2: figure a: .*HELP has to be written out",
        ),
        ("@figure('datasets', {'b': 'B.'})\ndef a(datasets):\n    '''A.'''", "there is no parameter b"),
        ("@figure('datasets', {'b': 'B.'})\ndef a(datasets, b: dict):\n    '''A.'''", "not dict"),
        ("@figure('datasets', {'b': 'B.'})\ndef a(datasets, b: int", "cannot be read"),
        ("@figure('dataset')\ndef a(datasets):\n    '''A.'''", "Did you mean 'datasets'"),
        ("@figure('model', {'model': 'M.'})\ndef a(model: str):\n    '''A.'''", "'model'"),
        ("@figure('model')\ndef orbit(model):\n    '''A.'''", "choose another name"),
        ("def a(): pass", "declares no figure"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_declaration_that_cannot_be_read_is_told(text, message, tmp_path):
    file = tmp_path / "my_figures.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(KeplearnError, match=message):
        plot("--plugin", str(file), "a", "x")


def test_of_several_figures_in_a_file_each_is_read(tmp_path):
    file = tmp_path / "two.py"
    one = "@keplearn.figure('datasets')\ndef {}(datasets, title=''):\n    '''Draw {}.'''\n    return 'x'\n\n"
    file.write_text(one.format("first", "one") + 'X = """y"""\n' + one.format("second", "two"))
    assert {found.name: found.about for found in read_declarations(file)} == {
        "first": "One.",
        "second": "Two.",
    }
