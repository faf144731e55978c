"""Which IP addresses lead to the public internet, by the registries of special addresses that IANA keeps (RFC 6890). Pure.

Python's own `is_global` differs between versions, and takes multicast, 6to4 and mapped addresses for global.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(each)
    for each in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24"),
        *("192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24"),
        *("224.0.0.0/4", "240.0.0.0/4"),
    )
)
_UNICAST_6: Final = IPv6Network("2000::/3")
# Teredo, benchmarks and ORCHID (2001::/23), documentation, and 6to4, which leads to any IPv4 address.
_NOT_PUBLIC_6: Final = tuple(IPv6Network(each) for each in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_NAT64: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: how a network with IPv6 alone reaches IPv4


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is one of the public internet. One that stands for an IPv4 address is judged as that."""
    if isinstance(address, IPv6Address):
        if address not in _MAPPED and address not in _NAT64:
            plain = address.scope_id is None
            return plain and address in _UNICAST_6 and not any(address in each for each in _NOT_PUBLIC_6)
        address = IPv4Address(int(address) & 0xFFFF_FFFF)
    return not any(address in each for each in _NOT_PUBLIC_4)
