"""The way of a line."""
