"""Files that lie at GitHub: a redirect to where they are, kept for as long as it holds.

The address of a file in a private repository is signed and lives for 300 seconds ("Get a release asset"). It is asked for once
for all who want it, and kept until shortly before its end, so that a thousand downloads of a file cost one call.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError, NotFoundError, StorageError
from wharf.server import answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.releases import Place, Releases
    from wharf.server.answer import Answer, FileAnswer

LIFE: Final = 300.0
"""Seconds that a signed address lives."""
MARGIN: Final = 30.0
"""Seconds before its end in which it is not given out any more: who gets it has to begin with the download."""

_KEPT = 8192  # signed addresses, some 500 bytes each


@dataclass(frozen=True, slots=True)
class Linked:
    """A file at GitHub: where, and what would be answered if its bytes were here."""

    place: Place
    file: FileAnswer

    @property
    def etag(self) -> bytes:
        """The validator of the bytes."""
        return self.file.etag

    @property
    def not_modified(self) -> Answer:
        """The answer to who has them already."""
        return self.file.not_modified


class Links:
    """Redirects for one repository. `public` tells whether everybody may use its public addresses."""

    def __init__(self, releases: Releases, *, public: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._releases = releases
        self._public = public
        self._clock = clock
        self._signed: OrderedDict[Place, tuple[Answer, float]] = OrderedDict()
        self._making: dict[Place, asyncio.Task[Answer | None]] = {}

    def ready(self, linked: Linked) -> Answer | None:
        """The redirect, if there is one that still holds."""
        kept = self._signed.get(linked.place)
        return kept[0] if kept is not None and kept[1] > self._clock() else None

    async def make(self, linked: Linked) -> Answer | None:
        """The redirect; None if GitHub gives the bytes themselves instead of an address. Raises what GitHub's answers mean."""
        place = linked.place
        ready = self.ready(linked)
        if ready is not None:
            return ready
        if self._public() and place.repository is None:
            return self._keep(place, answer.passing_redirect(place.link), float("inf"))
        task = self._making.get(place)
        if task is None:
            task = asyncio.create_task(self._sign(place))
            self._making[place] = task
            task.add_done_callback(lambda _task: self._making.pop(place))
        return await asyncio.shield(task)

    async def _sign(self, place: Place) -> Answer | None:
        asked = self._clock()
        address = await asyncio.to_thread(self._address, place)
        return None if address is None else self._keep(place, answer.passing_redirect(address), asked + LIFE - MARGIN)

    def _address(self, place: Place) -> str | None:
        try:
            with self._releases.github.asset(place.asset, slug=place.repository) as found:
                return found if isinstance(found, str) else None
        except (NotAllowedError, NotFoundError) as error:
            # The client may read: it is the server's token that may not, or the asset that is gone.
            raise StorageError(error.message, error.hint) from error

    def _keep(self, place: Place, redirect: Answer, until: float) -> Answer:
        self._signed[place] = (redirect, until)
        while len(self._signed) > _KEPT:
            self._signed.popitem(last=False)
        return redirect
