"""`wharf serve`, and the server beside the command of `wharf run`: the ASGI application on uvicorn."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from wharf.errors import UsageError
from wharf.run_port.shared_port import LOOPBACK, SharedPort
from wharf.server.app import Rules, make_app
from wharf.server.http.acceptor import Acceptor
from wharf.server.http.cors import Cors
from wharf.server.http.listening_socket import allow_open_files, listen
from wharf.server.http.protocol import OneRequest, Protocol
from wharf.server.operator_log import AccessLog, Journal, Told, quietly
from wharf.server.options import Options, bracketed
from wharf.server.startup_check import first_look

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from wharf.repository.opening import Repository

BACKLOG = 2048
"""Connections that may wait: uv opens dozens at once, and a short queue costs it seconds."""
GRACE = 10
"""Seconds that answers under way have when the server is told to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Whoever runs the server: told the address once it answers, and by which `auth` it lets in; warned; told what happens.

    `write` takes the lines of the access log.
    """

    ready: Callable[[str, str], None]
    warn: Callable[[str], None]
    say: Callable[[str], None]
    write: Callable[[str], None] = lambda _line: None
    wants_json: bool = False


def serve(repository: Repository, options: Options, operator: Operator) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises UsageError for an address that cannot be had, a broken certificate, or one beyond loopback without tokens; and what
    `first_look` raises.
    """
    warn = operator.warn
    passes_on = options.public_index is not None
    private = first_look(repository, borrows=options.auth in {None, "github"}, passes_on=passes_on, warn=warn)
    auth = options.auth or ("local" if repository.github is None else "github" if private else "public")
    if auth == "github" and repository.github is None:
        raise UsageError("--auth github is for a repository on GitHub.", "Name one with --repo, or use --auth tokens.")
    open_reading = auth == "public" or (auth == "local" and options.loopback)
    _check_tokens(repository, options, auth, open_reading=open_reading)
    _warn(options, auth, warn, open_reading=open_reading, private=private)
    own = () if options.everywhere else (bracketed(options.host),)
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
    listener = listen(options.host, options.port)
    allow_open_files()
    say = quietly(operator.say)
    with _telling(say):
        journal = Journal(say)
        app = _application(repository, rules, options, operator, journal)
        scheme = "http" if options.tls_cert is None else "https"
        address = f"{scheme}://{bracketed(options.host)}:{listener.getsockname()[1]}"
        server = _Server(config(app, options), lambda: operator.ready(address, auth), say)
        _run(server, listener, options)
        journal.end_of_minute(ends=True)


def _application(repository: Repository, rules: Rules, options: Options, operator: Operator, journal: Journal) -> ASGIApp:
    front = make_app(repository, rules, journal=journal)
    app: ASGIApp = Cors(front, options.cors_origins) if options.cors_origins else front
    return AccessLog(app, front.who, quietly(operator.write), as_json=operator.wants_json) if options.access_log else app


@contextlib.contextmanager
def _telling(say: Callable[[str], None]) -> Iterator[None]:
    """What is logged meanwhile goes to the operator."""
    handler = Told(say)
    loggers = [logging.getLogger(name) for name in ("wharf", "uvicorn")]
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)


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
    behind = options.behind_proxy or options.allowed_hosts
    if open_reading and auth != "public" and behind:
        warn(
            "Whoever reaches a proxy in front of this server can read: "
            "--auth tokens asks for a token, --auth public says it is meant."
        )
    if open_reading and private:
        warn("The repository is private on GitHub, and whoever reaches this server can read it.")
    if auth == "public" and options.everywhere and not options.allowed_hosts:
        warn("Without a token it answers to local names only: --allowed-host NAME adds the name that clients ask for.")


def config(app: ASGIApp, options: Options) -> uvicorn.Config:
    """How uvicorn runs the application: our protocol, and nothing that it would print by itself."""
    return uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        http=Protocol,
        loop="uvloop",
        ws="none",
        access_log=False,
        log_config=None,
        log_level=logging.ERROR,
        server_header=False,
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        ssl_certfile=options.tls_cert,
        ssl_keyfile=options.tls_key,
        backlog=BACKLOG,
        timeout_keep_alive=options.keep_alive,
        timeout_graceful_shutdown=GRACE,
    )


class _Server(uvicorn.Server):
    """Tells when it really answers, and when it stops."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], say: Callable[[str], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._say = say

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let answers that are under way have their time."""
        under_way = len(self.server_state.tasks)
        answers = "1 answer is" if under_way == 1 else f"{under_way} answers are"
        self._say(f"Stopping. {answers} under way, and may take {GRACE} seconds more." if under_way else "Stopping.")
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is cut off now was told
        await super().shutdown(sockets)


class Beside(uvicorn.Server):
    """The index beside a command, at a port that is listened on already: `run` in a thread of its own, until `end`.

    `rules` have the password. What is under way when it ends is cut off: nobody is left to want it.
    """

    def __init__(self, repository: Repository, port: SharedPort, rules: Rules, *, warn: Callable[[str], None]) -> None:
        options = Options(host=LOOPBACK, port=port.number, upload_limit=rules.upload_limit)
        self._front = make_app(repository, rules, warn=warn)
        super().__init__(config(self._front, options))
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
        mine, nobodys = (partial(each, self.config, self.server_state, self.lifespan.state) for each in (Protocol, OneRequest))
        self._acceptor = Acceptor(self._port, mine=mine, nobodys=nobodys)
        self._acceptor.begin()

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
    # A terminal that is closed (SIGHUP) ends no server.
    before = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
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
