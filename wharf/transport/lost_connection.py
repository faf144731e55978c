"""Why there is no connection, by the words of whoever tried: Python, or git with its curl. Pure.

Who asked has the remedy: it is another one for GitHub than for a server.
"""

from __future__ import annotations

import re
from enum import Enum, auto

_NAMES = re.compile(r"'[^'\s]*'|(?<![a-z])[a-z]+://\S+|(?<![\w-])[\w-]+(?:\.[\w-]+)+")
"""Addresses and names of hosts, which may have any word in them."""
_PROXY = re.compile("proxy|connect tunnel")
_NAME = re.compile("resolve host|name or service not known|nodename nor servname|name resolution")


class Cause(Enum):
    """What stands in the way."""

    CLOCK = auto()
    """That of this machine is wrong, or the certificate is out of date."""
    PROXY = auto()
    NAME = auto()
    """Nobody knows the name of the host."""
    CERTIFICATE = auto()
    """It is not for that host, or nobody who is trusted here signed it."""
    OTHER = auto()


def cause_of(said: str) -> Cause:
    """What the words tell. A proxy comes first: then it is its name or its certificate that they speak of."""
    said = _without_names(said)
    if "certificate" in said and ("not yet valid" in said or "has expired" in said):
        return Cause.CLOCK
    if _PROXY.search(said):
        return Cause.PROXY
    if _NAME.search(said):
        return Cause.NAME
    return Cause.CERTIFICATE if "certificate" in said else Cause.OTHER


def is_lasting(said: str) -> bool:
    """Whether it is the same at the next try: a certificate, or a proxy that wants a password."""
    said = _without_names(said)
    return "certificate" in said or ("proxy" in said and " 407 " in said)


def _without_names(said: str) -> str:
    return _NAMES.sub("", said.lower())
