"""The REST API by its names: PyGithub's objects over the wire, which sends all of it, and what an odd answer does to them."""

from __future__ import annotations

import dataclasses
import inspect
import io
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from github.GithubObject import GithubObject
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import wharf.github.rest_calls
from tests.github.test_api import CONTENT, GHE, UPLOADS, Mock, Person, ada, answer, hub  # noqa: F401 - fixtures
from tests.simulator.state import Release
from wharf.errors import AnswerTooLargeError, NotAllowedError, NotFoundError, RejectedError, StorageError, WharfError
from wharf.github import wire
from wharf.github.pygithub_requester import WireRequester
from wharf.github.release_listing import Listed, Stored
from wharf.github.rest_calls import About, Pull, Rest
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SHA = "a" * 40
TIME = "2026-01-02T03:04:05Z"
MARK = f"<!-- wharf index=main files={'0' * 64} -->"
USER = {"login": "ada", "id": 7, "url": "https://api.github.com/users/ada"}
ASSET = {
    "url": "https://api.github.com/repos/acme/pkgs/releases/assets/5",
    "id": 5,
    "name": "a.whl",
    "state": "uploaded",
    "size": 1,
    "digest": f"sha256:{SHA}",
    "updated_at": TIME,
    "uploader": USER,
}
RELEASE = {
    "url": "https://api.github.com/repos/acme/pkgs/releases/1",
    "upload_url": UPLOADS,
    "id": 1,
    "tag_name": "demo-1.0",
    "draft": False,
    "immutable": True,
    "created_at": TIME,
    "updated_at": "2026-02-03T04:05:06Z",
    "body": MARK,
    "author": USER,
    "assets": [ASSET],
}
REPOSITORY = {
    "url": "https://api.github.com/repos/acme/pkgs",
    "full_name": "acme/pkgs",
    "private": False,
    "archived": False,
    "default_branch": "main",
    "size": 3,
    "permissions": {"push": True},
}
REF = {"ref": "refs/heads/main", "url": "https://api.github.com/x", "object": {"sha": SHA, "type": "commit"}}
PULL = {
    "url": "https://api.github.com/repos/acme/pkgs/pulls/4",
    "number": 4,
    "html_url": "https://github.com/acme/pkgs/pull/4",
    "head": {"ref": "wharf-proposals/main/1", "sha": SHA},
}
PULL_FILES = [{"filename": "a", "sha": SHA, "status": "added"}, {"filename": "b", "sha": SHA, "status": "removed"}]
MEMBERSHIP = {"url": "https://api.github.com/x", "role": "member", "state": "active"}
COMMITTED = {"content": {"name": "README.md"}, "commit": {"sha": SHA}}
STORED = Stored(id=5, name="a.whl", state="uploaded", size=1, sha256=SHA, updated=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
LISTED = Listed(
    id=1,
    tag="demo-1.0",
    draft=False,
    immutable=True,
    upload_url=UPLOADS,
    touched=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC),
    mark="0" * 64,
    index="main",
    assets=(STORED,),
    created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
PROPOSED = Pull(number=4, address="https://github.com/acme/pkgs/pull/4", head=SHA)
ABOUT = About(private=False, archived=False, default_branch="main", size=3, may_push=True, scopes=None)

# By the name of each method: a call of it, what GitHub answers to each of its requests, and what comes of it.
CALLS: dict[str, tuple[Callable[[Rest], object], list[object], object]] = {
    "about": (lambda rest: rest.about(), [REPOSITORY], ABOUT),
    "releases": (lambda rest: list(rest.releases()), [[RELEASE]], [LISTED]),
    "release": (lambda rest: rest.release(1), [RELEASE], LISTED),
    "create_release": (lambda rest: rest.create_release("demo-1.0", SHA, MARK), [RELEASE], LISTED),
    "publish_release": (lambda rest: rest.publish_release(1, "demo-1.0", SHA, MARK), [RELEASE], LISTED),
    "rewrite_release": (lambda rest: rest.rewrite_release(1, MARK), [RELEASE], LISTED),
    "delete_release": (lambda rest: rest.delete_release(1), [None], None),
    "assets": (lambda rest: list(rest.assets(1)), [[ASSET]], [STORED]),
    "upload": (lambda rest: rest.upload(LISTED, "a.whl", io.BytesIO(b"x"), 1), [ASSET], STORED),
    "delete_asset": (lambda rest: rest.delete_asset(5), [None], None),
    "ref": (lambda rest: rest.ref("heads/main"), [REF], SHA),
    "refs": (lambda rest: list(rest.refs("heads/ma")), [[REF]], ["refs/heads/main"]),
    "create_branch": (
        lambda rest: rest.create_branch("refs/heads/wharf/main", {"a": b"x"}, "begin"),
        [{"sha": "b" * 40}, {"sha": "c" * 40}, {"sha": SHA}, REF],
        SHA,
    ),
    "create_commit": (
        lambda rest: rest.create_commit("d" * 40, {"a": b"x", "b": None}, "restore"),
        [
            {"sha": "d" * 40, "url": "https://api.github.com/x", "tree": {"sha": "b" * 40}},
            {"sha": "b" * 40},
            {"sha": "c" * 40},
            {"sha": SHA},
        ],
        SHA,
    ),
    "create_ref": (lambda rest: rest.create_ref("refs/heads/wharf/then", SHA), [REF], None),
    "pulls": (lambda rest: list(rest.pulls("wharf-proposals/main/1", "wharf/main")), [[PULL]], [PROPOSED]),
    "create_pull": (lambda rest: rest.create_pull("wharf-proposals/main/1", "wharf/main", "New", "text"), [PULL], PROPOSED),
    "pull_files": (lambda rest: list(rest.pull_files(4)), [PULL_FILES], [("a", SHA), ("b", "")]),
    "create_file": (lambda rest: rest.create_file("README.md", "# x", "Add"), [COMMITTED], None),
    "create_repository": (lambda rest: rest.create_repository("ada", private=True), [REPOSITORY], ABOUT),
    "dispatch": (lambda rest: rest.dispatch("published", {"index": "main"}), [None], None),
    "user": (lambda rest: rest.user(), [USER], "ada"),
    "is_member": (lambda rest: rest.is_member("acme", "platform", "ada"), [MEMBERSHIP], True),
    "only_repository": (lambda rest: rest.only_repository(), [{"total_count": 1, "repositories": [REPOSITORY]}], "acme/pkgs"),
}


def _answering(bodies: list[object]) -> Mock:
    left = iter(bodies)

    def handle(request: httpx.Request) -> httpx.Response:
        body = next(left, None)
        status = {"DELETE": 204, "POST": 201 if body is not None else 204}.get(request.method, 200)
        return httpx.Response(status) if body is None else answer(status, body)

    return Mock(handle)


class _NoConnection:
    """A connection of PyGithub's own, of which there is none."""

    def __init__(self, *arguments: object, **named: object) -> None:
        pytest.fail(f"PyGithub opens a connection: {arguments} {named}")


@pytest.fixture
def _no_connections() -> Iterator[None]:
    Requester.injectConnectionClasses(
        cast("type[HTTPRequestsConnectionClass]", _NoConnection), cast("type[HTTPSRequestsConnectionClass]", _NoConnection)
    )
    yield
    Requester.resetConnectionClasses()


def test_each_call_is_walked_here() -> None:
    public = {name for name, _ in inspect.getmembers(Rest, inspect.isfunction) if not name.startswith("_")}
    assert public == set(CALLS)


@pytest.mark.usefixtures("_no_connections")
@pytest.mark.parametrize("name", CALLS)
def test_a_call_goes_over_the_wire_and_gives_values_of_ours(name: str) -> None:
    act, bodies, wanted = CALLS[name]
    mock = _answering(bodies)
    with mock.open() as github:
        found = act(github.rest)
    assert found == wanted
    assert len(mock.seen) == len(bodies), "an attribute was looked up later"
    assert {request.headers["authorization"] for request in mock.seen} == {f"Bearer {mock.token}"}
    assert not any(isinstance(each, GithubObject) for each in (found if isinstance(found, list) else [found]))


def test_what_sends_is_the_wire_or_refuses() -> None:
    """Whatever a newer PyGithub can send besides, a test has to learn of."""
    ours = {name for name in vars(WireRequester) if not name.startswith("_")}
    sends = {
        name for name, _ in inspect.getmembers(Requester, inspect.isfunction) if name.startswith(("request", "get", "with"))
    }
    pure = {"get_graphql_prefix", "get_parameters_of_url"}
    assert sends - pure <= ours | {"withApiVersion"}
    mock = _answering([])
    with mock.open() as github:
        requester = WireRequester(github)
    for name in ("requestBlob", "requestBlobAndCheck", "requestMultipart", "requestMultipartAndCheck", "getFile", "getStream"):
        with pytest.raises(NotImplementedError):
            getattr(requester, name)("GET", "/x")
    with pytest.raises(NotImplementedError):
        requester.graphql_query("query { x }", {})
    for changed in (requester.withAuth(None), requester.withLazy(False), requester.withApiVersion("2022-11-28")):
        assert type(changed) is WireRequester
    assert (requester.auth, mock.seen) == (None, [])


# Odd answers.

_odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | st.just(TIME[:-1]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(sorted(RELEASE | ASSET | REF)), inner, max_size=4)
    ),
    max_leaves=8,
)


