"""`wharf serve`, and the server beside the command of `wharf run`: the ASGI application on uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import signal
import socket
import ssl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from wharf.errors import UsageError
from wharf.server.acceptor import Acceptor
from wharf.server.app import CACHE_BUDGET, Rules, make_app
from wharf.server.first_look import first_look
from wharf.shared_port import LOOPBACK, SharedPort

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import ASGIApp

    from wharf.repository import Repository
    from wharf.secret import Secret
    from wharf.upstream import PublicIndex

Auth = Literal["local", "tokens", "public", "github"]
"""Who may read: everybody on this machine; wharf's tokens; everybody; or whom GitHub lets read the repository."""

BACKLOG = 2048
"""Connections that may wait: uv opens dozens at once, and a short queue costs it seconds."""
GRACE = 10
"""Seconds that answers under way have when the server is told to stop."""
HEAD_LIMIT = 64 << 10
"""Bytes of a request's line and headers, beyond which the connection is closed."""
HEAD_PATIENCE = 30.0
"""Seconds in which the next part of them has to come."""
PIPELINED = 32
"""Requests that may be sent before the answers to earlier ones are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Where and how to listen. `port` 0 is a free one."""

    host: str
    port: int
    auth: Auth | None = None
    allowed_hosts: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    root_path: str = ""
    trusted_proxies: tuple[str, ...] = ()
    upload_limit: int
    strict_uploads: bool = False
    stream: bool = False
    cache: Path | None = None
    cache_budget: int = CACHE_BUDGET
    webhook: Secret | None = None
    public_index: PublicIndex | None = None

    @property
    def loopback(self) -> bool:
        """Whether nobody beyond this machine can connect."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __post_init__(self) -> None:
        for host in self.allowed_hosts:
            if "/" in host:
                raise UsageError(f"{host!r} is no host name.", "Give the name alone, as in --allowed-host pkg.example.org.")
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy)
            except ValueError as error:
                raise UsageError(f"{proxy!r} is no address of a proxy.", "Write it as in --trusted-proxy 10.0.0.5.") from error


def serve(repository: Repository, options: Options, *, ready: Callable[[str, str], None], warn: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT. `ready` is told the address once it answers, and by which `auth` it lets in.

    Raises UsageError for an address that cannot be had, a broken certificate, or one beyond loopback without tokens; and what
    `first_look` raises.
    """
    passes_on = options.public_index is not None
    private = first_look(repository, borrows=options.auth in {None, "github"}, passes_on=passes_on, warn=warn)
    auth = options.auth or ("local" if repository.github is None else "github" if private else "public")
    if auth == "github" and repository.github is None:
        raise UsageError("--auth github is for a repository on GitHub.", "Name one with --repo, or use --auth tokens.")
    open_reading = auth == "public" or (auth == "local" and options.loopback)
    _check_tokens(repository, options, auth, open_reading=open_reading)
    _warn(options, auth, warn, open_reading=open_reading, private=private)
    everywhere = options.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    own = () if everywhere else (_bracketed(options.host),)
    rules = Rules(
        open_reading=open_reading,
        hosts=(*own, *options.allowed_hosts),
        upload_limit=options.upload_limit,
        strict_uploads=options.strict_uploads,
        root_path=options.root_path,
        by_github=auth == "github",
        stream=options.stream,
        cache=options.cache,
        cache_budget=options.cache_budget,
        webhook=options.webhook,
        public_index=options.public_index,
        while_public=auth == "public" and options.auth is None,
    )
    app = make_app(repository, rules)
    listener = _listen(options)
    scheme = "http" if options.tls_cert is None else "https"
    address = f"{scheme}://{_bracketed(options.host)}:{listener.getsockname()[1]}"
    server = _Server(_config(app, options), lambda: ready(address, auth))
    _run(server, listener, options)


def _check_tokens(repository: Repository, options: Options, auth: str, *, open_reading: bool) -> None:
    if auth == "github" or open_reading or any(token.valid(datetime.now(UTC)) for token in repository.tokens.all()):
        return
    raise UsageError(
        f"Reading on {options.host} needs a token here, and there is no valid token that could be asked for.",
        "`wharf token create NAME --scope read` makes one; --auth public lets everybody read.",
    )


