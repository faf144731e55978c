"""Quotas: the primary one of each token by the hour, and the secondary ones by sliding windows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulator import shapes
from tests.simulator.answers import Refusal, error, secondary

if TYPE_CHECKING:
    from tests.simulator.state import Clock, Token

HOUR = 3600.0
MINUTE = 60.0

Key = tuple[str, str, str]


class Exhausted(Refusal):
    """The primary limit of the hour is used up."""


@dataclass(slots=True)
class _Window:
    reset: float
    used: int = 0


@dataclass(slots=True)
class _Recent:
    """`points` by resource: REST and GraphQL have windows of their own, and share the one of new contents."""

    contents: list[float] = field(default_factory=list)
    points: dict[str, list[tuple[float, int]]] = field(default_factory=dict)
    running: int = 0


def _name(key: Key) -> str:
    return "installation" if key[0] == "actions" else f"user ID {shapes.number_of(key[1])}"


class Limits:
    """The figures may be set by tests; called under the hub's lock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.enforced = True
        self.primary = 5000
        self.actions = 1000  # per repository, not per token
        self.anonymous = 60
        self.contents_minute = 80
        self.contents_hour = 500
        self.points_minute = 900
        self.graphql_points_minute = 2000
        self.at_once = 100
        self._windows: dict[Key, _Window] = {}
        self._recent: dict[tuple[str, str], _Recent] = {}

    def key(self, token: Token | None, resource: str) -> Key:
        if token is None:
            return ("anonymous", "", resource)
        if token.kind == "actions":
            return ("actions", next(iter(token.rights), ""), resource)
        if token.installation is not None:  # whichever of its tokens is sent
            return ("token", f"installation {token.installation}", resource)
        return ("token", token.login if token.kind == "classic" else token.secret, resource)

    def limit(self, key: Key) -> int:
        return {"anonymous": self.anonymous, "actions": self.actions, "token": self.primary}[key[0]]

    def _window(self, key: Key) -> _Window:
        now = self.clock.now()
        window = self._windows.get(key)
        if window is None or window.reset <= now:
            window = self._windows[key] = _Window(math.ceil(now + HOUR))
        return window

    def state(self, key: Key) -> dict[str, int]:
        """As `GET /rate_limit` shows it."""
        window = self._window(key)
        limit = self.limit(key)
        return {"limit": limit, "used": window.used, "remaining": max(0, limit - window.used), "reset": int(window.reset)}

    def headers(self, key: Key) -> dict[str, str]:
        found = {f"x-ratelimit-{name}": str(value) for name, value in self.state(key).items()}
        return found | {"x-ratelimit-resource": key[2]}

    def charge(self, key: Key, cost: int) -> None:
        self._window(key).used += cost

    def admit(self, key: Key, cost: int, points: int, *, creates: bool) -> None:
        """Counts a request that begins, or raises Refusal."""
        if self.enforced:
            window = self._window(key)
            if window.used + cost > self.limit(key):
                raise Exhausted(error(403, f"API rate limit exceeded for {_name(key)}."))
            wait = self._wait(key, points, creates=creates)
            if wait > 0:
                raise Refusal(secondary(math.ceil(wait)))
        self.charge(key, cost)
        recent = self._of(key)
        now = self.clock.now()
        recent.points.setdefault(key[2], []).append((now, points))
        if creates:
            recent.contents.append(now)

    def run(self, key: Key, by: int) -> None:
        """One more (1) or one less (-1) request of this sender is under way."""
        self._of(key).running += by

    def _of(self, key: Key) -> _Recent:
        return self._recent.setdefault(key[:2], _Recent())

    def _wait(self, key: Key, points: int, *, creates: bool) -> float:
        """Seconds until the windows have room."""
        now, recent = self.clock.now(), self._of(key)
        most = self.graphql_points_minute if key[2] == "graphql" else self.points_minute
        recent.contents = [moment for moment in recent.contents if moment > now - HOUR]
        spent = [(moment, value) for moment, value in recent.points.get(key[2], []) if moment > now - MINUTE]
        recent.points[key[2]] = spent
        wait = MINUTE if recent.running >= self.at_once else 0.0
        if sum(value for _, value in spent) + points > most:
            wait = max(wait, spent[0][0] + MINUTE - now)
        if creates:
            minute = [moment for moment in recent.contents if moment > now - MINUTE]
            if len(minute) >= self.contents_minute:
                wait = max(wait, minute[-self.contents_minute] + MINUTE - now)
            if len(recent.contents) >= self.contents_hour:
                wait = max(wait, recent.contents[-self.contents_hour] + HOUR - now)
        return wait
