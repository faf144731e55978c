"""Files that lie at GitHub: a redirect to where they are, kept for as long as it holds.

The address of a file in a private repository is signed and lives for 300 seconds ("Get a release asset"). It is asked for once
for all who want it, and kept until shortly before its end, so that a thousand downloads of a file cost one call.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlsplit

from wharf.errors import AWAY, NotAllowedError, NotFoundError, QuotaError, StorageError
from wharf.server.access.borrowed_tokens import as_server_error
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http import answer
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.release_store import Releases
    from wharf.index.asset_location import AssetLocation
    from wharf.server.access.borrowed_tokens import BorrowedTokens
    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import Answer

LIFE: Final = 300.0
"""Seconds that a signed address lives at most, and where it does not say otherwise."""
MARGIN: Final = 30.0
"""Seconds before its end in which it is not given out any more: who gets it has to begin with the download."""
PATIENCE: Final = 10.0
"""Seconds for which a client waits for an address."""
PAUSE: Final = 5.0
"""Seconds for which GitHub is not asked again when it did not answer: trying takes as long, and others would queue up."""

GONE: Final = 60.0
"""Seconds for which an asset that is not there is not asked for again: each question is one of 5,000 an hour."""

_KEPT = 8192  # signed addresses, some 500 bytes each
_AT_ONCE = 6  # asked for at the same time


@dataclass(frozen=True, slots=True)
class _KeptAddress:
    """`redirect` None: GitHub gives the bytes and no address. A `public` one holds for as long as the repository is that.

    `error`: GitHub gives neither.
    """

    redirect: Answer | None
    until: float
    public: bool = False
    error: StorageError | None = None


class SignedLinks:
    """Redirects for one repository. `public` tells whether everybody may use its public addresses.

    - A redirect is given out only while at least `MARGIN` seconds of its life are left.
    - GitHub is asked once for all who want a file meanwhile. A client waits at most `PATIENCE` seconds for the answer, which
      still counts for the others when it comes later.
    - A public address is used only while the repository is public, and only for a file in the repository itself.
    - GitHub is not asked for an asset that was not there for `GONE` seconds, and not at all for `PAUSE` seconds after it did
      not answer.
    - Nothing of it is on the disk, and at most `_KEPT` addresses are in memory.
    - All methods are for the event loop's thread; GitHub is asked in other threads.
    """

    def __init__(
        self,
        releases: Releases,
        borrowed: BorrowedTokens,
        *,
        public: Callable[[], bool],
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._releases = releases
        self._borrowed = borrowed
        self._public = public
        self._clock = clock
        self._kept: OrderedDict[AssetLocation, _KeptAddress] = OrderedDict()
        self._making: dict[AssetLocation, asyncio.Task[Answer | None]] = {}
        self._away: StorageError | None = None
        self._away_until = 0.0
        self._threads = DaemonThreads("sign", _AT_ONCE)

    def ready(self, github_file: GitHubFile) -> Answer | None:
        """The redirect, if there is one that still holds."""
        kept = self._kept.get(github_file.place)
        return kept.redirect if kept is not None and self._holds(kept) else None

    async def make(self, github_file: GitHubFile, *, surely: bool = False) -> Answer | None:
        """The redirect; None if GitHub gives the bytes themselves instead of an address. Raises StorageError.

        `surely`: GitHub is asked whether it has the file, also where everybody could be sent to its public address.
        """
        place = github_file.place
        kept = self._kept.get(place)
        if kept is not None and self._holds(kept) and not (surely and kept.public):
            if kept.error is not None:
                raise kept.error.with_traceback(None)
            return kept.redirect
        if self._public() and place.repository is None and not surely:
            return self._keep(
                place, _KeptAddress(answer.uncached_redirect(self._releases.link(place)), float("inf"), public=True)
            )
        task = self._making.get(place)
        if task is None:
            if self._away is not None and self._away_until > self._clock():
                raise self._away.with_traceback(None)
            task = asyncio.create_task(self._sign(place))
            self._making[place] = task
            task.add_done_callback(lambda _task: self._making.pop(place))
        await asyncio.wait({task}, timeout=PATIENCE)
        if not task.done():
            raise StorageError("GitHub does not answer.", "The server still asks for the file. Try again.", told=AWAY)
        return task.result()

    def _holds(self, kept: _KeptAddress) -> bool:
        return kept.until > self._clock() and (not kept.public or self._public())

    async def _sign(self, place: AssetLocation) -> Answer | None:
        asked = self._clock()
        question = partial(self._borrowed.run, partial(self._address, place))
        try:
            address = await self._threads.run(question)
        except (NotAllowedError, NotFoundError) as error:
            failed = as_server_error(error)
            wait = GONE if isinstance(error, NotFoundError) else PAUSE
            self._keep(place, _KeptAddress(None, self._clock() + wait, error=failed))
            raise failed from error
        except QuotaError:
            raise  # the tokens' limits are remembered with them; the next client may lend one that has room
        except StorageError as error:
            self._away, self._away_until = error, self._clock() + PAUSE
            raise
        redirect = None if address is None else answer.uncached_redirect(address)
        life = LIFE if address is None else life_of(address, self._releases.github.now())
        return self._keep(place, _KeptAddress(redirect, asked + life - MARGIN))

    def _address(self, place: AssetLocation) -> str | None:
        with self._releases.github.asset(place.asset, slug=place.repository) as found:
            return found if isinstance(found, str) else None

    def _keep(self, place: AssetLocation, kept: _KeptAddress) -> Answer | None:
        self._kept[place] = kept
        self._kept.move_to_end(place)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return kept.redirect


def life_of(address: str, now: datetime) -> float:
    """Seconds that a signed address lives, as far as it says so itself; never more than LIFE. `now` is the time at GitHub.

    `se` is Azure's ("Create a service SAS"), `X-Amz-Expires` and `Expires` are of S3, which an Enterprise Server can store in.
    """
    life = LIFE
    for key, value in parse_qsl(urlsplit(address).query):
        try:
            if key == "X-Amz-Expires":
                life = min(life, float(int(value)))
            elif key in {"se", "Expires"}:
                end = datetime.fromtimestamp(int(value), UTC) if value.isdecimal() else datetime.fromisoformat(value)
                life = min(life, (end if end.tzinfo else end.replace(tzinfo=UTC)).timestamp() - now.timestamp())
        except (ValueError, OverflowError, OSError):
            continue
    return life
