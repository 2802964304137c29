"""Real programs for tests to run under procrun."""
