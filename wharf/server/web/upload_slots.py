"""How many uploads are on their way into a server at the same time: all of them together, and those of one uploader."""

from __future__ import annotations

import contextlib
from collections import Counter
from typing import TYPE_CHECKING, Final

from wharf.errors import BusyError, CrowdingError

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE: Final = 128
"""Uploads of one kind that may be unfinished: each holds up to a megabyte of memory."""
SHARE: Final = 2
"""One uploader may have this part of them, a half: uploads that stall would keep all others out until they are given up."""


class UploadSlots:
    """Those of one kind, of one server. For the event loop's thread."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    @contextlib.contextmanager
    def one(self, uploader: str) -> Iterator[None]:
        """One more that comes from somebody. Raises BusyError, and CrowdingError if the others are their own."""
        if self._taken[uploader] >= AT_ONCE // SHARE:
            raise CrowdingError(
                f"{AT_ONCE // SHARE} uploads of this uploader are under way, and one may have no more.",
                "Let some of them end, and try again.",
            )
        if self._taken.total() >= AT_ONCE:
            raise BusyError("Too many uploads are under way.", "Try again in a moment.")
        self._taken[uploader] += 1
        try:
            yield
        finally:
            self._taken[uploader] -= 1
            if not self._taken[uploader]:
                del self._taken[uploader]
