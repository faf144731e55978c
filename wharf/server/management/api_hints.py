"""What errors say to do, in the words of whoever asks: the operations speak of commands, and a program has addresses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.requests import Request

    from wharf.errors import WharfError

_COMMAND: Final = re.compile(r"`wharf ([^`]{1,200})`")
_ABOVE: Final = "/-/api/v1"


def in_words_of(request: Request, error: WharfError) -> WharfError:
    """The error, with addresses in its hint in the place of commands. `wharf --server` shows it to people, who type those."""
    if not request.headers.get("user-agent", "").startswith("wharf/"):
        error.hint = _COMMAND.sub(_address, error.hint)
    return error


def _address(found: re.Match[str]) -> str:
    """The request that does what a command does; the command itself where that is for whoever runs the server."""
    words = found[1].split()
    at = words.index("--index") + 1 if "--index" in words[:-1] else None
    below = "…" if at is None else f"{_ABOVE}/indexes/{words[at]}"
    match words:
        case ["index", "list"]:
            said = f"GET {_ABOVE}/indexes"
        case ["token", "list"]:
            said = f"GET {_ABOVE}/tokens"
        case ["token", "revoke", name]:
            said = f"DELETE {_ABOVE}/tokens/{name}"
        case ["list", *_]:
            said = f"GET {below}/projects"
        case ["show", project, *_]:
            said = f"GET {below}/projects/{project}"
        case ["log", *_]:
            said = f"GET {below}/log"
        case ["status", project, *_]:
            said = f"PUT {below}/projects/{project}/status"
        case _:
            return found[0]
    return f"`{said}`"
