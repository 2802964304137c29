"""Faults on purpose, and whether a run recovers from them."""
