"""The working tree of git that a folder is in, and the repository that it comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wharf.errors import UsageError
from wharf.index.git import Git
from wharf.repository_address import parse

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository_address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingTree:
    """A working tree of git: its top folder, and the repository that its remote `origin` is (host, owner/name), if any."""

    top: Path
    origin: tuple[str, str] | None

    def is_of(self, address: Address) -> bool:
        """Whether the tree belongs to that repository. One that was never pushed belongs to where it will be."""
        host = urlsplit(address.web).hostname
        return self.origin is None or self.origin == (host, address.slug.lower())


def find_working_tree(start: Path) -> WorkingTree:
    """The working tree that a folder is in. Raises UsageError if it is in none."""
    top = next((folder for folder in (start, *start.parents) if (folder / ".git").exists()), None)
    if top is None:
        raise UsageError(
            f"{start} is in no working tree of git: a workflow belongs to the repository of the project.",
            "Go into the project's folder, or make it one: git init",
        )
    status, out, _ = Git(_git_dir(top)).attempt("remote", "get-url", "origin")
    return WorkingTree(top=top, origin=repository_of(out.decode(errors="replace").strip()) if status == 0 else None)


def github_origin(start: Path) -> Address | None:
    """The repository on GitHub that the working tree of a folder comes from; None if that is not known."""
    try:
        origin = find_working_tree(start).origin
        host, slug = origin or ("", "")
        host = host.removeprefix("ssh.")  # GitHub's name for ssh at the port of https
        return parse(f"https://{host}/{slug}") if host.startswith("github.") else None
    except (UsageError, OSError, UnicodeDecodeError):  # no tree, or a damaged one
        return None


def _git_dir(top: Path) -> Path:
    """Where git keeps a tree's settings: a second tree of one repository, and a submodule, have a file that says it."""
    found = top / ".git"
    if found.is_file():
        found = top / found.read_text(encoding="utf-8").removeprefix("gitdir:").strip()
        common = found / "commondir"
        found = found / common.read_text(encoding="utf-8").strip() if common.is_file() else found
    return found


def repository_of(url: str) -> tuple[str, str] | None:
    """Host and owner/name, in lower case, of a remote's address, as git takes them; None for a folder and the like."""
    if match := re.fullmatch(r"(?:[^@/:]+@)?([^/:]+):(?!//)(.+)", url):  # git@HOST:owner/name
        host, path = match[1], match[2]
    else:
        parts = urlsplit(url)
        host, path = parts.hostname or "", parts.path
    slug = path.strip("/").removesuffix(".git").lower()
    return (host.lower(), slug) if host and slug.count("/") == 1 else None
