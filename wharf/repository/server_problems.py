"""What a server answers where something is wrong, as the error that the same command has over a repository. Pure.

The words of a server are somebody else's: they are bounded, and have no token in them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from wharf.errors import (
    ConflictError,
    InvalidDistributionError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    StorageError,
    UsageError,
    WharfError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILIES: Final[Mapping[str, type[WharfError]]] = {
    **dict.fromkeys(("usage", "too-slow", "no-method", "not-acceptable", "media-type", "misdirected", "invalid"), UsageError),
    **dict.fromkeys(("invalid-distribution", "too-large"), InvalidDistributionError),
    **dict.fromkeys(("not-found", "no-index"), NotFoundError),
    **dict.fromkeys(("conflict", "session-exists"), ConflictError),
    **dict.fromkeys(("not-allowed", "may-not-write"), NotAllowedError),
    **dict.fromkeys(("refused",), RefusedError),
}
"""The codes of problems by the exit code that they have; any other one is a failure of the server (exit code 8)."""

_BY_STATUS: Final[Mapping[int, type[WharfError]]] = {
    **dict.fromkeys((400, 405, 406, 415, 421, 422), UsageError),
    **dict.fromkeys((401, 403), NotAllowedError),
    **dict.fromkeys((404, 410), NotFoundError),
    409: ConflictError,
    413: InvalidDistributionError,
}
_CODE: Final = re.compile(r"[a-z]{1,20}(?:-[a-z]{1,20}){0,4}", re.ASCII)
_LONGEST: Final = 4000  # characters of what a server says that a person is shown


def error_of(status: int, problem: Mapping[str, Any], host: str) -> WharfError:
    """The error that a problem document tells of."""
    code, hint = problem.get("code"), problem.get("hint")
    said = next((str(problem[key]) for key in ("message", "detail", "title") if _is_text(problem.get(key))), f"status {status}")
    found = isinstance(code, str) and _CODE.fullmatch(code)
    family = FAMILIES.get(str(code)) if found else _BY_STATUS.get(status)
    told = str(hint) if _is_text(hint) and _is_text(problem.get("message")) else ""
    said += _parts(problem.get("errors")) if status == 422 else ""
    error = (family or StorageError)(_bounded(said), _hint(status, host) or _bounded(told))
    if found:
        error.code = str(code)
    return error


def is_problem(document: object) -> bool:
    """Whether a document of an error is one that wharf understands."""
    return isinstance(document, dict) and any(isinstance(document.get(key), str) for key in ("detail", "title"))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _parts(errors: object) -> str:
    """What is wrong with each part of a request."""
    found = [each for each in errors if isinstance(each, dict)] if isinstance(errors, list) else []
    told = [f"{'.'.join(map(str, each.get('at') or ['request']))}: {each.get('message')}" for each in found]
    return f" {'; '.join(told)}." if told else ""


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _hint(status: int, host: str) -> str:
    if status == 401:
        return (
            f"Set WHARF_TOKEN to a token of that server, or write a line into ~/.netrc: machine {host} login __token__ "
            "password TOKEN"
        )
    return ""
