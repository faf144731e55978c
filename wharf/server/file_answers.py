"""How files of the index are answered: from the folder where they lie, or from GitHub."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from wharf.assets.folder_store import FolderStore
from wharf.operations.open_upstream import cache_of, open_upstream
from wharf.server.files.download_cache import DownloadCache
from wharf.server.files.github_bytes import GitHubBytes
from wharf.server.files.github_file import GitHubFile
from wharf.server.files.redirect_or_stream import Delivery
from wharf.server.files.signed_links import SignedLinks
from wharf.server.http import answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from wharf.model import File
    from wharf.repository.opening import Repository
    from wharf.server.access.borrowed_tokens import BorrowedTokens
    from wharf.server.answer_maker import AnswerOfFile
    from wharf.server.rules import Rules
    from wharf.sources.upstream_index import UpstreamIndex


def file_answers(repository: Repository, rules: Rules) -> AnswerOfFile:
    """How a file of the index is answered."""
    assets = repository.assets
    if isinstance(assets, FolderStore):
        return lambda file, cache_control: answer.stored_file(
            assets.path(file.sha256, file.filename), size=file.size, sha256=file.sha256, cache_control=cache_control
        )
    cache = _cache(repository, rules)

    def github_file(file: File, cache_control: str) -> GitHubFile:
        held = answer.stored_file(cache / file.sha256, size=file.size, sha256=file.sha256, cache_control=cache_control)
        return GitHubFile(assets.place(file), held)

    return github_file


def delivery_of(
    repository: Repository,
    rules: Rules,
    borrowed: BorrowedTokens | None,
    *,
    public: Callable[[], bool],
    clock: Callable[[], float],
) -> Delivery | None:
    """How clients get files that lie at GitHub; None where the files are in a folder."""
    if isinstance(repository.assets, FolderStore) or borrowed is None:
        return None
    links = None if rules.stream else SignedLinks(repository.assets, borrowed, public=public, clock=clock)
    downloads = DownloadCache(_cache(repository, rules), rules.cache_budget, giver="GitHub", clock=clock)
    return Delivery(links, downloads, GitHubBytes(repository.assets, borrowed))


def upload_folder(repository: Repository, rules: Rules) -> Path | None:
    """Where uploads lie until they are checked: on the disk that they go to, as the system's folder may be in memory."""
    if os.environ.get("TMPDIR"):
        return None
    return repository.folder / "staging" if repository.folder is not None else _cache(repository, rules)


def upstream_folder(repository: Repository, rules: Rules) -> Path:
    """Where pages and files of upstreams are kept."""
    if repository.github is not None and rules.cache is not None:
        return cache_of(rules.cache, repository.github.address)
    if repository.folder is None:
        raise TypeError("upstreams need a folder for what comes from them")
    return cache_of(rules.cache or repository.folder / "cache", repository.folder)


def upstream_opener(
    repository: Repository, rules: Rules, *, clock: Callable[[], float], now: Callable[[], datetime]
) -> Callable[[str], UpstreamIndex]:
    """How an upstream at an address is opened. Raises StorageError for one that may not be asked."""
    return partial(
        open_upstream,
        folder=upstream_folder(repository, rules),
        on_github=repository.github is not None,
        listed=rules.upstreams,
        named=() if rules.public_index is None else (rules.public_index.address,),
        environ=os.environ,
        clock=clock,
        now=now,
    )


def _cache(repository: Repository, rules: Rules) -> Path:
    """A folder of each repository's own: whoever writes records in one must not get at files of another by their digest."""
    if rules.cache is None or repository.github is None:
        raise TypeError("files at GitHub need a folder that they can pass through")
    address = repository.github.address
    return rules.cache / address.host / address.owner.lower() / address.name.lower()
