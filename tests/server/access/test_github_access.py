"""Who may read and upload where GitHub decides it, over real HTTP."""

from __future__ import annotations

import base64
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.github.test_remote_branch import git
from tests.server.over_github import JSON, World, address, at_once
from tests.server.running import soon
from tests.simulator.shapes import number_of
from wharf.server.access import borrowed_tokens, github_access, github_token_check
from wharf.server.refresh import refresher

if TYPE_CHECKING:
    from pathlib import Path

PAGE = "/simple/demo/"
REF = "/git/ref/"


def basic(user: str, password: str = "") -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def nobody(request: httpx.Request) -> httpx.Request:
    return request


def form(path: Path) -> dict[str, Any]:
    data = {":action": "file_upload", "protocol_version": "1"}
    return {"data": data, "files": {"content": (path.name, path.read_bytes())}}


def questions(world: World, login: str | None) -> int:
    """How often a token of that login was asked about."""
    return sum(call.login == login and REF in call.path for call in list(world.hub.calls))


@pytest.mark.slow
def test_a_token_comes_in_many_ways(world: World) -> None:
    bob = world.bob
    with world.serving() as client:
        client.auth = nobody
        for headers in (
            basic("__token__", bob),
            basic("x-access-token", bob),
            basic("", bob),
            basic("bob", bob),
            basic(bob),
            basic(bob, "x-oauth-basic"),
            {"Authorization": f"Bearer {bob}"},
            {"Authorization": f"bearer {bob}"},
        ):
            for _ in range(2):
                answer = client.get(PAGE, headers=headers)
                assert answer.status_code == 200, headers
                assert client.get("/", headers=headers).status_code == 200
        assert "private" in answer.headers["cache-control"]
        # A user name is not tried as a token: GitHub locks out who guesses too often.
        assert {call.login for call in world.hub.calls if "/git/" in call.path} == {"robot", "bob"}


@pytest.mark.slow
def test_who_is_not_let_in_is_told_why(world: World) -> None:
    eve = world.hub.token("eve", {})
    blind = world.hub.token("blind", {"acme/pkgs": "read"}, kind="fine-grained", contents=False)
    gone = world.hub.token("gone", {"acme/pkgs": "read"})
    world.hub.revoke(gone)
    with world.serving() as client:
        client.auth = nobody
        world.hub.calls.clear()
        for given, status in (
            ({}, 401),
            (basic("x", gone), 401),
            (basic("x", "wrong"), 401),
            (basic("x", "wrong_and_longer_than_twenty"), 401),
            (basic("", ""), 401),
            ({"Authorization": "Basic !!!"}, 401),
            ({"Authorization": "Digest x"}, 401),
            ({"Authorization": "Bearer " + "x" * 5000}, 401),
            ({"Authorization": "Bearer \u00ff\u00fe" + "x" * 30}, 401),
            (basic("x", blind), 403),
            (basic("x", eve), 403),
        ):
            headers = httpx.Headers(given, encoding="latin-1")
            for path in (PAGE, "/simple/", "/", "/simple/nothing/", address(world.wheel())):
                answer = client.get(path, headers=headers)
                assert (answer.status_code, "www-authenticate" in answer.headers) == (status, status == 401), (path, headers)
                assert answer.headers["cache-control"] == "no-store"
                assert "acme" not in answer.text
            refused = client.post("/legacy/", headers=headers, **form(world.wheel("demo", "2.0")))
            assert refused.status_code == status
        assert world.asked("/releases/") == 0
        assert "The password is empty" in client.get(PAGE, headers=basic("__token__", "")).text
        asked = [call.status for call in world.hub.calls if REF in call.path]
        assert len(asked) == 4  # each once, and no question about what cannot be a token
        assert client.get("/healthz").status_code == 200
        assert client.get("/nothing").status_code == 404


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_many_first_requests_ask_once_and_the_verdict_holds_for_a_minute(world: World) -> None:
    with world.serving() as client:
        world.hub.calls.clear()
        world.hub.latency = 0.05
        assert {answer.status_code for answer in at_once(30, lambda: client.get(PAGE))} == {200}
        world.hub.latency = 0.0
        assert questions(world, "bob") == 1
        world.hub.clock.forward(59)
        assert client.get(PAGE).status_code == 200
        assert questions(world, "bob") == 1
        world.hub.clock.forward(2)
        assert client.get(PAGE).status_code == 200
        assert [call.status for call in world.hub.calls if call.login == "bob"] == [200, 304]  # the second was free
        eve = world.hub.token("eve", {})
        for _ in range(3):
            assert client.get(PAGE, auth=("x", eve)).status_code == 403
        assert questions(world, "eve") == 1
        world.hub.tokens[eve].rights["acme/pkgs"] = "read"
        world.hub.clock.forward(61)
        assert client.get(PAGE, auth=("x", eve)).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(("how", "status"), [("revoked", 401), ("no right", 403)])
