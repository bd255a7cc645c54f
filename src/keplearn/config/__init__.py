"""Configuration: one YAML form for single runs and sweeps, checked once, expanded to runs with stable ids.

``schema`` holds every key with its default and its documentation, ``loading`` reads YAML with line numbers,
``expand`` turns a file into its set of runs, ``difference`` says what differs between configs.
"""

from keplearn.config.expand import load_config, run_config, runs_from_dict
from keplearn.config.loading import ConfigWarning
from keplearn.config.schema import Parameters, RunConfig

__all__ = ["ConfigWarning", "Parameters", "RunConfig", "load_config", "run_config", "runs_from_dict"]
