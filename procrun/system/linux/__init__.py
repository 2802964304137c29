"""The system as Linux has it: /proc, pidfds, dnotify, prctl."""
