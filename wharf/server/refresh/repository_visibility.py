"""Whether everybody may read the repository on GitHub: that can change while the server runs."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub

log = logging.getLogger("wharf")

LOOK_EVERY: Final = 300.0
"""Seconds between two looks at whether the repository is public: without a token there are 60 free questions an hour."""


class RepositoryVisibility:
    """`public`: whether everybody may read the repository, as far as GitHub said.

    - What GitHub's webhook says was closed is closed at once, and an answer that may be older than that is dropped.
    - `look` may be called from another thread; all else is for the event loop's thread.
    """

    def __init__(self, *, public: bool, clock: Callable[[], float]) -> None:
        self.public = public
        self._clock = clock
        self._etag: str | None = None
        self._looked = 0.0  # by the clock; 0: GitHub was not asked yet, or has to be asked again
        self._closings = 0

    def look(self, github: GitHub, *, was_away: bool) -> None:
        """Ask GitHub, if it is time. `was_away`: it did not answer the last time, so that a change is worth a message."""
        if self._looked and self._clock() < self._looked + LOOK_EVERY:
            return
        closings = self._closings
        reply = github.call("GET", "{repo}", etag=self._etag)
        if closings != self._closings:
            return  # it was closed while GitHub was asked, and the answer may be from before
        if reply.status != 304:
            public = isinstance(reply.data, dict) and reply.data.get("private") is False
            if self.public != public and (self.public or self._looked or was_away):
                log.warning("The repository is %s on GitHub now.", "public" if public else "private")
            self.public = public
            self._etag = reply.headers.get("etag")
        self._looked = self._clock()

    def forget(self, *, closed: bool) -> None:
        """Look again with the next question. `closed`: nobody else may read the repository from now on.

        For a moment GitHub may still say what was so before, so it is not asked at once about a repository that was closed.
        """
        self._closings += closed
        if closed and self.public:
            self.public = False
            log.warning("The repository is private on GitHub now.")
        self._etag = None
        self._looked = self._clock() if closed else 0.0
