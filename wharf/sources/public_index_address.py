"""The address of the public index: the upstream that is meant where neither `wharf.toml` nor the operator names another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import UsageError
from wharf.index.upstream_settings import is_folder, normal_address

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTION: Final = "--public-index"
VARIABLE: Final = "WHARF_PUBLIC_INDEX"

_CREDENTIALS = re.compile("https?://[^/?#]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PublicIndex:
    """An index by the address of its list of projects (PEP 503), as `normal_address` gives it."""

    address: str


def parse(address: str) -> PublicIndex:
    """The index at an address. Raises UsageError, which does not repeat the address: it may hold a password."""
    if _CREDENTIALS.match(address):
        raise UsageError(
            f"{OPTION} must not hold a user name or a password: every client is sent to that address.",
            "Have the clients keep the credentials for that host, in ~/.netrc for example.",
        )
    scheme, colon, rest = address.partition(":")
    url = normal_address(f"{scheme.lower()}{colon}{rest}")
    if url is None or is_folder(url):
        raise UsageError(f"{OPTION} must be the address of an index: http(s)://HOST/PATH/ and no more.", _example())
    return PublicIndex(url)


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
