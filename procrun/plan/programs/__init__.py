"""What is known of the programs that people run: how each is recognised, stopped and read."""
