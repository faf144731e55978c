"""What can go wrong, as types.

Every error that wharf raises on purpose is a `WharfError`. Its class fixes three things that people and scripts rely on:
the word in `{"error": {"code"}}`, the exit code of the command line, and the HTTP status of the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class WharfError(Exception):
    """The root. `message` names the thing and the cause; `hint` says what to do or to type next (may be empty)."""

    code = "error"
    exit_code = 1
    http_status = 500
    doctor = False
    """Whether `wharf doctor` tells more."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def sentences(self) -> str:
        """Message and hint in one line of text, each of them a sentence that ends."""
        return " ".join(each if each.endswith((".", "!", "?")) else f"{each}." for each in (self.message, self.hint) if each)


class UsageError(WharfError):
    """A wrong command line, address or setting, or a path that is not there."""

    code = "usage"
    exit_code = 2
    http_status = 400


class NoRegistrationError(UsageError):
    """A form that registers a project. devpi goes on with its uploads after this status, and after no other refusal."""

    code = "no-registration"
    http_status = 410

    def __init__(self) -> None:
        super().__init__(
            "A project needs no registration: its first upload makes it.", "Leave out `register`, and upload the files."
        )


class TooSlowError(UsageError):
    """A request whose body does not come."""

    code = "too-slow"
    http_status = 408


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
    """A project, release, file or token that is not there. `unseen`: GitHub does not show it, perhaps for lack of rights."""

    code = "not-found"
    exit_code = 4
    http_status = 404

    def __init__(self, message: str, hint: str = "", *, unseen: bool = False) -> None:
        super().__init__(message, hint)
        self.unseen = unseen


class NoIndexError(NotFoundError):
    """An index that is not there."""

    code = "no-index"


class ConflictError(WharfError):
    """Other bytes under a file name that is taken, now or by a file that was removed."""

    code = "conflict"
    exit_code = 5
    http_status = 409


class NotAllowedError(WharfError):
    """A right that is missing: no token, a wrong one, or one of too small a scope.

    `unknown`: GitHub does not know the token.
    """

    code = "not-allowed"
    exit_code = 6
    http_status = 403

    def __init__(self, message: str, hint: str = "", *, doctor: bool = False, unknown: bool = False) -> None:
        super().__init__(message, hint)
        self.doctor = doctor
        self.unknown = unknown


class MayNotWriteError(NotAllowedError):
    """What an index, or the limits of a wharf token, do not let somebody write. GitHub itself need not refuse it."""

    code = "may-not-write"


class RefusedError(WharfError):
    """Something that the status of a project, or the state of the index, does not permit."""

    code = "refused"
    exit_code = 7
    http_status = 403


AWAY: Final = "GitHub cannot be reached, or does not answer as it should. Try again in a moment: what is done stays done."
UNWRITABLE: Final = "The server cannot write to its disk. The server's log says where."
MAY_NOT: Final = "GitHub does not let the server's own token do that. The server's log says why."
UNSEEN: Final = "GitHub does not show this to the server. It was deleted there, or the server's own token may not see it."


class StorageError(WharfError):
    """The repository, the folder or the network failed, or holds what cannot be read.

    `told` is what a server's clients are told: the message is for its operator, with paths and all.
    """

    code = "storage"
    exit_code = 8
    http_status = 503
    told = "The store cannot be read or written just now. The server's log says why."

    def __init__(self, message: str, hint: str = "", *, told: str | None = None) -> None:
        super().__init__(message, hint)
        if told is not None:
            self.told = told


class DamagedError(StorageError):
    """A git object that is named and cannot be read."""

    code = "damaged"


class RewrittenError(StorageError):
    """A branch whose tip does not stand on the one before: nobody can say any more what the index was."""

    code = "rewritten"


class OddFileError(StorageError):
    """A link, a pipe, a device or the like where a regular file or a folder has to be. It is neither read nor deleted."""

    code = "odd-file"

    def __init__(self, path: Path, kind: str, wanted: str) -> None:
        super().__init__(f"{path} is {kind}, and no {wanted}.", "Look at what put it there, and take it away.")
        self.path = path
        self.kind = kind


