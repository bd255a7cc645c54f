"""Training: losses, the phases of a curriculum, optimisers, and the loop that runs them in compiled code."""
