"""What the operating system offers: processes, signals, pipes, sockets, limits. It imports nothing of procrun."""
