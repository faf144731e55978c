"""The repository that a person named: settings say which, credentials let in, and it is opened as one thing."""
