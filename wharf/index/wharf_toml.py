"""`wharf.toml`: what an index says about itself on its own branch, reviewed as text (docs/index-format.md). Pure."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from wharf.distribution.file_names import plain
from wharf.errors import StorageError
from wharf.index import policy, retention, upstream_settings, wharf_toml_error
from wharf.index.index_name import is_index_name
from wharf.index.name_globs import is_glob, matcher
from wharf.index.upstream_settings import UpstreamSettings
from wharf.index.wharf_toml_error import wrong
from wharf.index.wharf_toml_values import MOST_GLOBS, globs
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from wharf.index.policy import Policy
    from wharf.index.retention import RetentionRule

PATH: Final = wharf_toml_error.PATH
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

KEYS_OF_RIGHTS: Final = (
    *("bases", "reserved", "shadow", "upload", "upstream", "upstreams", "route", "policy"),
    *("keep-past", "retention"),
)
"""The keys that decide who may do what, which names come from where, which files are shown, and what is deleted."""
KEYS: Final = ("format", METADATA_ASSETS, *KEYS_OF_RIGHTS)
"""The keys that this version knows."""

MOST_BASES = 16
_MOST_UPLOADERS = 100
_LOGIN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}(?:\[bot\])?"
_UPLOADER = re.compile(
    rf"{_LOGIN}|@[A-Za-z0-9][A-Za-z0-9_-]{{0,99}}/[A-Za-z0-9][A-Za-z0-9._-]{{0,99}}"
    r"|repo:[A-Za-z0-9][A-Za-z0-9_-]{0,99}/[A-Za-z0-9._-]{1,100}",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class UploadRule:
    """Who may publish the projects whose names match `glob`: logins, `@org/team`, `repo:owner/name`."""

    glob: str
    uploaders: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)  # without slots: what is compiled from the globs is kept with the value
class IndexSettings:
    """What holds for the whole index, whoever reads or writes it.

    `metadata_assets`: a publish stores core metadata beside each file, where a static site's readers look for it (PEP 658).
    `bases`: indexes of the same repository whose projects this one shows, too, the nearest one first.
    `reserved`: globs of project names that belong to this index also before it has a project of that name, so that they are
    never looked for elsewhere. `shadow`: globs of names that are not looked for in the bases.
    `upload`: who may publish what; the first rule whose glob matches a name decides, and without one everybody who may write.
    `upstream`: where names are looked for that the index does not have. `policy`: which files are shown; None: all.
    `keep_past`: how long the bytes of files stay that left the index. `retention`: which releases `prune` takes out of it.
    """

    metadata_assets: bool = False
    bases: tuple[str, ...] = ()
    reserved: tuple[str, ...] = ()
    shadow: tuple[str, ...] = ()
    upload: tuple[UploadRule, ...] = ()
    upstream: UpstreamSettings = field(default_factory=UpstreamSettings)
    policy: Policy | None = None
    keep_past: timedelta = retention.KEEP_PAST
    retention: tuple[RetentionRule, ...] = ()

    def reserves(self, name: str) -> bool:
        """Whether a project's name (PEP 503 form) is reserved."""
        return bool(self.reserved) and bool(self._reserved.fullmatch(name))

    def shadows(self, name: str) -> bool:
        """Whether the bases' versions of a project (PEP 503 form) are hidden."""
        return bool(self.shadow) and bool(self._shadow.fullmatch(name))

    def uploaders(self, name: str) -> tuple[str, ...] | None:
        """Who may publish a project (PEP 503 form); None: whoever may write to the repository."""
        found = self._upload.fullmatch(name) if self.upload else None
        return None if found is None or found.lastindex is None else self.upload[found.lastindex - 1].uploaders

    @functools.cached_property
    def _reserved(self) -> re.Pattern[str]:
        return matcher(self.reserved)

    @functools.cached_property
    def _shadow(self) -> re.Pattern[str]:
        return matcher(self.shadow)

    @functools.cached_property
    def _upload(self) -> re.Pattern[str]:
        return matcher(tuple(rule.glob for rule in self.upload))


UNREAD: Final = IndexSettings(upload=(UploadRule("*", ()),))
"""What a check of rights is given where the settings cannot be read: what they forbid must not be guessed."""


