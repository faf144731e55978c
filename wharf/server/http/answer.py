"""Answers as values: status, headers and body, made once and sent as often as asked for. ASGI only carries them."""

from __future__ import annotations

import gzip
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.types import Message


_REASON = 600  # bytes of a reason in a status line
_NO_REASON = re.compile(rb"[^ -~]+")

Headers = tuple[tuple[bytes, bytes], ...]


_SAFE: Headers = ((b"x-content-type-options", b"nosniff"),)
# A page runs nothing and loads nothing: whatever a hostile project name or yank reason smuggles into it stays text.
_PAGE_SAFE: Headers = (*_SAFE, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"))


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `etag` is its validator; `not_modified` the 304 that stands for it.

    `reason` is what the status line says, where that is more than the status: most uploaders show nothing else to people.
    """

    status: int
    headers: Headers
    body: bytes = b""
    etag: bytes = b""
    not_modified: Answer | None = None
    reason: bytes = b""
    start: Message = field(init=False)
    rest: Message = field(init=False)

    def __post_init__(self) -> None:
        # The two ASGI messages that carry it, ready.
        object.__setattr__(self, "start", {"type": "http.response.start", "status": self.status, "headers": list(self.headers)})
        object.__setattr__(self, "rest", {"type": "http.response.body", "body": self.body})


@dataclass(frozen=True, slots=True)
class FileAnswer:
    """A stored file to be streamed: where it lies, and the headers that go before it."""

    path: Path
    size: int
    etag: bytes
    headers: Headers
    not_modified: Answer
    start: Message = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", {"type": "http.response.start", "status": 200, "headers": list(self.headers)})

    @property
    def head(self) -> Answer:
        """What is answered to HEAD, without a look at the bytes."""
        return Answer(200, self.headers)


def page(body: bytes, *, content_type: str, etag: str, cache_control: str, vary: str, zipped: bool) -> Answer:
    """A page with its validator and its 304. With `zipped` the body is compressed here, once."""
    shared: Headers = (
        (b"etag", etag.encode()),
        (b"cache-control", cache_control.encode()),
        (b"vary", vary.encode()),
    )
    if zipped:
        body = gzip.compress(body, 9, mtime=0)
        shared = (*shared, (b"content-encoding", b"gzip"))
    headers = (
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *shared,
        *_PAGE_SAFE,
    )
    return Answer(200, headers, body, etag.encode(), Answer(304, shared))


def uncached_page(body: bytes, content_type: str = "text/html; charset=utf-8") -> Answer:
    """A page that no cache keeps."""
    headers = (
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *_PAGE_SAFE,
    )
    return Answer(200, headers, body)


def stored_file(path: Path, *, size: int, sha256: str, cache_control: str) -> FileAnswer:
    """A distribution, whose bytes can never change under its address."""
    etag = f'"{sha256}"'.encode()
    shared: Headers = ((b"etag", etag), (b"cache-control", cache_control.encode()))
    headers = (
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(size).encode()),
        (b"accept-ranges", b"bytes"),
        *shared,
        *_SAFE,
    )
    return FileAnswer(path, size, etag, headers, Answer(304, shared))


def text(status: int, message: str, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """A short answer in plain text, never kept by a cache."""
    body = f"{message}\n".encode(errors="replace")
    return uncached(status, body, "text/plain; charset=utf-8", headers, message if status >= 400 else "")


def uncached(status: int, body: bytes, content_type: str, headers: Iterable[tuple[str, str]] = (), message: str = "") -> Answer:
    """An answer that no cache keeps. A `message` is said in the status line, too."""
    return Answer(
        status,
        (
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *_SAFE,
            *((name.encode(), value.encode()) for name, value in headers),
        ),
        body,
        reason=reason(message) if message else b"",
    )


def reason(message: str) -> bytes:
    """A message as a status line can have it: one line of ASCII, and not long."""
    line = _NO_REASON.sub(b"?", " ".join(message.split()).encode("ascii", "replace"))
    return line if len(line) <= _REASON else line[: _REASON - 3] + b"..."


OTHER_ADDRESS = text(
    400, "The index is at simple/, and this is not below it: look at the address that the installer was given."
)
"""For what looks like a project at another address. After 404 uv would ask the next index for the name, which may be ours."""


def redirect(location: str) -> Answer:
    """A permanent redirect to a relative address, so that it works behind any prefix."""
    return text(301, f"Moved to {location}", (("location", location),))


def uncached_redirect(location: str) -> Answer:
    """A redirect to an address that holds for a while, or for some clients only: no cache keeps it."""
    headers = (
        (b"location", location.encode("ascii", "replace")),
        (b"content-length", b"0"),
        (b"cache-control", b"no-store"),
        (b"referrer-policy", b"no-referrer"),
        *_SAFE,
    )
    return Answer(302, headers)
