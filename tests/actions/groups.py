"""Concurrency groups: one runs, one waits, and whoever comes then takes the place of the one that waits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Groups:
    """Of one simulator: a group belongs to a repository."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running: set[tuple[str, str]] = set()
        self._waiting: dict[tuple[str, str], object] = {}
        self.seen: list[tuple[str, str]] = []

    def waiting(self, slug: str, group: str) -> bool:
        with self._changed:
            return (slug, group) in self._waiting

    @contextmanager
    def turn(self, slug: str, group: str | None) -> Iterator[bool]:
        """Whether the job may run, once it is its turn; False: a newer one cancelled it while it waited."""
        if group is None:
            yield True
            return
        key, ticket = (slug, group.lower()), object()
        with self._changed:
            self.seen.append(key)
            self._waiting[key] = ticket
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting.get(key) is not ticket or key not in self._running, timeout=300)
            mine = self._waiting.get(key) is ticket
            if mine:
                assert key not in self._running, f"{key} ran for five minutes"
                del self._waiting[key]
                self._running.add(key)
        try:
            yield mine
        finally:
            with self._changed:
                if mine:
                    self._running.remove(key)
                self._changed.notify_all()
