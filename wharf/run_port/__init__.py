"""The port that several `wharf run` of one index share."""
