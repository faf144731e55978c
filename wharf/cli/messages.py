"""Texts and documents in the form in which the command line prints them. What they need is loaded before a verb begins."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from wharf.cli.output import printable
from wharf.cli.whole_commands import completed
from wharf.secret import without_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.model import Json

__all__ = ["completed", "dumped", "shown", "without_tokens"]


def shown(text: str) -> str:
    """A text for a person, without tokens and without what a terminal would obey."""
    return printable(without_tokens(text))


def dumped(document: Mapping[str, Json]) -> str:
    """A JSON document in one line, in ASCII: so it is one whatever the output's encoding is, and any path in it."""
    return json.dumps(document)