def test_who_is_put_out_is_out_within_a_minute(world: World, how: str, status: int) -> None:
    link = address(world.wheel())
    with world.serving() as client:
        for path, before in ((PAGE, 200), (link, 302)):
            assert client.get(path).status_code == before
        if how == "revoked":
            world.hub.revoke(world.bob)
        else:
            world.hub.tokens[world.bob].rights.clear()
        world.hub.clock.forward(61)
        for path in (PAGE, link, "/"):
            assert client.get(path).status_code == status


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_uploads_that_land_tell_what_their_token_may(world: World) -> None:
    with world.serving() as client:

        def upload(version: str) -> int:
            return client.post("/legacy/", auth=("x", world.alice), **form(world.wheel("demo", version))).status_code

        def asked() -> int:
            return sum(call.login == "alice" and (REF in call.path or call.path.endswith("/user")) for call in world.hub.calls)

        assert upload("2.0") == 200
        first = asked()
        for version in ("2.1", "2.2", "2.3"):
            world.hub.clock.forward(50)
            assert upload(version) == 200
        assert asked() == first
        world.hub.clock.forward(50)
        assert upload("2.3") == 200  # it makes no commit, and shows no right to write
        world.hub.tokens[world.alice].rights.clear()
        world.hub.clock.forward(11)
        assert upload("2.4") == 403
        assert asked() > first


@pytest.mark.slow
def test_while_github_is_away_known_members_go_on_and_nobody_else_comes_in(world: World) -> None:
    seen, unseen = world.wheel(), world.wheel("unseen")
    world.put(unseen)
    carol = world.hub.token("carol", {"acme/pkgs": "read"})
    with world.serving() as client:
        assert client.get(address(seen)).status_code == 302
        assert client.get(PAGE, auth=("x", carol)).status_code == 200
        world.hub.down = True
        for _ in range(3):
            world.hub.clock.forward(61)
            assert client.get(PAGE).status_code == 200
        assert client.get("/simple/unseen/", headers=JSON).status_code == 200  # never asked for before
        assert client.get(address(seen)).status_code == 302
        new = client.get(PAGE, auth=("x", world.alice))
        assert (new.status_code, int(new.headers["retry-after"]) > 0) == (503, True)
        for _ in range(2):
            lost = client.get(address(unseen))
            assert (lost.status_code, int(lost.headers["retry-after"]) > 0) == (503, True)
        upload = client.post("/legacy/", auth=("x", world.alice), **form(world.wheel("demo", "2.0")))
        assert upload.status_code == 503
        world.hub.clock.forward(3600)
        assert client.get(PAGE).status_code == 503
        world.hub.down = False
        world.hub.clock.forward(github_token_check.PAUSE + 1)
        for token in (world.bob, carol, world.alice):
            assert client.get(PAGE, auth=("x", token)).status_code == 200


@pytest.mark.slow
def test_a_limit_that_a_client_has_reached_is_not_a_refusal(world: World) -> None:
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        world.hub.clock.forward(61)
        world.hub.fault(f"GET .*{REF}", "secondary:77", times=2)
        assert client.get(PAGE).status_code == 200
        new = client.get(PAGE, auth=("x", world.alice))
        assert (new.status_code, new.headers["retry-after"]) == (503, "77")


