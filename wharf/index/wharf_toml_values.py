"""Values in `wharf.toml` that several of its keys have: lists of globs, and tables. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.index.name_globs import is_glob
from wharf.index.wharf_toml_error import wrong

if TYPE_CHECKING:
    from collections.abc import Collection

MOST_GLOBS: Final = 1000
"""Globs in one list."""

_NAMES = 'a list of project names, with * for any letters, as in ["acme-*"]'


def globs(value: object, key: str) -> tuple[str, ...]:
    """The list of globs that a key has. Raises StorageError for anything else."""
    if not isinstance(value, list) or len(value) > MOST_GLOBS:
        raise wrong(key, _NAMES)
    if not all(isinstance(each, str) and is_glob(each) for each in value):
        raise wrong(key, _NAMES)
    return tuple(value)


def table_of(value: object, key: str, keys: Collection[str]) -> dict[str, object]:
    """The table that a key has, with no other keys than `keys`. Raises StorageError for anything else.

    Whoever misspells a key must learn that it means nothing.
    """
    if not isinstance(value, dict) or not value.keys() <= {*keys}:
        raise wrong(key, f"a table of {', '.join(keys)}, and nothing else")
    return value
