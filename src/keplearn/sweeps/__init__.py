"""Sweeps: many runs of one config, trained by workers here, by Ray or by SLURM; no run can hurt another.

``study`` holds the set of runs and what is there of it, ``pool`` is the one work unit of all engines (train these
run ids with workers that may die), ``worker`` the process that trains, ``local``, ``on_ray`` and ``slurm`` the
engines.
"""
