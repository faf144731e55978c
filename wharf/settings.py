"""Settings: which repository, which index, and what the index says about itself. Pure: text and mappings in, values out."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_INDEX = "main"
FORMAT = 1
"""The format of the index branch that this version reads and writes (docs/index-format.md)."""

INDEX_FILE = "wharf.toml"
NEW_INDEX_FILE = f"""\
# The settings of this index, reviewed as text (wharf: docs/index-format.md).
format = {FORMAT}
""".encode()

_INDEX = re.compile(r"[a-z0-9][a-z0-9-]{0,63}", re.ASCII)
_RESERVED = frozenset({"simple", "files", "legacy", "pypi", "healthz", "static", "api", "metrics"})
_ON_GITHUB = re.compile(r"https?://.*|git@.*|github:.*|[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a command works on: the folder of an embedded store, and the name of an index in it."""

    folder: Path
    index: str = DEFAULT_INDEX


def resolve(*, repo: str | None, index: str | None, environ: Mapping[str, str], default_folder: Path) -> Settings:
    """The settings of a command: the option, else `WHARF_REPO`, else the embedded store in the user's data folder.

    Raises UsageError for an address or an index name that cannot be.
    """
    address = repo if repo is not None else environ.get("WHARF_REPO") or None
    name = index if index is not None else environ.get("WHARF_INDEX") or DEFAULT_INDEX
    if not _INDEX.fullmatch(name) or name in _RESERVED:
        raise UsageError(
            f"{name!r} cannot be the name of an index.",
            f"Use lower-case letters, digits and hyphens, and none of: {', '.join(sorted(_RESERVED))}.",
        )
    return Settings(folder=default_folder if address is None else _folder(address), index=name)


def _folder(address: str) -> Path:
    if not address.strip() or "\0" in address:
        raise UsageError("The address of the repository is empty.", "Name a folder, as in `--repo ./store`.")
    path = Path(address).expanduser()
    if _ON_GITHUB.fullmatch(address) and not path.is_dir():
        raise UsageError(
            f"{address!r} looks like a repository on GitHub, which this version does not reach yet.",
            f"For a folder of that name type `--repo ./{address}`." if ":" not in address else "Name a folder.",
        )
    return path.absolute()


def check_index_file(data: bytes) -> None:
    """Check `wharf.toml` as found on a branch. Raises StorageError if it is broken or of a format not known here."""
    try:
        found = tomllib.loads(data.decode()).get("format")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StorageError(
            f"{INDEX_FILE} on the index branch is not TOML: {error}.", "Mend it there; `git log` shows who changed it."
        ) from error
    if found != FORMAT:
        raise StorageError(
            f"{INDEX_FILE} on the index branch says format = {found!r}; this version knows {FORMAT} only.",
            "Update wharf, or mend the file if its number is wrong.",
        )