def _warn(options: Options, auth: str, warn: Callable[[str], None], *, open_reading: bool, private: bool) -> None:
    if not options.loopback and options.tls_cert is None:
        warn("Without TLS, tokens and files travel in the open: use --tls-cert and --tls-key, or a proxy that has them.")
    behind = options.trusted_proxies or options.root_path or options.allowed_hosts
    if open_reading and auth != "public" and behind:
        warn(
            "Whoever reaches a proxy in front of this server can read: "
            "--auth tokens asks for a token, --auth public says it is meant."
        )
    if open_reading and private:
        warn("The repository is private on GitHub, and whoever reaches this server can read it.")
    if auth == "public" and options.host in {"0.0.0.0", "::"} and not options.allowed_hosts:  # noqa: S104 - compared, not bound
        warn("Without a token it answers to local names only: --allowed-host NAME adds the name that clients ask for.")


def _config(app: ASGIApp, options: Options) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_Protocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        log_level=logging.WARNING,
        use_colors=None if sys.stdout is not None else False,  # by itself it asks a stdout that may be closed
        server_header=False,
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        backlog=BACKLOG,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE,
    )


class _Protocol(HttpToolsProtocol):
    """uvicorn's, with bounds: by itself it takes heads of any length, and any number of requests before one is answered."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Nobody is waited for without an end."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._unfinished = 0  # bytes since the last head, or piece of a body, was whole
        self._patience: asyncio.TimerHandle | None = self.loop.call_later(HEAD_PATIENCE, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """No timer outlives its connection."""
        self._progress()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand the bytes to the parser, and close the connection if there are too many without an end."""
        self._unfinished += len(data)
        HttpToolsProtocol.data_received(self, data)  # called by its name: this is the way of every request
        if self._unfinished or self.pipeline:
            self._check()

    def on_body(self, body: bytes) -> None:
        """A piece of the body: the head was whole."""
        self._progress()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; its answer may take as long as it takes."""
        self._unfinished = 0
        if self._patience is not None:
            self._progress()
        HttpToolsProtocol.on_message_complete(self)

    def _check(self) -> None:
        """Have an end of what is not whole, or waits."""
        if self._unfinished and self._patience is None:
            self._patience = self.loop.call_later(HEAD_PATIENCE, self.transport.close)
        if self.transport.is_closing():
            return
        if len(self.pipeline) > PIPELINED:
            self.transport.abort()
        elif self._unfinished > HEAD_LIMIT:
            if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
                self.send_400_response(f"The request begins with more than {HEAD_LIMIT >> 10} KiB of headers.")
            else:
                self.transport.abort()

    def _progress(self) -> None:
        self._unfinished = 0
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


class _Server(uvicorn.Server):
    """Tells when it really answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()


class Beside(uvicorn.Server):
    """The index beside a command, at a port that is listened on already: `run` in a thread of its own, until `end`.

    `rules` have the password. What is under way when it ends is cut off: nobody is left to want it.
    """

    def __init__(self, repository: Repository, port: SharedPort, rules: Rules, *, warn: Callable[[str], None]) -> None:
        options = Options(host=LOOPBACK, port=port.number, upload_limit=rules.upload_limit)
        self._front = make_app(repository, rules, warn=warn)
        super().__init__(_config(self._front, options))
        self._port = port
        self._acceptor: Acceptor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    @property
    def missed(self) -> list[str]:
        """Names that were asked for, and are not the index's, where nobody was sent elsewhere for them."""
        return sorted(self._front.missed)

    def serve_until_end(self) -> None:
        """Serve until another thread calls `end`."""
        self.run(sockets=[])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections one by one: uvicorn would take all, and some are for other runs."""
        await super().startup(sockets)
        self._acceptor = Acceptor(self._port, self._protocol)
        self._acceptor.begin()

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(self.config, self.server_state, self.lifespan.state)

    def end(self) -> None:
        """Stop at once, or as soon as it has started."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(self._end.set)

    async def main_loop(self) -> None:
        """As uvicorn's, which looks ten times a second whether it is over: a command that has ended does not wait for that."""
        self._loop = asyncio.get_running_loop()
        ticking = asyncio.create_task(super().main_loop())
        ended = asyncio.create_task(self._end.wait())
        await asyncio.wait({ticking, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ticking, ended):
            task.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Without uvicorn's patience for clients."""
        if self._acceptor is not None:
            self._acceptor.end()
        self._port.listener.close()
        for task in self.server_state.tasks:
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self.lifespan.shutdown()  # the loop turns meanwhile, and lets go of the connections


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
