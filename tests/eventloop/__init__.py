"""The loop and what it watches."""