def _places(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    yield path
    if isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(each, (*path, key))


def _replaced(value: Any, path: tuple[Any, ...], new: object, *, gone: bool) -> Any:
    """A value with another one in a place, or without that place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1 and gone:
        del copy[path[0]]
    else:
        copy[path[0]] = _replaced(copy[path[0]], path[1:], new, gone=gone)
    return copy


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_an_odd_answer_is_an_error_of_ours_or_none(data: st.DataObject) -> None:
    """Whatever GitHub says: an error of ours, or values of ours; a few calls more at most, and none to another host."""
    name = data.draw(st.sampled_from(sorted(set(CALLS) - {"delete_release", "delete_asset", "dispatch"})))
    act, bodies, wanted = CALLS[name]
    which = data.draw(st.integers(0, len(bodies) - 1))
    path = data.draw(st.sampled_from(list(_places(bodies[which]))))
    odd = _replaced(bodies[which], path, data.draw(_odd), gone=data.draw(st.booleans()))
    mock = _answering([*bodies[:which], odd, *bodies[which + 1 :], *[odd] * 20])
    with mock.open() as github:
        try:
            found = act(github.rest)
        except WharfError:
            pass
        else:
            known = wanted[0] if isinstance(wanted, list) else wanted
            for each in found if isinstance(found, list) else [found]:
                assert each is None or type(each) is type(known)
                _check_types(each)
    assert {request.url.host for request in mock.seen} <= {"api.github.com", "uploads.github.com"}
    assert len(mock.seen) <= len(bodies) + 3


def _check_types(value: object) -> None:
    """PyGithub's objects are not typed, whatever mypy believes: null may stand anywhere."""
    if not isinstance(value, (Listed, Stored)):
        return
    assert isinstance(value.id, int)
    times: list[object] = [value.touched] if isinstance(value, Listed) else [value.updated]
    assert all(isinstance(each, datetime) and each.tzinfo is not None for each in times)
    texts: list[object] = [value.tag, value.upload_url] if isinstance(value, Listed) else [value.name, value.state]
    assert all(isinstance(each, str) for each in texts)
    for each in value.assets if isinstance(value, Listed) else ():
        _check_types(each)


@pytest.mark.parametrize("key", ["body", "immutable", "updated_at"])
def test_what_a_release_may_leave_out_costs_no_call(key: str) -> None:
    release = {each: value for each, value in RELEASE.items() if each != key}
    mock = _answering([[release]])
    with mock.open() as github:
        (found,) = github.rest.releases()
    assert len(mock.seen) == 1
    without = {
        "body": {"mark": None, "index": None},
        "immutable": {"immutable": False},
        "updated_at": {"touched": STORED.updated},
    }
    assert found == dataclasses.replace(LISTED, **without[key])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["releases", "assets", "upload"])
