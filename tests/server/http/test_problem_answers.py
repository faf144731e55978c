"""Problem details (RFC 9457): the same statuses and words as in plain text, and nothing that is for the operator."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from wharf.errors import (
    ConflictError,
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    QuotaError,
    StorageError,
    UsageError,
    WharfError,
)
from wharf.server.http.answer import text
from wharf.server.http.error_answers import failure
from wharf.server.http.problem_answers import FAULT, problem, problem_like, problem_of

if TYPE_CHECKING:
    from wharf.server.http.answer import Answer

QUOTA = QuotaError("m", "h", retry_after=7.2, reason="the hour is full")


def read(answer: Answer) -> dict[str, object]:
    headers = dict(answer.headers)
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"cache-control"] == b"no-store"
    assert int(headers[b"content-length"]) == len(answer.body)
    found: dict[str, object] = json.loads(answer.body)
    assert found["type"] == "about:blank"
    assert found["status"] == answer.status
    return found


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (UsageError("Odd.", "Do that."), 400, "usage", "Odd. Do that."),
        (NotAllowedError("You may not."), 403, "not-allowed", "You may not."),
        (ConflictError("Other bytes."), 409, "conflict", "Other bytes."),
        (NoIndexError("No index."), 404, "no-index", "No index."),
        (NotFoundError("/srv/secret is gone"), 503, "not-found", StorageError.told),
        (StorageError("/srv/secret cannot be read"), 503, "storage", StorageError.told),
        (StorageError("/srv/secret", told="The disk is full."), 503, "storage", "The disk is full."),
        (WharfError("/srv/secret"), 500, "error", StorageError.told),
    ],
)
def test_an_error_is_a_problem_that_tells_what_plain_text_tells(error: WharfError, status: int, code: str, detail: str) -> None:
    answer = problem_of(error)
    found = read(answer)
    assert (answer.status, found["code"], found["detail"]) == (status, code, detail)
    assert failure(error).status == status
    assert failure(error).body.decode().strip().endswith(detail)
    assert b"secret" not in answer.body + answer.reason


def test_what_the_request_named_and_is_not_there_is_404() -> None:
    answer = problem_of(NotFoundError("There is no release demo 1.0."), misses=True)
    assert answer.status == 404
    assert read(answer)["detail"] == "There is no release demo 1.0."


def test_the_hint_stands_by_itself_where_it_is_told() -> None:
    assert read(problem_of(UsageError("Odd.", "Do that.")))["hint"] == "Do that."
    assert "hint" not in read(problem_of(UsageError("Odd.")))
    assert "hint" not in read(problem_of(StorageError("Odd.", "Look into /srv/secret.")))


def test_what_github_does_not_show_is_no_404() -> None:
    assert problem_of(NotFoundError("GitHub does not show acme/pkgs.", unseen=True), misses=True).status == 503


def test_a_pause_for_the_limits_of_github_says_how_long_it_takes() -> None:
    answer = problem_of(QUOTA, headers=(("x-more", "1"),))
    assert answer.status == 429
    assert dict(answer.headers)[b"retry-after"] == b"8"
    assert dict(answer.headers)[b"x-more"] == b"1"
    assert read(answer)["code"] == "quota"
    assert failure(QUOTA).status == 503


def test_a_refusal_in_plain_text_keeps_what_a_client_needs_of_its_headers() -> None:
    refusal = text(401, "Send a token.", (("www-authenticate", 'Basic realm="wharf"'),))
    answer = problem_like(refusal, more={"meta": {"api-version": "2.0"}})
    found = read(answer)
    assert (answer.status, found["detail"], found["title"]) == (401, "Send a token.", "Unauthorized")
    assert found["meta"] == {"api-version": "2.0"}
    assert dict(answer.headers)[b"www-authenticate"] == b'Basic realm="wharf"'
    assert answer.reason == b"Send a token."


def test_words_that_are_not_ascii_stay_whole() -> None:
    assert read(problem(400, "Größe"))["detail"] == "Größe"
    assert read(FAULT)["code"] == "fault"
