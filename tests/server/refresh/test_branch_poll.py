"""What the server asks GitHub about the branches, and what it fetches."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.server.access.test_github_access import form
from tests.server.running import soon
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.server.refresh import refresher
from wharf.server.refresh.branch_poll import BranchPoll

if TYPE_CHECKING:
    from tests.server.over_github import World


def heard(world: World) -> list[str]:
    """What GitHub was asked since it was looked at last: `git` for each fetch, else the status."""
    calls = [*world.hub.calls]
    world.hub.calls.clear()
    asked = (call for call in calls if call.kind != "git" or call.query.get("service") == "git-upload-pack")
    return ["git" if call.kind == "git" else str(call.status) for call in asked]


@pytest.mark.slow
def test_after_a_commit_of_its_own_git_asks_and_nothing_is_fetched_twice(world: World) -> None:
    with world.open(world.alice) as repository:
        github = repository.github
        assert github is not None
        poll = BranchPoll(repository.branch, clock=time.monotonic)

        def bring() -> list[str]:
            world.hub.calls.clear()
            poll.bring(github, once=False)
            return heard(world)

        assert bring() == ["200"]  # all of it is here
        assert bring() == ["304"]
        publish(repository, [Input.of(world.wheel("demo", "2.0"))])
        poll.moved()
        assert bring() == ["git"]
        assert bring() == ["200"]
        assert bring() == ["304"]
        world.put(world.wheel("demo", "3.0"))
        assert bring() == ["200", "git"]
        assert bring() == ["304"]
        publish(repository, [Input.of(world.wheel("demo", "4.0"))])
        poll.moved()
        world.put(world.wheel("demo", "5.0"))
        assert bring() == ["git"]
        found = repository.branch.snapshot().project("demo")
        assert found is not None
        assert {each.version for each in found.releases} == {f"{number}.0" for number in range(1, 6)}


def test_what_is_damaged_here_is_fetched_though_nothing_moved(world: World) -> None:
    with world.open(world.alice) as repository:
        assert repository.github is not None
        poll = BranchPoll(repository.branch, clock=time.monotonic)
        poll.bring(repository.github, once=False)
        assert poll.distrust()
        world.hub.calls.clear()
        poll.bring(repository.github, once=False)
        assert heard(world) == ["200", "git"]


@pytest.mark.slow
@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside another publisher"])
def test_uploads_put_off_the_next_question_and_what_others_publish_is_seen(
    world: World, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    with world.serving() as client:
        if others:
            world.put(world.wheel("late"))
        assert client.post("/legacy/", auth=("x", world.alice), **form(world.wheel("demo", "2.0"))).status_code == 200
        assert client.get("/simple/late/").status_code == (200 if others else 404)  # it came with the upload
        monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    with world.serving() as client:
        assert client.post("/legacy/", auth=("x", world.alice), **form(world.wheel("demo", "3.0"))).status_code == 200
        world.put(world.wheel("later"))
        soon(lambda: client.get("/simple/later/").status_code == 200)
