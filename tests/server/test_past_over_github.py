"""Addresses of the past over GitHub: the history is fetched when somebody asks for it, and nobody waits for that."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.github.test_remote_branch import WHY, clone, number
from tests.index.test_branch import edit_by_hand, git
from tests.server.over_github import World, at_once
from tests.server.past import date, links, tip, versions
from tests.server.running import soon
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.remove import remove
from wharf.server.past import history_copy
from wharf.server.refresh import refresher

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

FETCH = "POST .*/git-upload-pack"


def fetches(world: World) -> int:
    """How often git fetched something from GitHub."""
    return sum(call.kind == "git" and call.path.endswith("git-upload-pack") for call in list(world.hub.calls))


def comes(client: httpx.Client, path: str) -> None:
    """Wait until a page of the past is there."""
    soon(lambda: client.get(path).status_code != 503)


@pytest.mark.slow
def test_the_first_who_asks_has_the_history_fetched_once_for_all(world: World) -> None:
    first = tip(world.root)
    world.put(world.wheel(version="2.0"))
    path = f"/@{first}/simple/demo/"
    with world.serving() as client:
        assert "past" not in client.get("/healthz").json()
        go_on = threading.Event()
        world.hub.calls.clear()
        world.hub.before(FETCH, lambda: go_on.wait(60))
        for coming in at_once(10, lambda: client.get(path)):
            assert coming.status_code == 503
            assert int(coming.headers["retry-after"]) <= 5
            assert "history" in coming.reason_phrase
        assert client.get("/healthz").json()["past"] == "coming"
        assert versions(client, "/simple/demo/") == ["1.0", "2.0"]  # pages of now do not wait for it
        go_on.set()
        comes(client, path)
        assert fetches(world) <= 4  # two requests for commits and folders, and two for the records of a page
        assert client.get("/healthz").json()["past"] == "ok"
        assert versions(client, path) == ["1.0"]
        assert client.get(path).headers["cache-control"] == "private, max-age=31536000, immutable"
        world.hub.calls.clear()
        assert versions(client, path) == ["1.0"]
        assert not fetches(world)
    with world.serving() as again:  # what is on the disk is not fetched again
        world.hub.calls.clear()
        assert versions(again, path) == ["1.0"]
        assert not fetches(world)


@pytest.mark.slow
def test_all_records_of_a_page_are_fetched_in_one_go(world: World) -> None:
    world.put(*(world.wheel(version=f"1.{each}") for each in range(1, 9)))
    with world.serving() as client:
        path = f"/@{tip(world.root)}/simple/"
        comes(client, path)
        world.hub.calls.clear()
        assert len(versions(client, f"{path}demo/")) == 9
        assert fetches(world) <= 2


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_the_history_is_fetched_again_only_for_what_it_lacks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.05)
    first = tip(world.root)
    date(world.root, "2026-01-10T00:00:00Z")
    first = tip(world.root)
    with world.serving() as client:
        comes(client, f"/@{first}/simple/demo/")
        world.put(world.wheel(version="2.0"))
        soon(lambda: versions(client, "/simple/demo/") == ["1.0", "2.0"])
        world.hub.clock.forward(history_copy.PAUSE + 1)
        world.hub.calls.clear()
        assert versions(client, f"/@{first}/simple/demo/") == ["1.0"]
        assert not fetches(world)
        newest = f"/@{tip(world.root)}/simple/demo/"
        assert client.get(newest).status_code == 503
        comes(client, newest)
        assert versions(client, newest) == ["1.0", "2.0"]
        for number in range(30):  # nobody has commits fetched by making up ids
            assert client.get(f"/@{number:040x}/simple/nobodys/").status_code == 404
        assert client.get(f"/@{0:040x}/simple/demo/").status_code == 403
        assert fetches(world) <= 3


@pytest.mark.slow
@pytest.mark.usefixtures("still")
def test_a_fetch_that_fails_is_told_and_not_repeated_without_a_pause(world: World) -> None:
    first = tip(world.root)
    path = f"/@{first}/simple/demo/"
    with world.serving(by_github=False, open_reading=True) as client:
        world.hub.down = True
        assert client.get(path).status_code == 503
        soon(lambda: client.get("/healthz").json()["past"] == "stale")
        world.hub.down = False
        world.hub.calls.clear()
        for _ in range(5):
            assert client.get(path).status_code == 503
        assert client.get("/simple/demo/").status_code == 200
        assert not fetches(world)
        world.hub.clock.forward(history_copy.AFTER_FAILURE + 1)
        comes(client, path)
        soon(lambda: client.get("/healthz").json()["past"] == "ok")  # which it tells when the fetch has come to its end


@pytest.mark.slow
def test_the_past_of_a_private_index_is_as_private(world: World) -> None:
    path = f"/@{tip(world.root)}/simple/demo/"
    mallory = world.hub.token("mallory", {})
    with world.serving() as client:
        comes(client, path)
        for when in (tip(world.root), "2026-01-01", "nonsense", "0" * 40):
            for below in ("simple/", "simple/demo/", "simple/none/", f"files/{'0' * 64}/demo-1.0-py3-none-any.whl"):
                assert client.get(f"/@{when}/{below}", auth=("", "")).status_code == 401
                assert client.get(f"/main@{when}/{below}", auth=("x", mallory)).status_code in {401, 403}
        assert versions(client, path) == ["1.0"]


@pytest.mark.slow
def test_a_server_without_a_token_fetches_the_history_with_one_that_it_is_lent(world: World) -> None:
    path = f"/@{tip(world.root)}/simple/demo/"
    with world.serving(None, wait=False) as client:
        soon(lambda: client.get("/simple/demo/").status_code == 200)
        comes(client, path)
        assert versions(client, path) == ["1.0"]
        (file,) = links(client, path)
        assert client.get(file, auth=("x", world.alice)).status_code == 302
        world.hub.revoke(world.bob)  # nobody has asked for the core metadata yet, and they have to be fetched
        assert client.get(f"{file}.metadata", auth=("x", world.alice)).text.startswith("Metadata-Version")


@pytest.mark.slow
def test_a_removed_file_is_gone_and_one_that_was_pruned_is_there_as_long_as_github_has_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.05)
    world.put(world.wheel(version="2.0"))
    first = tip(world.root)
    with world.serving() as client:
        path = f"/@{first}/simple/demo/"
        comes(client, path)
        removed, pruned = links(client, path)
        assert client.get(removed).status_code == client.get(pruned).status_code == 302
        assert world._alices is not None
        remove(world._alices, "demo", "1.0", None, reason="it leaks", actor="eve")
        message = CommitMessage(verb="prune", actor="robot", reason="too old")
        world._alices.branch.commit(RemoveFiles.of("demo", "2.0"), message)
        soon(lambda: versions(client, "/simple/demo/") == [])
        world.hub.clock.forward(history_copy.PAUSE + 1)
        comes(client, removed)
        gone = client.get(removed)
        assert gone.status_code == 410
        assert "was removed by eve" in gone.reason_phrase
        world.hub.clock.forward(400)  # the signed address has ended
        assert client.get(pruned).status_code == 302
        assert client.get(f"{pruned}.metadata").status_code == 200
        for release in world.repo.releases:
            release.assets.clear()
        world.hub.clock.forward(400)
        for each in (pruned, f"{pruned}.metadata"):
            gone = client.get(each)
            assert gone.status_code == 410
            assert "was pruned by robot" in gone.text


@pytest.mark.slow
def test_a_file_that_was_pruned_is_streamed_as_long_as_github_has_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.05)
    world.put(world.wheel(version="2.0"))
    with world.serving(stream=True) as client:
        path = f"/@{tip(world.root)}/simple/demo/"
        comes(client, path)
        one, other = links(client, path)
        assert world._alices is not None
        for version in ("1.0", "2.0"):
            message = CommitMessage(verb="prune", actor="robot", reason="too old")
            world._alices.branch.commit(RemoveFiles.of("demo", version), message)
        soon(lambda: versions(client, "/simple/demo/") == [])
        world.hub.clock.forward(history_copy.PAUSE + 1)
        comes(client, one)
        assert client.get(one).content == world.wheel().read_bytes()
        for release in world.repo.releases:
            release.assets.clear()
        assert client.get(one).status_code == 200  # it lies in the cache
        assert client.get(other).status_code == client.head(other).status_code == 410


@pytest.mark.slow
def test_a_rewritten_branch_on_github_has_no_past(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.05)
    world.put(world.wheel(version="2.0"))
    before = tip(world.root)
    with world.serving() as client:
        comes(client, f"/@{before}/simple/demo/")
        git(world.root, "update-ref", "refs/heads/wharf/main", f"{before}^")
        world.put(world.wheel(version="3.0"))
        soon(lambda: versions(client, "/simple/demo/") == ["1.0", "3.0"])
        world.hub.clock.forward(history_copy.PAUSE + 1)
        soon(lambda: "rewritten" in client.get(f"/@{tip(world.root)}/simple/demo/").text)
        assert client.get("/healthz").json()["past"] == "rewritten"
        assert versions(client, "/simple/demo/") == ["1.0", "3.0"]


@pytest.mark.slow
def test_a_commit_of_a_fork_that_github_hands_out_is_never_shown(world: World, tmp_path: Path) -> None:
    """It stands on the index, as its next commit would."""
    world.hub.fork(world.repo.slug, "mallory/pkgs")
    token = world.hub.token("mallory", {"mallory/pkgs": "write"})
    with clone(world.hub, tmp_path / "mallory", token, slug="mallory/pkgs") as branch:
        branch.fetch()
        commit = branch.commit(number(666), WHY).commit
    assert commit is not None
    with world.serving() as client:
        comes(client, f"/@{tip(world.root)}/simple/")
        for written in (commit, commit[:12]):
            assert client.get(f"/@{written}/simple/").status_code == 404
            assert client.get(f"/@{written}/simple/p666/").status_code == 404
            assert client.get(f"/main@{written}/simple/demo/").status_code == 403  # after 404 uv would ask the next index
            assert "never the tip" in client.get(f"/main@{written}/simple/").reason_phrase


@pytest.mark.slow
def test_a_moment_whose_settings_are_still_fetched_keeps_no_other_moment_waiting(world: World) -> None:
    commits = []
    for reserved in ("acme-*", "other-*", "third-*"):
        edit_by_hand(world.root, "wharf.toml", f'format = 1\nreserved = ["{reserved}"]\n'.encode())
        commits.append(tip(world.root))
    one, other, _ = commits
    with world.serving() as client, ThreadPoolExecutor(1) as pool:
        comes(client, f"/@{one}/simple/demo/")
        assert versions(client, f"/@{one}/simple/demo/") == ["1.0"]
        coming, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            coming.set()
            go_on.wait(60)

        world.hub.before(FETCH, hold)
        try:
            waiting = pool.submit(client.get, f"/@{other}/simple/demo/")
            assert coming.wait(60)
            assert client.get(f"/@{one[:12]}/simple/demo/").status_code == 301  # the commits of the index are looked at
            assert versions(client, f"/@{one}/simple/demo/") == ["1.0"]
        finally:
            go_on.set()
        assert waiting.result().status_code == 200