@pytest.mark.slow
def test_github_that_hangs_keeps_no_member_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = [world.hub.token(f"m{number}", {"acme/pkgs": "read"}) for number in range(12)]
    later = threading.Event()
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        monkeypatch.setattr(github_access, "PATIENCE", 0.1)
        world.hub.clock.forward(61)
        monkeypatch.setattr(world.hub.faults, "run_before", lambda line: REF in line and later.wait(60))
        try:
            assert client.get(PAGE).status_code == 200
            for token in tokens:
                assert client.get(PAGE, auth=("x", token)).status_code == 503
            assert client.get("/simple/nothing/").status_code == 404  # what is made in a thread is not held up either
            assert client.get("/simple/").status_code == 200
        finally:
            later.set()
        world.hub.clock.forward(2)
        soon(lambda: client.get(PAGE, auth=("x", tokens[0])).status_code == 200)


@pytest.mark.slow
def test_verdicts_are_bounded_and_strangers_drive_out_no_member(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_access, "_KEPT", 5)
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        for number in range(12):
            assert client.get(PAGE, auth=("x", f"nobodys_token_{number:020}")).status_code == 401
        world.hub.calls.clear()
        assert client.get(PAGE).status_code == 200
        assert client.get(PAGE, auth=("x", f"nobodys_token_{11:020}")).status_code == 401
        assert world.hub.calls == []
        assert client.get(PAGE, auth=("x", f"nobodys_token_{0:020}")).status_code == 401
        assert len(world.hub.calls) == 1


# A server without a token of its own


@pytest.mark.slow
def test_a_server_without_a_token_borrows_one_of_its_clients(world: World) -> None:
    link = address(world.wheel())
    with world.serving(None) as client:
        assert client.get(PAGE, auth=nobody).status_code == 401
        assert client.get(PAGE, auth=("x", world.hub.token("eve", {}))).status_code == 403
        assert world.hub.count("git") <= 2  # the one that was tried before the server began
        world.hub.latency = 0.03
        carol = world.hub.token("carol", {"acme/pkgs": "read"})
        both = iter([("x", world.bob), ("x", carol)] * 8)
        answers = at_once(16, lambda: client.get(PAGE, auth=next(both)))
        assert {answer.status_code for answer in answers} == {200}  # all wait for the index
        world.hub.latency = 0.0
        assert client.get(link, follow_redirects=True).status_code == 200
        assert {call.login for call in world.hub.calls if "/assets/" in call.path} <= {"bob", "carol"}


@pytest.mark.slow
def test_a_member_who_leaves_takes_nothing_from_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    monkeypatch.setattr(borrowed_tokens, "_KEPT", 2)
    other = world.wheel("other")
    world.put(other)
    with world.serving(None) as client:
        assert client.get(PAGE).status_code == 200
        assert client.get(PAGE, auth=("x", world.alice)).status_code == 200
        world.hub.revoke(world.bob)
        assert client.get(address(other), auth=("x", world.alice)).status_code == 302
        world.put(world.wheel("late"))
        soon(lambda: client.get("/simple/late/", auth=("x", world.alice)).status_code == 200)
        carol = world.hub.token("carol", {"acme/pkgs": "read"})
        assert client.get(PAGE, auth=("x", carol)).status_code == 200
        world.hub.tokens[world.alice].rights.clear()  # 404 from now on, as for an asset that is gone
        assert client.get(address(world.wheel()), auth=("x", carol)).status_code == 302
        world.hub.revoke(carol)
        assert client.get(address(world.wheel("late")), auth=("x", carol)).status_code == 503


@pytest.mark.slow
def test_no_token_is_borrowed_where_members_are_not_asked(world: World) -> None:
    world.repo.private = False
    with world.serving(None, by_github=False, open_reading=True) as client:
        assert client.get(PAGE, auth=("x", world.bob)).status_code == 200
        assert client.get(address(world.wheel()), auth=("x", world.bob)).status_code == 302
        assert {call.login for call in world.hub.calls} == {None}


# wharf's own tokens, and nobody's


