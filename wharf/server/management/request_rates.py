"""How many requests one token and one address may send: a bucket for each, which fills again as time passes."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

WRITES: Final = 60
"""Requests a minute that may change something, of one token."""
READS: Final = 600
"""Other requests a minute, of one token."""
BEHIND_ONE_ADDRESS: Final = 5
"""How many times as much one address may send: several people and jobs may be behind it."""

_KEPT = 8192  # buckets; the one that was used least lately goes first
_MINUTE = 60.0


@dataclass(slots=True)
class _Bucket:
    left: float
    at: float


class RequestRates:
    """For the event loop's thread. `clock` is in seconds.

    Whoever has no token that is known has another count of the address than those who have one: behind one address, as that of
    a proxy, strangers leave the others their room.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, bool], _Bucket] = OrderedDict()

    def take(self, address: str, digest: str | None, *, writes: bool) -> int:
        """Count one request of an address and, by its digest, a token that is known. 0: there is room; else the seconds until
        there is.
        """
        most = WRITES if writes else READS
        wait = self._take((f"{'?' if digest is None else '@'}{address}", writes), most * BEHIND_ONE_ADDRESS)
        if digest is not None and not wait:
            wait = self._take((digest, writes), most)
        return math.ceil(wait)

    def _take(self, key: tuple[str, bool], most: int) -> float:
        now, rate = self._clock(), most / _MINUTE
        bucket = self._buckets.pop(key, None) or _Bucket(most, now)
        self._buckets[key] = bucket
        while len(self._buckets) > _KEPT:
            self._buckets.popitem(last=False)
        bucket.left = min(most, bucket.left + max(0.0, now - bucket.at) * rate)
        bucket.at = now
        if bucket.left < 1:
            return (1 - bucket.left) / rate
        bucket.left -= 1
        return 0.0
