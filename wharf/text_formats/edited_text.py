"""What the editors of TOML and INI share: how an edit may look, and what to say where none is possible. Pure."""

from __future__ import annotations

from typing import Final

BY_HAND: Final = "Edit it by hand: the same command without --write shows the text."


def spaced(before: str, after: str) -> str:
    """What was appended to a text, with one empty line before it and none behind."""
    if after == before or not after.startswith(before):
        return after
    added = after[len(before) :].strip("\n")
    return f"{before.rstrip(chr(10))}\n\n{added}\n".lstrip("\n")
