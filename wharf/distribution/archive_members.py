"""The names of an archive's members: none may lead out of the folder that the archive is unpacked into."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import TYPE_CHECKING

from wharf.distribution.file_names import invalid, plain
from wharf.errors import TooLargeError

if TYPE_CHECKING:
    from wharf.distribution.time_limit import TimeLimit
    from wharf.errors import InvalidDistributionError

MAX_MEMBERS = 200_000
"""Members of one archive. The largest wheels and sdists in use have some 30,000."""

MAX_METADATA = 8 << 20
"""Bytes of one METADATA or PKG-INFO, unpacked."""

MAX_SMALL = 1 << 20
"""Bytes of one of the other files that are read, WHEEL and entry_points.txt, unpacked."""

MAX_PATH = 4096
"""Characters of a member's name or of a link's target: what Linux allows for a path."""

MAX_PART = 255
"""Bytes of one part of a path: what Linux allows."""

MAX_DEPTH = 200
"""Parts of a member's path. The deepest folders in use have some 40."""

MAX_LINK_PARTS = 100_000
"""Parts that the paths of an archive's links have in all; they are held in memory."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")
_MARKERS = "Leave it out of the distribution and rebuild."


@dataclass(slots=True)
class _Folder:
    """A part of a link's path: what lies below, and whether the link itself ends here."""

    below: dict[str, _Folder] = field(default_factory=dict)
    is_link: bool = False


class ArchiveMembers:
    """What was seen of one archive's members while they went by: their number, their top folders, their links.

    `dotted` says whether a name begins with `./`. `steps` counts the parts of paths that were looked at because of links: the
    work, which grows with the length of the names and with nothing else.
    """

    def __init__(self, filename: str, time: TimeLimit) -> None:
        self.filename = filename
        self.count = 0
        self.steps = 0
        self.tops: set[str] = set()
        self.dotted = False
        self._time = time
        self._files: set[int] = set()  # keys of all that are not folders: paths themselves would take memory without a bound
        self._links = _Folder()
        self._link_parts = 0

    def add(self, name: str) -> tuple[str, ...]:
        """Count the member `name` and give its path as parts.

        Raises InvalidDistributionError if it leads out of the archive, TooLargeError for one member too many. A path that
        passes through an earlier link, or ends at one, is refused as well: some readers write where the link points, others
        put something else in its place.
        """
        self.count += 1
        self._time.check()
        if self.count > MAX_MEMBERS:
            raise TooLargeError(f"{plain(self.filename)}: more than {MAX_MEMBERS} members", _MARKERS)
        if wrong := _fault(name):
            raise wrong.error(self.filename, f"the member {plain(name)!r}")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if ".." in parts:
            raise self._refuse(f"the member {plain(name)!r} has a `..` in its path")
        if len(parts) > MAX_DEPTH:
            cause = f"the member {plain(name)!r} lies more than {MAX_DEPTH} folders deep"
            raise TooLargeError(f"{plain(self.filename)}: {cause}", _MARKERS)
        if self._is_behind_link(parts):
            raise self._refuse(f"the member {plain(name)!r} lies behind a symbolic link, or in the place of a link")
        self.dotted = self.dotted or name.startswith("./")
        if len(self.tops) < 2 and parts:
            self.tops.add(parts[0])
        return parts

    def _is_behind_link(self, parts: tuple[str, ...]) -> bool:
        """Whether a link that was seen is on the path: followed part by part, as far as links go the same way."""
        here = self._links
        for part in parts:
            self.steps += 1
            if part not in here.below:
                return False
            here = here.below[part]
            if here.is_link:
                return True
        return False

    def put(self, parts: tuple[str, ...], *, folder: bool) -> None:
        """Note what lies at `parts`. Raises InvalidDistributionError for what lies below a file: nobody can unpack that."""
        *above, key = _keys(parts) or [0]
        if not self._files.isdisjoint(above):
            raise self._refuse(f"the member {plain('/'.join(parts))!r} lies below another one that is not a folder")
        if not folder:
            self._files.add(key)

    def link(self, parts: tuple[str, ...], target: str) -> None:
        """Check where the symbolic link at `parts` leads: `target` counts from the link's own folder.

        A `..` is taken at the start of a target only. Behind a name it cannot be followed on paper, as that name may be a link.
        """
        name = plain("/".join(parts))
        if wrong := _fault(target):
            raise wrong.error(self.filename, f"the target of the symbolic link {name!r}, {plain(target)!r},")
        steps = [part for part in target.split("/") if part not in ("", ".")]
        up = next((count for count, part in enumerate(steps) if part != ".."), len(steps))
        if ".." in steps[up:] or up >= len(parts):
            raise self._refuse(f"the symbolic link {name!r} leads out of the archive, to {plain(target)!r}")
        self._keep(parts)

    def hard_link(self, parts: tuple[str, ...], target: str) -> None:
        """Check where the hard link at `parts` leads: `target` is the name of an earlier member (POSIX pax, linkname)."""
        if wrong := _fault(target):
            what = f"the target of the hard link {plain('/'.join(parts))!r}, {plain(target)!r},"
            raise wrong.error(self.filename, what)
        steps = tuple(part for part in target.split("/") if part not in ("", "."))
        if ".." in steps:
            raise self._refuse(f"the hard link {plain('/'.join(parts))!r} leads out of the archive, to {plain(target)!r}")
        if not steps or _keys(steps)[-1] not in self._files:
            raise self._refuse(f"the hard link {plain('/'.join(parts))!r} leads to no earlier member, but to {plain(target)!r}")
        self._keep(parts)

    def _keep(self, parts: tuple[str, ...]) -> None:
        self._link_parts += len(parts)
        if self._link_parts > MAX_LINK_PARTS:
            cause = f"the paths of its links have more than {MAX_LINK_PARTS} parts in all"
            raise TooLargeError(f"{plain(self.filename)}: {cause}", _MARKERS)
        here = self._links
        for part in parts:
            self.steps += 1
            here = here.below.setdefault(part, _Folder())
        here.is_link = True

    def _refuse(self, cause: str) -> InvalidDistributionError:
        return invalid(self.filename, cause, _MARKERS)


def _keys(parts: tuple[str, ...]) -> list[int]:
    """What stands for each folder on a path, and at last for the path itself."""
    return list(accumulate(parts, lambda above, part: hash((above, part)), initial=0))[1:]


class _Fault(Enum):
    """What is wrong with a path by itself, as the end of a sentence."""

    EMPTY = "is empty"
    LONG = f"is longer than {MAX_PATH} characters"
    LONG_PART = f"has a part of more than {MAX_PART} bytes"
    CONTROL = "contains a control character"
    BACKSLASH = "contains a backslash"
    ABSOLUTE = "is an absolute path"

    def error(self, filename: str, what: str) -> InvalidDistributionError:
        """The error that refuses `filename` because of the path that is called `what`."""
        if self is _Fault.LONG:
            return TooLargeError(f"{plain(filename)}: {what} {self.value}", _MARKERS)
        return invalid(filename, f"{what} {self.value}", _MARKERS)


def _fault(path: str) -> _Fault | None:
    if not path:
        return _Fault.EMPTY
    if len(path) > MAX_PATH:
        return _Fault.LONG
    if len(path) * 4 > MAX_PART and max(map(len, path.encode("utf-8", "surrogateescape").split(b"/"))) > MAX_PART:
        return _Fault.LONG_PART
    if _CONTROL.search(path):
        return _Fault.CONTROL
    if "\\" in path:
        return _Fault.BACKSLASH
    if path.startswith("/") or _DRIVE.match(path):
        return _Fault.ABSOLUTE
    return None
