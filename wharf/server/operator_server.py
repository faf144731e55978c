"""The server of `wharf serve`: for an operator, who is told what happens, until a signal ends it."""

from __future__ import annotations

import contextlib
import gc
import logging
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.server.app import make_app
from wharf.server.http.cors import Cors
from wharf.server.http.foreground_server import ForegroundServer
from wharf.server.http.listening_socket import allow_open_files, listen
from wharf.server.http.uvicorn_config import config
from wharf.server.logs.access_log import AccessLog
from wharf.server.logs.operator_log import OperatorLog, RefusalLog, quietly
from wharf.server.options import bracketed
from wharf.server.reading_choice import ReadingChoice
from wharf.server.rules import Rules
from wharf.server.startup_check import check_at_startup

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp

    from wharf.index.upstream_settings import Mode
    from wharf.repository.opening import Repository
    from wharf.server.options import Options
    from wharf.server.simple_api import SimpleApi


_TURN = 0.0005  # seconds that a thread with an upload keeps the interpreter from the one with the pages; Python says 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """Whoever runs the server: warned, told what happens, and told once it answers.

    `ready` gets its address, by which `auth` it lets in, and how it passes on names that the index at the root does not have.

    `write` takes the lines of the access log.
    """

    ready: Callable[[str, str, Mode | None], None]
    warn: Callable[[str], None]
    say: Callable[[str], None]
    write: Callable[[str], None] = lambda _line: None
    wants_json: bool = False


def serve(repository: Repository, options: Options, operator: Operator) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises UsageError for an address that cannot be listened on, a broken certificate, or an address beyond loopback without
    tokens; and what `check_at_startup` raises.
    """
    private = check_at_startup(
        repository,
        borrows=options.auth in {None, "github"},
        passes_on=options.public_index is not None,
        warn=operator.warn,
    )
    reading = ReadingChoice.of(repository, options, private=private)
    for warning in reading.warnings():
        operator.warn(warning)
    sys.setswitchinterval(_TURN)
    listener = listen(options.host, options.port)
    allow_open_files()
    say = quietly(operator.say)
    with _log_told(say):
        refusals = RefusalLog(say)
        api = make_app(repository, _rules(reading, options), refusals=refusals)
        scheme = "http" if options.tls_cert is None else "https"
        address = f"{scheme}://{bracketed(options.host)}:{listener.getsockname()[1]}"
        settings = config(
            _with_logs(api, options, operator),
            host=options.host,
            port=options.port,
            keep_alive=options.keep_alive,
            trusted_proxies=options.trusted_proxies,
            tls_cert=options.tls_cert,
            tls_key=options.tls_key,
        )
        gc.freeze()  # modules and classes stay: each look at all of them would stop the pages for 40 ms
        ForegroundServer(settings, lambda: operator.ready(address, reading.auth, api.mode), say).serve_until_signal(listener)
        refusals.end_of_minute(ends=True)


def _rules(reading: ReadingChoice, options: Options) -> Rules:
    own = () if options.everywhere else (bracketed(options.host),)
    return Rules(
        open_reading=reading.is_open,
        hosts=(*own, *options.allowed_hosts),
        upload_limit=options.upload_limit,
        strict_uploads=options.strict_uploads,
        root_path=options.root_path,
        by_github=reading.auth == "github",
        stream=options.stream,
        cache=options.cache,
        cache_budget=options.cache_budget,
        webhook=options.webhook,
        public_index=options.public_index,
        upstreams=options.upstreams,
        while_public=reading.while_public,
    )


def _with_logs(api: SimpleApi, options: Options, operator: Operator) -> ASGIApp:
    """The application, with what stands around it if the operator wants that."""
    app: ASGIApp = Cors(api, options.cors_origins) if options.cors_origins else api
    return AccessLog(app, api.who, quietly(operator.write), as_json=operator.wants_json) if options.access_log else app


@contextlib.contextmanager
def _log_told(say: Callable[[str], None]) -> Iterator[None]:
    """What is logged meanwhile goes to the operator."""
    handler = OperatorLog(say)
    loggers = [logging.getLogger(name) for name in ("wharf", "uvicorn")]
    for each in loggers:
        each.addHandler(handler)
    try:
        yield
    finally:
        for each in loggers:
            each.removeHandler(handler)