@pytest.mark.slow
def test_a_token_of_wharfs_is_known_for_one_where_github_decides(world: World) -> None:
    with world.serving() as client, world.open(world.robot) as repository:
        mine = repository.tokens.create("ci", "publish").reveal()
        world.hub.calls.clear()
        for auth in (("__token__", mine), (mine, "")):
            answers = [client.get(PAGE, auth=auth), client.post("/legacy/", auth=auth, **form(world.wheel("fresh")))]
            assert [each.status_code for each in answers] == [401, 401]
            assert all("This is a wharf token" in each.text and "--auth tokens" in each.text for each in answers)
    assert not any(mine in str(call.headers) for call in world.hub.calls)


@pytest.mark.slow
def test_with_tokens_of_wharfs_github_is_asked_by_the_server_only(world: World) -> None:
    with world.serving(world.alice, by_github=False) as client:
        with world.open(world.robot) as repository:
            read, write = (repository.tokens.create(name, name).reveal() for name in ("read", "publish"))
        world.hub.calls.clear()
        assert client.get(PAGE, auth=nobody).status_code == 401
        refused = client.get(PAGE)
        assert (refused.status_code, "a GitHub token" in refused.text) == (401, True)
        client.auth = httpx.BasicAuth("x", read)
        assert client.get(PAGE).status_code == 200
        assert client.get(address(world.wheel()), follow_redirects=True).status_code == 200
        fresh = world.wheel("fresh")
        assert client.post("/legacy/", **form(fresh)).status_code == 403
        assert client.post("/legacy/", auth=("x", write), **form(fresh)).status_code == 200
        assert client.get("/simple/fresh/").status_code == 200
    assert {call.login for call in world.hub.calls if call.kind not in {"storage", "web"}} == {"alice"}
    for call in world.hub.calls:
        assert read not in str(call.headers)
        assert write not in str(call.headers)


def test_a_public_server_over_a_private_repository_signs_for_everybody(world: World) -> None:
    with world.serving(by_github=False, open_reading=True) as client:
        answer = client.get(address(world.wheel()), auth=nobody, follow_redirects=True)
        assert (answer.status_code, answer.content) == (200, world.wheel().read_bytes())
        assert client.post("/legacy/", auth=nobody, **form(world.wheel("demo", "2.0"))).status_code == 401


# Uploads


@pytest.mark.slow
def test_an_upload_is_made_by_the_clients_own_token(world: World) -> None:
    fresh = world.wheel("fresh")
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        world.hub.calls.clear()
        assert client.post("/legacy/", auth=("__token__", world.alice), **form(fresh)).status_code == 200
        writes = {call.login for call in world.hub.calls if call.method in {"POST", "PATCH"} and call.kind != "graphql"}
        assert writes == {"alice"}
        assert client.get("/simple/fresh/").status_code == 200  # at once
        assert client.get(address(fresh), follow_redirects=True).content == fresh.read_bytes()
        again = client.post("/legacy/", auth=("__token__", world.alice), **form(fresh))
        assert (again.status_code, again.text) == (200, f"{fresh.name} is in the index already.\n")
        other = form(world.wheel("fresh", content="other"))
        taken = client.post("/legacy/", auth=("__token__", world.alice), **other)
        assert (taken.status_code, taken.text[:19]) == (409, "File already exists")
        web = {"Origin": "https://elsewhere.example"}
        assert client.post("/legacy/", auth=("x", world.alice), headers=web, **other).status_code == 403
    release = next(release for release in world.repo.releases if release.tag_name == "fresh-1.0")
    assert (release.author, release.assets[0].uploader) == ("alice", "alice")
    assert git(world.repo.git_dir, "log", "-1", "--format=%cn %ce", "wharf/main").split()[0] == "alice"


@pytest.mark.slow
def test_an_upload_makes_no_index(world: World) -> None:
    with world.serving(world.alice, by_github=False) as client:
        with world.open(world.robot) as repository:
            token = repository.tokens.create("ci", "publish").reveal()
        git(world.repo.git_dir, "update-ref", "-d", "refs/heads/wharf/main")
        world.repo.releases.clear()
        answer = client.post("/legacy/", auth=("__token__", token), **form(world.wheel("fresh")))
        assert (answer.status_code, "There is no index 'main' in" in answer.text) == (404, True)
        again = client.post("/legacy/", auth=("__token__", token), **form(world.wheel("fresh")))
        assert again.status_code in {404, 503}  # by then it may have seen that the branch is gone
    assert world.repo.releases == []


