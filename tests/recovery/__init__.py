"""After a run that was cut short."""
