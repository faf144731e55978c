"""The pages of a scripted upstream, as public indexes give them: PEP 691 JSON up to version 1.4, and HTML."""

from __future__ import annotations

import hashlib
import html
import json
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN = "text/html"


@dataclass
class File:
    """A wheel or an sdist, and what the page says of it, which a test may change into anything at any time.

    `sha256` and `size` are those of the bytes at `path`; None: the page does not say them. `core_metadata` are the bytes at the
    address with `.metadata`; None: there are none. The page says `metadata_sha256`; an empty text: it says only that there are
    some. `url`: the page links there, in place of where the file is. `more` are further keys of the JSON page.
    """

    path: Path
    filename: str
    sha256: str | None
    size: int | None
    upload_time: str | None = "2024-01-02T03:04:05.678901Z"
    yanked: str | None = None
    requires_python: str | None = None
    core_metadata: bytes | None = None
    metadata_sha256: str = ""
    provenance: str | None = None
    url: str | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, path: Path, **said: Any) -> File:
        """A file as it is; of a wheel, the core metadata are announced."""
        data = path.read_bytes()
        file = cls(path=path, filename=path.name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
        if path.suffix == ".whl" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as wheel:
                name = next((each for each in wheel.namelist() if each.endswith(".dist-info/METADATA")), None)
                file.core_metadata = wheel.read(name) if name else None
        file.metadata_sha256 = hashlib.sha256(file.core_metadata or b"").hexdigest()
        for key, value in said.items():
            assert hasattr(file, key), key
            setattr(file, key, value)
        return file


@dataclass
class Project:
    """A project as its page shows it. `status` as in PEP 792; None: the page says nothing of it."""

    name: str
    files: list[File] = field(default_factory=list)
    status: str | None = None
    reason: str | None = None

    def page(self, packages: str, *, as_json: bool) -> bytes:
        """Its page; files are at the address `packages`."""
        return self._json(packages) if as_json else self._html(packages)

    def _json(self, packages: str) -> bytes:
        document: dict[str, Any] = {"meta": {"api-version": "1.4"}, "name": self.name}
        if self.status is not None:
            document["project-status"] = {"status": self.status} | ({"reason": self.reason} if self.reason else {})
        document["versions"] = sorted({_version(each.filename) for each in self.files})
        document["files"] = [_entry(each, packages) for each in self.files]
        return json.dumps(document, separators=(",", ":")).encode()

    def _html(self, packages: str) -> bytes:
        head = '<!DOCTYPE html><html><head><meta name="pypi:repository-version" content="1.4">'
        if self.status is not None:
            head += f'<meta name="pypi:project-status" content="{html.escape(self.status)}">'
            head += f'<meta name="pypi:project-status-reason" content="{html.escape(self.reason)}">' if self.reason else ""
        links = "<br>\n".join(_link(each, packages) for each in self.files)
        return f"{head}</head><body><h1>Links for {html.escape(self.name)}</h1>\n{links}</body></html>\n".encode()


def listed(projects: Iterable[Project], *, as_json: bool) -> bytes:
    """The list of projects."""
    if as_json:
        names = [{"name": each.name} for each in projects]
        return json.dumps({"meta": {"api-version": "1.4"}, "projects": names}, separators=(",", ":")).encode()
    links = "".join(f'<a href="{canonicalize_name(each.name)}/">{html.escape(each.name)}</a><br>\n' for each in projects)
    return f"<!DOCTYPE html><html><body>\n{links}</body></html>\n".encode()


def project_of(filename: str) -> str:
    """The normal name of the project that a file belongs to."""
    parse = parse_wheel_filename if filename.endswith(".whl") else parse_sdist_filename
    return parse(filename)[0]


def _version(filename: str) -> str:
    parts = filename.removesuffix(".whl").removesuffix(".tar.gz").removesuffix(".zip").split("-")
    return parts[1] if filename.endswith(".whl") else parts[-1]


def _where(file: File, packages: str) -> str:
    return packages + file.filename if file.url is None else file.url


def _entry(file: File, packages: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"filename": file.filename, "url": _where(file, packages)}
    entry["hashes"] = {} if file.sha256 is None else {"sha256": file.sha256}
    if file.core_metadata is not None:
        digest: Any = {"sha256": file.metadata_sha256} if file.metadata_sha256 else True
        entry |= {"core-metadata": digest, "data-dist-info-metadata": digest}
    for key, value in (
        ("requires-python", file.requires_python),
        ("size", file.size),
        ("upload-time", file.upload_time),
        ("provenance", file.provenance),
    ):
        if value is not None:
            entry[key] = value
    entry["yanked"] = False if file.yanked is None else file.yanked or True
    return entry | file.more


def _link(file: File, packages: str) -> str:
    attributes = {"href": _where(file, packages) + ("" if file.sha256 is None else f"#sha256={file.sha256}")}
    if file.requires_python is not None:
        attributes["data-requires-python"] = file.requires_python
    if file.core_metadata is not None:
        attributes["data-core-metadata"] = f"sha256={file.metadata_sha256}" if file.metadata_sha256 else "true"
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    if file.provenance is not None:
        attributes["data-provenance"] = file.provenance
    words = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
    return f"<a {words}>{html.escape(file.filename)}</a>"