@pytest.mark.slow
def test_an_upload_by_an_apps_token_is_the_apps(world: World) -> None:
    robot = world.hub.token("robot", {"acme/pkgs": "write"}, kind="installation")
    with world.serving() as client:
        assert client.post("/legacy/", auth=("__token__", robot), **form(world.wheel("fresh"))).status_code == 200
    who = f"robot[bot] {number_of('robot')}+robot[bot]@users.noreply.127.0.0.1"
    assert git(world.repo.git_dir, "log", "-1", "--format=%cn %ce", "wharf/main").strip() == who


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["classic", "fine-grained", "installation"])
def test_who_may_only_read_uploads_nothing(world: World, kind: str) -> None:
    reader = world.hub.token("reader", {"acme/pkgs": "read"}, kind=kind)
    releases = len(world.repo.releases)
    with world.serving(world.alice) as client:  # the server could write itself
        answer = client.post("/legacy/", auth=("x", reader), **form(world.wheel("demo", "2.0")))
        assert answer.status_code == 403
        assert client.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0"]
    assert len(world.repo.releases) == releases


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "status", "asked"),
    [(None, 200, 1), ("internal", 200, 4), ("no contents", 403, 2), ("unknown", 401, 1), ("no repository", 403, 3)],
)
def test_one_question_tells_who_uploads_and_only_a_plain_yes_counts(
    world: World, fault: str | None, status: int, asked: int
) -> None:
    token = world.alice
    if fault == "no contents":
        token = world.hub.token("blind", {"acme/pkgs": "write"}, kind="fine-grained", contents=False)
    elif fault == "unknown":
        token = "ghp_" + "a" * 36
    elif fault == "no repository":
        token = world.hub.token("eve", {})
    with world.serving() as client:
        world.hub.calls.clear()
        if fault == "internal":
            world.hub.fault("POST .*/graphql", "internal")
        answer = client.post("/legacy/", auth=("x", token), **form(world.wheel("demo", "2.0")))
        assert answer.status_code == status, answer.text
        calls = [call for call in world.hub.calls if call.kind in {"api", "graphql"} and call.login != "robot"]
        before = next((at for at, call in enumerate(calls) if call.path.endswith("/releases")), len(calls))
        assert before == asked


@pytest.mark.slow
def test_an_upload_by_a_job_needs_no_user(world: World) -> None:
    job = world.hub.token("ci", {"acme/pkgs": "write"}, kind="actions")
    with world.serving() as client:
        assert client.post("/legacy/", auth=("x-access-token", job), **form(world.wheel("demo", "2.0"))).status_code == 200
        assert client.get("/simple/demo/", headers=JSON).json()["versions"] == ["1.0", "2.0"]


@pytest.mark.slow
def test_a_token_that_ends_in_mid_upload_leaves_nothing_visible(world: World) -> None:
    fresh = world.wheel("fresh")
    with world.serving() as client:
        world.hub.before("POST .*/assets$", lambda: world.hub.revoke(world.alice))
        answer = client.post("/legacy/", auth=("x", world.alice), **form(fresh))
        assert answer.status_code == 403
        assert client.get("/simple/fresh/").status_code == 404
    assert all(release.draft for release in world.repo.releases if release.tag_name.startswith("fresh"))


@pytest.mark.slow
def test_uploads_at_the_same_time_all_land(world: World) -> None:
    wheels = [world.wheel(f"p{number}") for number in range(4)]
    left = iter(wheels)
    with world.serving() as client:
        answers = at_once(4, lambda: client.post("/legacy/", auth=("x", world.alice), timeout=60, **form(next(left))))
        assert [answer.status_code for answer in answers] == [200] * 4
        assert len(client.get("/simple/", headers=JSON).json()["projects"]) == 5


