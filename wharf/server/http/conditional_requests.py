"""Conditional requests: a client that has the answer already gets a 304 in its place (RFC 9110, section 13)."""

from __future__ import annotations

from typing import Protocol, TypeVar

from wharf.server.http.answer import Answer, text


class Validated(Protocol):
    """What has a validator, and, if it has, the 304 that stands for it."""

    @property
    def etag(self) -> bytes:
        """As in the header ETag."""
        ...

    @property
    def not_modified(self) -> Answer | None:
        """None where there is no validator."""
        ...


V = TypeVar("V", bound=Validated)


def checked(value: V, if_match: bytes | None, if_none_match: bytes | None) -> V | Answer:
    """The answer, or what stands for it by the client's conditions, in their order (RFC 9110, section 13.2.2)."""
    if if_match is not None and value.not_modified is not None:
        named = {each.strip() for each in if_match.split(b",")}  # compared strongly: a weak validator matches nothing
        if value.etag not in named and named != {b"*"}:
            return _CHANGED
    return validated(value, if_none_match)


def validated(value: V, if_none_match: bytes | None) -> V | Answer:
    """The answer, or its 304 if the client has it already (RFC 9110, section 13.1.2)."""
    if if_none_match is None or value.not_modified is None:
        return value
    if if_none_match == value.etag:
        return value.not_modified
    held = {each.strip().removeprefix(b"W/") for each in if_none_match.split(b",")}
    return value.not_modified if value.etag in held or b"*" in held else value


_CHANGED = text(412, "The file or page is not the one that the client's If-Match names.")
