"""The management API over GitHub: each verb is carried out with the token of whoever asks, and GitHub decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.server.management.api import BASE, DEMO, MAIN, RELEASE, good, problem
from tests.server.over_github import JSON, World, _quick, address, world
from tests.server.running import soon
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations.index_settings import set_settings
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    import httpx

__all__ = ["_quick", "world"]

READS = ("/indexes", "/indexes/main", "/indexes/main/projects", "/indexes/main/projects/demo", "/indexes/main/log")
WRITES: Final[tuple[tuple[str, str, Mapping[str, object] | None], ...]] = (
    ("PUT", f"{RELEASE}/yank", {"reason": "loses data"}),
    ("DELETE", f"{RELEASE}/yank", None),
    ("PUT", f"{DEMO}/status", {"status": "deprecated"}),
    ("POST", f"{MAIN}/restore", {"to": "TIP", "projects": ["demo"]}),
    ("DELETE", f"{RELEASE}?dry_run=true", None),
    ("DELETE", RELEASE, None),
)


def write(client: httpx.Client, method: str, path: str, body: Mapping[str, object] | None, token: str | None) -> httpx.Response:
    if body is not None and "to" in body:
        body = {**body, "to": client.get(MAIN).json()["commit"]}
    return client.request(method, path, json=body, auth=None if token is None else ("x", token))


@pytest.mark.slow
def test_each_route_with_each_kind_of_token(world: World) -> None:
    stranger = world.hub.token("stranger", {})
    with world.serving() as client:
        for known, reading in (
            (world.alice, 200),
            (world.bob, 200),
            (stranger, 403),
            ("ghp_" + "x" * 36, 401),
            ("wharf_" + "x" * 43, 401),
        ):
            for path in READS:
                answer = client.get(f"{BASE}{path}", auth=("x", known))
                assert answer.status_code == reading, (path, answer.text)
        tokens: tuple[tuple[str | None, int], ...] = (
            (None, 401),
            ("wharf_" + "x" * 43, 401),
            (stranger, 403),
            (world.bob, 403),
        )
        for token, status in tokens:
            tip = client.get(MAIN).json()["commit"]
            for method, path, body in WRITES:
                problem(write(client, method, path, body, token), status, "not-allowed")
            assert client.get(MAIN).json()["commit"] == tip
        for method, path, body in WRITES:
            assert good(write(client, method, path, body, world.alice))["index"] == "main"
        assert client.get("/simple/demo/").text.count("demo-1.0") == 0
        entries = good(client.get(f"{MAIN}/log"))["entries"]
        assert [(each["verb"], each["actor"]) for each in entries] == [
            ("remove", "alice"),
            ("status", "alice"),
            ("unyank", "alice"),
            ("yank", "alice"),
            ("publish", "alice"),
            ("begin", "alice"),
        ]


@pytest.mark.slow
def test_releases_are_promoted_and_restored_with_the_token_of_the_caller(world: World) -> None:
    with world.open(world.alice, "hers") as repository:
        publish(repository.of_index("staging"), [Input.of(world.wheel("demo", "2.0"))])
    wanted = {"from": "staging", "releases": [{"project": "demo", "version": "2.0"}]}
    carol = world.hub.token("carol", {"acme/pkgs": "write"})
    with world.serving() as client:
        before = client.get(MAIN).json()["commit"]
        for token, status in ((None, 401), (world.bob, 403)):
            problem(write(client, "POST", f"{MAIN}/promote", wanted, token), status, "not-allowed")
        world.hub.calls.clear()
        done = good(client.post(f"{MAIN}/promote", json=wanted, auth=("x", world.alice)))
        assert (done["from"], [each["version"] for each in done["promoted"]]) == ("staging", ["2.0"])
        assert client.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0", "2.0"]
        assert client.get(address(world.wheel("demo", "2.0"))).status_code == 302
        assert world.hub.count("upload") == 0
        problem(client.post(f"{MAIN}/restore", json={"to": before}, auth=("x", world.bob)), 403, "not-allowed")
        back = good(client.post(f"{MAIN}/restore", json={"to": before, "projects": ["demo"]}, auth=("x", carol)))
        assert [each["version"] for each in back["left"]] == ["2.0"]
        assert client.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0"]
        assert len(good(client.post(f"{MAIN}/promote", json=wanted, auth=("x", carol)))["promoted"]) == 1
        entries = good(client.get(f"{MAIN}/log"))["entries"]
    assert [(each["verb"], each["actor"]) for each in entries][:3] == [
        ("promote", "carol"),
        ("restore", "carol"),
        ("promote", "alice"),
    ]
    pushed = [each.login for each in world.hub.calls if each.path.endswith("/git-receive-pack")]
    assert pushed == ["alice", "carol", "carol"]
    with world.open(world.alice, "judge") as repository:
        assert verify(repository).problems == ()


@pytest.mark.slow
def test_tokens_are_those_of_github(world: World) -> None:
    with world.serving() as client:
        for method, path, body in (("GET", "/tokens", None), ("POST", "/tokens", {"name": "x"}), ("DELETE", "/tokens/x", None)):
            found = problem(client.request(method, f"{BASE}{path}", json=body), 403, "not-allowed")
            assert "GitHub makes and ends them" in found["detail"]


@pytest.mark.slow
def test_a_server_that_may_not_write_tells_its_operator_and_not_the_caller(world: World) -> None:
    """Over GitHub with wharf tokens the server acts with its own token, which may only read here."""
    with world.open(world.robot) as repository:
        token = repository.tokens.create("boss", "manage").reveal()
    with world.serving(by_github=False, open_reading=False) as client:
        found = problem(client.put(f"{RELEASE}/yank", auth=("x", token)), 503, "storage")
        assert "GitHub does not let the server's own token do that" in found["detail"]
        problem(client.put(f"{MAIN}/projects/nothing/status", json={"status": "active"}, auth=("x", token)), 404, "not-found")


@pytest.mark.slow
def test_the_rights_of_the_index_hold(world: World) -> None:
    owner = world.hub.token("acme", {"acme/pkgs": "admin"})
    with world.open(owner, "owners") as repository:
        set_settings(repository, (parse_setting('upload.demo=["carol"]'),))
    with world.serving() as client:
        soon(lambda: client.get(MAIN).status_code == 200)
        for path in (f"{RELEASE}/yank", f"{DEMO}/releases/9/yank"):
            found = problem(client.put(path, auth=("x", world.alice)), 403, "may-not-write")
            assert "carol may" in found["detail"]


@pytest.mark.slow
def test_a_pause_for_the_limits_of_github_is_told_with_its_length(world: World) -> None:
    with world.serving() as client:
        good(client.put(f"{RELEASE}/yank", auth=("x", world.alice)))
        carol = world.hub.token("carol", {"acme/pkgs": "write"})  # of whom GitHub was not asked yet
        world.hub.limits.primary = 0
        answer = client.delete(f"{RELEASE}/yank", auth=("x", carol))
        found = problem(answer, 429, "quota")
        assert found["detail"].startswith("GitHub's limits are reached: ")
        assert 5 < int(answer.headers["retry-after"]) <= 3602
        assert client.get(DEMO, auth=("x", world.alice)).status_code == 200
