"""`wharf serve`: the ASGI application on uvicorn."""

from __future__ import annotations

import ipaddress
import logging
import signal
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import uvicorn

from wharf.errors import UsageError
from wharf.server.app import Rules, make_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp

    from wharf.repository import Repository

BACKLOG = 2048
"""Connections that may wait: uv opens dozens at once, and a short queue costs it seconds."""
GRACE = 10
"""Seconds that answers under way have when the server is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where and how to listen. `port` 0 is a free one."""

    host: str
    port: int
    public: bool = False
    private: bool = False
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    upload_limit: int

    @property
    def loopback(self) -> bool:
        """Whether nobody beyond this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __post_init__(self) -> None:
        if self.public and self.private:
            raise UsageError("--public and --private contradict each other.", "Say one of them.")
        for host in self.allowed_hosts:
            if "/" in host:
                raise UsageError(f"{host!r} is no host name.", "Give the name alone, as in --allowed-host pkg.example.org.")
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise UsageError(f"{proxy!r} is no address of a proxy.", "Write it as in --trusted-proxy 10.0.0.5.") from error


def serve(repository: Repository, options: Options, *, ready: Callable[[str], None], warn: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is told the address once it answers.

    Raises UsageError for an address that cannot be had, a broken certificate, or one beyond loopback without tokens.
    """
    open_reading = not options.private and (options.loopback or options.public)
    if not open_reading and not any(token.valid(datetime.now(UTC)) for token in repository.tokens.all()):
        raise UsageError(
            f"Reading on {options.host} needs a token here, and there is no valid token that could be asked for.",
            "`wharf token create NAME --scope read` makes one; --public lets everybody read.",
        )
    if not options.loopback and options.tls_cert is None:
        warn("Without TLS, tokens and files travel in the open: use --tls-cert and --tls-key, or a proxy that has them.")
    if open_reading and not options.public and (options.trusted_proxies or options.root_path or options.allowed_hosts):
        warn("Whoever reaches a proxy in front of this server can read: --private asks for a token, --public says it is meant.")
    everywhere = options.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    own = () if everywhere else (_bracketed(options.host),)
    if options.public and everywhere and not options.allowed_hosts:
        warn("Without a token it answers to local names only: --allowed-host NAME adds the name that clients ask for.")
    rules = Rules(
        open_reading=open_reading,
        hosts=(*own, *options.allowed_hosts),
        upload_limit=options.upload_limit,
        root_path=options.root_path,
    )
    app = make_app(repository, rules)
    listener = _listen(options)
    scheme = "http" if options.tls_cert is None else "https"
    address = f"{scheme}://{_bracketed(options.host)}:{listener.getsockname()[1]}"
    server = _Server(_config(app, options), lambda: ready(address))
    _run(server, listener, options)


def _config(app: ASGIApp, options: Options) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        access_log=False,
        log_level=logging.WARNING,
        server_header=False,
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
    )


class _Server(uvicorn.Server):
    """Tells when it really answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


def _run(server: _Server, listener: socket.socket, options: Options) -> None:
    # uvicorn stops gracefully and then raises the signal again, for whoever was there before; that must not kill us.
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        server.run(sockets=[listener])
    except (ssl.SSLError, FileNotFoundError, PermissionError) as error:
        raise UsageError(
            f"The certificate {options.tls_cert} and its key cannot be used: {error.strerror or error}.",
            "Give --tls-cert and --tls-key a PEM file each.",
        ) from error
    finally:
        listener.close()
        for each, handler in before.items():
            signal.signal(each, handler)


def _listen(options: Options) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise UsageError(
            f"{options.host}:{options.port} cannot be listened on: {error.strerror or error}.",
            "Another server may be there: --port 0 takes a free port.",
        ) from error
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
