"""What a client asks of an upload session, as values: the JSON documents of PEP 694, read as anything may stand in them. Pure.

Keys that nobody knows are ignored, as later versions of the API may have more.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from packaging.utils import InvalidName, canonicalize_name

from wharf.errors import TooLargeError, UsageError
from wharf.model import is_name, version_of
from wharf.text_formats.toml_and_json import strict_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

API_VERSION: Final = "2.0"
"""The version of the API that there is."""
MECHANISM: Final = "http-post-bytes"
"""How bytes come: the one way that each server has."""
MOST_HASHES: Final = 20
"""Digests that may be said of one file."""
MOST_AT_ONCE: Final = 100
"""Files that may come in one request."""
MOST_BYTES: Final = 64 << 20
"""Bytes of all files of one request."""

_HEX = re.compile(r"[0-9a-f]+", re.ASCII)
_HASHES = {  # digits of each that hashlib has everywhere; those of shake are of any length
    name: hashlib.new(name, usedforsecurity=False).digest_size * 2 or None for name in hashlib.algorithms_guaranteed
}
_BROKEN = frozenset({"md5", "sha1"})  # in which somebody else's file with the same digest can be made
_WEAK = "At least one digest has to be safe, such as sha256."
_REMEDY = "Send what the documentation of upload sessions shows."


class NoSuchMechanismError(UsageError):
    """A way to send bytes that the server does not have."""

    code = "mechanism"
    http_status = 422


@dataclass(frozen=True, slots=True)
class ReleaseAsked:
    """The release of a new session: the PEP 503 name, and the normal form of the version."""

    project: str
    version: str


@dataclass(frozen=True, slots=True)
class FileAsked:
    """A file that is going to be uploaded. `hashes` are in lower-case hex, by names of hashlib."""

    filename: str
    size: int
    hashes: Mapping[str, str]


def read_release(data: bytes) -> ReleaseAsked:
    """A request for a session. Raises UsageError."""
    said = _document(data)
    return release_asked(_text(said, "name"), _text(said, "version"))


def release_asked(name: str, version: str) -> ReleaseAsked:
    """The release of that name and version. Raises UsageError."""
    try:
        project = str(canonicalize_name(name, validate=True))
    except InvalidName as error:
        raise UsageError(f"'{_shown(name, 100)}' is not the name of a project.", "Write a name as in my-project.") from error
    if not is_name(project):
        raise UsageError(f"'{_shown(name, 100)}' is too long for the name of a project.", "Use 200 characters at most.")
    parsed = version_of(version)
    if parsed is None:
        raise UsageError(f"'{_shown(version, 100)}' is not a version.", "Write it as in 1.0 (PEP 440).")
    return ReleaseAsked(project, str(parsed))


def read_file(data: bytes) -> FileAsked:
    """A request to upload a file. Its name may be any text. Raises UsageError, and NoSuchMechanismError."""
    said = _document(data)
    asked = _file(said)
    mechanism = _text(said, "mechanism")
    if mechanism != MECHANISM:
        raise NoSuchMechanismError(
            f"This server does not take files by the mechanism '{_shown(mechanism, 60)}'.", f"Use {MECHANISM!r}."
        )
    return asked


def read_files(data: bytes) -> Sequence[FileAsked]:
    """The first line of a request that brings many files. Raises UsageError, and TooLargeError."""
    files = _document(data).get("files")
    if not isinstance(files, list) or not files or not all(isinstance(each, dict) for each in files):
        raise UsageError("`files` must be a list with an object for each file.", _REMEDY)
    found = [_file(each) for each in files]
    if len(found) > MOST_AT_ONCE or sum(each.size for each in found) > MOST_BYTES:
        raise TooLargeError(
            f"One request takes {MOST_AT_ONCE} files and {MOST_BYTES >> 20} MiB at most.",
            "Send the files in several requests, and a large one by itself.",
        )
    return found


def read_seconds(data: bytes) -> int:
    """A request for more time: the seconds. Raises UsageError."""
    seconds = _document(data).get("extend-for")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds < 0:
        raise UsageError("`extend-for` must be a number of seconds.", _REMEDY)
    return min(seconds, 1 << 32)


def check_document(data: bytes) -> None:
    """A request that says nothing more. Raises UsageError."""
    _document(data)


def _file(said: Mapping[str, Any]) -> FileAsked:
    filename = _text(said, "filename")
    size = said.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 1:
        raise UsageError("`size` must be the number of bytes of the file, which has at least one.", _REMEDY)
    return FileAsked(filename, size, _hashes(said.get("hashes")))


def _shown(text: str, limit: int) -> str:
    """Words of a client in one short line of ASCII."""
    return ascii(text[:limit])[1:-1]


def _document(data: bytes) -> dict[str, Any]:
    try:
        said = strict_json(data)
    except ValueError as error:
        raise UsageError(f"The body is not a JSON document: {_shown(str(error), 150)}.", _REMEDY) from error
    meta = said.get("meta") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(meta, dict):
        raise UsageError("The body has no object `meta`.", _REMEDY)
    version = meta.get("api-version")
    if version != API_VERSION:
        raise UsageError(f"`meta.api-version` must be the string {API_VERSION!r}.", _REMEDY)
    return said


def _text(said: Mapping[str, Any], key: str) -> str:
    value = said.get(key)
    if not isinstance(value, str):
        raise UsageError(f"`{key}` must be a string.", _REMEDY)
    return value


def _hashes(said: object) -> Mapping[str, str]:
    if not isinstance(said, dict) or not said:
        raise UsageError("`hashes` must have a digest of the file in hex, by the name of its algorithm.", _WEAK)
    if len(said) > MOST_HASHES:
        raise UsageError(f"`hashes` has more than {MOST_HASHES} digests.", _WEAK)
    found = {}
    for name, value in said.items():
        digest = value.lower() if isinstance(value, str) else ""
        if name not in _HASHES:
            raise UsageError(f"`hashes` has the algorithm '{_shown(name, 40)}', which this server does not have.", _WEAK)
        digits = _HASHES[name] or len(digest)
        if not _HEX.fullmatch(digest) or len(digest) != digits or len(digest) % 2 or len(digest) > 256:
            raise UsageError(f"The digest {name} in `hashes` is not one in hex.", _REMEDY)
        found[name] = digest
    if not any(name not in _BROKEN and len(digest) >= 40 for name, digest in found.items()):
        raise UsageError("`hashes` has no digest that is safe.", _WEAK)
    return found
