"""The instances of a run: their states, their stops, their restarts."""
