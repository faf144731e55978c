"""The paths of an index branch: which of them readers look at, and what the others are. Pure (docs/index-format.md)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.index import wharf_toml
from wharf.model import is_name

if TYPE_CHECKING:
    from wharf.index.branch_contents import Entry
    from wharf.index.check_findings import CheckFindings

RECORD: Final = "release.json"
STATE: Final = "project.json"
METADATA: Final = ".metadata"

_WORKFLOWS = ".github/"
_SPECIAL = {"120000": "a symbolic link", "160000": "a submodule"}


@dataclass(slots=True)
class ProjectFiles:
    """The files of one project that readers look at: the git ids of its state, and of each version's files by their names."""

    state: str | None = None
    versions: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, rest: tuple[str, ...], id_: str) -> None:
        """Add a file by its path below the project's folder (see `split`)."""
        if len(rest) == 1:
            self.state = id_
        else:
            self.versions.setdefault(rest[0], {})[rest[1]] = id_

    def ids(self) -> set[str]:
        """The ids of all files."""
        own = {id_ for files in self.versions.values() for id_ in files.values()}
        return own | ({self.state} if self.state else set())


def split(path: str, entry: Entry) -> tuple[str, tuple[str, ...]] | None:
    """The project that a path belongs to, and what is left of the path; None for what readers of projects do not look at."""
    top, *parts = path.split("/")
    if top != "projects" or not entry.is_file or len(parts) < 3:
        return None
    shard, name, *rest = parts
    if not is_name(name) or name[:2] != shard:
        return None
    known = rest == [STATE] if len(rest) == 1 else len(rest) == 2 and (rest[1] == RECORD or rest[1].endswith(METADATA))
    return (name, tuple(rest)) if known else None


def check_other(path: str, entry: Entry, findings: CheckFindings) -> None:
    """Say what is wrong with a path that belongs to no project, unless it is `wharf.toml`."""
    if path == wharf_toml.PATH and entry.is_file:
        return
    if path.startswith(_WORKFLOWS):
        findings.error(path, "GitHub runs workflows of every branch that has them: an index branch holds none.")
    elif not entry.is_file:
        findings.error(path, f"It is {_SPECIAL.get(entry.mode, 'no file')}, which no reader follows.")
    elif path.startswith("projects/"):
        findings.error(
            path, "No reader looks here: it is not the place of a record, of a project's state, or of core metadata."
        )
    else:
        findings.warning(path, "No reader looks here.")
