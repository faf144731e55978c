"""Addresses of the past as an attacker meets them: what many moments cost, and what a copy that is behind may promise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.index.test_branch import git
from tests.server.dated_commits import date_tip, days_ago, written
from tests.server.past import OPEN, links, put, serving, versions, wheel
from tests.server.running import running, soon
from tests.server.test_past_over_github import comes
from wharf.index import file_removal
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.remove import remove
from wharf.server.app import make_app
from wharf.server.past import todays_rule, view_maker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.server.over_github import World
    from wharf.repository.opening import Repository


@pytest.mark.slow
def test_a_copy_that_is_behind_promises_nothing_of_what_it_may_lack(world: World) -> None:
    _as_if_made(world.root, days_ago(40))
    world.forget()
    with world.serving(by_github=False, open_reading=True) as client:
        now = datetime.now(UTC)
        comes(client, f"/@{written(now - timedelta(days=1))}/simple/demo/")
        world.hub.clock.forward(2 * view_maker.SETTLES)  # GitHub said nothing for so long
        for hours, kept in ((1.5, False), (2.5, False), (3.5, True)):
            answer = client.get(f"/@{written(now - timedelta(hours=hours))}/simple/demo/")
            assert "demo-1.0" in answer.text
            assert ("immutable" in answer.headers["cache-control"]) == kept, hours
    world.hub.down = True
    with world.serving(by_github=False, open_reading=True, wait=False) as client:
        answer = client.get(f"/@{written(now - timedelta(days=30))}/simple/demo/")
        assert "demo-1.0" in answer.text
        assert answer.headers["cache-control"] == "public, no-cache", "nobody asked GitHub yet"


@pytest.mark.slow
def test_a_file_that_is_gone_is_looked_for_once_however_many_moments_had_it(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, find = [], file_removal.find

    def counted(*words: Any) -> Any:
        found.append(words)
        return find(*words)

    monkeypatch.setattr(file_removal, "find", counted)
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    for day in range(11, 21):
        put(repository, f"2026-01-{day}T00:00:00Z", wheel(tmp_path, "other", f"{day}"))
    remove(repository, "demo", "1.0", None, reason="it leaks", actor="eve")
    with serving(repository) as client:
        for day in range(11, 21):
            (file,) = links(client, f"/@2026-01-{day}/simple/demo/")
            assert (client.get(file).status_code, "it leaks" in client.get(file).text) == (410, True)
    assert len(found) == 1


def test_a_removal_that_nobody_remembers_and_a_reason_without_end_are_told_all_the_same(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(todays_rule, "_KEPT", 0)
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    leaves = RemoveFiles.of("demo", "1.0")
    repository.branch.commit(leaves, CommitMessage(verb="remove", actor="e" * 5000, reason="it leaks " * 100_000))
    with serving(repository) as client:
        (file,) = links(client, "/@2026-01-11/simple/demo/")
        gone = client.get(file)
        assert (gone.status_code, len(gone.content) < 1000) == (410, True)
        assert "it leaks it leaks" in gone.text
    removal = file_removal.find(
        Git(repository.branch.git_dir), "wharf/main~1", "wharf/main", "demo", "1.0", wheel(tmp_path).name
    )
    assert removal is not None
    assert (len(removal.actor), len(removal.reason)) == (file_removal.LONGEST, file_removal.LONGEST)


@pytest.mark.slow
def test_names_that_clients_make_up_are_counted_with_the_moment(repository: Repository, tmp_path: Path) -> None:
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    app = make_app(repository, OPEN)
    with running(app) as url, httpx.Client(base_url=url) as client:
        assert versions(client, "/@2026-02-01/simple/demo/") == ["1.0"]
        before = app._cache.beside
        for number in range(50):
            assert client.get(f"/@2026-02-01/simple/made-up-{number}/").status_code == 404
        soon(lambda: app._cache.beside >= before + 50 * 100)


def _as_if_made(store: Path, moment: datetime) -> None:
    """Give both commits of the index another time."""
    tree = git(store, "rev-parse", "wharf/main^{tree}")
    git(store, "update-ref", "refs/heads/wharf/main", git(store, "rev-parse", "wharf/main~1"))
    begin = date_tip(store, "main", moment)
    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.org")
    git(store, "update-ref", "refs/heads/wharf/main", git(store, *who, "commit-tree", tree, "-p", begin, "-m", "publish"))
    date_tip(store, "main", moment)