@pytest.mark.parametrize("key", ["digest", "uploader"])
def test_what_an_older_server_leaves_out_of_an_asset_costs_no_call(name: str, key: str) -> None:
    asset = {each: value for each, value in ASSET.items() if each != key}
    act, _, _ = CALLS[name]
    mock = _answering([{"releases": [RELEASE | {"assets": [asset]}], "assets": [asset], "upload": asset}[name]])
    with mock.open() as github:
        found = act(github.rest)
    assert len(mock.seen) == 1
    one = found[0] if isinstance(found, list) else found
    stored = one.assets[0] if isinstance(one, Listed) else one
    assert stored == (dataclasses.replace(STORED, sha256=None) if key == "digest" else STORED)


def test_what_github_does_not_call_public_counts_as_private() -> None:
    mock = _answering([{key: value for key, value in REPOSITORY.items() if key != "private"}])
    with mock.open() as github:
        assert github.rest.about().private
    assert len(mock.seen) == 1


# Refusals.


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, NotAllowedError), (403, NotAllowedError), (409, RejectedError), (422, RejectedError), (418, StorageError)],
)
@pytest.mark.parametrize("name", sorted(set(CALLS) - {"user"}))
def test_a_refusal_of_a_named_call_is_an_error_of_ours(name: str, status: int, kind: type[WharfError]) -> None:
    mock = Mock(lambda _request: answer(status, {"message": "no"}))
    with mock.open() as github, pytest.raises(kind, match="no"):
        CALLS[name][0](github.rest)
    assert len(mock.seen) == 1


