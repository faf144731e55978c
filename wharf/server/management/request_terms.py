"""What a request takes for an answer, and what it brings: looked at before its route sees it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from wharf.distribution.file_names import plain
from wharf.errors import TooLargeError, UsageError
from wharf.server.http.problem_answers import problem
from wharf.server.http.request_body import check_length, pieces

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.requests import Request

    from wharf.server.http.answer import Answer

BODY_LIMIT: Final = 256 << 10
"""Bytes of a body: a thousand releases by their names."""

_MOST_FIELDS = 50  # of a query


def refuse_answer(accept: str | None, media_type: str) -> Answer | None:
    """None if a client takes an answer of that type (RFC 9110, section 12.5.1), else 406."""
    if accept is None or not accept.strip(", \t"):
        return None
    kind = media_type.partition("/")[0]
    best, weight = -1, 0.0
    for part in accept[:4096].lower().split(","):
        name, _, parameters = part.partition(";")
        fit = {"*/*": 0, f"{kind}/*": 1, media_type: 2}.get(name.strip(), -1)
        if fit > best:
            best, weight = fit, _weight(parameters)
        elif fit == best:
            weight = max(weight, _weight(parameters))
    if best >= 0 and weight > 0:
        return None
    return problem(406, f"Here answers are {media_type}, and the request takes no such answer.")


def _weight(parameters: str) -> float:
    for each in parameters.split(";"):
        key, _, value = each.partition("=")
        if key.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def refuse_query(query: str, known: Collection[str]) -> Answer | None:
    """None if a query has only what its route knows, each once; else 422: what is mistyped must not change what is done."""
    try:
        given = [name for name, _ in parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)]
    except ValueError:
        return problem(422, f"The query has more than {_MOST_FIELDS} parts.")
    for name in given:
        if name not in known:
            named = f"It knows {', '.join(sorted(known))}." if known else "It knows none."
            return problem(422, f"This address knows no {plain(repr(name), 60)} in the query. {named}")
        if given.count(name) > 1:
            return problem(422, f"The query has {name} more than once.")
    return None


async def read_body(request: Request, *, wanted: bool) -> bytes | Answer:
    """The body of a request, or the answer that refuses it. Raises WharfError."""
    too_large = TooLargeError(
        f"The body of the request is larger than {BODY_LIMIT >> 10} KiB.",
        "Name fewer releases or projects, in several requests.",
    )
    announced = check_length(request, BODY_LIMIT, too_large)
    body = b"".join([piece async for piece in pieces(request, BODY_LIMIT, too_large)]) if announced != 0 else b""
    if not body:
        return b""
    if not wanted:
        raise UsageError("This request takes no body.", "Say what it is about in its address.")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or coding != "identity":
        return problem(
            415, "The body has to be application/json, without a Content-Encoding.", headers=(("accept", "application/json"),)
        )
    odd = _oddity(body)
    return body if odd is None else problem(422, f"The body has {odd}.")


class _TwiceError(ValueError):
    """A key is there twice."""


def _oddity(body: bytes) -> str | None:
    """What a JSON document has that not all read alike, or at all. What is no JSON is told by its route."""
    try:
        json.loads(body, object_pairs_hook=_once)
    except _TwiceError:
        return "a key that is there twice"
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return None
    except ValueError:  # Python's own limit
        return "a number of too many digits"
    return None


def _once(pairs: list[tuple[str, object]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise _TwiceError
