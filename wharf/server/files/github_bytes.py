"""The bytes of files at GitHub, for those that pass through the server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.server.files.download_cache import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from wharf.github.release_store import Releases
    from wharf.server.access.borrowed_tokens import BorrowedTokens
    from wharf.server.files.github_file import GitHubFile

    Write = Callable[[int | None, Iterable[bytes]], None]


class GitHubBytes:
    """Files of `releases`, got with the tokens that the server has or was lent."""

    def __init__(self, releases: Releases, borrowed: BorrowedTokens) -> None:
        self._releases = releases
        self._borrowed = borrowed

    def wanted(self, github_file: GitHubFile) -> Wanted:
        """A file, as a cache of downloads takes it."""
        file = github_file.file
        return Wanted(
            sha256=file.path.name,
            size=file.size,
            answer=lambda _path, _size: file,
            fetch=lambda write: self._borrowed.run(lambda: self._fetch(github_file, write)),
        )

    def _fetch(self, github_file: GitHubFile, write: Write) -> None:
        github = self._releases.github
        with github.asset(github_file.place.asset, slug=github_file.place.repository) as found:
            if not isinstance(found, str):
                write(None, found.chunks)
                return
        with github.open(found) as download:
            write(None, download.chunks)
