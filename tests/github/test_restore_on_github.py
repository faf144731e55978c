"""`restore` over GitHub: the past from a clone of its own, assets that are looked at before and after, rights, races."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import World, edit_by_hand, two, world  # noqa: F401
from tests.github.test_remote_branch import git
from tests.makers import make_wheel
from wharf.errors import MayNotWriteError, StorageError
from wharf.index.commit_message import CommitMessage
from wharf.index.moment import parse_moment
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.remove import remove
from wharf.operations.restore import Restored, restore
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from pathlib import Path


def tip(world: World) -> str:
    return git(world.repo.git_dir, "rev-parse", "wharf/main").strip()


def prune(world: World, filename: str | None = None) -> None:
    with world.open(machine="pruner") as repository:
        message = CommitMessage(verb="prune", actor="ada")
        repository.branch.commit(RemoveFiles.of("demo", "1.0", filename), message)


def back_to(world: World, commit: str, *projects: str, token: str | None = None, dry_run: bool = False) -> Restored:
    with world.open(token, machine="restorer") as repository:
        return restore(repository, parse_moment(commit), projects, dry_run=dry_run)


@pytest.mark.slow
def test_files_come_back_with_the_assets_that_they_had(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two)
    then, was = tip(world), world.record()
    prune(world)
    world.put(make_wheel(world.root, version="2.0"))
    world.hub.calls.clear()
    done = back_to(world, then)
    assert [named.file.filename for named in done.steps.back] == sorted(path.name for path in two)
    assert world.record() == was
    assert world.record("2.0").files == ()
    assert world.uploads() == 0
    assert git(world.repo.git_dir, "log", "-1", "--format=%B", "wharf/main").startswith("restore ")
    assert "Wharf-Actor: alice" in git(world.repo.git_dir, "log", "-1", "--format=%B", "wharf/main")
    with world.open(machine="looker") as repository:
        assert [each.kind for each in verify(repository).problems if each.kind != "unnamed-bytes"] == []
    assert back_to(world, then).commit is None


@pytest.mark.slow
def test_assets_that_are_gone_or_others_are_named_and_left_out(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two, make_wheel(world.root, "other"))
    then = tip(world)
    prune(world, two[0].name)
    prune(world, two[1].name)
    release = next(each for each in world.published if each.tag_name == "demo-1.0")
    release.assets = [each for each in release.assets if each.name != two[0].name]
    done = back_to(world, then)
    assert [(named.file.filename, why) for named, why in done.steps.lost] == [(two[0].name, "its asset is not there")]
    assert [file.filename for file in world.record().files] == [two[1].name]


@pytest.mark.slow
def test_what_was_removed_for_ever_stays_away_though_an_immutable_release_keeps_it(
    world: World, two: tuple[Path, Path]
) -> None:
    world.repo.immutable = True
    world.put(*two)
    then = tip(world)
    with world.open() as repository:
        assert remove(repository, "demo", "1.0", None, reason="", actor="bob").kept
    done = back_to(world, then)
    assert {why.partition(" (")[0] for _, why in done.steps.lost} == {"bob removed it for ever"}
    assert done.commit is None


@pytest.mark.slow
def test_a_file_that_was_published_again_keeps_the_asset_of_today(world: World, two: tuple[Path, Path]) -> None:
    world.put(two[0])
    then, old = tip(world), world.record().files[0]
    with world.open() as repository:
        remove(repository, "demo", "1.0", None, reason="", actor="bob")
    world.put(two[0])
    now = world.record().files[0]
    assert now.location["asset"] != old.location["asset"]
    back_to(world, then)
    (file,) = world.record().files
    assert (file.location, file.upload_time) == (now.location, old.upload_time)


@pytest.mark.slow
def test_whoever_may_not_write_all_projects_restores_none(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two, make_wheel(world.root, "other"))
    then = tip(world)
    prune(world)
    edit_by_hand(world, "wharf.toml", b'format = 1\n[upload]\n"demo" = ["carol"]\n"*" = ["alice"]\n')
    with pytest.raises(MayNotWriteError, match="alice may not write demo"):
        back_to(world, then)
    with pytest.raises(MayNotWriteError):
        back_to(world, then, dry_run=True)
    before = tip(world)
    assert back_to(world, then, "other").commit is None
    assert tip(world) == before


@pytest.mark.slow
def test_a_publisher_that_is_quicker_is_met_by_the_same_restoration(world: World, two: tuple[Path, Path]) -> None:
    world.put(two[0])
    then = tip(world)
    world.put(two[1])
    late = make_wheel(world.root, "late")
    world.hub.before(r"POST .*receive-pack$", lambda: world.put(late, machine="rival"))
    done = back_to(world, then)
    assert {named.file.filename for named in done.steps.left} == {two[1].name, late.name}
    assert [file.filename for file in world.record().files] == [two[0].name]
    assert world.record(project="late").files == ()


@pytest.mark.slow
def test_an_asset_that_is_deleted_at_this_moment_is_told(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two)
    then = tip(world)
    prune(world)

    def deleted() -> None:
        release = next(each for each in world.published if each.tag_name == "demo-1.0")
        release.assets = [each for each in release.assets if each.name != two[0].name]

    world.hub.before(r"POST .*receive-pack$", deleted)
    with pytest.raises(StorageError, match=f"{two[0].name} was deleted at GitHub"):
        back_to(world, then)


@pytest.mark.slow
def test_few_fetches_bring_all_that_is_read(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two, *(make_wheel(world.root, f"p{number}") for number in range(12)))
    then = tip(world)
    with world.open(machine="pruner") as repository:
        leaving = tuple(each for number in range(12) for each in RemoveFiles.of(f"p{number}", "1.0").leaving)
        repository.branch.commit(RemoveFiles(leaving=leaving), CommitMessage(verb="prune", actor="ada"))
    with world.open(machine="restorer") as repository:
        world.hub.calls.clear()
        done = restore(repository, parse_moment(then))
    assert len(done.steps.back) == 12
    fetches = [call for call in world.hub.calls if "upload-pack" in call.path]
    assert len(fetches) <= 4
