"""What carries a run: the command line asks it, and knows nothing of how it is reached."""
