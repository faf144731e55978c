"""The words that can name a commit. Pure."""

from __future__ import annotations

import re

_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,250}(?:[~^][0-9]{0,6}){0,9}", re.ASCII)


def is_revision(word: str) -> bool:
    """Whether a word can name a commit, as an id, a ref, or one of them and `~2`; never an option of git."""
    return bool(_REVISION.fullmatch(word)) and ".." not in word
