"""Why there is no connection, by the words of whoever tried: Python, or git with its curl. Pure.

Who asked has the remedy: it is another one for GitHub than for a server.
"""

from __future__ import annotations

import re
from enum import Enum, auto

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
    said = said.lower()
    if "not yet valid" in said or "has expired" in said:
        return Cause.CLOCK
    if "proxy" in said:
        return Cause.PROXY
    if _NAME.search(said):
        return Cause.NAME
    return Cause.CERTIFICATE if "certificate" in said else Cause.OTHER


def is_lasting(said: str) -> bool:
    """Whether it is the same at the next try: a certificate, or a proxy that wants a password."""
    said = said.lower()
    return "certificate" in said or ("proxy" in said and " 407 " in said)
