"""How one server answers: what its operator, or the run that it belongs to, decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.listed_upstreams import ListedUpstream
    from wharf.secret import Secret
    from wharf.sources.public_index_address import PublicIndex

CACHE_BUDGET = 4 << 30
"""Bytes on disk that files may take which pass through the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How a server answers. `hosts` are names beyond the local ones that open reading answers to; sizes are in bytes.

    `by_github`: GitHub decides who may read and upload. `stream`: files at GitHub go through the server, and a cache in the
    folder `cache`, which a repository on GitHub always needs. `webhook` is the secret that GitHub signs its messages with
    (None: there are none). `public_index` is where clients are sent for names that the index does not own (None: nowhere).
    `upstreams` are those that the operator's own file lists.
    `while_public`: reading is open for as long as GitHub says that the repository is public, and then by GitHub.
    `strict_uploads`: a file that is worth a warning is refused.
    With a `password` it is a server beside a command: only who has it may read, and nobody uploads.
    """

    open_reading: bool
    hosts: tuple[str, ...] = ()
    upload_limit: int
    strict_uploads: bool = False
    root_path: str = ""
    by_github: bool = False
    stream: bool = False
    cache: Path | None = None
    cache_budget: int = CACHE_BUDGET
    webhook: Secret | None = None
    public_index: PublicIndex | None = None
    upstreams: tuple[ListedUpstream, ...] = ()
    password: Secret | None = None
    while_public: bool = False
