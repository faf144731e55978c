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
from wharf.repository.server_settings import VERBS
from wharf.transport.lost_connection import Cause, cause_of

if TYPE_CHECKING:
    from collections.abc import Mapping

FAMILIES: Final[Mapping[str, type[WharfError]]] = {
    **dict.fromkeys(("usage", "too-slow", "no-method", "not-acceptable", "media-type", "misdirected"), UsageError),
    **dict.fromkeys(("invalid", "mechanism", "no-registration"), UsageError),
    **dict.fromkeys(("invalid-distribution", "too-large"), InvalidDistributionError),
    **dict.fromkeys(("not-found", "no-index"), NotFoundError),
    **dict.fromkeys(("conflict", "session-exists"), ConflictError),
    **dict.fromkeys(("not-allowed", "may-not-write"), NotAllowedError),
    **dict.fromkeys(("refused", "too-many-sessions"), RefusedError),
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
_COMMAND: Final = re.compile(r"`wharf ([a-z]+) ")
_ASK: Final = "Is the address right, and does the server run? Then run the same command again."
_REMEDIES: Final[Mapping[Cause, str]] = {
    Cause.CLOCK: "Check the clock of this machine. If it is right, the certificate of the server is out of date.",
    Cause.PROXY: "Check the proxy that HTTPS_PROXY or ALL_PROXY names. Hosts in NO_PROXY are asked without it.",
    Cause.NAME: _ASK,
    Cause.CERTIFICATE: "The certificate has to be for that name of the host. If an authority of your own signed it: "
    "`export SSL_CERT_FILE=FILE` names the authority.",
    Cause.OTHER: _ASK,
}
_LONGEST: Final = 4000  # characters of what a server says that a person is shown


def error_of(status: int, problem: Mapping[str, Any], host: str) -> WharfError:
    """The error that a problem document tells of."""
    code, hint = problem.get("code"), problem.get("hint")
    said = next((str(problem[key]) for key in ("message", "detail", "title") if _is_text(problem.get(key))), f"status {status}")
    found = isinstance(code, str) and _CODE.fullmatch(code)
    family = FAMILIES.get(str(code)) if found else _BY_STATUS.get(status)
    told = str(hint) if _is_text(hint) and _is_text(problem.get("message")) else ""
    said += _parts(problem.get("errors")) if status == 422 else ""
    error = (family or StorageError)(_bounded(said), _hint(status, host, said) or _bounded(told))
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
    told = [f"{_at(each.get('at'))}: {each.get('message')}" for each in found]
    return f" {'; '.join(told)}." if told else ""


def _at(place: object) -> str:
    return ".".join(map(str, place)) if isinstance(place, list) and place else "request"


def foreign_hint(status: int) -> str:
    """What to do about an answer that is not by wharf: a proxy before the server gives most of them."""
    if status == 413:
        return "A proxy before the server takes no body as large as that. In nginx, `client_max_body_size 2g;` lets it through."
    if status in {502, 503, 504}:
        return (
            "A proxy before the server does not reach it, or does not wait for its answer. Does `wharf serve` run? "
            "In nginx, `proxy_pass` says where it is, and `proxy_read_timeout` how long is waited."
        )
    if status in {401, 403, 407}:
        return (
            "A proxy before the server wants another login than the server does. It has to let requests with a token "
            "through, at least those below /-/."
        )
    return "Is it the address of `wharf serve`? A proxy before it, a page to log in at, or an older wharf answers like this."


def unreachable_hint(reason: str) -> str:
    """What to do where no answer came, by why that is."""
    return _REMEDIES[cause_of(reason)]


def _bounded(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _hint(status: int, host: str, said: str) -> str:
    if status == 403 and "`wharf token create " in said:
        return "Whoever runs the server types that, where the repository is. A token makes none with more rights than its own."
    if status == 401:
        return (
            f"Set WHARF_TOKEN to a token of that server, or write a line into ~/.netrc: machine {host} login __token__ "
            "password TOKEN"
        )
    if any(verb not in VERBS for verb in _COMMAND.findall(said)):
        return "Whoever runs the server types that, where the repository is."
    return ""
