"""The pages of an upstream on disk: one file for each project, as values that were checked.

A file is written beside its place and renamed: a reader sees the one before or the one after, also if two processes write, or
one is killed. It is not synced, because clients wait for that. Its first line has the digest of the rest. What is torn,
changed, or of another name or format counts as missing, and so does a folder that others may write to. A disk that cannot be
written is a problem to tell, and stops no answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from wharf.errors import OddFileError
from wharf.model import Status
from wharf.sources import first_sight
from wharf.sources.upstream_project import LeftOut, UpstreamFile, UpstreamProject
from wharf.system import disk_remedies, owner_only_folder, regular_file
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from pathlib import Path

PAGES: Final = "pages"
METADATA: Final = "metadata"
DIGESTS: Final = "digests"
"""The folders that the cache has of one upstream: pages by project, core metadata by sha256, and, of an upstream in a folder,
the digests of its files."""
LARGEST: Final = 256 << 20
"""Bytes of a kept page that are read."""

MOST_BYTES: Final = 1 << 30
"""Bytes of all kept pages of an upstream."""

_FORMAT = b"wharf upstream page 1 "
_NEW = ".new"
_LOOK = 256  # writes between two looks at how much there is
_OLD = 3600.0  # seconds after which nobody writes a file any more that is not in its place


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPage:
    """A project as the upstream told it at `got` (UTC), to be used for `lifetime` seconds; and what helps to ask again.

    `missing`: the upstream has no such project any more, and only `sights` are of use. `validator` are 40 hex digits of all
    that `project` has. `size` is the number of bytes on disk.
    `confirmed`: when the upstream said last that it holds, as far as this process knows.
    """

    project: UpstreamProject
    sights: first_sight.Sights
    got: datetime
    lifetime: float
    etag: str | None = None
    last_modified: str | None = None
    missing: bool = False
    validator: str = ""
    size: int = 0
    confirmed: datetime | None = None


def encoded(page: KeptPage) -> bytes:
    """The bytes of the file."""
    return sealed(_body(page))


def sealed(body: bytes) -> bytes:
    """Bytes with a line before them by which `unsealed` knows them again."""
    return _FORMAT + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def unsealed(data: bytes) -> bytes | None:
    """The bytes that were sealed; None if these are not all of them."""
    head, _, body = data.partition(b"\n")
    return body if head == _FORMAT + hashlib.sha256(body).hexdigest().encode() else None


def validator_of(project: UpstreamProject) -> str:
    """40 hex digits that change when, and only when, anything of the project differs."""
    since = [None if each.since is None else each.since.isoformat() for each in project.files]
    return hashlib.sha256(json.dumps([_project(project), since]).encode()).hexdigest()[:40]


def decoded(name: str, data: bytes) -> KeptPage | None:
    """The page of that project; None for whatever is not one that was written whole."""
    body = unsealed(data)
    if body is None:
        return None
    try:
        page = _page(toml_and_json.json_value(body), len(data))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return page if page.project.name == name else None


class PageStore:
    """The pages in a folder, of at most `most` bytes or a little more: what was written the longest time ago goes first.

    Safe to use from several threads and processes. `problem` is what keeps it from writing.
    """

    def __init__(self, folder: Path, most: int = MOST_BYTES) -> None:
        self._folder = folder
        self._most = most
        self._writes = 0
        self.problem: str | None = None
        with contextlib.suppress(OSError):
            now = datetime.now(UTC).timestamp()
            for each in folder.glob(f"*{_NEW}"):
                if now - each.lstat().st_mtime > _OLD:
                    each.unlink()

    def read(self, name: str) -> KeptPage | None:
        """The page of a project (PEP 503 form), if there is one that can be used."""
        data = self.read_bytes(name, LARGEST)
        return None if data is None else decoded(name, data)

    def read_bytes(self, name: str, most: int) -> bytes | None:
        """What was written under that name, as it is found; None if there is nothing, or more than `most` bytes."""
        try:
            if not self._is_ours():
                return None
            with os.fdopen(regular_file.handle_of(self._folder / name), "rb") as file:
                data = file.read(most + 1)
        except (OSError, OddFileError):
            return None
        return data if len(data) <= most else None

    def write(self, name: str, data: bytes) -> None:
        """Keep bytes under a name: a page as `encoded` gives it."""
        new = self._folder / f"{name[:100]}.{secrets.token_hex(8)}{_NEW}"
        try:
            owner_only_folder.make(self._folder)
            if not self._is_ours():
                self.problem = f"{self._folder} belongs to somebody else, or others may write to it: no page is kept there."
                return
            try:
                handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                regular_file.put(new, self._folder / name)
            except BaseException:
                with contextlib.suppress(OSError):
                    new.unlink()
                raise
        except OddFileError as error:
            self.problem = error.sentences
        except OSError as error:
            why = f"{self._folder} cannot be written: {error.strerror or error}."
            self.problem = f"{why} {disk_remedies.hint(error, disk_remedies.CACHE)}"
        else:
            self.problem = None
        self._writes += 1
        if self._writes % _LOOK == 1 or len(data) > self._most // _LOOK:
            self._make_room()

    def _make_room(self) -> None:
        """Delete the oldest files, if there are more bytes than there may be."""
        found: list[tuple[float, str, int]] = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for each in entries:
                with contextlib.suppress(FileNotFoundError):  # another process renamed or deleted it
                    about = each.stat(follow_symlinks=False)
                    found.append((about.st_mtime, each.name, about.st_size))
        left = sum(size for _, _, size in found)
        for _, name, size in sorted(found):
            if left <= self._most:
                return
            self.delete(name)
            left -= size

    def delete(self, name: str) -> None:
        """Keep nothing of a project."""
        with contextlib.suppress(OSError, OddFileError):
            regular_file.delete(self._folder / name)

    def _is_ours(self) -> bool:
        """Whether nobody but this user (and the system) can put a file there. Raises OSError."""
        found = self._folder.lstat()
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _body(page: KeptPage) -> bytes:
    names = {first_sight.key(each) for each in page.project.files}
    gone = {key: _text(value) for key, value in page.sights.items() if key not in names}
    sights = [_text(page.sights.get(first_sight.key(each))) for each in page.project.files]
    found = {
        "project": _project(page.project),
        "validator": page.validator,
        "sights": sights,
        "gone": gone,
        "got": page.got.isoformat(),
        "lifetime": page.lifetime,
        "etag": page.etag,
        "last_modified": page.last_modified,
        "missing": page.missing,
    }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()


def _project(project: UpstreamProject) -> list[object]:
    """All of a project but `since`, which follows from the sights."""
    files = [
        [
            each.filename, each.version, each.url, each.sha256, each.size, _text(each.upload_time), each.requires_python,
            each.yanked, each.core_metadata, each.provenance,
        ]
        for each in project.files
    ]  # fmt: skip
    left = [[each.filename, each.reason] for each in project.left_out]
    return [project.name, project.status.marker, project.status.reason, files, left]


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _page(found: Any, size: int) -> KeptPage:  # noqa: ANN401 - whatever is wrong in it raises
    name, marker, reason, told, left = found["project"]
    files = [
        UpstreamFile(
            filename=filename, version=version, url=url, sha256=sha256, size=bytes_, upload_time=_moment(uploaded),
            requires_python=python, yanked=yanked, core_metadata=core, provenance=provenance,
        )
        for filename, version, url, sha256, bytes_, uploaded, python, yanked, core, provenance in told
    ]  # fmt: skip
    sights = {key: _moment(value) for key, value in found["gone"].items()}
    sights |= {first_sight.key(file): _moment(sight) for file, sight in zip(files, found["sights"], strict=True)}
    project = UpstreamProject(
        name=name,
        files=first_sight.dated(files, sights),
        status=Status(marker=marker, reason=reason),
        left_out=tuple(LeftOut(filename, why) for filename, why in left),
    )
    return KeptPage(
        project=project,
        sights=sights,
        got=datetime.fromisoformat(found["got"]),
        lifetime=float(found["lifetime"]),
        etag=found["etag"],
        last_modified=found["last_modified"],
        missing=found["missing"] is True,
        validator=str(found["validator"]),
        size=size,
    )
