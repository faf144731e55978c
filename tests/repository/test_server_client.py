"""Requests to a wharf server: where the token goes, how long is waited, and what is no answer of wharf."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from tests.raw_server import Line, Server, always, answer
from wharf import errors
from wharf.assets.session_requests import NoSuchMechanismError
from wharf.assets.session_store import LiveSessionError, ManySessionsError
from wharf.errors import (
    AnswerTooLargeError,
    NoIndexError,
    NotAllowedError,
    RefusedError,
    StorageError,
    UncertainError,
    UsageError,
    WharfError,
)
from wharf.repository import server_client, server_credentials
from wharf.repository.server_address import parse_server
from wharf.repository.server_answers import IndexList, ProjectList, ProjectPage
from wharf.repository.server_client import NoRoutesError, ServerClient
from wharf.repository.server_credentials import ServerCredential, find_for_server
from wharf.repository.server_index import Notices, ServerIndex, open_server
from wharf.repository.server_problems import error_of
from wharf.repository.server_session_forms import FileAnswer as ANY  # noqa: N814 - a form that has no key which has to be there
from wharf.repository.server_session_forms import SessionAnswer
from wharf.repository.server_sessions import ServerSessions
from wharf.repository.server_settings import ServerSettings
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pydantic import BaseModel

TOKEN = "wharf_" + "s3cret" * 7 + "x"
BASIC = "authorization: basic "
BEARER = f"authorization: bearer {TOKEN}".lower()


def client_of(port: int, **more: Any) -> tuple[ServerClient, list[float]]:
    """A client that waits for nothing, and the seconds that it would have waited."""
    waits: list[float] = []
    address = parse_server(f"http://127.0.0.1:{port}/", "a test")
    given = {"max_wait": 100.0, "patience": 2.0, **more}
    credential = ServerCredential(Secret(TOKEN), "a test")
    return ServerClient(address, credential, wait=lambda _why, _s: None, sleep=waits.append, **given), waits


def problem(status: str, *headers: str, **more: object) -> bytes:
    body = json.dumps({"detail": "No, it is not.", "status": int(status[:3]), **more}).encode()
    return answer(body, "content-type: application/problem+json", *headers, status=status).replace(
        b"content-type: application/json\r\n", b""
    )


def in_turn(*answers: bytes) -> Callable[[Line], None]:
    """One answer after the other; the last one again and again."""
    left = list(answers)

    def talk(line: Line) -> None:
        while True:
            line.hear()
            line.say(left.pop(0) if len(left) > 1 else left[0])

    return talk


ENDLESS = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 10000000000\r\n\r\n"


def _pour(line: Line) -> None:
    line.hear()
    line.say(ENDLESS)
    while True:
        line.say(b" " * (1 << 20))


def _hang(line: Line) -> None:
    line.hear()
    line.wait_for_end()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (always(answer(b"<html>hello", "x: y").replace(b"application/json", b"text/html")), "answers 200, without a document"),
        (always(answer(b"not json")), "answers 200, without a document"),
        (always(answer(b"[1]")), "answers 200, without a document"),
        (always(answer(b"{" * 100_000)), "answers 200, without a document"),
        (always(answer(b"gone", status="404 Not Found")), "answers 404, without a document"),
        (always(answer(b"{}", status="502 Bad Gateway")), "answers 502, without a document"),
        (always(answer(b"", status="200 OK")), "answers 200, without a document"),
        (always(b"HTTP/1.1 204 No Content\r\n\r\n"), "answers 204, without a document"),
        (always(answer(b'{"status": 7}')), "in a form that this wharf does not know (status: "),
        (always(answer(b'{"notices": ["\\ud800"]}')), "answers 200, without a document"),
        (lambda line: (line.hear(), line.say(ENDLESS[:-4])), "does not answer"),
        (lambda line: (line.hear(), line.say(ENDLESS + b'{"a":')), "did not come to its end"),
        (_pour, "is larger than 1 MiB"),
        (_hang, "it took too long"),
        (lambda line: line.hear(), "the connection broke off"),
    ],
)
def test_what_is_no_answer_of_wharf_is_an_error_that_names_the_host(
    talk: Callable[[Line], object], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_client, "MOST_BYTES", 1 << 20)
    with Server(talk) as server:
        client, _ = client_of(server.port, patience=1.0)
        with pytest.raises(StorageError) as caught:
            client.get(ANY, "-/api/v1/indexes")
        client.close()
    assert says in caught.value.message
    assert f"127.0.0.1:{server.port}" in caught.value.message
    assert caught.value.exit_code == 8


@pytest.mark.parametrize("page", [answer(b"gone", status="404 Not Found"), answer(b"{}", status="404 Not Found")])
def test_a_proxy_that_has_no_such_page_says_nothing_of_what_the_server_has(page: bytes) -> None:
    with Server(always(page)) as server:
        client, _ = client_of(server.port)
        with pytest.raises(NoRoutesError, match=r"/session answers 404, without a document of wharf\."):
            client.call("DELETE", client.url("session"), form=None, takes=(404,))
        client.close()


@pytest.mark.parametrize(
    "location", ["https://evil.example/x", "http://127.0.0.1:{port}/x", "/elsewhere", "", "http://[", "a b"]
)
@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_no_redirect_is_followed(location: str, status: str) -> None:
    with Server(always(answer(b"{}"))) as other:
        leads = f"location: {location.format(port=other.port)}"
        with Server(always(answer(b"{}", leads, status=status))) as server:
            client, _ = client_of(server.port)
            with pytest.raises(NoRoutesError, match="no token follows a redirect"):
                client.get(ANY, "-/api/v1/indexes")
            client.close()
        assert other.heads == []
        assert len(server.heads) == 1


def test_the_token_is_basic_unless_the_server_takes_bearer_alone() -> None:
    refused = problem("401 Unauthorized", "www-authenticate: Bearer")
    with Server(in_turn(refused, answer(b"{}"))) as server:
        client, _ = client_of(server.port)
        client.get(ANY, "a")
        client.get(ANY, "b")
        client.close()
    heads = [head.lower() for head in server.heads]
    assert [BASIC in head for head in heads] == [True, False, False]
    assert [BEARER in head for head in heads] == [False, True, True]


def test_a_wrong_token_is_told_with_what_to_do_and_never_shown() -> None:
    said = problem("401 Unauthorized", 'www-authenticate: Basic realm="wharf"', message=f"{TOKEN} is not known.")
    with Server(always(said)) as server:
        client, _ = client_of(server.port)
        with pytest.raises(NotAllowedError) as caught:
            client.get(ANY, "a")
        client.close()
    assert "WHARF_TOKEN" in caught.value.hint
    assert "machine 127.0.0.1" in caught.value.hint
    assert TOKEN not in caught.value.sentences
    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("answers", "method", "waits", "ends"),
    [
        ([problem("429 Too Many Requests", "retry-after: 7"), answer(b"{}")], "PUT", [7.0], None),
        ([problem("503 Service Unavailable", "retry-after: 2"), answer(b"{}")], "PUT", [2.0], None),
        ([problem("503 Service Unavailable")], "GET", [5.0, 5.0, 5.0], "No, it is not"),
        ([problem("503 Service Unavailable", "retry-after: 1")], "POST", [], "No, it is not"),
        ([problem("429 Too Many Requests", "retry-after: 101")], "GET", [], "No, it is not"),
        ([problem("429 Too Many Requests", "retry-after: Fri, 1 Jan 2100 00:00:00 GMT"), answer(b"{}")], "GET", [5.0], None),
        ([problem("429 Too Many Requests", "retry-after: 60")], "GET", [60.0], "No, it is not"),
        ([answer(b"Slowly", status="429 Too Many Requests"), answer(b"{}")], "GET", [5.0], None),  # by a proxy
    ],
)
def test_a_wait_that_the_server_asks_for_is_kept_within_what_is_allowed(
    answers: list[bytes], method: str, waits: list[float], ends: str | None
) -> None:
    with Server(in_turn(*answers)) as server:
        client, waited = client_of(server.port)
        url = client.url("a")
        if ends is None:
            client.call(method, url, form=ANY, repeat=method != "POST")
        else:
            with pytest.raises(StorageError, match=ends):
                client.call(method, url, form=ANY, repeat=method != "POST")
        client.close()
    assert waited == waits


def test_a_limit_that_no_wait_ends_is_told_at_once() -> None:
    full = problem("429 Too Many Requests", code="too-many-sessions")
    with Server(in_turn(full, answer(b"{}"))) as server:
        client, waited = client_of(server.port)
        with pytest.raises(RefusedError, match="No, it is not"):
            client.call("POST", client.url("a"), form=ANY, repeat=False)
        client.close()
    assert (len(server.heads), waited) == (1, [])


def test_a_change_whose_answer_does_not_come_is_not_sent_again_unless_that_does_no_harm() -> None:
    with Server(lambda line: line.hear()) as server:
        client, _ = client_of(server.port)
        with pytest.raises(UncertainError, match="nobody knows whether it was done"):
            client.call("POST", client.url("a"), {}, form=ANY, repeat=False)
        assert len(server.heads) == 1
        with pytest.raises(UncertainError):
            client.call("PUT", client.url("a"), {}, form=ANY)
        assert len(server.heads) == 1 + server_client.TRIES
        client.close()


def _subclasses(kind: type[WharfError]) -> list[type[WharfError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _subclasses(below))]


OF_THE_SERVER = [each for each in _subclasses(WharfError)[1:] if each.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", [*OF_THE_SERVER, LiveSessionError, ManySessionsError, NoSuchMechanismError])
def test_a_problem_has_the_code_and_the_exit_code_of_the_local_command(kind: type[WharfError]) -> None:
    found = error_of(kind.http_status, {"code": kind.code, "message": "What.", "hint": "How."}, "h")
    assert (found.code, found.exit_code, found.message) == (kind.code, kind.exit_code, "What.")


@pytest.mark.parametrize(
    ("status", "document", "code", "exit_code"),
    [
        (404, {"title": "Not Found"}, "not-found", 4),
        (418, {"title": "Teapot"}, "storage", 8),
        (409, {"detail": "x", "code": 7}, "conflict", 5),
        (409, {"detail": "x", "code": "a\x1b[0m"}, "conflict", 5),
        (422, {"detail": "x", "code": "invalid"}, "invalid", 2),
        (422, {"detail": "x", "code": "invalid", "errors": {"at": 1}}, "invalid", 2),
        (422, {"detail": "x", "code": "invalid", "errors": [{"at": ["body", "to"], "message": "y"}, 7]}, "invalid", 2),
        (500, {"detail": "x" * 10_000, "code": "fault"}, "fault", 8),
    ],
)
def test_a_problem_of_another_kind_has_the_exit_code_of_its_status(
    status: int, document: dict[str, object], code: str, exit_code: int
) -> None:
    found = error_of(status, document, "h")
    assert (found.code, found.exit_code) == (code, exit_code)
    assert len(found.message) < 5000
    assert "errors" not in document or found.message in {"x body.to: y.", "x"}


@pytest.mark.parametrize(
    ("status", "detail", "hint"),
    [
        (401, "The server does not know this token.", "WHARF_TOKEN"),
        (
            403,
            "This token may only read. `wharf token create NAME --scope publish` makes one that may write.",
            "runs the server",
        ),
        (403, "demo is archived; it takes no new files.", ""),
        (404, "There is no index 'x' here. `wharf index list` shows all.", "runs the server"),
        (413, "The file is too large. `wharf serve --upload-limit` sets that.", "runs the server"),
        (404, "There is no project 'x' in this index. `wharf list` shows all.", ""),
    ],
)
def test_who_is_refused_is_told_whose_turn_it_is(status: int, detail: str, hint: str) -> None:
    """Over a server no token can make the one that would do, and some commands do not work."""
    found = error_of(status, {"detail": detail}, "h")
    assert hint in found.hint
    assert bool(hint) is bool(found.hint)


def _settings(port: int, path: str = "", **more: Any) -> ServerSettings:
    return ServerSettings(address=parse_server(f"http://127.0.0.1:{port}/{path}", "the option --server"), source="it", **more)


def _routes(line: Line) -> None:
    """A server below /packages with two indexes; everything else is another program."""
    while True:
        path = line.hear().split()[1]
        known = path == "/packages/-/api/v1/indexes"
        entry: dict[str, object] = {"commit": None, "bases": [], "problem": None}
        names = {"main": True, "staging": False}
        body = json.dumps({"indexes": [{"name": name, "default": each, **entry} for name, each in names.items()]}).encode()
        line.say(answer(body) if known else answer(b"no", status="404 Not Found"))


@pytest.mark.parametrize(
    ("path", "more", "index", "uploads"),
    [
        ("packages", {}, "main", "/packages/-/upload/2.0/"),
        ("packages/staging/simple/", {}, "staging", "/packages/staging/-/upload/2.0/"),
        ("packages", {"habit": "staging"}, "staging", "/packages/staging/-/upload/2.0/"),
        ("packages/main", {"habit": "staging"}, "main", "/packages/-/upload/2.0/"),
        ("packages", {"index": "staging", "habit": "other"}, "staging", "/packages/staging/-/upload/2.0/"),
    ],
)
def test_the_server_and_the_index_are_found_at_either_address(
    path: str, more: dict[str, str], index: str, uploads: str
) -> None:
    with Server(_routes) as server, open_server(_settings(server.port, path, **more), {"WHARF_TOKEN": TOKEN}, QUIET) as found:
        assert found.name == index
        assert found.uploads == f"http://127.0.0.1:{server.port}{uploads}"
        assert found.where == f"http://127.0.0.1:{server.port}/packages/"


@pytest.mark.parametrize(
    ("path", "more", "kind", "says"),
    [
        ("packages/stagin", {}, NoIndexError, "Did you mean staging? There are: main, staging."),
        ("packages", {"index": "other"}, NoIndexError, "There are: main, staging."),
        ("packages/main", {"index": "staging"}, UsageError, "Name the server alone: --server http://127.0.0.1"),
        ("", {}, NoRoutesError, "Is it the address of `wharf serve`?"),
    ],
)
def test_a_wrong_address_or_index_is_told_with_the_right_ones(
    path: str, more: dict[str, str], kind: type[WharfError], says: str
) -> None:
    with Server(_routes) as server:
        opened = open_server(_settings(server.port, path, **more), {"WHARF_TOKEN": TOKEN}, QUIET)
        with pytest.raises(kind) as caught, opened:
            pass
    assert says in caught.value.hint


QUIET = Notices(warn=lambda _text: None, wait=lambda _why, _s: None, note=lambda _text: None)


@pytest.mark.parametrize("link", ["https://evil.example/", "//evil.example/x", None, "a b"])
def test_a_session_that_leads_to_another_host_gets_nothing(link: object) -> None:
    session = {"links": {"session": link, "upload": link, "publish": link}, "status": "open", "files": {}}
    with Server(always(answer(json.dumps(session).encode()))) as server:
        client, _ = client_of(server.port)
        with pytest.raises(StorageError, match="on another host"):
            ServerSessions(ServerIndex(client, "main", default=True)).begin("demo", "1.0")
        client.close()
    assert len(server.heads) == 1


def _netrc(folder: Path, text: str, mode: int = 0o600) -> dict[str, str]:
    path = folder / "netrc"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return {"NETRC": str(path), "PATH": ""}


ADDRESS = parse_server("https://wharf.example.com:8443/x/", "a test")


@pytest.mark.parametrize(
    ("text", "user", "token"),
    [
        (f"machine wharf.example.com login ada password {TOKEN}\n", "ada", TOKEN),
        (
            f"machine other.example login x password y\nmachine WHARF.example.com login __token__ password {TOKEN}",
            "__token__",
            TOKEN,
        ),
        ("machine other.example login x password y", None, None),
        ("default login x password y", None, None),
        ("machine example.com login x password y", None, None),
    ],
)
def test_the_netrc_gives_the_token_of_exactly_that_host(
    tmp_path: Path, text: str, user: str | None, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_credentials, "_keyring", lambda _environ: [])
    found = find_for_server(ADDRESS, _netrc(tmp_path, text))
    assert (found and found.user, found and found.token.reveal()) == (user, token)
    assert found is None or not found.warning


def test_a_netrc_that_others_can_read_or_nobody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_credentials, "_keyring", lambda _environ: [])
    found = find_for_server(ADDRESS, _netrc(tmp_path, f"machine wharf.example.com login a password {TOKEN}", 0o644))
    assert found is not None
    assert "chmod 600" in found.warning
    with pytest.raises(NotAllowedError) as caught:
        find_for_server(ADDRESS, _netrc(tmp_path, f"machine {TOKEN} {TOKEN} oh"))
    assert TOKEN not in caught.value.sentences
    assert find_for_server(ADDRESS, {"NETRC": str(tmp_path / "none"), "PATH": ""}) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "token"),
    [
        (f'test "$1 $2 $3" = "get https://wharf.example.com:8443/x/ __token__" && echo {TOKEN}', TOKEN),
        (f'test "$2" = wharf.example.com && test -z "$WHARF_SECRET$GH_TOKEN" && echo {TOKEN}', TOKEN),
        ("exit 1", None),
        ("sleep 60", None),
    ],
)
def test_the_keyring_is_asked_for_the_address_and_the_host(
    tmp_path: Path, script: str, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_credentials, "_PATIENCE", 0.3 if script == "sleep 60" else 60)
    program = tmp_path / "keyring"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    environ = {"NETRC": os.devnull, "PATH": f"{tmp_path}:{os.environ['PATH']}", "WHARF_SECRET": "x", "GH_TOKEN": "y"}
    found = find_for_server(ADDRESS, environ)
    assert (found and found.token.reveal()) == token


def test_the_variable_comes_first_and_has_to_be_a_token(tmp_path: Path) -> None:
    environ = _netrc(tmp_path, "machine wharf.example.com login a password other")
    found = find_for_server(ADDRESS, {**environ, "WHARF_TOKEN": f" {TOKEN}\n"})
    assert found is not None
    assert (found.token.reveal(), found.source) == (TOKEN, "WHARF_TOKEN")
    with pytest.raises(NotAllowedError, match="WHARF_TOKEN gives is not a token"):
        find_for_server(ADDRESS, {**environ, "WHARF_TOKEN": "two words"})


MILLION = 110_000  # as good as


@pytest.mark.slow
@pytest.mark.parametrize(
    ("form", "body"),
    [
        (IndexList, {"indexes": [{}] * MILLION}),
        (ProjectList, {"projects": [{"name": "x", "versions": [1] * MILLION}]}),
        (ProjectPage, {"_removed": {str(number): 1 for number in range(MILLION)}}),
        (ProjectPage, {"_removed": {"a": {str(number): 1 for number in range(MILLION)}}}),
        (SessionAnswer, {"files": {str(number): 1 for number in range(MILLION)}}),
        (SessionAnswer, {"notices": [1] * MILLION}),
    ],
)
def test_an_answer_that_is_wrong_a_million_times_is_given_up_at_once(form: type[BaseModel], body: dict[str, Any]) -> None:
    """Each error costs as much as many bytes of the answer."""
    with pytest.raises(ValidationError) as caught:
        form.model_validate_json(json.dumps(body), strict=True)
    assert caught.value.error_count() < 20


def test_what_is_wrong_is_told_in_few_bytes_or_not_read() -> None:
    with Server(always(problem("409 Conflict", more="x" * (2 << 20)))) as server:
        client, _ = client_of(server.port)
        with pytest.raises(AnswerTooLargeError, match="larger than 1 MiB"):
            client.get(ANY, "a")
        client.close()
