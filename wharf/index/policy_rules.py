"""The rules of a policy, one function each: given what a rule says and a project, what asks each file. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, TypeAlias

from wharf.index import policy_values
from wharf.index.version_patterns import VersionTest
from wharf.model import STATUSES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from wharf.model import Status

RULES: Final = ("deny", "allow", "status", "yanked", "sdists", "size", "newest", "cooldown")
"""The rules by their keys. Of several rules that hide a file, the first one here is told."""
RULES_OF_OWN: Final = RULES[:-1]
"""Those that may hold for the own files of a repository. A cooldown would only keep them from their own users."""


class Judged(Protocol):
    """What a policy looks at in a file. `since` is the moment from which its age counts, with its zone; None: nobody knows."""

    @property
    def filename(self) -> str: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102
    @property
    def size(self) -> int | None: ...  # noqa: D102
    @property
    def yanked(self) -> str | None: ...  # noqa: D102
    @property
    def since(self) -> datetime | None: ...  # noqa: D102


class Hit(NamedTuple):  # of which thousands are made for one page
    """A rule that hides a file, why, and when it stops to by time alone (None: never)."""

    rule: str
    reason: str
    until: datetime | None = None


Check: TypeAlias = "Callable[[Judged], Hit | None]"
"""Whether a rule hides a file at the moment that the rule was asked about."""


def deny(patterns: Sequence[str], name: str) -> Check | None:
    """What hides the versions that a pattern matches; None where it matches none of the project."""
    test = VersionTest(patterns, name, unreadable=True)
    hits = {each: Hit("deny", f'"{each}" is denied') for each in patterns}

    def check(file: Judged) -> Hit | None:
        pattern = test.pattern(file.version)
        return None if pattern is None else hits[pattern]

    return check if test.any else None


def allow(patterns: Sequence[str], name: str) -> Check | None:
    """What hides the versions that no pattern matches; None where one matches all."""
    test = VersionTest(patterns, name, unreadable=False)
    hit = Hit("allow", "it is not among what is allowed")
    return None if test.whole else lambda file: None if test.pattern(file.version) is not None else hit


def status(markers: Sequence[str], found: Status) -> Check | None:
    """What hides all files of a project with such a status (PEP 792). One that is not known may mean any of them."""
    known = found.marker in STATUSES
    if not markers or (known and found.marker not in markers):
        return None
    hit = Hit("status", f"the project is {found.marker}" if known else "the status of the project is not known")
    return lambda _file: hit


def yanked(file: Judged) -> Hit | None:
    """What hides yanked files (PEP 592)."""
    return None if file.yanked is None else Hit("yanked", "it is yanked")


def sdists(file: Judged) -> Hit | None:
    """What hides all that is not a wheel."""
    return None if file.filename.endswith(".whl") else Hit("sdists", "it is not a wheel")


def size(limit: int) -> Check:
    """What hides files of more bytes, and those whose size nobody tells."""
    unknown = Hit("size", "nobody says how large it is")

    def check(file: Judged) -> Hit | None:
        if file.size is None:
            return unknown
        return None if file.size <= limit else Hit("size", f"it has {file.size} bytes, and {limit} are allowed")

    return check


def newest(limit: datetime, now: datetime | None) -> Check:
    """What hides files that are younger than a moment: those of an unknown age too, and while their time is in the future.

    `now` None: no time is in the future.
    """
    newer = Hit("newest", f"it is newer than {policy_values.moment_in_words(limit)}")
    unknown = Hit("newest", "nobody says how old it is")

    def check(file: Judged) -> Hit | None:
        since = file.since
        if since is None:
            return unknown
        if since > limit:
            return newer
        return None if now is None or since <= now else Hit("newest", "its time is in the future", since)

    return check


def cooldown(span: timedelta, now: datetime) -> Check:
    """What hides files of less than that age, and those of an unknown age."""
    reason = f"it is younger than {policy_values.span_in_words(span)}"
    unknown = Hit("cooldown", "nobody says how old it is")
    oldest = now - span

    def check(file: Judged) -> Hit | None:
        since = file.since
        if since is None:
            return unknown
        return None if since <= oldest else Hit("cooldown", reason, _later(since, span))

    return check


def _later(since: datetime, span: timedelta) -> datetime | None:
    try:
        return since + span
    except OverflowError:  # behind the last year that Python knows
        return None
