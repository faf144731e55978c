"""A project's page of an upstream, in JSON (PEP 691, 700, 740, 792) or HTML (PEP 503, 592, 658), as values. Pure.

The page is hostile until checked: a page that lies about its name is refused, a file that cannot be trusted is left out with a
reason. JSON is parsed here and not by pypi-simple: that one takes eight times as long for 10,000 files, and one wrong file
makes it refuse all of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from wharf.errors import StorageError
from wharf.index.record import is_upload_time
from wharf.model import STATUSES, Status, normalize
from wharf.sources import upstream_html
from wharf.sources.upstream_address import origin
from wharf.sources.upstream_files import Told, files_of
from wharf.sources.upstream_project import UpstreamProject
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

JSON: Final = "application/vnd.pypi.simple.v1+json"
HTML: Final = "application/vnd.pypi.simple.v1+html"
ACCEPT: Final = f"{JSON}, {HTML};q=0.2, text/html;q=0.1"
"""JSON first (PEP 691)."""
LARGEST: Final = {"json": 64 << 20, "html": 8 << 20}
"""Bytes of a page, unpacked."""
MOST_FILES: Final = 100_000
"""Of a page in JSON."""
MOST_LINKS: Final = 40_000
"""Of a page in HTML, each with some 200 characters."""

_MOST_BRACKETS = 8 * MOST_FILES  # of an honest page: a file has at most three objects in it
_MOST_COMMAS = 40 * MOST_FILES
UNKNOWN: Final = "unknown"
"""In place of a status that PEP 792 does not know."""
UPSTREAM_FAILED: Final = "The upstream index does not answer as it should. The server's log says why."
"""What a server's clients are told."""


def form(content_type: str) -> str | None:
    """`json` or `html`; None for what is no page."""
    kind = content_type.partition(";")[0].strip().lower()
    return "json" if kind in {JSON, "application/json"} else "html" if kind in {HTML, "text/html"} else None


def parse(name: str, url: str, upstream: str, body: bytes, content_type: str) -> UpstreamProject:
    """The project of that name (PEP 503 form), from its page at `url`; `upstream` is the address of the upstream.

    `since` of a file is its upload time. Raises StorageError for what is not a page of that project, and nothing else.
    """
    here = origin(upstream)
    kind = form(content_type)
    if here is None or kind is None:
        raise _no_page(name, "it is neither JSON nor HTML")
    try:
        told, status = _json(name, body) if kind == "json" else _html(body, content_type, url)
        files, left_out = files_of(name, told, url, here)
    except (ValueError, RecursionError) as error:
        raise _no_page(name, str(error)[:300]) from error
    return UpstreamProject(name=name, files=tuple(files), status=status, left_out=tuple(left_out))


def _no_page(name: str, why: str) -> StorageError:
    return StorageError(f"The upstream's page of {name} is refused: {why}.", "Nothing of it is kept.", told=UPSTREAM_FAILED)


def _json(name: str, body: bytes) -> tuple[Iterator[Told], Status]:
    """The files that a page in JSON tells. Raises ValueError."""
    if body.count(b"{") + body.count(b"[") > _MOST_BRACKETS or body.count(b",") > _MOST_COMMAS:
        raise ValueError("it has more values than a page can have")
    body.decode()  # strictly: json.loads lets half characters through
    found = toml_and_json.json_value(body)
    found = found if isinstance(found, dict) else {}
    meta = found.get("meta")
    version = meta.get("api-version") if isinstance(meta, dict) else None
    called, files = found.get("name"), found.get("files")
    if not isinstance(version, str) or version.partition(".")[0] != "1":
        raise ValueError("its version of the Simple API is not 1")
    if not isinstance(called, str) or len(called) > 1000 or normalize(called) != name:
        raise ValueError("it is the page of another project")
    if not isinstance(files, list) or len(files) > MOST_FILES:
        raise ValueError(f"it has no list of at most {MOST_FILES} files")
    state = found.get("project-status")
    said: Mapping[str, Any] = state if isinstance(state, dict) else {"status": state}
    return (_json_file(each) for each in files), _status(said.get("status"), said.get("reason"))


def _json_file(given: object) -> Told:
    """What JSON says of a file."""
    found: Mapping[str, Any] = given if isinstance(given, dict) else {}
    hashes = found.get("hashes")
    core = found.get("core-metadata", found.get("dist-info-metadata"))  # PEP 714: the new name counts
    return Told(
        filename=found.get("filename"),
        url=found.get("url"),
        sha256=hashes.get("sha256") if isinstance(hashes, dict) else None,
        size=found.get("size"),
        upload_time=_time(found.get("upload-time")),
        requires_python=found.get("requires-python"),
        yanked=found.get("yanked"),
        core_metadata=core.get("sha256") if isinstance(core, dict) else None,
        provenance=found.get("provenance"),
    )


def _html(body: bytes, content_type: str, url: str) -> tuple[Iterator[Told], Status]:
    """The files that a page in HTML tells. Raises ValueError."""
    if len(body) > LARGEST["html"]:
        raise ValueError(f"its HTML has more than {LARGEST['html'] >> 20} MiB")
    links, about = upstream_html.links(upstream_html.text_of(body, content_type), url, MOST_LINKS)
    return (_html_file(each) for each in links), _status(about.get("project-status"), about.get("project-status-reason"))


def _html_file(link: upstream_html.Link) -> Told:
    """What HTML says of a file."""
    core = upstream_html.first(link.attributes, ("data-core-metadata", "data-dist-info-metadata")) or ""
    return Told(
        filename=link.text,
        url=link.url,
        sha256=link.url.partition("#")[2].removeprefix("sha256=") if "#sha256=" in link.url else None,
        requires_python=link.attributes.get("data-requires-python"),
        yanked=link.attributes.get("data-yanked"),
        core_metadata=core.removeprefix("sha256=") if core.startswith("sha256=") else None,
        provenance=link.attributes.get("data-provenance"),
    )


def _time(value: object) -> datetime | None:
    """A moment as ISO 8601 with its zone (PEP 700); None for what no upload time can be, as if nobody had said it."""
    if not isinstance(value, str) or len(value) > 100:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None and is_upload_time(found) else None
    except (ValueError, OverflowError):
        return None


def _status(marker: object, reason: object) -> Status:
    """The status (PEP 792), "active" if the page says none. Another one is UNKNOWN: a policy takes it for any of them."""
    if marker is None:
        return Status()
    if not isinstance(marker, str) or marker not in STATUSES:
        return Status(marker=UNKNOWN)
    return Status(marker=marker, reason=reason[:1000] if isinstance(reason, str) and reason.isprintable() else None)
