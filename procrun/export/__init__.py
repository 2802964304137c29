"""Formats that a plan can be exported to."""
