"""The names of an archive's members: none may lead out of the folder that the archive is unpacked into."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from wharf.distribution.names import invalid, plain
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from wharf.errors import InvalidDistributionError

MAX_MEMBERS = 200_000
"""Members of one archive. The largest wheels and sdists in use have some 30,000."""

MAX_METADATA = 1 << 20
"""Bytes of one METADATA, PKG-INFO or WHEEL, unpacked."""

MAX_PATH = 4096
"""Characters of a member's name or of a link's target: what Linux allows for a path."""

MAX_LINKS = 10_000
"""Links of one archive; their names are held in memory."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_MARKERS = "Leave it out of the distribution and rebuild."


class Members:
    """What was seen of one archive's members while they went by: their number, their top folders, their links."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.count = 0
        self.tops: set[str] = set()
        self._links: set[tuple[str, ...]] = set()

    def add(self, name: str) -> tuple[str, ...]:
        """Count the member `name` and give its path as parts.

        Raises InvalidDistributionError if it leads out of the archive, TooLargeError for one member too many. A path that
        passes through an earlier link is refused as well: unpacked in order, it would be written where the link points.
        """
        self.count += 1
        if self.count > MAX_MEMBERS:
            raise TooLargeError(f"{plain(self.filename)}: more than {MAX_MEMBERS} members", _MARKERS)
        self._check(name, f"the member {plain(name)!r}")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise self._refuse(f"the member {plain(name)!r} has a `..` in its path")
        if self._links and any(parts[:depth] in self._links for depth in range(1, len(parts))):
            raise self._refuse(f"the member {plain(name)!r} lies behind a symbolic link")
        if len(self.tops) < 2 and parts:
            self.tops.add(parts[0])
        return parts

    def link(self, parts: tuple[str, ...], target: str) -> None:
        """Check where the symbolic link at `parts` leads: `target` counts from the link's own folder.

        A `..` is taken at the start of a target only. Behind a name it cannot be followed on paper, as that name may be a link.
        """
        name = plain("/".join(parts))
        if len(self._links) >= MAX_LINKS:
            raise TooLargeError(f"{plain(self.filename)}: more than {MAX_LINKS} symbolic links", _MARKERS)
        self._check(target, f"the target of the symbolic link {name!r}, {plain(target)!r},")
        steps = [part for part in target.split("/") if part not in ("", ".")]
        up = next((count for count, part in enumerate(steps) if part != ".."), len(steps))
        if ".." in steps[up:] or up >= len(parts):
            raise self._refuse(f"the symbolic link {name!r} leads out of the archive, to {plain(target)!r}")
        self._links.add(parts)

    def hard_link(self, parts: tuple[str, ...], target: str) -> None:
        """Check where the hard link at `parts` leads: `target` is the name of another member (POSIX pax, linkname)."""
        self._check(target, f"the target of the hard link {plain('/'.join(parts))!r}, {plain(target)!r},")
        steps = tuple(part for part in target.split("/") if part not in ("", "."))
        if ".." in steps:
            raise self._refuse(f"the hard link {plain('/'.join(parts))!r} leads out of the archive, to {plain(target)!r}")

    def _check(self, path: str, what: str) -> None:
        if not path:
            raise self._refuse(f"{what} is empty")
        if len(path) > MAX_PATH:
            raise TooLargeError(f"{plain(self.filename)}: {what} is longer than {MAX_PATH} characters", _MARKERS)
        if _CONTROL.search(path):
            raise self._refuse(f"{what} contains a control character")
        if "\\" in path:
            raise self._refuse(f"{what} contains a backslash")
        if path.startswith("/") or _DRIVE.match(path):
            raise self._refuse(f"{what} is an absolute path")

    def _refuse(self, cause: str) -> InvalidDistributionError:
        return invalid(self.filename, cause, _MARKERS)
