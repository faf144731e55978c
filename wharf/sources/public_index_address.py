"""The public index: where a name is looked for that an index neither has nor reserves, if `--fall-through` says so.

Nothing is fetched here. A client is sent there, and takes none of wharf's credentials with it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wharf.errors import UsageError
from wharf.index.upstream_settings import normal_address

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTION: Final = "--public-index"
VARIABLE: Final = "WHARF_PUBLIC_INDEX"

_ADDRESS = re.compile(r"[!#-;=?-Z\[\]_a-z~]{1,2000}", re.ASCII)  # what an address is written with, and a header can carry


@dataclass(frozen=True, slots=True)
class PublicIndex:
    """An index by the address of its list of projects (PEP 503), in the form in which addresses are compared if it has one.

    It ends with a slash.
    """

    address: str

    def page(self, name: str, query: str = "") -> str:
        """The address of a project's page; `name` is normal (PEP 503), `query` is quoted as an address needs it."""
        return f"{self.address}{name}/{f'?{query}' if query else ''}"


def parse(address: str) -> PublicIndex:
    """The index at an address. Raises UsageError, which does not repeat the address: it may hold a password."""
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"{OPTION} is no address.", _example())
    try:
        parts = urlsplit(address)
        known = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise UsageError(f"{OPTION} is no address.", _example()) from error
    if parts.scheme not in {"http", "https"} or not known or parts.query or parts.fragment:
        raise UsageError(f"{OPTION} must be the address of an index: http(s)://HOST/PATH/ and no more.", _example())
    if "@" in parts.netloc:
        raise UsageError(
            f"{OPTION} must not hold a user name or a password: every client is sent to that address.",
            "Have the clients keep the credentials for that host, in ~/.netrc for example.",
        )
    scheme, _, rest = address.partition("://")
    normal = normal_address(f"{scheme.lower()}://{rest}")  # or it would be another one than that of wharf.toml or config.toml
    return PublicIndex(normal or (address if address.endswith("/") else f"{address}/"))


def named(environ: Mapping[str, str]) -> PublicIndex | None:
    """The index that the person's environment calls the public one. Raises UsageError."""
    address = environ.get(VARIABLE, "").strip()
    return parse(address) if address else None


def default(environ: Mapping[str, str]) -> PublicIndex:
    """The index of the environment, or the one that pip and uv ask when nobody says otherwise. Raises UsageError."""
    found = named(environ)
    if found is not None:
        return found
    from pypi_simple import PYPI_SIMPLE_ENDPOINT  # takes a third of a second, and is asked for by few

    return parse(PYPI_SIMPLE_ENDPOINT)


def _example() -> str:
    return f"Write it as in {OPTION} https://mirror.example.com/simple/"