def test_what_is_not_there_is_none_and_may_be_deleted() -> None:
    mock = Mock(lambda _request: answer(404, {"message": "Not Found"}))
    with mock.open() as github:
        rest = github.rest
        assert (rest.release(1), rest.release("demo-1.0"), rest.ref("heads/x"), rest.user()) == (None,) * 4
        rest.delete_release(1)
        rest.delete_asset(5)
        assert not rest.is_member("acme", "platform", "ada")
        for name in ("about", "releases", "assets", "refs"):
            with pytest.raises(NotFoundError):
                CALLS[name][0](rest)


# Lists.


def _fill(ada: Person, bodies: list[str]) -> None:  # noqa: F811
    ada.repo.releases += [
        Release(
            id=ada.hub.next_id(),
            tag_name=f"t{number}",
            target_commitish="main",
            author="ada",
            created_at=ada.hub.clock.text(),
            body=body,
        )
        for number, body in enumerate(bodies)
    ]


def test_a_list_is_read_page_by_page_and_no_further_than_allowed(ada: Person) -> None:  # noqa: F811
    """Its second page has the repository's number in its address."""
    _fill(ada, [""] * 250)
    assert [each.tag for each in ada.github.rest.releases()] == [f"t{number}" for number in reversed(range(250))]
    assert len(list(ada.github.rest.releases(100))) == 100
    assert [call.query.get("page", "1") for call in ada.hub.calls] == ["1", "2", "3", "1"]
    assert {call.query["per_page"] for call in ada.hub.calls} == {"100"}
    assert ada.hub.calls[1].path == f"/api/v3/repositories/{ada.repo.id}/releases"


@pytest.mark.slow
def test_a_list_of_large_items_is_read_in_smaller_pages(ada: Person, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    sizes = [10] * 100 + [3000] * 60 + [10] * 20
    _fill(ada, ["x" * size for size in sizes])
    monkeypatch.setattr(wire, "MAX_BODY", 200_000)
    assert [each.tag for each in ada.github.rest.releases()] == [f"t{number}" for number in reversed(range(len(sizes)))]
    assert len(list(ada.github.rest.releases(100))) == 100
    ada.repo.releases[0].body = "x" * 200_000
    with pytest.raises(AnswerTooLargeError):
        list(ada.github.rest.releases())


def test_a_list_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wharf.github.rest_calls, "_ITEMS", 3)
    mock = Mock(lambda _request: answer(200, [RELEASE], link='<https://api.github.com/x?per_page=100&page=2>; rel="next"'))
    with mock.open() as github:
        with pytest.raises(StorageError, match="without an end"):
            list(github.rest.releases())
        assert len(mock.seen) <= 4
        assert list(github.rest.releases(2)) == [LISTED] * 2


@pytest.mark.parametrize("page", [[None], {"items": []}])
def test_pages_without_an_item_come_to_an_end(page: object) -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        if len(mock.seen) > 5:
            raise RuntimeError("the list is read without an end")
        return answer(200, page if mock.seen[1:] else [RELEASE], link='<https://api.github.com/x?after=2>; rel="next"')

    mock = Mock(handle)
    with mock.open() as github, pytest.raises(StorageError, match="does not understand"):
        list(github.rest.releases())


