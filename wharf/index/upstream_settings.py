"""Where an index looks for names that it does not have, as its `wharf.toml` says (docs/upstream.md). Pure."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeGuard, get_args

from wharf.index.name_globs import matcher
from wharf.index.wharf_toml_error import wrong
from wharf.index.wharf_toml_values import MOST_GLOBS, globs, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

THIS: Final = "this"
"""In a route: the index itself, with its bases."""
UPSTREAM: Final = "upstream"
"""In a route: the upstream of `[upstream]`, by default the public index."""

Mode = Literal["redirect", "proxy"]
"""How clients get what an upstream has: they are sent there, or all passes through the server."""

MODE_AND_URL: Final = ("mode", "url")
"""The keys of `[upstream]`."""
MOST_UPSTREAMS: Final = 16
"""Upstreams that `[upstreams.NAME]` may name."""
MOST_ROUTES: Final = 100

_WITHOUT_ROUTES: Final = (THIS, UPSTREAM)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_PORT = "6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
# Nothing in it is read in two ways: no user, no query, no backslash, no characters outside of ASCII, no dot behind the host.
_URL = re.compile(
    rf"(https?)://((?:{_LABEL}\.){{0,20}}{_LABEL}|\[([0-9A-Fa-f:.]{{2,45}})\])(:(?:{_PORT}))?"
    r"((?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2}){0,250}){0,30})",
    re.ASCII,
)
_FOLDER = re.compile(r"/[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,999}")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_ADDRESS = (
    "the address of an index: http(s)://HOST/PATH/ without user, password and query, or the absolute path of a folder, "
    'as in "https://mirror.example.com/simple/"'
)


@dataclass(frozen=True, slots=True)
class Route:
    """Where the names that match one of `names` are looked for: the first of `sources` that has a name gives all of it."""

    names: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)  # without slots: what is compiled from the globs is kept with the value
class UpstreamSettings:
    """What `[upstream]`, `[upstreams.NAME]` and `[[route]]` say.

    `mode` None: no upstream is asked. `url` is the address of UPSTREAM; None: the public index. `others` are further upstreams
    by name, each with its address. An address is that of a list of projects (PEP 503), with a slash at its end, or a folder.
    """

    mode: Mode | None = None
    url: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    routes: tuple[Route, ...] = ()

    def route(self, name: str) -> int | None:
        """Which of `routes` decides about a project (PEP 503 form), from 0 on; None: no route matches."""
        found = self._routes.fullmatch(name) if self.routes else None
        return None if found is None or found.lastindex is None else self._by_glob[found.lastindex - 1]

    def sources(self, name: str) -> tuple[str, ...]:
        """Where a project (PEP 503 form) is looked for, the first place first: THIS, UPSTREAM and names of `others`."""
        route = self.route(name)
        return _WITHOUT_ROUTES if route is None else self.routes[route].sources

    def upstreams(self, name: str) -> tuple[str, ...]:
        """The upstreams that a project (PEP 503 form) is looked for in, if the index does not have it. Empty: nowhere."""
        return tuple(source for source in self.sources(name) if source != THIS)

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses that it names, by their keys in `wharf.toml`."""
        named = {} if self.url is None else {"upstream.url": self.url}
        return named | {f"upstreams.{name}.url": url for name, url in self.others}

    def address(self, source: str) -> str | None:
        """The address of an upstream, by its name; None: that of the public index. Raises KeyError for what is no upstream."""
        return self.url if source == UPSTREAM else dict(self.others)[source]

    @functools.cached_property
    def _routes(self) -> re.Pattern[str]:
        return matcher(tuple(glob for route in self.routes for glob in route.names))

    @functools.cached_property
    def _by_glob(self) -> tuple[int, ...]:
        return tuple(number for number, route in enumerate(self.routes) for _ in route.names)


