"""TOML, JSON and INI of anybody: read with one kind of error, and edited so that all else in them stays as it is."""
