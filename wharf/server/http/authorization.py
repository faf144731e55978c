"""The Authorization header of a request (RFC 7617, RFC 6750)."""

from __future__ import annotations

import base64
import binascii

from wharf.secret import Secret


def secrets_of(authorization: bytes) -> list[Secret]:
    """What may be the token: a bearer token; the password or, as some clients do it, the user name of Basic (RFC 7617)."""
    scheme, _, value = authorization.partition(b" ")
    value = value.strip()
    if scheme.lower() == b"bearer":
        return [Secret(token)] if (token := value.decode("latin-1").strip()) else []
    if scheme.lower() != b"basic":
        return []
    try:
        user, _, password = base64.b64decode(value, validate=True).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        return []
    return [Secret(token) for each in (password, user) if (token := each.strip())]  # a token that was pasted has a line's end
