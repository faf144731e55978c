"""The error for a value in `wharf.toml` that is not understood: what it meant to forbid must not be guessed. Pure."""

from __future__ import annotations

from typing import Final

from wharf.errors import StorageError

PATH: Final = "wharf.toml"


def wrong(key: str, wanted: str) -> StorageError:
    """What to raise for the value of a key, by its dotted name; `wanted` says what it must be."""
    return StorageError(
        f"{key!r} in {PATH} on the index branch must be {wanted}.", "Fix it there; `git log` shows who changed it."
    )