@pytest.mark.parametrize("size", ["3", "7", "0", "-1", "-2"])
def test_pages_that_are_too_large_come_to_an_end(size: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def handle(_request: httpx.Request) -> httpx.Response:
        if len(mock.seen) > 5:
            raise RuntimeError("the page is read without an end")
        data = [RELEASE] * (1 if len(mock.seen) == 1 else 9)
        return answer(200, data, link=f'<https://api.github.com/x?per_page={size}&page=2>; rel="next"')

    mock = Mock(handle)
    monkeypatch.setattr(wire, "MAX_BODY", 5000)
    with mock.open() as github, pytest.raises(AnswerTooLargeError):
        list(github.rest.releases())


@pytest.mark.parametrize(
    "link", ["https://evil.example/x?page=2", "//evil.example/x", "http://api.github.com/x", "https://api.github.com:8443/x"]
)
def test_no_next_page_is_on_another_host(link: str) -> None:
    mock = Mock(lambda _request: answer(200, [RELEASE], link=f'<{link}>; rel="next"'))
    with mock.open() as github, pytest.raises(StorageError):
        list(github.rest.releases())
    assert {(request.url.scheme, request.url.netloc) for request in mock.seen} == {("https", b"api.github.com")}


@pytest.mark.parametrize(
    "path", ["https://ghe.example.org/api/v3/../../x", "/repos/../../x", "/x/%2e%2e/%2E%2e/x", "{repo}/../../../../../x"]
)
def test_no_next_page_is_outside_of_the_api(path: str) -> None:
    mock = Mock(lambda _request: answer(200, [RELEASE], link=f'<{path}?page=2>; rel="next"'), address=GHE)
    with mock.open() as github, pytest.raises(StorageError, match="outside of its API"):
        list(github.rest.releases())
    assert len(mock.seen) == 1


def test_a_name_with_dots_is_not_the_folder_above() -> None:
    mock = Mock(lambda _request: answer(200, REPOSITORY))
    with mock.open() as github:
        assert github.rest.about("acme/..dots").default_branch == "main"
        for name in ("../../x", "a/%2e%2e/../b", ".."):
            with pytest.raises(StorageError, match="outside of its API"):
                github.rest.ref(name)
    assert [request.url.path for request in mock.seen] == ["/repos/acme/..dots"]


@pytest.mark.parametrize("body", [{}, {"message": "hello"}, None, "x", 5])
def test_what_is_no_list_is_not_an_empty_one(body: object) -> None:
    mock = Mock(lambda _request: answer(200, body))
    with mock.open() as github, pytest.raises(StorageError, match="does not understand"):
        list(github.rest.releases())


# Names and threads.


def test_a_renamed_repository_is_followed_by_named_calls(ada: Person) -> None:  # noqa: F811
    ada.draft()
    ada.repo.rename("acme/other")
    (found,) = ada.github.rest.releases()
    assert ada.github.address.slug == "acme/other"
    ada.hub.calls.clear()
    ada.github.rest.delete_release(found.id)
    assert [call.path for call in ada.hub.calls] == [f"/api/v3/repos/acme/other/releases/{found.id}"]


@pytest.mark.slow
def test_many_threads_share_one_requester(ada: Person) -> None:  # noqa: F811
    """Each gets its own answer."""
    rest = ada.github.rest
    drafts = [rest.create_release(f"t{number}", "main", MARK) for number in range(8)]

    def work(number: int) -> tuple[str, str]:
        draft = drafts[number % 8]
        name = f"f{number}.whl"
        stored = rest.upload(draft, name, io.BytesIO(CONTENT), len(CONTENT))
        found = rest.release(draft.id)
        assert found is not None
        assert stored in found.assets
        return found.tag, stored.name

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(32))) == [(f"t{number % 8}", f"f{number}.whl") for number in range(32)]


# What is not paid for.

_MAIN = """
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "github":
            print("PyGithub is imported", file=sys.stderr, flush=True)
sys.meta_path.insert(0, Watch())
from wharf.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        ("list", False),
        pytest.param("run -- true", False, marks=pytest.mark.slow),
        pytest.param("verify", True, marks=pytest.mark.slow),
    ],
)
def test_only_who_needs_pygithub_imports_it(ada: Person, tmp_path: Path, words: str, *, imported: bool) -> None:  # noqa: F811
    """It takes a quarter of a second, and 20 MB."""
    where = Settings(place=ada.github.address, cache=tmp_path / "cache", data=tmp_path / "data")
    with open_repository(where, {"WHARF_TOKEN": ada.token}) as repository:
        repository.branch.begin()
    environ = {"WHARF_REPO": ada.github.address.web, "WHARF_TOKEN": ada.token, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-c", _MAIN, *words.split()]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environ)
    assert (done.returncode, "PyGithub" in done.stderr) == (0, imported), done.stderr


@pytest.mark.slow
def test_a_server_on_a_folder_does_not_import_pygithub(tmp_path: Path) -> None:
    words = ["serve", "--repo", str(tmp_path / "store"), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", _MAIN, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline()
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
    assert "PyGithub" not in said
