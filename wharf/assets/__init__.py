"""The place for the bytes of distributions: what the operations need of one, and the one in a folder."""