@functools.lru_cache(maxsize=64)  # each commit is looked at several times, and few of them change the file
def parse(data: bytes) -> IndexSettings:
    """The settings in a `wharf.toml`, as found on a branch; unknown keys are ignored.

    Raises StorageError if it is broken or of a format not known here: what it meant to forbid must not be guessed.
    """
    found = table(data)
    if type(found.get("format")) is not int or found["format"] != FORMAT:
        raise StorageError(
            f"{PATH} on the index branch says format = {plain(repr(found.get('format')))}; this version knows {FORMAT} only.",
            "Update wharf, or fix the file if its number is wrong.",
        )
    metadata_assets = found.get(METADATA_ASSETS, False)
    if not isinstance(metadata_assets, bool):
        raise wrong(METADATA_ASSETS, "true or false")
    bases = found.get("bases", [])
    if not isinstance(bases, list) or len(bases) > MOST_BASES or not all(isinstance(each, str) for each in bases):
        raise wrong("bases", f'a list of at most {MOST_BASES} names of indexes, as in ["main"]')
    if not all(map(is_index_name, bases)) or len({*bases}) != len(bases):
        raise wrong("bases", 'names of indexes, each one once, as in ["main"]')
    upstream = upstream_settings.parse(found)
    if upstream.mode == "redirect" and "policy" in found:
        raise wrong("upstream.mode", '"proxy" where there is a [policy]: a redirect cannot keep that')
    return IndexSettings(
        metadata_assets=metadata_assets,
        bases=tuple(bases),
        reserved=globs(found.get("reserved", []), "reserved"),
        shadow=globs(found.get("shadow", []), "shadow"),
        upload=_upload(found.get("upload", {})),
        upstream=upstream,
        policy=None if "policy" not in found else policy.parse(found["policy"]),
        keep_past=retention.KEEP_PAST if "keep-past" not in found else retention.parse_keep_past(found["keep-past"]),
        retention=retention.parse(found.get("retention", [])),
    )


def unknown_keys(data: bytes) -> list[str]:
    """The keys at the top that no version knows, as far as this one can say. Raises StorageError for what is not TOML."""
    return sorted(table(data).keys() - {*KEYS})


def changed_rights(before: bytes, after: bytes) -> list[str]:
    """The keys of rights that differ between two files, in their order too: the first rule that matches decides.

    Raises StorageError for what is not TOML.
    """
    old, new = table(before), table(after)
    # Compared as text, because equal tables may have different orders.
    return [key for key in KEYS_OF_RIGHTS if repr(old.get(key)) != repr(new.get(key))]


def with_metadata_assets(data: bytes) -> bytes:
    """The same file with that setting on; everything else in it stays as it is."""
    from wharf.text_formats import toml_editing  # imported here, because every command reads the index and only this one edits

    return toml_editing.put_toml(data.decode(), (METADATA_ASSETS,), True).encode()


def _git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest()


KNOWN = {_git_id(each): each for each in (NEW, NEW_WITH_METADATA_ASSETS)}
"""The files that wharf itself writes, by their git ids: a clone without files need not fetch those."""


def table(data: bytes) -> dict[str, object]:
    """What is in the file, whatever it means. Raises StorageError for what is not TOML, or too long."""
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it is longer than {MAX_BYTES >> 10} KiB")
        return dict(toml_and_json.toml(data.decode()))
    except ValueError as error:
        raise StorageError(
            f"{PATH} on the index branch is not TOML: {plain(str(error))}.", "Fix it there; `git log` shows who changed it."
        ) from error


def _upload(table: object) -> tuple[UploadRule, ...]:
    if not isinstance(table, dict) or len(table) > MOST_GLOBS:
        raise wrong("upload", 'a table of lists, as in "acme-*" = ["alice", "@acme/platform"]')
    for glob, uploaders in table.items():
        if not is_glob(glob):
            raise wrong("upload", f'a table with project names as keys, as "acme-*"; {plain(repr(glob), 50)} is not one')
        if not isinstance(uploaders, list) or len(uploaders) > _MOST_UPLOADERS or not _are_uploaders(uploaders):
            raise wrong(f"upload.{glob}", 'a list of logins, teams and repositories, as in ["alice", "@acme/platform"]')
    return tuple(UploadRule(glob, tuple(uploaders)) for glob, uploaders in table.items())


def _are_uploaders(values: Iterable[object]) -> bool:
    return all(isinstance(each, str) and _UPLOADER.fullmatch(each) for each in values)
