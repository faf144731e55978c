"""The check of `wharf.toml`: whether it can be read, keys that nobody knows, and what changes in who may do what. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import StorageError, did_you_mean
from wharf.index import wharf_toml

if TYPE_CHECKING:
    from wharf.index.check_findings import CheckFindings
    from wharf.index.wharf_toml import IndexSettings

_MEANING = {
    "bases": "which other indexes this one shows",
    "reserved": "which names are never looked for elsewhere",
    "shadow": "which names are not looked for in the bases",
    "upload": "who may publish which projects",
    "upstream": "how clients get what this index does not have, and from which address",
    "upstreams": "which further addresses names are looked for at",
    "route": "which names are looked for where",
    "policy": "which files are shown",
    "keep-past": "how long deleted bytes of the past stay",
    "retention": "which releases are dropped",
}


def check_settings(before: bytes | None, after: bytes | None, findings: CheckFindings) -> IndexSettings | None:
    """Check the file as it is now, and with `before` what changed in it. None for `after`: it is not there.

    Returns the settings, or None if nobody can read them.
    """
    if after is None:
        findings.error(wharf_toml.PATH, "It is missing: without it, the branch is no index.")
        return None
    try:
        for key in wharf_toml.unknown_keys(after):
            near = did_you_mean(key, wharf_toml.KEYS)
            findings.warning(wharf_toml.PATH, f"The key {key!r} is not known, and means nothing. {near}".strip())
    except StorageError as error:
        findings.error(wharf_toml.PATH, error.message)
        return None
    if before is not None:
        _check_rights(before, after, findings)
    try:
        return wharf_toml.parse(after)
    except StorageError as error:
        findings.error(wharf_toml.PATH, error.message)
        return None


def _check_rights(before: bytes, after: bytes, findings: CheckFindings) -> None:
    try:
        changed = wharf_toml.changed_rights(before, after)
    except StorageError:  # the earlier file is no TOML: whatever there is now is new
        changed = wharf_toml.changed_rights(wharf_toml.NEW, after)
    for key in changed:
        findings.rights(wharf_toml.PATH, f"{key!r} changes: {_MEANING[key]}.")
