"""Whether a copy of the index is on this machine, found without starting git."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.settings import Settings


def has_local_index(settings: Settings) -> bool:
    """Whether there is an index on this machine that can be served at once; without starting git, or importing what does.

    If the copy turns out to be damaged, the server fetches it again. For a host that no token is sent to, the answer is no.
    """
    from wharf.repository_address import Address

    if not settings.trusted:
        return False

    if isinstance(settings.place, Address):
        place = settings.place
        git_dir = settings.cache / place.host / place.owner.lower() / place.name.lower() / "whole.git"
    else:
        git_dir = settings.place / "index.git"
    return (
        (git_dir / "HEAD").is_file()
        and not (git_dir / "damaged").exists()
        and _has(git_dir, f"refs/heads/wharf/{settings.index}")
    )


def _has(git_dir: Path, ref: str) -> bool:
    if (git_dir / ref).is_file():
        return True
    try:
        return f" {ref}\n" in (git_dir / "packed-refs").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
