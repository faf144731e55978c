"""A project, or the list of projects, as the bytes of one page."""
