"""The commands by name. Each group of them is a module of its own, imported when it is used."""

from cyclopts import App

# Ctrl-C is answered in one place, for all commands (`keplearn.cli.main`).
app = App(
    name="keplearn",
    help="Neural ODEs that learn orbital dynamics: make orbits, train, measure honestly.",
    suppress_keyboard_interrupt=False,
)
# Their help stands here, since the modules are not imported for the list of commands.
_COMMANDS = {
    "data:app": "Datasets of orbits: show, make, import, and real satellites.",
    "config:app": "Check configs, show their runs, compare them, list all keys.",
    "recipe:recipe": "Write the config of a recipe: ten orbits learned well, from neutral to rich in physics.",
    "train:train": """Train the runs of a config one after another, and score each on its test datasets.

    A finished run is skipped, an interrupted one goes on from its last checkpoint.
    """,
    "sweep:app": """Train all runs of a config by workers that may die; watch it, end it.

    Finished runs are left as they are, interrupted ones go on from their checkpoints.
    """,
    "runs:app": "List runs, show one, its log, and in what runs differ.",
    "evaluate:evaluate": """Score trained runs on datasets.

    Every result is kept in RUN/evaluations and read again next time.
    """,
    "plot:plot": "Draw a dataset, a run or a group: a command a figure.",
    "report:report": """Write one interactive HTML page of a group: table, plots, every run; it opens offline.

    Test datasets that its runs were not evaluated on yet are evaluated.
    """,
    "wandb:app": "Send runs to Weights & Biases, and bring them from there.",
    "demo:demo": """Train three recipes on ten orbits, score them on unseen orbits and satellites, draw them.

    Finished runs are not trained again: a second demo only shows its results.
    """,
}
for _door, _help in _COMMANDS.items():
    # What plot is told goes on to its commands, --help too: some are made of files that are told.
    _flags = {"help_flags": ()} if _door == "plot:plot" else {}
    app.command(f"keplearn.cli.{_door}", name=_door.split(":")[0], help=_help, **_flags)
