"""GitHub: its API, its limits, releases as a place for bytes, and a branch there as the index."""
