"""`wharf.toml`: what an index says about itself on its own branch, reviewed as text (docs/index-format.md). Pure."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass
from fnmatch import translate

from wharf.distribution.file_names import plain
from wharf.errors import StorageError
from wharf.text_formats import toml_and_json

PATH = "wharf.toml"
FORMAT = 1
"""The format of the index branch that this version reads and writes (docs/index-format.md)."""

MAX_BYTES = 64 << 10
"""A longer file is not read."""
METADATA_ASSETS = "metadata-assets"
NEW = f"""\
# The settings of this index, reviewed as text (wharf: docs/index-format.md).
format = {FORMAT}
""".encode()
NEW_WITH_METADATA_ASSETS = NEW + f"{METADATA_ASSETS} = true\n".encode()

_MOST_GLOBS = 1000
_GLOB = re.compile(r"[A-Za-z0-9._*?\[\]!-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSettings:
    """What holds for the whole index, whoever reads or writes it.

    `metadata_assets`: a publish stores core metadata beside each file, where a static site's readers look for it (PEP 658).
    `reserved`: globs of project names that belong to this index also before it has a project of that name, so that they are
    never looked for elsewhere.
    """

    metadata_assets: bool = False
    reserved: tuple[str, ...] = ()

    def reserves(self, name: str) -> bool:
        """Whether a project's name (PEP 503 form) is reserved."""
        return bool(self.reserved) and bool(_matcher(self.reserved).fullmatch(name))


def parse(data: bytes) -> IndexSettings:
    """The settings in a `wharf.toml`, as found on a branch; unknown keys are ignored.

    Raises StorageError if it is broken or of a format not known here: what it meant to forbid must not be guessed.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES >> 10} KiB")
        found = toml_and_json.toml(data.decode())
    except ValueError as error:
        raise StorageError(
            f"{PATH} on the index branch is not TOML: {plain(str(error))}.", "Fix it there; `git log` shows who changed it."
        ) from error
    if type(found.get("format")) is not int or found["format"] != FORMAT:
        raise StorageError(
            f"{PATH} on the index branch says format = {plain(repr(found.get('format')))}; this version knows {FORMAT} only.",
            "Update wharf, or fix the file if its number is wrong.",
        )
    metadata_assets, reserved = found.get(METADATA_ASSETS, False), found.get("reserved", [])
    if not isinstance(metadata_assets, bool):
        raise _wrong(METADATA_ASSETS, "true or false")
    fits = isinstance(reserved, list) and len(reserved) <= _MOST_GLOBS
    if not fits or not all(isinstance(each, str) and _GLOB.fullmatch(each) for each in reserved):
        raise _wrong("reserved", 'a list of project names, with * for any letters, as in ["acme-*"]')
    return IndexSettings(metadata_assets=metadata_assets, reserved=tuple(reserved))


def with_metadata_assets(data: bytes) -> bytes:
    """The same file with that setting on; everything else in it stays as it is."""
    from wharf.text_formats import toml_editing  # imported here, because every command reads the index and only this one edits

    return toml_editing.put_toml(data.decode(), (METADATA_ASSETS,), True).encode()


def _git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


KNOWN = {_git_id(each): each for each in (NEW, NEW_WITH_METADATA_ASSETS)}
"""The files that wharf itself writes, by their git ids: a clone without files need not fetch those."""


def _wrong(key: str, wanted: str) -> StorageError:
    return StorageError(
        f"{key!r} in {PATH} on the index branch must be {wanted}.", "Fix it there; `git log` shows who changed it."
    )


@functools.lru_cache(maxsize=16)
def _matcher(globs: tuple[str, ...]) -> re.Pattern[str]:
    """One pattern for all globs, in the normal form of names (PEP 503), so that `Acme_*` means what `acme-*` means."""
    return re.compile("|".join(translate(re.sub(r"[-_.]+", "-", glob).lower()) for glob in globs))
