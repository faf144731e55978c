"""The list of the newest releases, kept by a server between uploads: one who uploads many versions asks for it once."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from wharf.github import release_tags
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed

HOLDS: Final = 300.0
"""Seconds for which it says that there is nothing of a version."""


class KeptListing:
    """What GitHub listed last, for any thread.

    - It is believed only where it has nothing of a version: nothing is ever put into a release because a kept list has it.
    - What it does not know costs no file: at worst the same bytes are stored once more, under the next tag. Whether a tag is
      taken is asked anew each time.
    - After a publish that failed, and for a version that was published since, the list is asked for again: a draft may be left.
    - What one token was shown is kept for that token alone.
    """

    def __init__(self, clock: Callable[[], float] = elapsed) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0
        self._listed: Sequence[Listed] = ()
        self._since: list[tuple[str, str]] = []

    def holds(self, github: GitHub) -> bool:
        """Whether there is a list of late, by the same token."""
        with self._lock:
            return self._holds(github)

    def has_nothing_of(self, github: GitHub, project: str, version: str) -> bool:
        """Whether there is such a list, and nothing of that version in it, or published since."""
        with self._lock:
            if not self._holds(github) or (project, version) in self._since:
                return False
            return not any(release_tags.is_of(each.tag, project, version) for each in self._listed)

    def keep(self, github: GitHub, listed: Sequence[Listed]) -> None:
        """Keep a list that was asked for just now."""
        with self._lock:
            self._token, self._until = _token(github), self._clock() + HOLDS
            self._listed, self._since = listed, []

    def published(self, project: str, version: str) -> None:
        """Something of that version is about to be stored."""
        with self._lock:
            self._since.append((project, version))

    def forget(self) -> None:
        """A publish failed: what it left is seen in the next list."""
        with self._lock:
            self._until = 0.0

    def _holds(self, github: GitHub) -> bool:
        return self._clock() < self._until and self._token == _token(github)


def _token(github: GitHub) -> str:
    token = github.token
    return "" if token is None else token.sha256()
