"""Edits of people's configuration files as text: everything else in them, comments too, stays as it is. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Sequence


def put_toml(text: str, keys: Sequence[str], value: bool | str) -> str:
    """TOML with the value at the keys, which lead through tables that are made where they are missing."""
    document = tomlkit.parse(text)
    table: tomlkit.TOMLDocument | tomlkit.items.Table = document
    for key in keys[:-1]:
        if key not in table:
            table[key] = tomlkit.table()
        found = table[key]
        if not isinstance(found, tomlkit.items.Table):
            raise TypeError(f"{key} is no table")
        table = found
    table[keys[-1]] = value
    return tomlkit.dumps(document)
