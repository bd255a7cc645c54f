"""From a config to a scored run: the one path of command line, demo, sweeps and notebooks."""
