"""A commit as the stream that `git fast-import` reads ("git-fast-import", "Input Format"): one process, and no file."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

from wharf.index import wharf_toml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.index.change import Outcome
    from wharf.index.commit_message import CommitMessage

ZERO: Final = "0" * 40
"""The id that stands for no commit."""


def edits_of(tip: str | None, outcome: Outcome) -> dict[str, bytes | None]:
    """What a commit on `tip` puts where; the first one of an index brings its settings too."""
    return {**({wharf_toml.PATH: wharf_toml.NEW} if tip is None else {}), **outcome.edits}


def script(tip: str | None, edits: Mapping[str, bytes | None], message: CommitMessage, text: str, moment: int) -> bytes:
    """A commit on `tip` with these bytes by path (None: the path goes); `text` is its whole message, and `moment`, in seconds
    since 1970, when it is made. git prints its id.

    No ref names the objects: the name that fast-import wants for a commit is taken back at the end, before git writes refs.
    """
    data = text.encode()
    who, email = (re.sub(r"[<>\s]+", " ", each).strip() for each in (message.actor or "", message.email))
    signature = f"{who or 'unknown'} <{email}> {moment} +0000"
    scratch = f"refs/wharf/{secrets.token_hex(8)}"
    lines = [
        f"feature done\ncommit {scratch}\nmark :1\ncommitter {signature}\n".encode(),
        b"data %d\n%b\n" % (len(data), data),
        f"from {tip}\n".encode() if tip else b"",
        *(_edit(path, content) for path, content in edits.items()),
        f"get-mark :1\nreset {scratch}\nfrom {ZERO}\n\ndone\n".encode(),
    ]
    return b"".join(lines)


def _edit(path: str, data: bytes | None) -> bytes:
    if data is None:
        return f"D {path}\n".encode()
    return b"M 100644 inline %b\ndata %d\n%b\n" % (path.encode(), len(data), data)
