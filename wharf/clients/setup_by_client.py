"""The setup of each client: which names an index can have in it, what it needs, and its configuration with that in it. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from wharf.clients import pdm, pip, poetry, twine, uv
from wharf.clients.setup_text import DEFAULT_NAME
from wharf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.clients.index_address import IndexAddress
    from wharf.clients.setup_text import Client, Setup


class _ClientFile(Protocol):
    def describe(self, address: IndexAddress, name: str, file: str, /) -> Setup: ...

    def edit(self, address: IndexAddress, name: str, text: str, file: str, /) -> tuple[str, tuple[str, ...]]: ...


_CLIENTS: dict[Client, _ClientFile] = {"pip": pip, "uv": uv, "poetry": poetry, "pdm": pdm, "twine": twine}
_REPLACES = "pypi"  # what PDM calls the public index: a source of that name takes its place
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,62}[A-Za-z0-9])?", re.ASCII)
_TAKEN = frozenset({"pypi", "testpypi", "distutils", "server-login", "default"})


def check_name(name: str | None, client: Client) -> str:
    """The name for the index in that client's configuration.

    Raises UsageError for a name that is not allowed, or that the client does not use.
    """
    if client in {"pip", "pdm"}:
        if name is not None:
            why = (
                "knows no names of indexes"
                if client == "pip"
                else f"replaces the public index by a source called {_REPLACES!r}"
            )
            raise UsageError(f"{client} {why}.", "Leave --name out.")
        return _REPLACES
    name = name or DEFAULT_NAME
    if not _NAME.fullmatch(name) or name.lower() in _TAKEN:
        raise UsageError(
            f"{name!r} cannot be the name of an index: letters, digits, - and _, and none that means another index.",
            "Leave --name out, or write it as in --name acme.",
        )
    return name


def needs_file(client: Client, address: IndexAddress) -> bool:
    """Whether the client needs a configuration: `wharf run` replaces the public index for pip and PDM by itself."""
    return not (address.run and client in {"pip", "pdm"})


def describe(client: Client, address: IndexAddress, name: str, file: str) -> Setup:
    """What that client needs for that index. `file`: where it will stand; uv.toml has other keys than pyproject.toml."""
    return _CLIENTS[client].describe(address, name, file)


def edit(client: Client, address: IndexAddress, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The client's configuration with the index in it, and what to know about what stands there already.

    `file` is its name. Raises UsageError.
    """
    changed, notes = _CLIENTS[client].edit(address, name, text, file)
    return changed, (*_leaks(address, text, changed, file), *notes)


def _leaks(address: IndexAddress, before: str, after: str, file: str) -> Iterable[str]:
    """What to do about a user name or token in an address of this host, that was there and that still is."""
    authority = re.escape(urlsplit(address.root).netloc)
    found = re.compile(rf"://[^\s/@\"'<>]+@{authority}(?![A-Za-z0-9.:-])", re.IGNORECASE)
    left = [str(number) for number, line in enumerate(after.splitlines(), 1) if found.search(line)]
    if len(found.findall(after)) < len(found.findall(before)):
        yield f"An address in {file} held a user name or token: it is taken out. Revoke that token; others may have read it."
    if left:
        yield f"{file} still holds a token in an address of this host (line {', '.join(left)}): take it out, and revoke it."
