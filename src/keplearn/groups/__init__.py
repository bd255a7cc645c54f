"""A group of runs as one thing: its configs, how far its runs are, in what they differ, what drives their scores."""
