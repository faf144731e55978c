"""TOML, JSON and INI that anybody may have written: read with one kind of error, edited so that all else in them stays as it is."""
