"""Smoke runs for CI: start, wait until ready, run a command, report."""
