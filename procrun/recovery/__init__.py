"""What a run that was cut short has left behind, and how it is cleaned up."""
