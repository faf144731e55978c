"""One file into one release on GitHub, whatever earlier tries have left there.

"Upload a release asset": a failed upload can leave an asset in the state `starter`, which holds the name and no bytes.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from wharf.errors import AWAY, NotAllowedError, OneReleaseError, RejectedError, StorageError, UncertainError
from wharf.github import release_listing
from wharf.github.release_states import EMPTY_AFTER

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from wharf.assets.asset_store import Incoming, Progress
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored

PAUSE: Final = 0.5
"""Seconds before an upload that failed is tried again; doubled each time."""

_TRIES = 4


class ClosedError(Exception):
    """The release takes no more files from us."""


class _Watched(io.RawIOBase):
    """A file while it is sent. Each try begins with `seek`, and takes back what the try before reported."""

    def __init__(self, file: BinaryIO, sent: Callable[[int], None], stop: threading.Event) -> None:
        super().__init__()
        self._file, self._sent, self._stop = file, sent, stop
        self._count = 0
        self.digest = hashlib.sha256()

    def seek(self, place: int, whence: int = 0) -> int:
        self._sent(-self._count)
        self._count, self.digest = 0, hashlib.sha256()
        return self._file.seek(place, whence)

    def read(self, size: int = -1) -> bytes:
        if self._stop.is_set():
            raise StorageError("The upload was stopped.", "Run the same command again: it continues there.")
        piece = self._file.read(size)
        self.digest.update(piece)
        self._count += len(piece)
        self._sent(len(piece))
        return piece


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way into a release. `stop` ends it between two pieces."""

    github: GitHub
    release: Listed
    incoming: Incoming
    progress: Progress
    stop: threading.Event

    def carry_out(self) -> Stored:
        """The asset as GitHub has it now. Raises ClosedError if the file has to go into another release, or StorageError."""
        file = self.incoming.named.file
        own = False
        failure: StorageError
        for tries in range(_TRIES):
            try:
                return self._send()
            except UncertainError as error:
                own, failure = True, StorageError(error.message, error.hint, told=AWAY)
                self.stop.wait(PAUSE * 2**tries)
            except NotAllowedError as error:
                # A release that was made a moment ago may not be known everywhere at GitHub yet.
                if tries + 1 == _TRIES or not self.release.draft or "not found" not in error.message.lower():
                    raise
                self.stop.wait(PAUSE * 2**tries)
                continue
            except RejectedError as error:
                failure = error
                if "immutable" in error.message.lower() or "file_count" in error.message:
                    raise ClosedError from error
                if not error.says("already_exists"):
                    raise
            other = self._namesake()
            if other is not None and other.holds(file):
                self.progress.sent(file.filename, file.size)
                return other
            if other is not None:
                if not own and not (self.release.draft and other.state == "uploaded") and not self._stale(other):
                    raise ClosedError
                self.github.rest.delete_asset(other.id)
        raise failure

    def _send(self) -> Stored:
        """One try. Raises StorageError if other bytes arrived than were checked; they are deleted."""
        file = self.incoming.named.file
        with self.incoming.open() as opened:
            watched = _Watched(opened, partial(self.progress.sent, file.filename), self.stop)
            try:
                stored = self.github.rest.upload(self.release, file.filename, cast("BinaryIO", watched), file.size)
            except StorageError:
                watched.seek(0)
                raise
        arrived = stored.sha256 or watched.digest.hexdigest()  # an old server tells no digest: then what was sent has to do
        if arrived != file.sha256 or stored.size != file.size:
            self.github.rest.delete_asset(stored.id)
            raise OneReleaseError(
                f"{file.filename} arrived at GitHub with other bytes than were checked (sha256 {arrived}).",
                "Did the file change meanwhile? Run the same command again.",
            )
        return stored

    def _namesake(self) -> Stored | None:
        """The asset of the release that has the file's bytes, else the one that has its name."""
        file = self.incoming.named.file
        assets = [*self.github.rest.assets(self.release.id)]
        named = [each for each in assets if release_listing.same_name(each.name, file.filename)]
        return release_listing.find(assets, file) or next(
            iter(sorted(named, key=lambda each: each.name != file.filename)), None
        )

    def _stale(self, stored: Stored) -> bool:
        return stored.state != "uploaded" and self.github.now() - stored.updated > EMPTY_AFTER
