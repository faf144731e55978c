"""What an upstream answers when it is asked for a project, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.sources import http_freshness, upstream_page

if TYPE_CHECKING:
    from wharf.sources.upstream_page_store import KeptPage
    from wharf.sources.upstream_project import UpstreamProject
    from wharf.sources.upstream_requests import UpstreamRequests

_VALIDATOR = re.compile("[ -~]{1,500}", re.ASCII)
_NOT_THERE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class Answered:
    """The upstream's word: a project, that it has none of that name, or that what it said last time still holds (`same`).

    It may be used for `lifetime` seconds.
    """

    lifetime: float
    project: UpstreamProject | None = None
    same: bool = False
    etag: str | None = None
    last_modified: str | None = None


def ask(requests: UpstreamRequests, upstream: str, url: str, name: str, kept: KeptPage | None) -> Answered:
    """The answer for the page of `name` at `url`; `kept` is the page of the last time. Raises StorageError."""
    headers = {"accept": upstream_page.ACCEPT, "accept-encoding": "gzip"}
    if kept is not None and kept.etag:
        headers["if-none-match"] = kept.etag
    if kept is not None and kept.last_modified:
        headers["if-modified-since"] = kept.last_modified
    with requests.get(url, headers) as (final, answer):
        lifetime = http_freshness.lifetime(answer.headers)
        if answer.status in _NOT_THERE:
            return Answered(lifetime)
        if answer.status == 304 and headers.keys() & {"if-none-match", "if-modified-since"}:
            return Answered(lifetime, same=True)
        if answer.status != 200:
            raise requests.error(f"answers {answer.status} for the page of {name}")
        kind = answer.headers.get("content-type", "")
        form = upstream_page.form(kind)
        if form is None:
            raise requests.error(f"gives what is no page for {name}: it is neither JSON nor HTML")
        body = answer.read(upstream_page.LARGEST[form])
        try:
            project = upstream_page.parse(name, final, upstream, body, kind)
        except StorageError as error:
            raise requests.error(f"gives a page of {name} that is refused: {error.message}") from error
        return Answered(
            lifetime, project, False, _header(answer.headers.get("etag")), _header(answer.headers.get("last-modified"))
        )


def _header(text: str | None) -> str | None:
    """A validator that can be sent back."""
    return text if text is not None and _VALIDATOR.fullmatch(text) else None
