"""The command line: a small file for each family of commands."""
