"""Every command that is listed can be asked for its help."""

import pytest

from keplearn.cli.app import app

COMMANDS = [
    "config",
    "data",
    "demo",
    "evaluate",
    "plot",
    "recipe",
    "report",
    "runs",
    "sweep",
    "train",
    "wandb",
]


def test_all_commands_are_listed():
    assert sorted(name for name in app if not name.startswith("-")) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_says_how_it_is_called(name, capsys):
    with pytest.raises(SystemExit) as ended:
        app([name, "--help"])
    assert not ended.value.code
    assert capsys.readouterr().out.startswith(f"Usage: keplearn {name}")
