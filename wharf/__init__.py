"""wharf: a private Python package index with nothing to host."""

__version__ = "0.1.0"
