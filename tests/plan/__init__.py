"""From files to specs."""
