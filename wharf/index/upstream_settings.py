"""Where an index looks for names that it does not have, as its `wharf.toml` says (docs/index-format.md). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

THIS: Final = "this"
"""In a route: the index itself, with its bases."""
UPSTREAM: Final = "upstream"
"""In a route: the upstream of `[upstream]`, by default the public index."""

Mode = Literal["redirect", "proxy"]
"""How clients get what an upstream has: they are sent there, or all passes through the server."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the names that match one of `names` are looked for: the first of `sources` that has a name gives all of it."""

    names: tuple[str, ...]
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)  # without slots: what is compiled from the globs is kept with the value
class UpstreamSettings:
    """What `[upstream]`, `[upstreams.NAME]` and `[[route]]` say.

    `mode` None: no name is passed on. `url` is the address of UPSTREAM; None: the public index. `others` are further upstreams
    by name, each with its address. An address is that of a list of projects (PEP 503), with a slash at its end, or a folder.
    """

    mode: Mode | None = None
    url: str | None = None
    others: tuple[tuple[str, str], ...] = ()
    routes: tuple[Route, ...] = ()
