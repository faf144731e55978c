"""Nightly builds on GitHub: releases marked as pre-releases, and what a prune deletes of them."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_deleting import look
from tests.github.test_release_publishing import DAY, Killed, World, two, world  # noqa: F401
from tests.makers import make_wheel
from wharf.github.rest_calls import Rest
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations.index_settings import set_settings
from wharf.operations.prune import Pruned, planned, prune

if TYPE_CHECKING:
    from pathlib import Path

VERSIONS = ("1.0.dev1", "1.0.dev2", "1.0.dev3")


@pytest.fixture
def nightly(world: World, tmp_path: Path) -> World:
    """Three dev releases, of which the rules keep one."""
    world.put(*(make_wheel(tmp_path, version=version) for version in VERSIONS))
    return world


def pruned(world: World, *settings: str) -> Pruned:
    with world.open() as repository:
        rule = 'retention=[{names = ["*"], dev = {keep-newest = 1}}]'
        set_settings(repository, tuple(parse_setting(each) for each in (rule, *settings)))
        return prune(repository, actor="ada")


def assets(world: World) -> list[str]:
    return sorted(asset.name for release in world.published for asset in release.assets)


def _die(*_words: object, **_named: object) -> None:
    raise Killed


@pytest.mark.slow
def test_only_versions_that_are_for_everybody_are_no_prereleases(world: World, tmp_path: Path) -> None:
    versions = {"1.0": False, "1.1.dev1": True, "1.1rc1": True, "1.0.post1": False}
    world.put(*(make_wheel(tmp_path, version=version) for version in versions))
    assert {release.tag_name.removeprefix("demo-"): release.prerelease for release in world.published} == versions


@pytest.mark.slow
def test_a_draft_from_before_is_taken_up_and_marked(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = make_wheel(tmp_path, version="1.0.dev1")
    with monkeypatch.context() as patch:
        patch.setattr(Rest, "publish_release", _die)
        with pytest.raises(Killed):
            world.put(wheel)
    (draft,) = world.drafts
    draft.prerelease = False  # as an earlier wharf made it
    world.put(wheel)
    assert [(release.id, release.prerelease) for release in world.published] == [(draft.id, True)]


@pytest.mark.slow
def test_assets_stay_for_the_past_and_go_when_it_is_over(nightly: World) -> None:
    done = pruned(nightly, "keep-past=30d")
    assert [each.release.version for each in done.decision.dropped] == [*VERSIONS[:2]]
    assert len(assets(nightly)) == 3
    nightly.hub.clock.forward(29 * DAY)
    assert pruned(nightly).is_nothing
    nightly.hub.clock.forward(DAY + 60)
    assert len(pruned(nightly).freed) == 2
    assert assets(nightly) == ["demo-1.0.dev3-py3-none-any.whl"]
    assert look(nightly).problems == ()


@pytest.mark.slow
def test_a_prune_that_dies_while_it_deletes_is_finished_by_the_next(nightly: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with nightly.open() as repository:
        set_settings(repository, (parse_setting('retention=[{names = ["*"], dev = {keep-newest = 1}}]'),))
        set_settings(repository, (parse_setting("keep-past=0d"),))
    with monkeypatch.context() as patch:
        patch.setattr(Rest, "delete_asset", _die)
        with pytest.raises(Killed), nightly.open() as repository:
            prune(repository, actor="ada")
    assert len(assets(nightly)) == 3
    with nightly.open() as repository:
        again = prune(repository, actor="ada")
    assert (again.commit, len(again.freed)) == (None, 2)
    assert assets(nightly) == ["demo-1.0.dev3-py3-none-any.whl"]


@pytest.mark.slow
def test_a_prune_of_more_files_than_github_lets_anybody_delete_in_a_minute_waits_and_is_never_refused(
    world: World, tmp_path: Path
) -> None:
    world.put(*(make_wheel(tmp_path, version="1.0.dev1", build=str(number)) for number in range(200)))
    world.put(make_wheel(tmp_path, version="1.0.dev2"))
    world.hub.clock.forward(3700)
    world.hub.calls.clear()
    world.waits.clear()
    done = pruned(world, "keep-past=0d")
    assert (len(done.freed), done.kept) == (200, ())
    assert assets(world) == ["demo-1.0.dev2-py3-none-any.whl"]
    assert sum(call.method == "DELETE" for call in world.hub.calls) == 200
    assert not [call for call in world.hub.calls if call.status in {403, 429}]
    assert 0 < sum(seconds for _, seconds in world.waits) <= 120


@pytest.mark.slow
def test_two_prunes_that_delete_the_same_assets_both_succeed(nightly: World, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Rest.delete_asset

    def slower(rest: Rest, number: int) -> None:
        real(rest, number)  # of the other one
        real(rest, number)

    monkeypatch.setattr(Rest, "delete_asset", slower)
    done = pruned(nightly, "keep-past=0d")
    assert (len(done.freed), done.kept) == (2, ())
    assert assets(nightly) == ["demo-1.0.dev3-py3-none-any.whl"]


@pytest.mark.slow
def test_assets_of_immutable_releases_are_counted_and_not_asked_for(nightly: World) -> None:
    for release in nightly.published:
        release.immutable = True
    done = pruned(nightly, "keep-past=0d")
    assert (len(done.kept), done.freed) == (2, ())
    assert "2 of them are in 2 releases that are immutable" in done.reason
    nightly.hub.calls.clear()
    with nightly.open() as repository:
        assert planned(repository).decision.dropped == ()
        assert len(prune(repository, actor="ada").kept) == 2
    assert not [call for call in nightly.hub.calls if call.method == "DELETE"]
