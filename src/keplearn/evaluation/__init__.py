"""Evaluation: models propagated along true orbits, errors by sample, summaries and tables of them."""
