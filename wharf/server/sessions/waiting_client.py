"""Whether a client waits for what comes of the publish of its session."""

from __future__ import annotations

import threading


class WaitingClient:
    """Decided once for each try of a publish, by the client's patience or by the end of the try. For any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: bool | None = None

    def decide(self) -> bool:
        """In the thread of the publish, which failed: whether the client will be told."""
        with self._lock:
            if self._heard is None:
                self._heard = True
            return self._heard

    def still(self) -> bool:
        """Before another try of a publish that a short pause stopped: the client is not told of that one. False: it left."""
        with self._lock:
            if self._heard is not False:
                self._heard = None
            return self._heard is None

    def leave(self) -> bool:
        """Answer without waiting for the end. False: the end is there."""
        with self._lock:
            if self._heard is None:
                self._heard = False
            return not self._heard
