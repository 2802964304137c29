"""Instances and requests."""
