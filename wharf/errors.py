"""What can go wrong, as types.

Every error that wharf raises on purpose is a `WharfError`. Its class fixes three things that people and scripts rely on:
the word in `{"error": {"code"}}`, the exit code of the command line, and the HTTP status of the server.
"""

from __future__ import annotations


class WharfError(Exception):
    """The root. `message` names the thing and the cause; `hint` says what to do or to type next (may be empty)."""

    code = "error"
    exit_code = 1
    http_status = 500

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(WharfError):
    """A wrong command line, address or setting, or a path that is not there."""

    code = "usage"
    exit_code = 2
    http_status = 400


class InvalidDistributionError(WharfError):
    """A file that is no wheel or sdist, or one whose content contradicts its name or its standard."""

    code = "invalid-distribution"
    exit_code = 3
    http_status = 400


class TooLargeError(InvalidDistributionError):
    """A file, or a part of one, that is larger than a limit allows."""

    code = "too-large"
    http_status = 413


class NotFoundError(WharfError):
    """A project, release, file or token that is not there."""

    code = "not-found"
    exit_code = 4
    http_status = 404


class ConflictError(WharfError):
    """Other bytes under a file name that is taken, now or by a file that was removed."""

    code = "conflict"
    exit_code = 5
    http_status = 409


class NotAllowedError(WharfError):
    """A right that is missing: no token, a wrong one, or one of too small a scope."""

    code = "not-allowed"
    exit_code = 6
    http_status = 403


class RefusedError(WharfError):
    """Something that the index's policy or a project's status does not permit."""

    code = "refused"
    exit_code = 7
    http_status = 403


class StorageError(WharfError):
    """The repository, the folder or the network failed, or holds what cannot be read."""

    code = "storage"
    exit_code = 8
    http_status = 503


class RecordError(StorageError):
    """A record on the index branch, at `path`, that does not follow docs/index-format.md."""

    code = "broken-record"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}", "Mend or revert that file on the index branch; until then it is left out.")
        self.path = path
