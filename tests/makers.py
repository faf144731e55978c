"""Builders of wheels and sdists for tests: small, installable, and the same bytes for the same arguments."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import re
import tarfile
import zipfile
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Content: TypeAlias = "str | bytes"

_MOMENT = (2024, 1, 2, 3, 4, 6)
_MTIME = 1704164646

_PYPROJECT = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""

_BACKEND = """\
import base64, hashlib, pathlib, zipfile

STEM, MODULE = {stem!r}, {module!r}


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    info = STEM + ".dist-info"
    files = {{
        MODULE: pathlib.Path(MODULE).read_bytes(),
        info + "/METADATA": pathlib.Path("PKG-INFO").read_bytes(),
        info + "/WHEEL": b"Wheel-Version: 1.0\\nGenerator: makers\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{{name}},sha256={{digest}},{{len(data)}}\\n"
    files[info + "/RECORD"] = (record + info + "/RECORD,,\\n").encode()
    filename = STEM + "-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, filename), "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return filename
"""


def _bytes(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def escaped(name: str) -> str:
    """`name` as the build tools of today spell it in file names."""
    return re.sub(r"[-_.]+", "_", name).lower()


def core_metadata(
    name: str = "demo",
    version: str = "1.0",
    *,
    metadata_version: str = "2.1",
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    extras: Iterable[str] = (),
    dynamic: Iterable[str] = (),
    fields: Iterable[str] = (),
    description: str = "",
) -> str:
    """A METADATA or PKG-INFO; `fields` are whole lines that are put behind the others."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}", "Summary: A demonstration"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {require}" for require in requires]
    lines += [f"Dynamic: {field}" for field in dynamic]
    lines += fields
    return "\n".join(lines) + "\n\n" + description


def zip_bytes(members: Iterable[tuple[str | zipfile.ZipInfo, Content]]) -> bytes:
    """A zip archive of these members in this order; a ZipInfo is taken as it is."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            if isinstance(name, str):
                info = zipfile.ZipInfo(name, _MOMENT)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3
                info.external_attr = 0o100644 << 16
            else:
                info = name
            archive.writestr(info, _bytes(content))
    return buffer.getvalue()


def tar_bytes(members: Iterable[tuple[str | tarfile.TarInfo, Content]], *, format: int = tarfile.PAX_FORMAT) -> bytes:  # noqa: A002
    """An uncompressed tar archive of these members in this order; a TarInfo is taken as it is, with the size of its content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, content in members:
            data = _bytes(content)
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.mtime = _MTIME
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, compresslevel=6, mtime=0)


def record(files: Mapping[str, bytes], path: str) -> str:
    """The RECORD of a wheel with these files, itself at `path`."""
    lines = []
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        lines.append(f"{name},sha256={digest},{len(data)}\n")
    return "".join([*lines, f"{path},,\n"])


def make_wheel(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    tag: str = "py3-none-any",
    build: str | None = None,
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    extras: Iterable[str] = (),
    metadata_version: str = "2.1",
    fields: Iterable[str] = (),
    content: str = "",
    files: Mapping[str, Content] | None = None,
    metadata: Content | None = None,
    about: Content | None = None,
    dist_info: str | None = None,
    filename: str | None = None,
    without: Iterable[str] = (),
    extra_members: Iterable[tuple[str | zipfile.ZipInfo, Content]] = (),
) -> Path:
    """An installable wheel in `folder`, which is made if need be.

    Its one module, named as the project, holds `__version__` and `content`, so that other content makes other bytes under the
    same file name; `files` adds more. `metadata` and `about` replace METADATA and WHEEL, `dist_info` and `filename` those
    names. `without` leaves members of the dist-info folder out (`{"RECORD"}`); `extra_members` come last, not in RECORD.
    """
    stem = f"{escaped(name)}-{version}"
    info = dist_info or f"{stem}.dist-info"
    interpreters, abis, platforms = (part.split(".") for part in tag.split("-"))
    lines = ["Wheel-Version: 1.0", "Generator: makers", "Root-Is-Purelib: true"]
    lines += [f"Tag: {one}-{two}-{three}" for one in interpreters for two in abis for three in platforms]
    lines += [f"Build: {build}"] if build else []
    if metadata is None:
        metadata = core_metadata(
            name,
            version,
            metadata_version=metadata_version,
            requires=requires,
            requires_python=requires_python,
            extras=extras,
            fields=fields,
        )
    members = {f"{escaped(name)}.py": f"__version__ = {version!r}\ncontent = {content!r}\n".encode()}
    members |= {path: _bytes(data) for path, data in (files or {}).items()}
    members |= {
        f"{info}/METADATA": _bytes(metadata),
        f"{info}/WHEEL": _bytes("\n".join(lines) + "\n" if about is None else about),
    }
    members[f"{info}/RECORD"] = record(members, f"{info}/RECORD").encode()
    for left_out in without:
        del members[f"{info}/{left_out}"]
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (filename or f"{'-'.join([stem, *([build] if build else []), tag])}.whl")
    path.write_bytes(zip_bytes([*members.items(), *extra_members]))
    return path


def make_sdist(
    folder: Path,
    name: str = "demo",
    version: str = "1.0",
    *,
    suffix: str = ".tar.gz",
    requires: Iterable[str] = (),
    requires_python: str | None = None,
    extras: Iterable[str] = (),
    metadata_version: str = "2.2",
    dynamic: Iterable[str] = (),
    fields: Iterable[str] = (),
    content: str = "",
    files: Mapping[str, Content] | None = None,
    metadata: Content | None = None,
    top: str | None = None,
    filename: str | None = None,
    without: Iterable[str] = (),
    extra_members: Iterable[tuple[str | tarfile.TarInfo, Content]] = (),
    format: int = tarfile.PAX_FORMAT,  # noqa: A002
) -> Path:
    """An sdist in `folder`, which is made if need be; it builds and installs without any other package and without network.

    As `make_wheel`; `files` and `without` are paths under the top folder, `top` replaces that folder's name, and
    `extra_members` come with their whole path. As a .zip, `extra_members` have to be named by strings.
    """
    module = escaped(name)
    if metadata is None:
        metadata = core_metadata(
            name,
            version,
            metadata_version=metadata_version,
            requires=requires,
            requires_python=requires_python,
            extras=extras,
            dynamic=dynamic,
            fields=fields,
        )
    inside = {"PKG-INFO": _bytes(metadata), "pyproject.toml": _PYPROJECT.encode()}
    inside["backend.py"] = _BACKEND.format(stem=f"{module}-{version}", module=f"{module}.py").encode()
    inside[f"{module}.py"] = f"__version__ = {version!r}\ncontent = {content!r}\n".encode()
    inside |= {path: _bytes(data) for path, data in (files or {}).items()}
    for left_out in without:
        del inside[left_out]
    top = f"{module}-{version}" if top is None else top
    members: list[tuple[str | tarfile.TarInfo, Content]] = [(f"{top}/{path}", data) for path, data in inside.items()]
    members += extra_members
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (filename or f"{module}-{version}{suffix}")
    if suffix == ".zip":
        path.write_bytes(zip_bytes([(name, data) for name, data in members if isinstance(name, str)]))
    else:
        path.write_bytes(gzipped(tar_bytes(members, format=format)))
    return path
