"""How a client gets a file that lies at GitHub: by a redirect, or through the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import UNSEEN, StorageError
from wharf.server.files.streamed_download import StreamedDownload

if TYPE_CHECKING:
    from wharf.server.files.download_cache import DownloadCache
    from wharf.server.files.github_bytes import GitHubBytes
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.files.signed_links import SignedLinks
    from wharf.server.http.answer import Answer, FileAnswer


class Delivery:
    """`links` is None where every file goes through the server; `downloads` keeps what goes through, and `bytes_of` gets it."""

    def __init__(self, links: SignedLinks | None, downloads: DownloadCache, bytes_of: GitHubBytes) -> None:
        self._links = links
        self._bytes = bytes_of
        self._downloads = downloads

    def ready(self, github_file: GitHubFile) -> Answer | None:
        """The redirect, if there is one that still holds."""
        return None if self._links is None else self._links.ready(github_file)

    async def fetch(self, github_file: GitHubFile, *, head: bool) -> Answer | FileAnswer | StreamedDownload:
        """A redirect; or the bytes, where redirects are not wanted, or GitHub gave the bytes instead of an address."""
        if self._links is not None:
            redirect = await self._links.make(github_file)
            if redirect is not None:
                return redirect
        if head:
            return github_file.file.head
        return await self._downloads.open(self._bytes.wanted(github_file))

    async def fetch_if_there(self, github_file: GitHubFile) -> Answer | FileAnswer | StreamedDownload | None:
        """The same of a file that GitHub may not have any more; None if it does not."""
        try:
            if self._links is not None:
                redirect = await self._links.make(github_file, surely=True)
                if redirect is not None:
                    return redirect
            found = await self._downloads.open(self._bytes.wanted(github_file))
            if isinstance(found, StreamedDownload):
                await found.begun()
        except StorageError as error:
            if error.told == UNSEEN:
                return None
            raise
        return found
