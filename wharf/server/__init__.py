"""The server: an index over HTTP."""
