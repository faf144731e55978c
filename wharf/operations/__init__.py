"""The verbs that write: each takes a repository and its input, and gives a result. Nothing here prints."""
