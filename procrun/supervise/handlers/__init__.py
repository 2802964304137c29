"""What the supervisor does for each request of a client."""
