"""The client of GitHub's API: what it sends and to whom, what is tried again or waited for, and what it says of refusals."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.pools import Pools
from tests.simulator import Hub
from wharf.errors import (
    GraphQLError,
    NotAllowedError,
    NotFoundError,
    QuotaError,
    RejectedError,
    StorageError,
    UncertainError,
    UsageError,
    WharfError,
)
from wharf.github.api import GitHub
from wharf.github.request_turns import Waiting
from wharf.github.wire import TRIES
from wharf.repository_address import Address, parse
from wharf.secret import Secret
from wharf.transport.http_client import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.simulator import Repo

    Handler = Callable[[httpx.Request], httpx.Response]

TOKEN = "ghp_hunter2hunter2"
HERE = Address(owner="acme", name="pkgs")
GHE = Address(host="ghe.example.org", owner="acme", name="pkgs")
UPLOADS = "https://uploads.github.com/repos/acme/pkgs/releases/1/assets{?name,label}"
CONTENT = b"wheel" * 1000


def answer(status: int = 200, data: object = None, **headers: str) -> httpx.Response:
    return httpx.Response(status, json=data, headers={name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Mock:
    """GitHub as a function, in a time that only sleeping moves on."""

    handler: Handler
    address: Address = HERE
    token: str | None = field(default=TOKEN, repr=False)
    at_most: float = 3600.0
    seen: list[httpx.Request] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    time: float = 0.0

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        return self.handler(request)

    def open(self) -> GitHub:
        waiting = Waiting(self.at_most, lambda reason, _seconds: self.told.append(reason), lambda: self.time, self._sleep)
        connections = Transport(Pools(self._handle))
        token = None if self.token is None else Secret(self.token)
        return GitHub(self.address, token, waiting=waiting, warn=self.warned.append, connections=connections)


@dataclass
class Person:
    """Somebody with a token at the simulator."""

    hub: Hub
    repo: Repo
    token: str
    github: GitHub
    warned: list[str]
    told: list[tuple[str, float]]

    def draft(self, tag: str = "demo-1.0") -> dict[str, Any]:
        reply = self.github.call("POST", "{repo}/releases", body={"tag_name": tag, "draft": True})
        assert isinstance(reply.data, dict)
        return reply.data

    def upload(self, url: object, name: str, data: bytes = CONTENT) -> dict[str, Any]:
        reply = self.github.upload(str(url), name, io.BytesIO(data), len(data))
        assert isinstance(reply.data, dict)
        return reply.data


def connect(
    hub: Hub, repo: Repo, token: str | None, at_most: float = 3600.0
) -> tuple[GitHub, list[str], list[tuple[str, float]]]:
    address = parse(f"{hub.url}/{repo.slug}")
    assert address is not None
    warned, told = list[str](), list[tuple[str, float]]()
    waiting = Waiting(at_most, lambda reason, seconds: told.append((reason, seconds)), hub.clock.now, hub.clock.forward)
    secret = None if token is None else Secret(token)
    return GitHub(address, secret, waiting=waiting, warn=warned.append), warned, told


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as started:
        yield started


@pytest.fixture
def ada(hub: Hub) -> Iterator[Person]:
    repo = hub.create("acme/pkgs")
    token = hub.token("ada", {"acme/pkgs": "write"})
    github, warned, told = connect(hub, repo, token)
    with github:
        yield Person(hub, repo, token, github, warned, told)


def whole(error: BaseException) -> str:
    """All that a traceback, a log or a message could show of an error, its causes included."""
    texts, seen, now = [repr(vars(error))], set[int](), [error]
    while now:
        each = now.pop()
        if id(each) not in seen:
            seen.add(id(each))
            texts += [*traceback.format_exception(each), str(each), repr(each), repr(each.args)]
            now += [more for more in (each.__cause__, each.__context__) if more is not None]
    return "\n".join(texts)


# What is sent.


def test_what_every_request_says(ada: Person) -> None:
    reply = ada.github.call("GET", "{repo}")
    assert isinstance(reply.data, dict)
    assert (reply.status, reply.data["full_name"], ada.github.calls) == (200, "acme/pkgs", 1)
    (call,) = ada.hub.calls
    assert call.path == "/api/v3/repos/acme/pkgs"
    assert call.headers["authorization"] == f"Bearer {ada.token}"
    assert call.headers["accept"] == "application/vnd.github+json"
    assert call.headers["x-github-api-version"] == "2022-11-28"
    assert call.headers["user-agent"].startswith("wharf/")


def test_the_api_of_github_com_is_on_its_own_host() -> None:
    mock = Mock(lambda _request: answer(200, {"data": {}}))
    with mock.open() as github:
        github.call("POST", "{repo}/releases", body={"a": "ä"}, query={"x": "a b&c+d/é"})
        github.graphql("query { viewer { login } }", {"v": 1})
    first, second = mock.seen
    assert str(first.url) == "https://api.github.com/repos/acme/pkgs/releases?x=a%20b%26c%2Bd%2F%C3%A9"
    assert json.loads(first.content) == {"a": "ä"}
    assert first.headers["content-type"] == "application/json"
    assert str(second.url) == "https://api.github.com/graphql"
    assert json.loads(second.content) == {"query": "query { viewer { login } }", "variables": {"v": 1}}


def test_without_a_token_none_is_sent() -> None:
    mock = Mock(lambda _request: answer(), token=None)
    with mock.open() as github:
        github.call("GET", "{repo}")
    assert "authorization" not in mock.seen[0].headers


def test_an_unchanged_answer_is_no_error_and_costs_nothing(ada: Person) -> None:
    first = ada.github.call("GET", "{repo}")
    left = ada.github.rates["core"].remaining
    again = ada.github.call("GET", "{repo}", etag=first.headers["etag"])
    assert (again.status, again.data) == (304, None)
    assert ada.github.rates["core"].remaining == left


def test_a_status_that_is_expected_is_no_error(ada: Person) -> None:
    assert ada.github.call("GET", "{repo}/releases/tags/none", allow={404}).status == 404


@pytest.mark.parametrize("bad", ["", "a b", "hunter2\n", "hunter2\r\nx: y", "hünter2", "x" * 1001])
def test_what_can_be_no_token_is_refused_before_it_is_sent(bad: str) -> None:
    with pytest.raises(NotAllowedError) as caught:
        GitHub(HERE, Secret(bad))
    assert "hunter2" not in whole(caught.value)


def test_another_token_has_its_own_quota_and_shares_the_connections(ada: Person) -> None:
    ada.github.call("GET", "{repo}")
    other = ada.github.with_token(Secret(ada.hub.token("bob", {"acme/pkgs": "read"})))
    assert not other.rates
    other.call("GET", "{repo}")
    assert [call.login for call in ada.hub.calls] == ["ada", "bob"]
    assert (ada.github.calls, other.calls) == (1, 1)
    with pytest.raises(NotFoundError):
        ada.github.with_token(None).call("GET", "{repo}")


def test_a_limit_of_one_token_is_not_that_of_the_next() -> None:
    """Also where the answer comes when another one is used already."""

    def handle(request: httpx.Request) -> httpx.Response:
        if "one" in request.headers["authorization"]:
            github.use(Secret("the-other"))
            return answer(403, {"message": "secondary rate limit"}, retry_after="3000")
        return answer(200, {})

    mock = Mock(handle, token="one", at_most=0.0)
    with mock.open() as github:
        with pytest.raises(QuotaError):
            github.call("GET", "{repo}")
        assert github.call("GET", "{repo}").status == 200
    assert [request.headers["authorization"] for request in mock.seen] == ["Bearer one", "Bearer the-other"]


# Renamed repositories, and redirects to elsewhere.


def test_a_renamed_repository_is_followed_and_told_once(ada: Person) -> None:
    ada.repo.rename("acme/other")
    assert ada.github.call("GET", "{repo}/releases", query={"per_page": "5"}).data == []
    assert ada.github.address.slug == "acme/other"
    ada.hub.calls.clear()
    ada.github.call("GET", "{repo}")
    assert [call.path for call in ada.hub.calls] == ["/api/v3/repos/acme/other"]
    (warning,) = ada.warned
    assert f"{ada.hub.url}/acme/pkgs is called {ada.hub.url}/acme/other now" in warning


def test_a_change_of_a_renamed_repository_is_carried_out_once(ada: Person) -> None:
    ada.repo.rename("acme/other")
    assert ada.draft()["tag_name"] == "demo-1.0"
    assert [release.tag_name for release in ada.repo.releases] == ["demo-1.0"]


def test_many_threads_learn_of_a_rename_and_one_tells(ada: Person) -> None:
    ada.repo.rename("acme/other")
    with ThreadPoolExecutor(8) as pool:
        assert all(reply.status == 200 for reply in pool.map(lambda _number: ada.github.call("GET", "{repo}"), range(16)))
    assert len(ada.warned) == 1


@pytest.mark.parametrize(
    "location",
    ["https://evil.example/repositories/1", "//evil.example/repositories/1", "http://api.github.com/repositories/1",
     "https://api.github.com:8443/repositories/1", "https://api.github.com@evil.example/repositories/1",
     "https://ada@api.github.com/repositories/1", "https://uploads.github.com/repositories/1"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_another_host_gets_no_token(location: str, method: str) -> None:
    mock = Mock(lambda _request: answer(301, {}, location=location))
    with mock.open() as github, pytest.raises(StorageError, match="leads to another host"):
        github.call(method, "{repo}")
    assert len(mock.seen) == 1


@pytest.mark.parametrize(
    "location", ["", "/x", "https://api.github.com/x", "/repositories/7", "https://[", "https://[/repositories/7"]
)
def test_redirects_come_to_an_end(location: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/repositories/7":
            return answer(200, {"full_name": "acme/pkgs"})
        return answer(301, {}, location=location)

    mock = Mock(handle)
    with mock.open() as github:
        with pytest.raises(StorageError):
            github.call("GET", "{repo}")
        with pytest.raises(StorageError), github.asset(5):
            pass
    assert len(mock.seen) <= 20


@pytest.mark.parametrize("name", ["../evil", "a/b/c", "", "a@b/c", None, 5])
def test_a_new_name_that_can_be_none_is_refused(name: object) -> None:
    mock = Mock(
        lambda request: (
            answer(200, {"full_name": name})
            if "repositories" in request.url.path
            else answer(301, {}, location="/repositories/7")
        )
    )
    with mock.open() as github, pytest.raises((StorageError, UsageError)):
        github.call("GET", "{repo}")
    assert mock.warned == []


@pytest.mark.parametrize(
    "location", [".evil.example/x", "@evil.example/x", ":8443/x", "x", "?x", "\\evil.example/x", "///evil.example/x", ".."]
)
def test_a_relative_redirect_stays_on_the_host(location: str) -> None:
    """Put behind the API's name as it is, it would be the end of another host's."""
    mock = Mock(lambda _request: answer(301, {}, location=location))
    with mock.open() as github, pytest.raises(StorageError):
        github.call("GET", "{repo}")
    assert {(request.url.scheme, request.url.netloc) for request in mock.seen} == {("https", b"api.github.com")}


@pytest.mark.parametrize("location", ["https://ghe.example.org/x", "/login?return_to=x", "/api/v3.x/y", "/api/v3"])
def test_a_redirect_out_of_the_api_is_not_followed(location: str) -> None:
    mock = Mock(lambda _request: answer(302, {}, location=location), address=GHE)
    with mock.open() as github, pytest.raises(StorageError, match="outside of its API"):
        github.call("GET", "{repo}")
    assert len(mock.seen) == 1


@pytest.mark.parametrize("location", [b"/\xc3\xa9\xff", b"/" + b"x" * 70_000, b"/repositories/\xd9\xa3"])
def test_a_redirect_to_what_cannot_be_asked_for_is_told(location: bytes) -> None:
    mock = Mock(lambda _request: httpx.Response(301, headers=[(b"location", location)]))
    with mock.open() as github, pytest.raises(StorageError) as caught:
        github.call("GET", "{repo}")
    assert len(caught.value.message) < 300


def test_a_validator_that_cannot_be_sent_is_not() -> None:
    mock = Mock(lambda _request: httpx.Response(200, headers=[(b"etag", "é".encode())], json={}))
    with mock.open() as github:
        etag = github.call("GET", "{repo}").headers["etag"]
        github.call("GET", "{repo}", etag=etag)
    assert "if-none-match" not in mock.seen[1].headers


# GraphQL.


def test_graphql_gives_its_data(ada: Person) -> None:
    found = ada.github.graphql("query { viewer { login } }", {})
    assert found == {"viewer": {"login": "ada"}}
    assert (ada.github.calls, ada.hub.count("graphql")) == (1, 1)


def test_graphql_s_errors_are_told_with_their_types(ada: Person) -> None:
    with pytest.raises(GraphQLError, match="Could not resolve to a Repository") as caught:
        ada.github.graphql('query { repository(owner: "no", name: "body") { id } }', {})
    assert caught.value.types == ("NOT_FOUND",)


LIMITED = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}


@pytest.mark.parametrize("query", ["query { x }", "mutation { x }"])
def test_a_graphql_limit_comes_with_status_200_and_is_waited_for(query: str) -> None:
    told = {"x_ratelimit_resource": "graphql", "x_ratelimit_limit": "5000", "x_ratelimit_remaining": "0",
            "x_ratelimit_reset": "1000", "date": "Thu, 01 Jan 1970 00:10:00 GMT"}  # fmt: skip
    answers = iter([answer(200, LIMITED, **told), answer(200, {"data": {"x": 1}})])
    mock = Mock(lambda _request: next(answers))
    with mock.open() as github:
        assert github.graphql(query, {}) == {"x": 1}
    assert (mock.slept, mock.told) == ([401], ["the GraphQL points of this hour are used up"])


def test_a_used_up_hour_of_graphql_is_waited_for(ada: Person) -> None:
    ada.hub.limits.primary = 2
    for number in range(3):
        ada.hub.clock.forward(10 if number == 1 else 0)
        assert ada.github.graphql("query { viewer { login } }", {}) == {"viewer": {"login": "ada"}}
    ((reason, seconds),) = ada.told
    assert reason == "the GraphQL points of this hour are used up"
    assert 3500 < seconds <= 3602


@pytest.mark.parametrize(("after", "slept"), [({"retry_after": "7"}, 7), ({}, 60)])
def test_a_secondary_limit_of_graphql_comes_with_status_200_too(after: dict[str, str], slept: int) -> None:
    told = {"x_ratelimit_resource": "graphql", "x_ratelimit_limit": "5000", "x_ratelimit_remaining": "4000",
            "x_ratelimit_reset": "1000", "date": "Thu, 01 Jan 1970 00:10:00 GMT"}  # fmt: skip
    refused = {"errors": [{"message": "You have exceeded a secondary rate limit. Please wait a few minutes."}]}
    answers = iter([answer(200, refused, **told, **after), answer(200, {"data": {"x": 1}}, **told)])
    mock = Mock(lambda _request: next(answers))
    with mock.open() as github:
        assert github.graphql("mutation { x }", {}) == {"x": 1}
    assert mock.slept == [slept]
    assert "a secondary limit" in mock.told[0]


def test_a_graphql_limit_without_end_is_an_error() -> None:
    mock = Mock(lambda _request: answer(200, LIMITED))
    with mock.open() as github, pytest.raises((GraphQLError, QuotaError)):
        github.graphql("query { x }", {})
    assert len(mock.seen) == TRIES
    assert len(mock.slept) == TRIES - 1, "nobody waits for a try that does not come"
    impatient = Mock(lambda _request: answer(200, LIMITED), at_most=5)
    with impatient.open() as github, pytest.raises(QuotaError):
        github.graphql("query { x }", {})
    assert len(impatient.seen) == 1


def test_a_graphql_query_is_tried_again_and_a_mutation_is_not(ada: Person) -> None:
    ada.hub.fault("POST /api/graphql", "502", times=2)
    assert ada.github.graphql("query { viewer { login } }", {})
    for how in ("502", "lose", "drop"):
        ada.hub.fault("POST /api/graphql", how)
        ada.hub.calls.clear()
        with pytest.raises(UncertainError):
            ada.github.graphql("mutation { createCommitOnBranch(input: {}) { commit { oid } } }", {})
        assert len(ada.hub.calls) == 1


@pytest.mark.parametrize("data", [None, [], "x", {"data": None}, {"data": []}, {"errors": "x"}])
def test_a_graphql_answer_of_a_strange_form_is_no_traceback(data: object) -> None:
    mock = Mock(lambda _request: answer(200, data))
    with mock.open() as github:
        try:
            assert github.graphql("query { x }", {}) == {}
        except StorageError as error:
            assert "GraphQL" in error.message  # noqa: PT017


# Refusals.


@pytest.mark.parametrize(
    ("method", "status", "data", "headers", "kind", "said", "hint"),
    [
        ("GET", 401, {"message": "Bad credentials"}, {}, NotAllowedError,
         "GitHub does not know the token for the repository acme/pkgs: Bad credentials", "wrong, expired or revoked"),
        ("GET", 403, {"message": "Resource not accessible by integration"}, {}, NotAllowedError,
         "Resource not accessible by integration", "`contents: write`"),
        ("GET", 403, {"message": "Resource protected by organization SAML enforcement."},
         {"x_github_sso": "required; url=https://github.com/orgs/acme/sso"}, NotAllowedError, "SAML enforcement", "sign-on"),
        ("PATCH", 403, {"message": "Repository was archived so is read-only."}, {}, NotAllowedError, "archived", "unarchive"),
        ("GET", 404, {"message": "Not Found"}, {}, NotFoundError,
         "does not show the repository acme/pkgs to this token", "does the token reach"),
        ("POST", 404, {"message": "Not Found"}, {}, NotAllowedError, "does not allow this", "`contents: write`"),
        ("POST", 409, {"message": "Git Repository is empty."}, {}, RejectedError,
         "GitHub refused the repository acme/pkgs: Git Repository is empty[.]$", ""),
        ("POST", 422, {"message": "Validation Failed", "errors": [{"code": "custom", "message": "too many"}]}, {},
         RejectedError,
         "Validation Failed .too many.", ""),
        ("GET", 451, {"message": "Blocked"}, {}, StorageError, "answered 451 .*: Blocked", "status page"),
        ("GET", 418, None, {}, StorageError, "answered 418", "status page"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_thing_the_cause_and_what_to_do(
    method: str, status: int, data: object, headers: dict[str, str], kind: type[WharfError], said: str, hint: str
) -> None:
    mock = Mock(lambda _request: answer(status, data, **headers))
    with mock.open() as github, pytest.raises(kind, match=said) as caught:
        github.call(method, "{repo}")
    assert type(caught.value) is kind
    assert hint in caught.value.hint
    assert TOKEN not in whole(caught.value) + caught.value.hint
    assert len(mock.seen) == 1


def test_without_a_token_a_404_says_that_one_may_be_needed() -> None:
    mock = Mock(lambda _request: answer(404, {}), token=None)
    with mock.open() as github, pytest.raises(NotFoundError) as caught:
        github.call("GET", "{repo}")
    assert "set WHARF_TOKEN" in caught.value.hint


@pytest.mark.parametrize("status", [409, 422])
@pytest.mark.parametrize(
    "data", [None, [], {"message": 5}, {"errors": 5}, {"errors": [None, 5, [], {"code": 1}]}, {"message": "x" * 9999}]
)
def test_a_refusal_of_a_strange_form_is_told_in_few_words(status: int, data: object) -> None:
    mock = Mock(lambda _request: answer(status, data))
    with mock.open() as github, pytest.raises(RejectedError) as caught:
        github.call("POST", "{repo}")
    assert len(caught.value.message) < 600


def test_what_github_says_has_no_control_characters() -> None:
    mock = Mock(lambda _request: answer(422, {"message": "a\x1b]0;title\x07\nb\u202ec"}))
    with mock.open() as github, pytest.raises(RejectedError) as caught:
        github.call("POST", "{repo}")
    assert caught.value.message.isprintable()


def test_a_token_that_is_revoked_or_may_not_write_is_told(ada: Person) -> None:
    for kind, said in (("classic", "Not Found"), ("fine-grained", "Resource not accessible by personal access token")):
        reader = ada.github.with_token(Secret(ada.hub.token("bob", {"acme/pkgs": "read"}, kind=kind)))
        with pytest.raises(NotAllowedError, match=said):
            reader.call("POST", "{repo}/releases", body={"tag_name": "x"})
    ada.hub.revoke(ada.token)
    for act in (lambda: ada.github.call("GET", "{repo}"), lambda: ada.github.graphql("query { viewer { login } }", {})):
        with pytest.raises(NotAllowedError, match="Bad credentials"):
            act()


# The token.


@pytest.mark.slow
def test_the_token_is_in_no_text_whatever_goes_wrong(ada: Person, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = ada.draft()["upload_url"]
    ada.upload(url, "a.whl")
    errors: list[WharfError] = []
    for how in ("drop", "lose", "short", "401", "403", "404", "409", "422", "500", "502"):
        for act in (
            lambda: ada.github.call("GET", "{repo}"),
            lambda: ada.draft("x-1"),
            lambda: ada.upload(url, "b.whl"),
            lambda: ada.github.graphql("mutation { x }", {}),
        ):
            ada.hub.fault(".", how, times=99)
            with contextlib.suppress(UncertainError), pytest.raises(WharfError) as caught:
                act()
            errors.append(caught.value)
            ada.hub.faults._faults.clear()
    assert len(errors) == 40
    shown = [whole(error) + error.hint for error in errors] + [repr(ada.github), str(ada.github), repr(ada.github.token)]
    assert not [text for text in shown if ada.token in text]
    assert ada.token not in caplog.text


def test_no_frame_of_a_traceback_shows_the_token() -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        raise ZeroDivisionError

    with Mock(handle).open() as github, pytest.raises(ZeroDivisionError) as caught:
        github.call("POST", "{repo}/releases", body={"tag_name": "x"})
    text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "_try" in text
    assert "tag_name" in text
    assert TOKEN not in text


@pytest.mark.parametrize("status", [200, 400, 403, 422, 503])
def test_a_server_that_repeats_the_token_does_not_get_it_shown(status: int) -> None:
    said = {"message": f"you sent {TOKEN}", "errors": [{"message": f"Bearer {TOKEN}"}]}
    mock = Mock(lambda _request: answer(status, said))
    with mock.open() as github:
        for act in (lambda: github.call("GET", "{repo}"), lambda: github.graphql("query { x }", {})):
            if status == 200 and len(mock.seen) == 0:
                assert TOKEN not in str(act())
            else:
                with pytest.raises(WharfError) as caught:
                    act()
                assert TOKEN not in whole(caught.value) + caught.value.hint


def test_no_proxy_comes_between_us_and_a_loopback_address(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    github, _, _ = connect(ada.hub, ada.repo, ada.token)
    with github:
        assert github.call("GET", "{repo}").status == 200
