"""A file of a session, which is an asset of a draft: fetched only when somebody reads it."""

from __future__ import annotations

import hashlib
import io
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from wharf.errors import ConflictError, StorageError
from wharf.github import release_listing
from wharf.github.session_text import declared
from wharf.index.asset_location import metadata_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import WriteableBuffer

    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored
    from wharf.transport.http_client import Download

_MOST_NAMED = 10


def opened(github: GitHub, stored: Stored) -> BinaryIO:
    """The bytes of an asset at their beginning. Nothing is asked for before the first of them is read."""
    return cast("BinaryIO", io.BufferedReader(_LaterFile(github, stored)))


def asset_of(listed: Listed, file: SessionFile) -> Stored | None:
    """The asset with the bytes of a file, if a draft has it."""
    sha256 = declared(file)
    named = (each for each in listed.assets if release_listing.same_name(each.name, file.filename))
    return next((each for each in named if each.state == "uploaded" and each.sha256 == sha256), None)


def refuse_unnamed(assets: Sequence[Stored], session: UploadSession) -> None:
    """Raise ConflictError for assets that a session does not name, but for core metadata, which a publish stored that died.

    A server announced and took them, and another one, which had read the text before, wrote over that. Or a server died
    between the deletion of a file and that of its bytes. Nothing at GitHub tells one from the other.
    """
    named = {release_listing.letters(each) for each in session.files}
    stored = [each.name for each in assets if each.state == "uploaded" and not each.name.endswith(metadata_name(""))]
    unnamed = [each for each in stored if release_listing.letters(each) not in named]
    if unnamed:
        raise ConflictError(
            f"The session has no entry for {' or '.join(unnamed[:_MOST_NAMED])}, of which the draft has the bytes.",
            "Announce it again, which is enough. If it does not belong to the release, delete it then, or delete the asset "
            "from the draft on GitHub.",
        )


def to_drop(listed: Listed, session: UploadSession, file: SessionFile) -> list[Stored]:
    """The assets of a file that left the session, but for bytes that a later upload of its name, in any spelling, has as well.

    If the session has this upload itself again, another server wrote over its deletion. Without its bytes it is not published.
    """
    later = (each for each in session.files.values() if each.number != file.number)
    kept = {declared(each) for each in later if release_listing.same_name(each.filename, file.filename)} - {None}
    named = (each for each in listed.assets if release_listing.same_name(each.name, file.filename))
    return [each for each in named if each.sha256 not in kept]


class _LaterFile(io.RawIOBase):
    """Raises StorageError where the bytes do not come, or are not those that GitHub has the digest of."""

    def __init__(self, github: GitHub, stored: Stored) -> None:
        super().__init__()
        self._github, self._stored = github, stored
        self._file: BinaryIO | None = None
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._stored.size}[whence]
        self._place = max(0, base + place)
        return self._place

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._file is None:
            self._file = self._fetched()
        self._file.seek(self._place)
        view = memoryview(buffer)
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        super().close()

    def _fetched(self) -> BinaryIO:
        file = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115 - it is closed with this
        try:
            with self._github.asset(self._stored.id) as found:
                if isinstance(found, str):
                    with self._github.open(found) as download:
                        self._copy(download, file)
                else:
                    self._copy(found, file)
        except BaseException:
            file.close()
            raise
        return file

    def _copy(self, download: Download, file: BinaryIO) -> None:
        digest, left = hashlib.sha256(), self._stored.size
        for chunk in download.chunks:
            left -= len(chunk)
            if left < 0:
                break
            digest.update(chunk)
            file.write(chunk)
        if left or digest.hexdigest() != self._stored.sha256:
            raise StorageError(f"GitHub sent other bytes of {self._stored.name} than it stored.", "Try again.")
