"""The event loop, and what runs beside it: threads for what may block, and watchers of files."""
