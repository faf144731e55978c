"""The static site: where its pages lie, and which files it can link to."""
