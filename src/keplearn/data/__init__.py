"""Datasets of orbits: made by name, imported, saved and loaded, with their units."""
