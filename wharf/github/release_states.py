"""The life of a publish into one GitHub release: its states as one table, and which of them a release is in. Pure.

A publish keeps no notes. The next one knows only what GitHub shows, so each state follows from that alone.
ARCHITECTURE.md shows this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Final

from wharf.github import release_listing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from wharf.github.release_listing import Listed
    from wharf.model import File

EMPTY_AFTER: Final = timedelta(minutes=5)
"""After that, an upload that was begun and has no bytes has died."""
LEFT_AFTER: Final = timedelta(hours=24)
"""Longer than a publish may last: what is younger may be about to be named."""


class Remedy(Enum):
    """Who repairs what a dead publish left."""

    NOBODY = "nobody: it is whole"
    NEXT = "the next publish of the same files, from any machine"
    NEXT_LATER = "the next publish of the same files, after 5 minutes"
    REPAIR = "`wharf verify --repair`, after 24 hours"
    PERSON = "a person, who publishes it on GitHub's page"


@dataclass(frozen=True, slots=True)
class ReleaseState:
    """A row. `shows` is what GitHub shows, `leaves` is what a publish that dies here leaves, `remedies` say who repairs that.

    `event` is the request that leads to the state `next`; both are empty where a publish is at its end.
    """

    name: str
    shows: str
    leaves: str
    remedies: tuple[Remedy, ...]
    event: str = ""
    next: str = ""


# fmt: off
ABSENT: Final = ReleaseState(
    "absent", "no release for these files",
    "nothing",
    (Remedy.NEXT,), "POST /releases", "drafted",
)
DRAFTED: Final = ReleaseState(
    "drafted", "a draft with the mark of these files, and no asset",
    "a draft, which no reader sees",
    (Remedy.NEXT, Remedy.REPAIR), "POST /releases/ID/assets", "filling",
)
BROKEN: Final = ReleaseState(
    "broken", "the draft, and in it an asset in the state `starter`",
    "a draft, and in it a name without bytes; within 5 minutes, the next publish makes another release",
    (Remedy.NEXT_LATER, Remedy.REPAIR), "DELETE /releases/assets/ID", "drafted",
)
FILLING: Final = ReleaseState(
    "filling", "the draft with some of the files, by their digests",
    "a draft, which no reader sees",
    (Remedy.NEXT, Remedy.REPAIR), "POST /releases/ID/assets", "filled",
)
FILLED: Final = ReleaseState(
    "filled", "the draft with all of the files",
    "a draft, which no reader sees",
    (Remedy.NEXT, Remedy.REPAIR), "PATCH /releases/ID", "published",
)
SUPERSEDED: Final = ReleaseState(
    "superseded", "the draft, beside a published release with the same files, which another publisher made",
    "a draft, which no reader sees",
    (Remedy.REPAIR,), "DELETE /releases/ID", "recorded",
)
OPEN: Final = ReleaseState(
    "open", "a published release of that version, not immutable, with room for these files",
    "nothing",
    (Remedy.NEXT,), "POST /releases/ID/assets", "published",
)
BLOCKED: Final = ReleaseState(
    "blocked", "that release, and in it an asset in the state `starter` with the name of one of these files",
    "a name without bytes; the next publish makes another release",
    (Remedy.REPAIR,), "DELETE /releases/assets/ID", "open",
)
PUBLISHED: Final = ReleaseState(
    "published", "a published release with all of the files; no index names them",
    "files that no reader is led to",
    (Remedy.NEXT, Remedy.REPAIR), "git push", "recorded",
)
IMMUTABLE: Final = ReleaseState(
    "immutable", "the same, and the release is immutable",
    "files that no reader is led to, and that nobody can delete",
    (Remedy.NEXT,), "git push", "recorded",
)
RECORDED: Final = ReleaseState(
    "recorded", "a published release with all of the files, and the index names them",
    "nothing",
    (Remedy.NOBODY,),
)
WITHDRAWN: Final = ReleaseState(
    "withdrawn", "a draft that the index names, because a person made the release a draft again",
    "links that lead nowhere; wharf deletes nothing of it",
    (Remedy.PERSON,),
)
STATES: Final = (
    ABSENT, DRAFTED, BROKEN, FILLING, FILLED, SUPERSEDED, OPEN, BLOCKED, PUBLISHED, IMMUTABLE, RECORDED, WITHDRAWN,
)
# fmt: on
DRAFTS: Final = (DRAFTED, BROKEN, FILLING, FILLED, SUPERSEDED)
"""A publish of the same files fills these up."""
WHOLE: Final = (PUBLISHED, IMMUTABLE, RECORDED)
"""A publish takes the files in these as they are."""


def state_of(
    release: Listed | None, files: Sequence[File], named: Collection[int] = (), others: Iterable[Listed] = ()
) -> ReleaseState:
    """How far a publish of these files has come in a release. `named` are assets that an index names, `others` more releases.

    A release that is of no use for these files is ABSENT: a draft for other files, or one that takes none of them.
    """
    if release is None:
        return ABSENT
    found = [release.find(file) for file in files]
    if release.draft:
        if release.mark != release_listing.mark(files):
            return ABSENT
        if any(not other.draft and state_of(other, files) in WHOLE for other in others):
            return SUPERSEDED
        return left_over(release, named, whole=None not in found)
    if None not in found:
        if all(each is not None and each.id in named for each in found):
            return RECORDED
        return left_over(release, named)
    missing = [file for file, each in zip(files, found, strict=True) if each is None]
    if release.immutable or len(release.assets) + len(missing) > release_listing.MOST_ASSETS:
        return ABSENT
    inside = {release_listing.letters(asset.name): asset.state for asset in release.assets}
    states = {inside.get(release_listing.letters(file.filename), "") for file in missing}
    return OPEN if states == {""} else BLOCKED if states <= {"", "starter"} else ABSENT


def left_over(release: Listed, named: Collection[int], *, whole: bool = False) -> ReleaseState:
    """The state of what the index does not name in a release, for any files. `whole`: it is known to have all of them."""
    if not release.draft:
        return IMMUTABLE if release.immutable else PUBLISHED
    if any(asset.id in named for asset in release.assets):
        return WITHDRAWN
    if any(asset.state != "uploaded" for asset in release.assets):
        return BROKEN
    if not release.assets:
        return DRAFTED
    return FILLED if whole else FILLING
