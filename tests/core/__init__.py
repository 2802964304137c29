"""What everything speaks of."""
