"""The system: who is told of a stop, what survives, what Linux tells."""
