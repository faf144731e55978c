"""uvicorn in the foreground: it serves until the process gets a signal, and lets answers under way come to their end."""

from __future__ import annotations

import logging
import signal
import ssl
from typing import TYPE_CHECKING

import uvicorn

from wharf.errors import UsageError
from wharf.server.http.uvicorn_config import GRACE

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


class ForegroundServer(uvicorn.Server):
    """Calls `ready` when it really answers, and tells `say` when it stops."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], say: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._say = say

    def serve_until_signal(self, listener: socket.socket) -> None:
        """Serve until SIGTERM or SIGINT, and close the socket. Raises UsageError for a broken certificate."""
        # uvicorn stops gracefully and then raises the signal again, for whoever was there before; that must not kill us.
        # A terminal that is closed (SIGHUP) ends no server.
        before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
        try:
            self.run(sockets=[listener])
        except (ssl.SSLError, FileNotFoundError, PermissionError) as error:
            raise UsageError(
                f"The certificate {self.config.ssl_certfile} and its key cannot be used: {error.strerror or error}.",
                "Give --tls-cert and --tls-key a PEM file each.",
            ) from error
        finally:
            listener.close()
            for each, handler in before.items():
                signal.signal(each, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell that it answers."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Give answers that are under way their time."""
        under_way = len(self.server_state.tasks)
        answers = "1 answer is" if under_way == 1 else f"{under_way} answers are"
        self._say(f"Stopping. {answers} under way, and may take {GRACE} seconds more." if under_way else "Stopping.")
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is cut off now was told
        await super().shutdown(sockets)