def parse(found: Mapping[str, object]) -> UpstreamSettings:
    """What the tables `upstream`, `upstreams` and `route` of a `wharf.toml` say. Raises StorageError for what is broken."""
    table = table_of(found.get("upstream", {}), "upstream", MODE_AND_URL)
    mode = table.get("mode")
    if not (mode is None or is_mode(mode)):
        raise wrong("upstream.mode", " or ".join(f'"{each}"' for each in get_args(Mode)))
    others = _others(found.get("upstreams", {}))
    return UpstreamSettings(
        mode=mode,
        url=None if table.get("url") is None else _address(table["url"], "upstream.url"),
        others=others,
        routes=_routes(found.get("route", []), {THIS, UPSTREAM, *(name for name, _ in others)}),
    )


def is_mode(value: object) -> TypeGuard[Mode]:
    """Whether a value is a mode."""
    return value in get_args(Mode)


def is_upstream_name(text: str) -> bool:
    """Whether `[upstreams.NAME]` can have that name."""
    return bool(_NAME.fullmatch(text)) and text not in {THIS, UPSTREAM}


def is_folder(address: str) -> bool:
    """Whether an address in its normal form is a folder on this machine, which no client can be sent to."""
    return address.startswith("/")


def normal_address(text: str) -> str | None:
    """An address in the one form in which it is compared and asked: lower-case host, no default port, a slash at the end.

    That of a folder is an absolute path without a slash at its end. None for what is neither.
    """
    url = _URL.fullmatch(text)
    if url is None:
        return (text.rstrip("/") or None) if _FOLDER.fullmatch(text) else None
    scheme, host, literal, port, path = url.groups(default="")
    if literal:
        try:
            host = f"[{ipaddress.IPv6Address(literal)}]"
        except ValueError:
            return None
    port = "" if port == _DEFAULT_PORTS[scheme] else port
    return f"{scheme}://{host.lower()}{port}{path}{'' if path.endswith('/') else '/'}"


def _others(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict) or len(value) > MOST_UPSTREAMS:
        raise wrong("upstreams", f"at most {MOST_UPSTREAMS} tables, each with a url")
    for name in value:
        if not is_upstream_name(name):
            what = f"tables with names of lower-case letters, digits and hyphens, and without the names {THIS} and {UPSTREAM}"
            raise wrong("upstreams", what)
    found = {name: table_of(table, f"upstreams.{name}", ("url",)) for name, table in value.items()}
    return tuple((name, _address(table.get("url"), f"upstreams.{name}.url")) for name, table in found.items())


def _routes(value: object, known: set[str]) -> tuple[Route, ...]:
    if not isinstance(value, list) or len(value) > MOST_ROUTES:
        raise wrong("route", f"at most {MOST_ROUTES} tables, each one as [[route]] with names and from")
    found = tuple(_route(each, f"route {number}", known) for number, each in enumerate(value, 1))
    if sum(len(route.names) for route in found) > MOST_GLOBS:
        raise wrong("route", f"tables that have at most {MOST_GLOBS} names together")
    return found


def _route(value: object, key: str, known: set[str]) -> Route:
    table = table_of(value, key, ("names", "from"))
    names, sources = globs(table.get("names"), f"{key}: names"), table.get("from")
    if not names:
        raise wrong(f"{key}: names", 'a list of one project name or more, as in ["torch", "nvidia-*"]')
    if not isinstance(sources, list) or not all(isinstance(each, str) for each in sources) or len({*sources}) != len(sources):
        what = f'a list of {THIS}, {UPSTREAM} and names of upstreams, each one once, as in ["{THIS}", "gpu"]'
        raise wrong(f"{key}: from", what)
    unknown = next((each for each in sources if each not in known), None)
    if unknown is not None:
        shown = unknown if _NAME.fullmatch(unknown) else "NAME"
        what = f"a list of {THIS}, {UPSTREAM} and upstreams that are there; there is no [upstreams.{shown}]"
        raise wrong(f"{key}: from", what)
    return Route(names, tuple(sources))


def _address(value: object, key: str) -> str:
    """An address in its normal form. The error does not repeat it: it may hold a password."""
    found = normal_address(value) if isinstance(value, str) else None
    if found is None:
        raise wrong(key, _ADDRESS)
    return found
