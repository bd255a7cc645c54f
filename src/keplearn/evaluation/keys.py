"""The names of the scores, in the order in which they are shown."""

MEANS = {
    "mean": "mean",
    "field": "field",
    "theta-deg": "theta_deg",
    "radial%": "outward",
    "collinear-deg": "collinear_deg",
    "position%": "position_error",
    "energy-drift": "energy_drift",
    "momentum-drift": "momentum_drift",
}
"""The keys that are means over samples, and the per-sample variable of each."""

COUNTS = ("outliers", "diverged", "lost", "lost-field")
"""The keys that are numbers of samples or orbits: nothing is lost of them."""

KEYS = (
    *("mean", "field", "theta-deg", "radial%", "collinear-deg", "flips"),
    *("skewness", "pearson-sk1", "pearson-sk2", "bowley", "median", "std", "q1", "q3", "max", "outliers"),
    *("position%", "energy-drift", "momentum-drift", "diverged", "lost", "lost-field"),
)
"""All keys of a summary, in the order in which they are shown."""
