"""Weights & Biases: runs are mirrored there, and pulled from there, by processes of their own.

The run's directory is the truth, and the mirror a reader of it: training knows nothing of it, and cannot be delayed
or harmed. Whether a run is being trained, has ended, or was trained last year, one path brings Weights & Biases up to
what its directory holds (`keplearn.tracking.mirror`).
"""
