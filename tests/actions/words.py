"""Errors of the runner."""


class NotKnown(Exception):  # noqa: N818
    """Something that GitHub may know and this runner does not: the test has to be told, not the step passed over."""


class WorkflowError(Exception):
    """What GitHub says of a workflow that it does not start."""
