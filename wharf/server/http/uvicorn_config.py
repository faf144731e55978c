"""How uvicorn runs our application: with our protocol, and with nothing that uvicorn would print by itself."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import uvicorn

from wharf.server.http.protocol import HttpProtocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from starlette.types import ASGIApp

BACKLOG: Final = 2048
"""Connections that may wait: uv opens dozens at once, and a short queue costs it seconds."""
GRACE: Final = 10
"""Seconds that answers under way have when the server is told to stop."""
KEEP_ALIVE: Final = 75
"""Seconds for which an idle connection is kept. Load balancers keep theirs for 60, and must not be the later one."""


def config(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    keep_alive: int = KEEP_ALIVE,
    trusted_proxies: Sequence[str] = (),
    tls_cert: Path | None = None,
    tls_key: Path | None = None,
) -> uvicorn.Config:
    """Uvicorn's settings. `keep_alive` is in seconds; the certificate and its key are PEM files."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=HttpProtocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        log_config=None,
        log_level=logging.ERROR,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        ssl_certfile=tls_cert,
        ssl_keyfile=tls_key,
        backlog=BACKLOG,
        timeout_keep_alive=keep_alive,
        timeout_graceful_shutdown=GRACE,
    )
