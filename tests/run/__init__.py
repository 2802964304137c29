"""One run as a whole."""
