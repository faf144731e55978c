"""Which addresses of upstreams count where a branch names them: on GitHub others than the operator may write it. Pure.

It is a look at the text. A public name may lead to a private address, so whoever connects looks at the address as well.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wharf.index.upstream_settings import is_folder, normal_address
from wharf.transport.public_ip import is_public

if TYPE_CHECKING:
    from collections.abc import Collection

LISTS_IT: Final = '[upstreams."URL"] in the config.toml of whoever runs wharf'
"""Where an operator lists an address that does not count otherwise."""

# Special names (RFC 6761, RFC 6762, RFC 8375, and "internal", which ICANN keeps for private use), and those that networks at
# home and in companies often have.
_PRIVATE: Final = re.compile(
    r"(?:.*\.)?(?:localhost|localdomain|local|internal|intranet|private|corp|home|lan|home\.arpa|onion|test|invalid)", re.ASCII
)
_NUMBER: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)", re.ASCII)  # what programs read as an IPv4 address


def refusal(address: str, *, on_github: bool, listed: Collection[str] = ()) -> str | None:
    """Why the address of an upstream that a branch names does not count, as the end of "it …"; None: it counts.

    `listed`: the addresses that the operator's own config.toml lists, in their normal form.
    """
    url = normal_address(address)
    if url is None:
        return "is not the address of an index"
    if not on_github or url in listed:
        return None
    if is_folder(url):
        return "is a folder"
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https":
        return "is not https"
    if parts.port is not None:
        return f"has the port {parts.port}"
    if ":" in host:
        return None if is_public(IPv6Address(host)) else "is at an address that is not public"
    if _NUMBER.fullmatch(host):
        return None if _is_public(host) else "is at an address that is not public"
    if "." not in host or _PRIVATE.fullmatch(host):
        return f"is at {host}, which is not a public name"
    return None


def _is_public(host: str) -> bool:
    """Whether it is an IPv4 address in its usual form, and public. Other forms are read in several ways."""
    try:
        return is_public(IPv4Address(host))
    except ValueError:
        return False
