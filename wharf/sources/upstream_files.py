"""The files that an upstream's page tells, each checked: what can be shown, and what is left out for which reason. Pure."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wharf.model import is_filename, is_sha256, version_of
from wharf.sources.upstream_address import joined, origin, refusal
from wharf.sources.upstream_project import LeftOut, UpstreamFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from wharf.sources.upstream_address import Origin

LARGEST_FILE: Final = 1 << 50
LONGEST_TEXT: Final = 2000
"""Characters of what a page says of a file: the reason of a yank, the Python that it requires."""

_SDISTS = (".tar.gz", ".zip", ".tgz", ".tar", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lz", ".tlz", ".tar.lzma")
"""What pip takes for an sdist."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]+")
_TAG = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)*", re.ASCII)
_BUILD = re.compile(r"[0-9][A-Za-z0-9_.]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page says of one file, not yet checked."""

    filename: Any
    url: Any
    sha256: Any
    size: Any = None
    upload_time: datetime | None = None
    requires_python: Any = None
    yanked: Any = None
    core_metadata: Any = None
    provenance: Any = None


def files_of(name: str, told: Iterable[Told], page: str, upstream: Origin) -> tuple[list[UpstreamFile], list[LeftOut]]:
    """The files of the project `name` that can be shown, in their order, and the others.

    `page` is the address of the page, `upstream` where the upstream is. A filename that stands for two different files is left
    out altogether.
    """
    found: dict[str, UpstreamFile] = {}
    left: dict[str, LeftOut] = {}
    for each in told:
        filename = each.filename if isinstance(each.filename, str) else ""
        shown = _CONTROL.sub(" ", filename)[:250]
        try:
            file = _checked(name, each, filename, page, upstream)
        except ValueError as error:
            left.setdefault(shown, LeftOut(shown, str(error)))
            continue
        if found.setdefault(filename, file) != file:
            left[filename] = LeftOut(filename, "the page has two different files of that name")
    return [file for filename, file in found.items() if filename not in left], [*left.values()]


def version_in(name: str, filename: str) -> str | None:
    """The version (normal form) of a distribution of the project, by its filename as pip reads it; None for any other file."""
    if filename.endswith(".whl"):
        parts = filename.removesuffix(".whl").split("-")
        built = len(parts) == 5 or (len(parts) == 6 and _BUILD.fullmatch(parts[2]))
        if not built or not _spellings(name).fullmatch(parts[0]) or not all(_TAG.fullmatch(each) for each in parts[-3:]):
            return None
        version = version_of(parts[1])
        return None if version is None else str(version)
    suffix = next((each for each in _SDISTS if filename.endswith(each)), None)
    if suffix is None:
        return None
    stem = filename.removesuffix(suffix)
    found = _spellings(name).match(stem)
    version = version_of(stem[found.end() + 1 :]) if found is not None and stem[found.end() :].startswith("-") else None
    return None if version is None else str(version)


@functools.lru_cache(maxsize=1024)
def _spellings(name: str) -> re.Pattern[str]:
    """All spellings of a name in its normal form (PEP 503). To normalise what stands before each hyphen would take hours."""
    return re.compile("[-_.]+".join(name.split("-")), re.IGNORECASE | re.ASCII)


def _checked(name: str, told: Told, filename: str, page: str, upstream: Origin) -> UpstreamFile:
    """The file. Raises ValueError, which says why it is left out."""
    version = version_in(name, filename) if is_filename(filename) else None
    if version is None:
        raise ValueError("it is no wheel or sdist of the project with a version (PEP 440)")
    digest = told.sha256.lower() if isinstance(told.sha256, str) else ""
    if not is_sha256(digest):
        raise ValueError("it has no sha256")
    url = joined(page, told.url) if isinstance(told.url, str) else None
    refused = "is no http(s) address without credentials" if url is None else refusal(upstream, url)
    if url is None or refused is not None:
        raise ValueError(f"its link {refused}")
    size = told.size
    if size is not None and (type(size) is not int or not 0 <= size <= LARGEST_FILE):
        raise ValueError("its size is no number of bytes")
    core = told.core_metadata.lower() if isinstance(told.core_metadata, str) else ""
    return UpstreamFile(
        filename=filename,
        version=version,
        url=url,
        sha256=digest,
        size=size,
        upload_time=told.upload_time,
        since=told.upload_time,
        requires_python=_python(told.requires_python),
        yanked=_yanked(told.yanked),
        core_metadata=core if is_sha256(core) else None,
        provenance=told.provenance if isinstance(told.provenance, str) and origin(told.provenance) is not None else None,
    )


def _python(value: object) -> str | None:
    """The Python that a file requires. Raises ValueError: without it, the file would be shown to everybody."""
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else "\0"
    if len(text) > LONGEST_TEXT or _CONTROL.search(text):
        raise ValueError("the Python that it requires is no short text")
    return text or None


def _yanked(value: object) -> str | None:
    """The reason of a yank, which may be empty; None: not yanked. Raises ValueError."""
    if value is None or value is False:
        return None
    if value is True:
        return ""
    if isinstance(value, str):
        return _CONTROL.sub(" ", value[:LONGEST_TEXT])
    raise ValueError("nobody can tell whether it is yanked")
