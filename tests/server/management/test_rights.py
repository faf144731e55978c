"""Every route and verb of the management API, with every kind of wharf token."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.makers import make_wheel
from tests.server.management.api import BASE, DEMO, MAIN, RELEASE, WHEEL, asking, fill, problem
from wharf.cli import result_lines
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.yank import set_yanked
from wharf.repository.tokens import NewToken
from wharf.server.management import own_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

# Each route, and what a token has to have for it: it may read some index, or `main`; manage demo or other there; be any token;
# be one that manages.
ROUTES: Final[dict[str, tuple[str, str, str, Any]]] = {
    "indexes": ("any index", "GET", f"{BASE}/indexes", None),
    "index": ("read", "GET", MAIN, None),
    "projects": ("read", "GET", f"{MAIN}/projects", None),
    "project": ("read", "GET", DEMO, None),
    "release": ("read", "GET", RELEASE, None),
    "log": ("read", "GET", f"{MAIN}/log", None),
    "yank": ("demo", "PUT", f"{RELEASE}/yank", {"reason": "x"}),
    "unyank": ("demo", "DELETE", f"{RELEASE}/yank", None),
    "status": ("demo", "PUT", f"{DEMO}/status", {"status": "deprecated"}),
    "promote": ("demo", "POST", f"{MAIN}/promote", {"from": "staging", "releases": [{"project": "demo", "version": "2.0"}]}),
    "restore": ("demo", "POST", f"{MAIN}/restore", {"to": "TIP", "projects": ["demo"]}),
    "restore all": ("other", "POST", f"{MAIN}/restore", {"to": "FIRST"}),
    "remove": ("demo", "DELETE", f"{RELEASE}?dry_run=true", None),
    "remove several": (
        "demo",
        "POST",
        f"{MAIN}/remove",
        {"releases": [{"project": "demo", "version": "1.0", "file": WHEEL}], "dry_run": True},
    ),
    "remove more": (
        "other",
        "POST",
        f"{MAIN}/remove",
        {"releases": [{"project": "Other", "version": "1"}], "dry_run": True},
    ),
    "tokens": ("token", "GET", f"{BASE}/tokens", None),
    "make a token": ("manage", "POST", f"{BASE}/tokens", {"name": "t.new", "scope": "read"}),
    "end a token": ("manage", "DELETE", f"{BASE}/tokens/t", None),
}
# What each kind of token may, of these.
ALL: Final = {"any index", "read", "demo", "other", "token", "manage"}
READS: Final = {"any index", "read", "token"}
OVER: Final = datetime(2020, 1, 1, tzinfo=UTC)
KINDS: Final[dict[str, tuple[NewToken | str | None, set[str], int]]] = {
    "none": (None, set(), 401),
    "unknown": ("wharf_" + "x" * 43, set(), 401),
    "of GitHub": ("ghp_" + "x" * 36, set(), 401),
    "expired": (NewToken(name="t", scope="manage", expires=OVER), set(), 401),
    "read": (NewToken(name="t", scope="read"), READS, 403),
    "publish": (NewToken(name="t", scope="publish"), READS, 403),
    "publish demo": (NewToken(name="t", scope="publish", projects=["demo"]), READS, 403),
    "publish to another index": (NewToken(name="t", scope="publish", indexes=["staging"]), READS - {"read"}, 403),
    "manage": (NewToken(name="t", scope="manage"), ALL, 403),
    "manage main": (NewToken(name="t", scope="manage", indexes=["main", "staging"]), ALL, 403),
    "manage demo": (NewToken(name="t", scope="manage", projects=["Demo"]), ALL - {"other"}, 403),
    "manage another project": (NewToken(name="t", scope="manage", projects=["other"]), ALL - {"demo"}, 403),
    "manage another index": (NewToken(name="t", scope="manage", indexes=["staging"]), {"any index", "token", "manage"}, 403),
}


@pytest.fixture
def filled(repository: Repository, tmp_path: Path) -> Repository:
    fill(repository, tmp_path)
    set_yanked(repository, "other", "1.0", None, reason="old", actor="ada")
    return repository


@pytest.fixture
def api(filled: Repository) -> Iterator[httpx.Client]:
    with asking(filled) as client:
        yield client


def ask(client: httpx.Client, repository: Repository, route: str, **more: Any) -> httpx.Response:
    """Ask what a route is asked, of a moment that is there."""
    _, method, path, body = ROUTES[route]
    if body is not None and "to" in body:
        commits = [entry.commit for entry in repository.branch.history()]
        body = {**body, "to": commits[0] if body["to"] == "TIP" else commits[-1]}
    return client.request(method, path, json=body, **more)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_each_route_with_each_kind_of_token(api: httpx.Client, filled: Repository, kind: str) -> None:
    new, may, refused = KINDS[kind]
    secret = filled.tokens.add(new).reveal() if isinstance(new, NewToken) else new
    auth = None if secret is None else ("x", secret)
    for route, (right, *_) in ROUTES.items():  # the last one ends the token
        tip = filled.branch.tip()
        answer = ask(api, filled, route, auth=auth)
        if right in may:
            assert answer.status_code in {200, 201}, (route, answer.text)
            continue
        limited = isinstance(new, NewToken) and new.scope == "manage" and new.projects
        problem(answer, refused, "may-not-write" if limited else "not-allowed")
        assert ("www-authenticate" in answer.headers) is (refused == 401), route
        assert secret is None or secret not in answer.text
        assert filled.branch.tip() == tip, route


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["none", "of GitHub", "read", "publish", "publish to another index", "manage another project", "manage another index"],
)
def test_a_token_made_as_a_refusal_says_it_may(api: httpx.Client, filled: Repository, kind: str) -> None:
    new, _, status = KINDS[kind]
    secret = filled.tokens.add(new).reveal() if isinstance(new, NewToken) else new
    refused = ask(api, filled, "yank", auth=None if secret is None else ("x", secret))
    words = re.search("`wharf token create NAME (.+?)`", problem(refused, status, refused.json()["code"])["detail"])
    assert words is not None
    typed = shlex.split(words[1])
    said = dict(zip(typed[::2], typed[1::2], strict=True))
    better = NewToken(
        name="better",
        scope="manage" if said.get("--scope") == "manage" else "publish",
        indexes=[said["--index"]] if "--index" in said else [],
        projects=[said["--project"]] if "--project" in said else [],
    )
    assert ask(api, filled, "yank", auth=("x", filled.tokens.add(better).reveal())).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("route", [route for route, (right, *_) in ROUTES.items() if right in {"demo", "other"}])
def test_who_may_not_write_learns_nothing_of_what_is_there(api: httpx.Client, filled: Repository, route: str) -> None:
    """The answer is the same about what is there and what is not, whatever the body says."""
    for new in (NewToken(name="a", scope="publish"), NewToken(name="b", scope="manage", indexes=["staging"])):
        auth = ("x", filled.tokens.add(new).reveal())
        _, method, path, _ = ROUTES[route]
        for there, body in ((path, b"{"), (path.replace("demo", "nothing"), b"{}"), (path, b'{"from": "nowhere"}')):
            problem(api.request(method, there, content=body, auth=auth), 403, "not-allowed")
    limited = ("x", filled.tokens.add(NewToken(name="c", scope="manage", projects=["x"])).reveal())
    if route in {"yank", "unyank", "status", "remove"}:
        _, method, path, body = ROUTES[route]
        told = {
            api.request(method, path.replace("demo", name).replace("1.0", version), json=body, auth=limited).text.replace(
                name, "NAME"
            )
            for name, version in (("demo", "1.0"), ("demo", "9"), ("nothing", "1.0"))
        }
        assert len(told) == 1


@pytest.mark.slow
def test_a_promotion_needs_to_read_the_source(api: httpx.Client, filled: Repository) -> None:
    new = NewToken(name="t", scope="manage", indexes=["main"])
    answer = ask(api, filled, "promote", auth=("x", filled.tokens.add(new).reveal()))
    assert "not for the index 'staging'" in problem(answer, 403, "not-allowed")["detail"]


@pytest.mark.slow
def test_a_promotion_needs_the_right_to_what_comes_along(api: httpx.Client, filled: Repository, tmp_path: Path) -> None:
    wheels = [
        make_wheel(tmp_path / "app", "app", "1.0", requires=["helper"]),
        make_wheel(tmp_path / "helper", "helper", "1.0"),
    ]
    publish(filled.of_index("staging"), [Input.of(each) for each in wheels], actor="ada")
    everything = ("x", filled.tokens.create("all", "manage").reveal())
    body = {"from": "staging", "releases": [{"project": "app", "version": "1"}], "with_dependencies": True}
    limited = ("x", filled.tokens.add(NewToken(name="t", scope="manage", projects=["app"])).reveal())
    assert "and not helper" in problem(api.post(f"{MAIN}/promote", json=body, auth=limited), 403, "may-not-write")["detail"]
    assert len(api.post(f"{MAIN}/promote", json=body, auth=everything).json()["promoted"]) == 2


@pytest.mark.slow
def test_a_removal_of_several_needs_the_right_to_each(api: httpx.Client, filled: Repository) -> None:
    tip = filled.branch.tip()
    limited = ("x", filled.tokens.add(NewToken(name="t", scope="manage", projects=["demo"])).reveal())
    body = {"releases": [{"project": name, "version": "1.0"} for name in ("demo", "other")]}
    for dry_run in (True, False):
        answer = api.post(f"{MAIN}/remove", json={**body, "dry_run": dry_run}, auth=limited)
        assert "and not other" in problem(answer, 403, "may-not-write")["detail"]
    assert filled.branch.tip() == tip


@pytest.mark.slow
def test_open_reading_is_for_everybody_and_writing_is_not(filled: Repository) -> None:
    with asking(filled, open_reading=True) as client:
        for route, (right, *_) in ROUTES.items():
            answer = ask(client, filled, route)
            if right in {"any index", "read"}:
                assert answer.status_code == 200, route
            else:
                problem(answer, 401, "not-allowed")
        problem(client.get(MAIN, headers={"Host": "evil.example"}), 421, "misdirected")


@pytest.mark.slow
def test_what_may_not_be_read_is_not_named(api: httpx.Client, filled: Repository) -> None:
    auth = ("x", filled.tokens.add(NewToken(name="t", scope="read", indexes=["main"])).reveal())
    assert [each["name"] for each in api.get(f"{BASE}/indexes", auth=auth).json()["indexes"]] == ["main"]
    assert api.get(MAIN, auth=auth).json()["base_of"] == []
    above = ("x", filled.tokens.add(NewToken(name="s", scope="read", indexes=["staging"])).reveal())
    (listed,) = api.get(f"{BASE}/indexes", auth=above).json()["indexes"]
    shown = api.get(f"{BASE}/indexes/staging", auth=above).json()
    assert (listed["name"], listed["bases"], shown["bases"], shown["order"]) == ("staging", [], [], ["staging"])
    for index in ("staging", "nothing"):
        problem(api.get(f"{BASE}/indexes/{index}", auth=auth), 403, "not-allowed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "path", "body", "command", "request_"),
    [
        ("PUT", f"{MAIN}/projects/demoo/status", {"status": "active"}, "`wharf list`", "`GET …/projects`"),
        ("PUT", f"{DEMO}/releases/9/yank", None, "`wharf show demo`", "`GET …/projects/demo`"),
        ("GET", f"{MAIN}/log?project=nothing", None, "`wharf log`", "`GET …/log`"),
        ("GET", f"{BASE}/indexes/nothing", None, "`wharf index list`", "`GET /-/api/v1/indexes`"),
        ("DELETE", f"{BASE}/tokens/nothing", None, "`wharf token list`", "`GET /-/api/v1/tokens`"),
        (
            "POST",
            f"{MAIN}/promote",
            {"from": "staging", "releases": [{"project": "x", "version": "1"}]},
            "`wharf list --index staging`",
            "`GET /-/api/v1/indexes/staging/projects`",
        ),
    ],
)
def test_a_hint_is_a_request_for_programs_and_a_command_for_people(
    api: httpx.Client, filled: Repository, method: str, path: str, body: object, command: str, request_: str
) -> None:
    auth = ("x", filled.tokens.create("boss", "manage").reveal())
    for agent, says in (("python-httpx/1", request_), ("wharf/0.1.0", command)):
        answer = api.request(method, path, json=body, auth=auth, headers={"User-Agent": agent})
        assert says in answer.json()["hint"]
        assert says in answer.json()["detail"]


@pytest.mark.slow
def test_an_index_that_is_not_there_is_told_to_who_may_know(api: httpx.Client, filled: Repository) -> None:
    auth = ("x", filled.tokens.create("t", "manage").reveal())
    for method, path in (("GET", ""), ("GET", "/log"), ("POST", "/restore"), ("DELETE", "/projects/demo/releases/1.0")):
        for index in ("nothing", "simple", "..%2fmain", "%00"):
            answer = api.request(
                method, f"{BASE}/indexes/{index}{path}", auth=auth, json={"to": "2026-01-01"} if method == "POST" else None
            )
            if answer.json()["code"] != "no-address":
                problem(answer, 404, "no-index")
    assert filled.branch.indexes() == ["main", "staging"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_a_web_page_of_another_site_changes_nothing(api: httpx.Client, filled: Repository, headers: dict[str, str]) -> None:
    auth, tip = ("x", filled.tokens.create("t", "manage").reveal()), filled.branch.tip()
    for route, (_, method, _, _) in ROUTES.items():
        answer = ask(api, filled, route, auth=auth, headers=headers)
        if method == "GET":
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers
        else:
            assert problem(answer, 403, "not-allowed")["detail"].startswith("A request that a web page of another site started")
    assert filled.branch.tip() == tip
    assert [each.name for each in filled.tokens.all()] == ["t"]
    problem(api.options(f"{RELEASE}/yank", headers=headers), 405, "no-method")
    own = f"http://{api.base_url.host}:{api.base_url.port}"
    assert ask(api, filled, "yank", auth=auth, headers={"Origin": own, "Sec-Fetch-Site": "same-origin"}).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("expires", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999-00:01"])
def test_a_life_to_the_end_of_all_years_is_one_that_can_be_shown(api: httpx.Client, filled: Repository, expires: str) -> None:
    auth = ("x", filled.tokens.create("boss", "manage").reveal())
    made = api.post(f"{BASE}/tokens", json={"name": "last", "scope": "manage", "expires": expires}, auth=auth)
    assert made.status_code == 201
    assert result_lines.expiry(made.json()) == "expires 9999-12-31 23:59 UTC"
    assert [result_lines.expiry(each) for each in api.get(f"{BASE}/tokens", auth=auth).json()["tokens"]][1:]
    last = ("x", made.json()["token"])
    assert api.post(f"{BASE}/tokens", json={"name": "more", "expires": expires}, auth=last).status_code == 201


@pytest.mark.slow
def test_the_rights_are_looked_at_for_the_path_that_is_answered(api: httpx.Client, filled: Repository) -> None:
    auth = ("x", filled.tokens.add(NewToken(name="t", scope="read", indexes=["main"])).reveal())
    for name in ("main%0A", "%0Amain", "ma%09in"):
        problem(api.get(f"{BASE}/indexes/{name}/projects", auth=auth), 403, "not-allowed")


@pytest.mark.slow
@pytest.mark.parametrize("limit", [{"projects": ["demo"]}, {"indexes": ["main"]}])
def test_a_token_with_limits_makes_names_of_its_own_and_learns_of_no_other(
    api: httpx.Client, filled: Repository, limit: dict[str, Any]
) -> None:
    filled.tokens.create("ada", "publish")
    auth = ("x", filled.tokens.add(NewToken(name="acme", scope="manage", **limit)).reveal())

    def make(name: str, auth: tuple[str, str] = auth, **more: str) -> httpx.Response:
        return api.post(f"{BASE}/tokens", json={"name": name, **more}, auth=auth)

    told = {make(name).text for name in ("ada", "nobody", "acme", "acmeci", "ACME.ci")}
    assert len(told) == 1, "the same, whether the name is taken or not"
    assert "Write acme.NAME" in problem(make("ada"), 400, "usage")["hint"]
    made = make("acme.ci", scope="manage")
    assert made.status_code == 201
    problem(make("acme.ci"), 409, "conflict")
    problem(make("acme.other", ("x", made.json()["token"])), 400, "usage")
    assert make("acme.ci.nightly", ("x", made.json()["token"])).status_code == 201
    assert api.delete(f"{BASE}/tokens/acme.ci", auth=auth).status_code == 200
    assert [each.name for each in filled.tokens.all()] == ["ada", "acme"]


@pytest.mark.slow
@pytest.mark.parametrize("own", [True, False])
def test_a_name_that_is_taken_is_ended_only_by_whoever_may(api: httpx.Client, filled: Repository, own: bool) -> None:
    auth = ("x", filled.tokens.create("t", "manage").reveal())
    if own:
        api.post(f"{BASE}/tokens", json={"name": "new", "scope": "read"}, auth=auth).raise_for_status()
    else:
        filled.tokens.create("new", "read")
    refused = api.post(f"{BASE}/tokens", json={"name": "new", "scope": "read"}, auth=auth)
    hint = problem(refused, 409, "conflict")["hint"]
    assert hint == ("`DELETE /-/api/v1/tokens/new` ends it." if own else "Choose another name.")


@pytest.mark.slow
def test_nobody_fills_the_list_of_tokens_for_others(
    api: httpx.Client, filled: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_tokens, "MOST_OF_ONE", 2)
    one, other = (("x", filled.tokens.create(name, "manage").reveal()) for name in ("one", "other"))

    def make(name: str, auth: tuple[str, str], **more: str) -> httpx.Response:
        return api.post(f"{BASE}/tokens", json={"name": name, **more}, auth=auth)

    child = ("x", make("a", one, scope="manage").json()["token"])
    assert make("b", child).status_code == 201
    for auth in (one, child):
        problem(make("c", auth), 403, "refused")
    assert make("c", other).status_code == 201
    assert api.delete(f"{BASE}/tokens/b", auth=child).status_code == 200
    assert make("d", child).status_code == 201
