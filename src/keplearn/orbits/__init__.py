"""The truth: Kepler's orbits, their families, and real satellites. Knows no neural network."""
