"""An index that is asked over HTTP, as an upstream."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.sources import http_freshness, upstream_page
from wharf.sources.upstream_answers import LARGEST_METADATA, Answered
from wharf.transport.http_client import AS_IT_IS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.sources.upstream_address import UpstreamAddress
    from wharf.sources.upstream_page_store import KeptPage
    from wharf.sources.upstream_project import UpstreamFile
    from wharf.sources.upstream_requests import UpstreamRequests
    from wharf.transport.http_client import Download

_VALIDATOR = re.compile("[ -~]{1,500}", re.ASCII)
_LARGE = 1 << 20  # bytes of a page
_PARSING = threading.Lock()  # for large pages: a page of 64 MB takes ten times as much while it is parsed
_NOT_THERE: Final = frozenset({404, 410})


class HttpUpstream:
    """An index that is asked over HTTP."""

    def __init__(self, address: UpstreamAddress, requests: UpstreamRequests) -> None:
        self._address = address
        self._requests = requests
        self.error = requests.error
        self.close = requests.close

    def ask(self, name: str, kept: KeptPage | None) -> Answered:
        """The answer for the page of a project; `kept` is the page of the last time."""
        headers = {"accept": upstream_page.ACCEPT, "accept-encoding": "gzip"}
        if kept is not None and kept.etag:
            headers["if-none-match"] = kept.etag
        if kept is not None and kept.last_modified:
            headers["if-modified-since"] = kept.last_modified
        with self._requests.get(self._address.page(name), headers) as (final, answer):
            lifetime = http_freshness.lifetime(answer.headers)
            if answer.status in _NOT_THERE:
                return Answered(lifetime)
            if answer.status == 304 and headers.keys() & {"if-none-match", "if-modified-since"}:
                return Answered(lifetime, same=True)
            if answer.status != 200:
                raise self._requests.error(f"answers {answer.status} for the page of {name}")
            kind = answer.headers.get("content-type", "")
            form = upstream_page.form(kind)
            if form is None:
                raise self._requests.error(f"gives what is no page for {name}: it is neither JSON nor HTML")
            body = answer.read(upstream_page.LARGEST[form])
            try:
                with _PARSING if len(body) > _LARGE else nullcontext():
                    project = upstream_page.parse(name, final, self._address.url, body, kind)
            except StorageError as error:
                raise self._requests.error(f"gives a page of {name} that is refused: {error.message}") from error
            return Answered(
                lifetime, project, False, _header(answer.headers.get("etag")), _header(answer.headers.get("last-modified"))
            )

    def core_metadata(self, file: UpstreamFile) -> bytes:
        """What lies beside the file (PEP 658)."""
        path, question, query = file.url.partition("?")
        with self._requests.get(f"{path}.metadata{question}{query}", {"accept-encoding": "gzip"}) as (_, answer):
            if answer.status != 200:
                raise self.error(f"answers {answer.status} for the core metadata of {file.filename}")
            return answer.read(LARGEST_METADATA)

    @contextmanager
    def open(self, file: UpstreamFile) -> Iterator[Download]:
        """The bytes as they come."""
        with self._requests.get(file.url, AS_IT_IS) as (_, answer):
            if answer.status != 200:
                raise self.error(f"answers {answer.status} for {file.filename}")
            if answer.headers.get("content-encoding", "identity").lower() != "identity":
                raise self.error(f"packs {file.filename} in a way that was not asked for")
            yield answer.download()


def _header(text: str | None) -> str | None:
    """A validator that can be sent back."""
    return text if text is not None and _VALIDATOR.fullmatch(text) else None
