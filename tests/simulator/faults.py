"""Faults on demand, and callbacks that run in the moment before a request is carried out."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_HOW = re.compile(r"drop|lose|starter|internal|short|redirect200|draft|slow(:[\d.]+)?|secondary(:.+)?|[2-5]\d\d")


@dataclass(slots=True)
class _Fault:
    where: re.Pattern[str]
    how: str
    times: int
    after: int


class Faults:
    """Ordered; a request takes the first that matches and is not used up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[_Fault] = []
        self._before: list[tuple[re.Pattern[str], Callable[[], object]]] = []

    def add(self, where: str, how: str, times: int, after: int) -> None:
        if not _HOW.fullmatch(how):
            raise ValueError(f"no such fault: {how}")
        with self._lock:
            self._faults.append(_Fault(re.compile(where), how, times, after))

    def add_before(self, where: str, callback: Callable[[], object]) -> None:
        with self._lock:
            self._before.append((re.compile(where), callback))

    def take(self, line: str) -> str | None:
        """The fault for the request "METHOD /path"; it is counted."""
        with self._lock:
            for fault in self._faults:
                if not fault.times or not fault.where.search(line):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault.how
        return None

    def run_before(self, line: str) -> None:
        """Calls what waits for this request, each once, outside the lock."""
        with self._lock:
            due = [entry for entry in self._before if entry[0].search(line)]
            self._before = [entry for entry in self._before if entry not in due]
        for _, callback in due:
            callback()
