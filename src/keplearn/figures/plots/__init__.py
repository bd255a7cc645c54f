"""The figures, a file each by its name in `keplearn plot`."""

import keplearn.figures.settings  # noqa: F401