class RecordError(StorageError):
    """A record on the index branch, at `path`, that does not follow docs/index-format.md."""

    code = "broken-record"

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(
            f"{path}: {reason}",
            "Fix or revert that file on the index branch (docs/reference.md says how); until then it is left out.",
        )
        self.path = path
        self.reason = reason


class LostRecordError(RecordError):
    """A record that the branch names, and whose git object is missing or damaged."""

    code = "lost-record"

    def __init__(self, path: str) -> None:
        super().__init__(path, "the git object is missing or damaged")


class QuotaError(StorageError):
    """GitHub wants a wait that is longer than allowed here. `retry_after` is in seconds, `reason` is why, in words."""

    code = "quota"

    def __init__(self, message: str, hint: str, *, retry_after: float, reason: str) -> None:
        super().__init__(message, hint)
        self.retry_after = retry_after
        self.reason = reason


class AnswerTooLargeError(StorageError):
    """An answer from GitHub with more bytes than are read."""

    code = "answer-too-large"


class RejectedError(StorageError):
    """GitHub understood a request and refused it (409, 413, 422), in the words `said`.

    `codes` are the `code` and `field` of each of its errors.
    """

    code = "rejected"
    told = "GitHub refused a change, perhaps because of a rule of the repository. The server's log says why."

    def __init__(self, message: str, hint: str, status: int, codes: tuple[tuple[str, str], ...], *, said: str = "") -> None:
        super().__init__(message, hint)
        self.status = status
        self.codes = codes
        self.said = said

    def says(self, code: str) -> bool:
        """Whether one of GitHub's errors has that code."""
        return any(each == code for each, _ in self.codes)


class OneReleaseError(StorageError):
    """What went wrong with one release, or one file of it. Others can be stored all the same."""

    code = "one-release"


class RefusedReleaseError(OneReleaseError):
    """A release, or a file of it, that GitHub refuses, as a rule of the repository may have it. To try again does not help."""

    code = "refused-release"
    http_status = 422

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.told = self.sentences


class UncertainError(StorageError):
    """The answer to a request that writes did not come: whether it was carried out has to be looked up."""

    code = "uncertain"
    told = AWAY


class BusyError(StorageError):
    """The server has as much to do as it can hold."""

    code = "busy"
    told = "The server holds as many uploads as it can. Try again in a moment."


class CrowdingError(BusyError):
    """One uploader has as many uploads under way as one may have, so that the others have room."""

    code = "crowding"
    http_status = 429


class LockedError(StorageError):
    """Another process keeps a lock for longer than anybody waits. `holder` is that process, in words, as far as it is known."""

    code = "locked"
    told = "Another process keeps the store locked. Try again in a moment."

    def __init__(self, path: Path, holder: str, seconds: float) -> None:
        super().__init__(
            f"The lock {path} did not become free within {seconds:.0f} seconds. It is held by {holder}.",
            "Wait for its end, or end it, then run the same command again: nothing that was published is lost.",
        )
        self.path = path


class GraphQLError(StorageError):
    """GitHub's GraphQL API answered with errors, of these types."""

    code = "graphql"

    def __init__(self, message: str, types: tuple[str, ...]) -> None:
        super().__init__(message, "")
        self.types = types


_COMPARED = 400  # names that are compared with a mistyped one: 20,000 would take a second


def did_you_mean(text: str, among: Iterable[str]) -> str:
    """`Did you mean …? `, where something that there is looks like what was typed; else nothing.

    Of very many only those are looked at that sort next to it: whoever asks a server for a name pays nothing for that.
    """
    import difflib
    from bisect import bisect_left

    names = sorted(among)
    if len(names) > _COMPARED:
        at = max(0, bisect_left(names, text) - _COMPARED // 2)
        names = names[at : at + _COMPARED]
    near = difflib.get_close_matches(text, names, 1)
    return f"Did you mean {near[0]}? " if near else ""
