"""What figures share: style, colours, labels, panels, marks; each knows nothing of a particular figure."""

import keplearn.figures.settings  # noqa: F401
