"""Figures on paper: data in, Matplotlib Figure out, one module per family; no display and no global state."""
