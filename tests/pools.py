"""A server as a function, in the place of the pools of connections: what it is asked for and answers are httpx's values."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import httpx
import urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _Body(io.RawIOBase):
    """Pieces as a file: each reading gives one of them, or a part of it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def read1(self, size: int = -1) -> bytes:
        piece = self._rest or next(self._pieces, b"")
        end = len(piece) if size < 0 else size
        self._rest = piece[end:]
        return piece[:end]


@dataclass
class Pools:
    """The handler raises urllib3's errors where a connection fails."""

    handler: Callable[[httpx.Request], httpx.Response]

    def urlopen(self, method: str, url: str, **more: object) -> urllib3.BaseHTTPResponse:
        urllib3.util.parse_url(url)
        asked = more["body"]
        content = b"".join(asked) if isinstance(asked, Iterator) else cast("bytes | None", asked)
        given = cast("Mapping[str, str]", more["headers"])
        request = httpx.Request(method, url, headers=dict(given), content=content)
        answer = self.handler(request)
        stream = cast("httpx.SyncByteStream", answer.stream)
        headers = urllib3.HTTPHeaderDict()
        for name, value in answer.headers.raw:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
        body = _Body(iter(stream))
        return urllib3.HTTPResponse(body, headers, answer.status_code, preload_content=False, request_method=method)

    def clear(self) -> None:
        pass
