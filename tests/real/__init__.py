"""Real programs: workers, servers, stores, and the examples."""
