"""What all of procrun speaks of: errors, values, specs, events, stop sequences, text that is safe to show."""
