"""Whether an instance is ready and still works: probes, notifications, watchdogs."""
