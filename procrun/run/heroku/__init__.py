"""A run as a dyno manager would have it: its limits and its log lines."""
