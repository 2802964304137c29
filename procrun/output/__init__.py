"""The way of a line from a process to the stream, the log files and the backlog."""
