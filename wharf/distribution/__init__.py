"""Wheels and sdists: what they are, what they say of themselves, and whether the two agree."""
