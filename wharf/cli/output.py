"""How results are told: the parts of JSON documents and of lines that several commands share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.model import Json
    from wharf.repository.opening import Repository


def where_document(repository: Repository, commit: str | None) -> dict[str, Json]:
    """Where a change went, as the JSON results of the verbs that write show it. `commit`: that of the index by now."""
    return {"repository": repository.address, "index": repository.branch.index, "commit": commit}


def where_line(repository: Repository, commit: str | None) -> str:
    """The same for people. Without a commit it is a dry run, or the index has none yet."""
    told = f"commit {commit}" if commit else "unchanged"
    return f"index {repository.branch.index!r} of {repository.address}: {told}"


def clock(moment: float) -> str:
    """A moment, in seconds since 1970, as the person's own clock shows it."""
    return time.strftime("%H:%M:%S", time.localtime(moment))


def size_text(size: int) -> str:
    """A size in bytes for people: `12.3 kB`."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


def printable(text: str) -> str:
    """Text with the control characters that would move a terminal's cursor shown as escapes."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)
