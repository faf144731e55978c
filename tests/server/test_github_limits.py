"""The server at GitHub's limits: what it waits for, what it answers, and that it sends GitHub nothing meanwhile."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.makers import make_sdist
from tests.matrix import first
from tests.server.access.test_github_access import form
from tests.server.over_github import BIN, JSON, World, address, at_once
from wharf.github import quota_reservation
from wharf.operations.verify import verify
from wharf.server.web.quota_wait import IN_ALL

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = 35
DRAFT = r"POST .*/acme/pkgs/releases$"
pytestmark = pytest.mark.usefixtures("still")

STEPS = {
    "draft": DRAFT,
    "tags": "POST .*/graphql$",
    "list": r"GET .*/releases$",
    "asset": r"POST .*/assets$",
    "publish": "PATCH ",
}


def upload(client: httpx.Client, token: str, path: Path) -> httpx.Response:
    return client.post("/legacy/", auth=("x", token), timeout=60, **form(path))


def refused(world: World) -> int:
    return sum(call.status in {403, 429} for call in world.hub.calls)


def check(world: World, *versions: str) -> None:
    """The index has these versions, and nothing is left that nobody finishes."""
    assert not [release.tag_name for release in world.repo.releases if release.draft]
    with world.open(world.alice, "judge") as repository:
        found = repository.branch.snapshot().project("demo")
        assert found is not None
        assert {each.version for each in found.releases} == {"1.0", *versions}
        assert verify(repository).problems == ()


def told(answer: httpx.Response, status: int) -> int:
    """The seconds of an answer that says why, and until when."""
    assert answer.status_code == status, answer.text
    seconds = int(answer.headers["retry-after"])
    assert answer.text.startswith("GitHub's limits are reached: ")
    assert f"Try again in {seconds} seconds" in answer.text
    assert "\n" not in answer.text.strip()
    assert "acme" not in answer.text
    return seconds


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["twine", "uv"])
@pytest.mark.parametrize("auth", ["by GitHub", "by wharf tokens"])
def test_more_versions_than_a_minute_takes_come_through(world: World, tool: str, auth: str) -> None:
    own = auth != "by GitHub"
    with world.serving(world.alice, by_github=not own) as client:
        token = world.alice
        if own:
            with world.open(world.alice) as repository:
                token = repository.tokens.create("ci", "publish").reveal()
        words = {
            "twine": ["upload", "--non-interactive", "--disable-progress-bar", "-u", "x", "-p", token, "--repository-url"],
            "uv": ["publish", "--no-config", "-u", "x", "-p", token, "--publish-url"],
        }[tool]
        paths = [world.wheel("demo", f"2.{number}") for number in range(VERSIONS)]
        home = world.root / "home"
        home.mkdir()
        env = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "127.0.0.1"}
        command = [BIN / tool, *words, f"{client.base_url}/legacy/", *paths]
        done = subprocess.run([str(word) for word in command], env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    assert refused(world) == 0  # it never came to a pause
    assert 0 < max(world.slept) < 8  # and hatch waits no longer than 10
    assert sum(world.slept) < 62  # no longer than the minute lasts
    check(world, *(f"2.{number}" for number in range(VERSIONS)))


@pytest.mark.slow
def test_eight_twines_at_once_are_all_served(world: World) -> None:
    """More than a minute takes, of one user; each of them has a project, and all of them have one more."""
    names = [*"abcdefgh"]
    home = world.root / "home"
    home.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "NO_PROXY": "127.0.0.1"}
    words = ["upload", "--non-interactive", "--disable-progress-bar", "-u", "x", "-p", world.alice, "--repository-url"]
    with world.serving() as client:

        def run(number: int) -> subprocess.CompletedProcess[str]:
            paths = [*(world.wheel(names[number], f"{each}.0") for each in (1, 2, 3)), world.wheel("demo", f"2.{number}")]
            command = [BIN / "twine", *words, f"{client.base_url}/legacy/", *paths]
            return subprocess.run(
                [str(word) for word in command], env=env, capture_output=True, text=True, timeout=300, check=False
            )

        with ThreadPoolExecutor(len(names)) as pool:
            for done in pool.map(run, range(len(names))):
                assert done.returncode == 0, done.stdout + done.stderr
    assert refused(world) == 0
    assert max(world.slept) <= IN_ALL
    check(world, *(f"2.{number}" for number in range(len(names))))
    with world.open(world.alice, "judge") as repository:
        snapshot = repository.branch.snapshot()
        for name in names:
            found = snapshot.project(name)
            assert found is not None
            assert {each.version for each in found.releases} == {"1.0", "2.0", "3.0"}


def calls(world: World) -> int:
    """How many calls of the API there were, but for those that ask now and then who uploads, and who may read."""
    return sum(call.kind in {"upload", "graphql"} or "/releases" in call.path for call in world.hub.calls)


@pytest.mark.slow
def test_versions_one_by_one_take_one_call_more_each_than_together(world: World) -> None:
    count = 6
    together = [world.wheel("demo", f"2.{number}") for number in range(count)]
    world.hub.calls.clear()
    world.put(*together)
    most = calls(world) + count
    with world.serving() as client:
        world.hub.calls.clear()
        for number in range(count):
            assert upload(client, world.alice, world.wheel("demo", f"3.{number}")).status_code == 200
        assert calls(world) <= most
        assert refused(world) == 0
    check(world, *(f"{part}.{number}" for number in range(count) for part in (2, 3)))


@pytest.mark.slow
def test_what_gathers_while_a_push_is_under_way_shares_the_next_one(world: World) -> None:
    paths = [world.wheel("demo", f"2.{number}") for number in range(8)]
    with world.serving() as client:
        world.hub.calls.clear()
        with ThreadPoolExecutor(len(paths)) as pool:
            assert {each.status_code for each in pool.map(lambda path: upload(client, world.alice, path), paths)} == {200}
        pushes = sum("git-receive-pack" in call.query.get("service", "") for call in world.hub.calls)
        assert pushes < len(paths)
        assert refused(world) == 0
    check(world, *(f"2.{number}" for number in range(8)))
    assert len([release for release in world.repo.releases if release.tag_name.startswith("demo-2.")]) == len(paths)


@pytest.mark.slow
def test_a_release_that_github_refuses_stops_no_other_upload_and_is_named(world: World) -> None:
    world.repo.closed_tags.add("demo-2.0")
    paths = [world.wheel("demo", f"2.{number}") for number in range(4)]
    with world.serving() as client:
        with ThreadPoolExecutor(len(paths)) as pool:
            answers = [*pool.map(lambda path: upload(client, world.alice, path), paths)]
        again = upload(client, world.alice, paths[0])
    assert [each.status_code for each in answers] == [422, 200, 200, 200]
    for each in (answers[0], again):
        assert each.status_code == 422
        assert each.text.startswith("GitHub refuses the release demo-2.0: Validation Failed")
        assert "acme" not in each.text
    with world.open(world.alice, "judge") as repository:
        found = repository.branch.snapshot().project("demo")
        assert found is not None
        assert {each.version for each in found.releases} == {"1.0", "2.1", "2.2", "2.3"}


@pytest.mark.slow
@pytest.mark.parametrize("then", ["again", "by another token", "another file", "the other index"])
def test_a_kept_list_hides_nothing_that_is_there(world: World, then: str) -> None:
    """What is published, or left by a publish that failed, is found; nothing is stored twice."""
    path, carol = world.wheel("demo", "2.0"), world.hub.token("carol", {"acme/pkgs": "write"})
    with world.open(world.alice, "hers", index="next") as repository:
        repository.branch.begin("alice")
    with world.serving() as client:
        assert upload(client, world.alice, world.wheel("demo", "1.9")).status_code == 200  # the list is kept
        world.hub.fault("PATCH ", "secondary:60")
        told(upload(client, world.alice, path), 429)
        world.hub.clock.forward(70)
        who = carol if then == "by another token" else world.alice
        assert upload(client, who, path).status_code == 200
        if then == "another file":
            assert upload(client, who, make_sdist(world.root, "demo", "2.0")).status_code == 200
        if then == "the other index":
            assert client.post("/next/legacy/", auth=("x", who), timeout=60, **form(path)).status_code == 200
    found = [release for release in world.repo.releases if release.tag_name.startswith("demo-2.0")]
    assert [release.draft for release in found] == [False]


@pytest.mark.parametrize("step", [step if step == "publish" else pytest.param(step, marks=pytest.mark.slow) for step in STEPS])
def test_a_short_pause_is_waited_out(world: World, step: str) -> None:
    with world.serving() as client:
        world.hub.fault(STEPS[step], "secondary:15")
        assert upload(client, world.alice, world.wheel("demo", "2.0")).status_code == 200
        assert world.slept == [15]
        assert refused(world) == 1
    check(world, "2.0")


@pytest.mark.slow
def test_short_pauses_without_an_end_are_not_waited_out(world: World) -> None:
    with world.serving() as client:
        world.hub.fault(DRAFT, "secondary:15", times=9)
        assert told(upload(client, world.alice, world.wheel("demo", "2.0")), 429) == 15
        assert sum(world.slept) <= IN_ALL


@pytest.mark.parametrize("step", [step if step == "publish" else pytest.param(step, marks=pytest.mark.slow) for step in STEPS])
def test_a_long_pause_is_told_and_nothing_is_sent_meanwhile(world: World, step: str) -> None:
    path = world.wheel("demo", "2.0")
    with world.serving() as client:
        world.hub.fault(STEPS[step], "secondary:60")
        assert told(upload(client, world.alice, path), 429) == 60
        world.hub.clock.forward(5)
        world.hub.calls.clear()
        answers = at_once(5, lambda: upload(client, world.alice, path))
        assert {told(answer, 429) for answer in answers} <= {55, 56}
        assert world.hub.calls == []
        assert client.get("/simple/demo/").status_code == 200
        world.hub.clock.forward(20)
        world.hub.calls.clear()
        assert upload(client, world.alice, path).status_code == 200  # the rest of it is short
        assert refused(world) == 0
        assert len(world.slept) == 1
    check(world, "2.0")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "least", "most"),
    first(1, [("31536000", 3600, 3600), ("soon", 60, 60), ("-5", 60, 60), ("0", 0, 0), ("9" * 400, 3600, 3600)]),
)
def test_whatever_github_says_of_a_pause_it_is_asked_again(world: World, said: str, least: int, most: int) -> None:
    path = world.wheel("demo", "2.0")
    with world.serving() as client:
        world.hub.fault(DRAFT, f"secondary:{said}")
        answer = upload(client, world.alice, path)
        if most:
            assert least <= told(answer, 429) <= most
            world.hub.clock.forward(most + 1)
            answer = upload(client, world.alice, path)
        assert answer.status_code == 200
    check(world, "2.0")


@pytest.mark.slow
def test_a_pause_that_github_makes_longer(world: World) -> None:
    path = world.wheel("demo", "2.0")
    with world.serving() as client:
        world.hub.fault(DRAFT, "secondary:60")
        assert told(upload(client, world.alice, path), 429) == 60
        world.hub.clock.forward(42)
        world.hub.fault(DRAFT, "secondary:90")
        assert told(upload(client, world.alice, path), 429) == 90  # waited for 18 seconds, and then told
        world.hub.clock.forward(75)
        assert upload(client, world.alice, path).status_code == 200
        assert [round(each) for each in world.slept] == [18, 15]
    check(world, "2.0")


@pytest.mark.slow
def test_a_pause_is_the_users_whichever_token_is_sent_and_nobody_elses(world: World) -> None:
    path, other = world.wheel("demo", "2.0"), world.wheel("demo", "3.0")
    second = world.hub.token("alice", {"acme/pkgs": "write"})
    carol = world.hub.token("carol", {"acme/pkgs": "write"})
    with world.serving() as client:
        world.hub.fault(DRAFT, "secondary:60")
        assert told(upload(client, world.alice, path), 429) == 60
        assert upload(client, carol, other).status_code == 200
        world.hub.calls.clear()
        assert 50 < told(upload(client, second, path), 429) <= 60
        assert {call.kind for call in world.hub.calls} == {"graphql"}  # whose it is
        world.hub.calls.clear()
        assert 50 < told(upload(client, second, path), 429) <= 60
        assert world.hub.calls == []
        world.hub.clock.forward(60)
        assert upload(client, second, path).status_code == 200
    check(world, "2.0", "3.0")


@pytest.mark.slow
def test_who_waits_for_a_limit_holds_up_nobody_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    carol = world.hub.token("carol", {"acme/pkgs": "write"})
    answers: list[httpx.Response] = []

    async def meanwhile(seconds: float) -> None:
        async with httpx.AsyncClient(base_url=client.base_url, auth=("x", carol), timeout=60) as hers:
            answers.append(await hers.post("/legacy/", **form(world.wheel("demo", "3.0"))))
        world.hub.clock.forward(seconds)

    monkeypatch.setattr(world, "sleep", meanwhile)
    with world.serving() as client:
        world.hub.fault(DRAFT, "secondary:15")
        assert upload(client, world.alice, world.wheel("demo", "2.0")).status_code == 200
        assert [answer.status_code for answer in answers] == [200]
    check(world, "2.0", "3.0")


@pytest.mark.slow
def test_a_server_that_starts_in_a_pause_learns_of_it_once(world: World) -> None:
    path = world.wheel("demo", "2.0")
    world.hub.limits.contents_minute = 1
    with world.serving() as client:
        told(upload(client, world.alice, path), 429)
    with world.serving() as client:
        world.hub.calls.clear()
        for _ in range(3):
            told(upload(client, world.alice, path), 429)
        assert refused(world) == 1
    world.hub.limits.contents_minute = 80
    world.hub.clock.forward(61)
    with world.serving() as client:
        assert upload(client, world.alice, path).status_code == 200
    check(world, "2.0")


@pytest.mark.slow
def test_what_is_in_the_index_already_needs_no_room(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota_reservation, "DENSE", 0.0)
    with world.serving() as client:
        for version, waits in (("2.0", True), ("3.0", True), ("2.0", False), ("4.0", True)):
            world.slept.clear()
            assert upload(client, world.alice, world.wheel("demo", version)).status_code == 200
            assert bool(world.slept) is waits


@pytest.mark.slow
def test_an_hour_that_is_full_is_told(world: World) -> None:
    world.hub.limits.contents_hour = 4
    with world.serving() as client:
        assert upload(client, world.alice, world.wheel("demo", "2.0")).status_code == 200
        path = world.wheel("demo", "3.0")
        assert told(upload(client, world.alice, path), 429) > 3000
        world.hub.calls.clear()
        assert told(upload(client, world.alice, path), 429) > 3000
        assert world.hub.calls == []
        world.hub.clock.forward(3601)
        assert upload(client, world.alice, path).status_code == 200
    check(world, "2.0", "3.0")


@pytest.mark.slow
def test_what_is_wrong_with_a_file_is_said_at_once(world: World) -> None:
    wrong = form(world.wheel("demo", "2.0"))
    wrong["data"]["sha256_digest"] = "0" * 64
    with world.serving(world.alice, by_github=False) as client:
        with world.open(world.alice) as repository:
            token = repository.tokens.create("ci", "publish").reveal()
        world.hub.fault(DRAFT, "secondary:60")
        told(upload(client, token, world.wheel("demo", "3.0")), 429)
        world.hub.clock.forward(50)
        assert client.post("/legacy/", auth=("x", token), **wrong).status_code == 400
        assert world.slept == []


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("borrowed", first(1, [False, True]))
def test_readers_are_told_why_there_is_no_file_just_now(world: World, stream: bool, borrowed: bool) -> None:
    link = address(world.wheel())
    with world.serving(None if borrowed else "", stream=stream) as client:
        assert client.get("/simple/demo/").status_code == 200
        world.hub.limits.primary = 0
        first = told(client.get(link), 503)
        assert 3500 < first <= 3602
        world.hub.calls.clear()
        world.hub.clock.forward(30)
        assert first - 32 <= told(client.get(link), 503) <= first - 29  # what is left of it
        assert world.hub.calls == []
        for path in ("/simple/demo/", "/simple/"):
            assert client.get(path, headers=JSON).status_code == 200
        world.hub.limits.primary = 5000
        world.hub.clock.forward(first)
        assert client.get(link).status_code in {200, 302}


def test_a_reader_whom_github_cannot_be_asked_about_is_told_why(world: World) -> None:
    carol = world.hub.token("carol", {"acme/pkgs": "read"})
    with world.serving() as client:
        world.hub.fault("GET .*/git/ref/", "secondary:77")
        for path in ("/simple/demo/", "/simple/nothing/", address(world.wheel())):
            assert 70 < told(client.get(path, auth=("x", carol)), 503) <= 77