# Hostile clients


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_strangers_who_guess_tokens_are_not_asked_about_without_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_access, "GUESSES", 3)
    carol = world.hub.token("carol", {"acme/pkgs": "read"})
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        answers = [client.get(PAGE, auth=("x", f"nobodys_token_{number:020}")) for number in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 3 + [503] * 3
        assert 0 < int(answers[-1].headers["retry-after"]) <= 60
        assert client.get(PAGE, auth=("x", carol)).status_code == 503
        world.hub.clock.forward(59)
        assert client.get(PAGE).status_code == 200
        world.hub.clock.forward(2)
        assert client.get(PAGE).status_code == 200  # a member is asked about as ever
        assert client.get(PAGE, auth=("x", carol)).status_code == 200


@pytest.mark.slow
def test_members_do_not_queue_behind_strangers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github_access, "STRANGERS", 8)
    later = threading.Event()
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        monkeypatch.setattr(github_access, "PATIENCE", 0.1)
        world.hub.clock.forward(61)
        world.hub.calls.clear()
        find = world.hub.faults.run_before
        monkeypatch.setattr(world.hub.faults, "run_before", lambda line: (REF in line and later.wait(60)) or find(line))
        try:
            tokens = (f"nobodys_token_{number:020}" for number in range(20))
            assert {answer.status_code for answer in at_once(20, lambda: client.get(PAGE, auth=("x", next(tokens))))} == {503}
            monkeypatch.setattr(world.hub.faults, "run_before", find)
            monkeypatch.setattr(github_access, "PATIENCE", 30.0)
            assert client.get(PAGE).status_code == 200
            assert questions(world, "bob") == 1  # not let in for want of an answer: GitHub said so
        finally:
            later.set()
        soon(lambda: sum(REF in call.path for call in list(world.hub.calls)) == 9)  # the others were not even put in line


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_a_yes_holds_for_an_hour_and_no_longer_while_github_is_away(world: World) -> None:
    with world.serving() as client:
        assert client.get(PAGE).status_code == 200
        world.hub.down = True
        world.hub.clock.forward(github_token_check.GRACE - 10)
        assert client.get(PAGE).status_code == 200
        world.hub.clock.forward(11)
        assert client.get(PAGE).status_code == 503


def test_an_emptied_repository_is_not_a_github_that_is_away_and_tells_who_may_read(world: World) -> None:
    carol = world.hub.token("carol", {"acme/pkgs": "read"})
    with world.serving() as client:
        world.hub.fault(f"GET .*{REF}", "409")  # "Git Repository is empty."
        assert client.get(PAGE, auth=("x", carol)).status_code == 200
        assert client.get(PAGE).status_code == 200
        assert client.get(PAGE, auth=("x", world.hub.token("eve", {}))).status_code == 403


@pytest.mark.slow
def test_a_lender_whose_limit_is_used_up_takes_nothing_from_the_others(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    other = world.wheel("other")
    world.put(other)
    carol = world.hub.token("carol", {"acme/pkgs": "read"})
    limits = world.hub.limits
    with world.serving(None) as client:
        assert client.get(PAGE).status_code == 200
        assert client.get(PAGE, auth=("x", carol)).status_code == 200
        limits.charge(limits.key(world.hub.tokens[world.bob], "core"), 5000)
        assert client.get(address(world.wheel()), auth=("x", carol)).status_code == 302
        world.put(world.wheel("late"))
        soon(lambda: client.get("/simple/late/", auth=("x", carol)).status_code == 200)
        limits.charge(limits.key(world.hub.tokens[carol], "core"), 5000)
        assert client.get(address(other), auth=("x", carol)).status_code == 503
        assert client.get(PAGE, auth=("x", world.alice)).status_code == 200
        world.hub.clock.forward(61)  # whoever comes next brings a limit of their own
        assert client.get(address(other), auth=("x", world.alice)).status_code == 302


@pytest.mark.slow
def test_who_lends_after_all_others_have_gone_sees_the_index_of_today(world: World) -> None:
    with world.serving(None) as client:
        assert client.get(PAGE).status_code == 200
        world.hub.revoke(world.bob)
        world.put(world.wheel("late"))
        assert client.get(address(world.wheel())).status_code == 503  # nobody is left who lends
        assert client.get("/simple/late/", auth=("x", world.alice)).status_code == 200
