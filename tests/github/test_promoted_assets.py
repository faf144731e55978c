"""promote over GitHub: the assets stay where they are, core metadata comes beside them, and who deletes is noticed."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import two, world  # noqa: F401
from tests.makers import make_wheel
from tests.matrix import first
from wharf.errors import NoIndexError, StorageError
from wharf.index.commit_message import CommitMessage
from wharf.index.wharf_toml_change import TurnOnMetadataAssets
from wharf.operations.promote import Promoted, Wanted, promote
from wharf.operations.remove import remove
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.test_release_publishing import World


def go(world: World, *projects: str, machine: str = "home", to: str = "main", dry_run: bool = False) -> Promoted:
    with world.open(machine=machine, index=to) as repository:
        wanted = [Wanted(project=project, version="1.0") for project in projects]
        return promote(repository, wanted, "staging", actor="ada", dry_run=dry_run)


def take_out(world: World, index: str) -> tuple[int, str]:
    with world.open(machine="remover", index=index) as repository:
        done = remove(repository, "demo", "1.0", None, reason="", actor="bob")
        return len(done.kept), done.reason


@pytest.fixture
def staged(world: World, two: tuple[Path, Path], tmp_path: Path) -> World:
    """An index `main` with something in it, and `staging` with two files of demo 1.0."""
    world.put(make_wheel(tmp_path / "old", "old"))
    world.put(*two, index="staging")
    world.hub.calls.clear()
    return world


@pytest.mark.slow
def test_a_promotion_is_one_commit_and_sends_nothing(staged: World, two: tuple[Path, Path]) -> None:
    before = staged.commits
    done = go(staged, "demo")
    assert [each.file.filename for each in done.promoted] == sorted(path.name for path in two)
    assert (staged.commits, staged.uploads(), len(staged.published)) == (before + 1, 0, 2)
    assert staged.record() == staged.record(index="staging")
    staged.check(*two, tags=("old-1.0", "demo-1.0"))
    again = go(staged, "demo")
    assert (again.commit, staged.commits) == (None, before + 1)
    with staged.open(machine="looker") as repository:
        assert verify(repository).problems == ()


@pytest.mark.slow
def test_an_index_that_is_not_there_is_not_made(staged: World) -> None:
    with pytest.raises(NoIndexError), staged.open(index="nothing") as repository:
        promote(repository, [Wanted(project="demo", version="1.0")], "gone")
    assert go(staged, "demo", dry_run=True).commit is None
    assert staged.repo.git_dir.joinpath("refs/heads/wharf/nothing").exists() is False


@pytest.mark.slow
@pytest.mark.parametrize("immutable", first(1, [False, True]))
def test_missing_core_metadata_comes_beside_the_files_where_the_release_takes_it(
    staged: World, two: tuple[Path, Path], immutable: bool
) -> None:
    with staged.open() as repository:
        repository.branch.commit(TurnOnMetadataAssets(), _why())
    (release,) = [each for each in staged.published if each.tag_name == "demo-1.0"]
    release.immutable = immutable
    done = go(staged, "demo")
    record = staged.record()
    announced = [file for file in record.files if file.core_metadata]
    assert announced
    if immutable:
        assert [each.file.filename for each in done.not_announced] == [file.filename for file in announced]
        assert not any("metadata" in file.location for file in record.files)
        assert staged.uploads() == 0
        return
    assert done.not_announced == ()
    names = {asset.id: asset.name for asset in release.assets}
    assert [names[file.location["metadata"]] for file in announced] == [f"{file.filename}.metadata" for file in announced]  # type: ignore[index]
    assert not any("metadata" in file.location for file in staged.record(index="staging").files)
    with staged.open(machine="looker") as repository:
        assert verify(repository).problems == ()
    assert take_out(staged, "staging")[0] == 2
    assert take_out(staged, "main")[0] == 0
    assert release.assets == []


@pytest.mark.slow
def test_core_metadata_goes_into_no_release_of_a_person(staged: World) -> None:
    """Whoever may push to staging could name a person's own release in a record."""
    with staged.open() as repository:
        repository.branch.commit(TurnOnMetadataAssets(), _why())
    (release,) = [each for each in staged.published if each.tag_name == "demo-1.0"]
    release.body = "mine"
    count = len(release.assets)
    done = go(staged, "demo")
    assert done.not_announced
    assert len(release.assets) == count


@pytest.mark.slow
def test_what_is_gone_or_another_file_is_not_promoted(staged: World) -> None:
    (release,) = [each for each in staged.published if each.tag_name == "demo-1.0"]
    before = staged.commits
    digest, release.assets[0].digest = release.assets[0].digest, "sha256:" + "0" * 64
    with pytest.raises(StorageError, match="is another file"):
        go(staged, "demo")
    release.assets[0].digest = digest
    del release.assets[1]
    with pytest.raises(StorageError, match="is not there"):
        go(staged, "demo")
    release.assets.clear()
    staged.repo.releases.remove(release)
    with pytest.raises(StorageError, match="is not there"):
        go(staged, "demo")
    assert staged.commits == before


@pytest.mark.slow
@pytest.mark.parametrize("when", first(1, ["before the commit", "after the commit"]))
def test_a_removal_at_the_same_moment_is_noticed_by_one_of_the_two(staged: World, when: str) -> None:
    """It has looked at the indexes, then the promotion commits, then it deletes; or the other way round."""
    told: list[object] = []

    def removal() -> None:
        try:
            told.append(take_out(staged, "staging"))
        except StorageError as error:
            told.append(error.message)

    where = "POST /acme/pkgs.git/git-receive-pack" if when == "before the commit" else "never"
    staged.hub.before(where, removal)
    if when == "before the commit":
        with pytest.raises(StorageError, match="was deleted at GitHub while an index took it up"):
            go(staged, "demo")
        assert told == [(0, "")]
        assert take_out(staged, "main")[0] == 0
        return
    go(staged, "demo")
    removal()
    assert told == [(2, "another index or record may name them")]
    with staged.open(machine="looker") as repository:
        assert verify(repository).problems == ()


@pytest.mark.slow
def test_immutable_releases_are_looked_at_once(staged: World) -> None:
    (release,) = [each for each in staged.published if each.tag_name == "demo-1.0"]

    def looks() -> int:
        return sum(call.path.endswith(f"/releases/{release.id}") for call in staged.hub.calls)

    release.immutable = True
    go(staged, "demo")
    assert looks() == 1


def _why() -> CommitMessage:
    return CommitMessage(verb="init", actor="ada")
