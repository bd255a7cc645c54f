"""Runs on disk: one directory a run, one writer each, readable at any moment."""
