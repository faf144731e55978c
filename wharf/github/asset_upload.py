"""One file into one release on GitHub, whatever earlier tries have left there.

"Upload a release asset": a failed upload can leave an asset in the state `starter`, which holds the name and no bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from wharf.errors import AWAY, NotAllowedError, RejectedError, StorageError, UncertainError
from wharf.github import release_listing

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from wharf.assets.asset_store import Incoming, Progress
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored

PAUSE: Final = 0.5
"""Seconds before an upload that failed is tried again; doubled each time."""
STALE: Final = timedelta(minutes=5)
"""After that, an upload that was begun and has no bytes is one that died."""

_TRIES = 4


class ClosedError(Exception):
    """The release takes no more files from us."""


@dataclass(slots=True)
class _Sent:
    """What went out in one try."""

    count: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


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
                self.github.call("DELETE", f"{{repo}}/releases/assets/{other.id}", allow=(404,))
        raise failure

    def _send(self) -> Stored:
        """One try. Raises StorageError if other bytes arrived than were checked; they are deleted."""
        file = self.incoming.named.file
        tries: list[_Sent] = []

        def taken_back() -> None:
            for each in tries[-1:]:
                self.progress.sent(file.filename, -each.count)

        def sink() -> Callable[[bytes], None]:
            taken_back()
            tries.append(_Sent())
            return sent

        def sent(chunk: bytes) -> None:
            if self.stop.is_set():
                raise StorageError("The upload was stopped.", "Run the same command again: it goes on from there.")
            tries[-1].digest.update(chunk)
            tries[-1].count += len(chunk)
            self.progress.sent(file.filename, len(chunk))

        try:
            with self.incoming.source() as opened:
                reply = self.github.upload(self.release.upload_url, file.filename, opened, file.size, sink=sink)
        except StorageError:
            taken_back()
            raise
        stored = release_listing.asset(reply.data)
        self.github.know(reply.data.get("uploader") if isinstance(reply.data, dict) else None)
        arrived = stored.sha256 or tries[-1].digest.hexdigest()  # an old server tells no digest: then what was sent has to do
        if arrived != file.sha256 or stored.size != file.size:
            self.github.call("DELETE", f"{{repo}}/releases/assets/{stored.id}", allow=(404,))
            raise StorageError(
                f"{file.filename} arrived at GitHub with other bytes than were checked (sha256 {arrived}).",
                "Did the file change meanwhile? Run the same command again.",
            )
        return stored

    def _namesake(self) -> Stored | None:
        """The asset of the release that has the file's bytes, else the one that has its name."""
        file = self.incoming.named.file
        assets = [release_listing.asset(each) for each in self.github.pages(f"{{repo}}/releases/{self.release.id}/assets")]
        named = [each for each in assets if release_listing.same_name(each.name, file.filename)]
        return release_listing.find(assets, file) or next(
            iter(sorted(named, key=lambda each: each.name != file.filename)), None
        )

    def _stale(self, stored: Stored) -> bool:
        return stored.state != "uploaded" and self.github.now() - datetime.fromisoformat(stored.updated) > STALE
