# ruff: noqa: F811 - fixtures are arguments of their own name
"""What GitHub refuses of one release: who wanted that is told so, and the others of the group land."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import _at_once, world  # noqa: F401 - fixtures
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from wharf.errors import NotAllowedError, OneReleaseError, RefusedReleaseError, StorageError, WharfError
from wharf.operations.publish_group import Member, Published, publish_group
from wharf.operations.publish_inputs import Input
from wharf.operations.upload_rights import NO_LIMITS
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.github.test_release_publishing import World

CREATE, ASSET = r"POST .*/releases$", r"POST .*/assets$"


def group(world: World, *files: Sequence[Path]) -> list[Published | WharfError]:
    with world.open() as repository:
        members = [Member(inputs=[Input.of(path) for path in each], check=NO_LIMITS) for each in files]
        return publish_group(repository, members, actor="ada")


def recorded(world: World) -> set[str]:
    """The files of the index, each of which is stored as it says."""
    with world.open(machine="reader") as repository:
        snapshot = repository.branch.snapshot()
        assert not [each for each in verify(repository).problems if "draft" not in str(each)]
        return {file.filename for project, _ in snapshot.projects(snapshot.names()) for file in project.files}


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", [pytest.param("", id="its tag"), pytest.param(CREATE, id="its draft"), pytest.param(ASSET, id="its file")]
)
def test_one_that_github_refuses_stops_no_other(world: World, tmp_path: Path, where: str) -> None:
    files = [make_wheel(tmp_path, name) for name in ("bad", "good", "better")]
    if where:
        world.hub.fault(where, "422")
    else:
        world.repo.closed_tags.add("bad-1.0")
    found = group(world, *([path] for path in files))
    refused = [path for path, each in zip(files, found, strict=True) if isinstance(each, WharfError)]
    (error,) = [each for each in found if isinstance(each, WharfError)]
    assert isinstance(error, RefusedReleaseError)
    assert refused[0].name.partition("-")[0] in error.message
    assert "acme" not in error.sentences
    assert where or (refused == files[:1] and "rule violations" in error.message)
    assert recorded(world) == {path.name for path in files} - {refused[0].name}
    world.repo.closed_tags.clear()
    assert [type(each) for each in group(world, *([path] for path in files))] == [Published] * 3
    assert recorded(world) == {path.name for path in files}
    assert world.drafts == []


@pytest.mark.slow
def test_a_file_that_is_refused_stops_no_other_of_its_release(world: World, tmp_path: Path) -> None:
    files = [make_wheel(tmp_path, "demo"), make_sdist(tmp_path, "demo")]
    world.hub.fault(ASSET, "422")
    found = group(world, *([path] for path in files))
    landed = {path.name for path, each in zip(files, found, strict=True) if isinstance(each, Published)}
    assert len(landed) == 1
    assert recorded(world) == landed
    group(world, *([path] for path in files))
    assert recorded(world) == {path.name for path in files}
    assert world.uploads() == 2


@pytest.mark.slow
def test_a_member_is_refused_whole_and_so_is_who_brings_the_same_file(world: World, tmp_path: Path) -> None:
    world.repo.closed_tags.add("bad-1.0")
    bad, good, better = (make_wheel(tmp_path, name) for name in ("bad", "good", "better"))
    whole, again, shared, other = group(world, [bad, good], [bad], [good], [better])
    assert isinstance(whole, RefusedReleaseError)
    assert isinstance(again, RefusedReleaseError)
    assert isinstance(shared, Published)
    assert [each.file.filename for each in shared.published] == [good.name]
    assert isinstance(other, Published)
    assert recorded(world) == {good.name, better.name}


@pytest.mark.slow
def test_a_group_of_which_all_are_refused_makes_no_commit(world: World, tmp_path: Path) -> None:
    world.repo.closed_tags |= {"bad-1.0", "worse-1.0"}
    group(world, [make_wheel(tmp_path, "good")])
    before = world.commits
    found = group(world, *([make_wheel(tmp_path, name)] for name in ("bad", "worse")))
    assert [type(each) for each in found] == [RefusedReleaseError] * 2
    assert world.commits == before


@pytest.mark.slow
def test_a_command_publishes_all_or_nothing_and_says_which_is_refused(world: World, tmp_path: Path) -> None:
    files = [make_wheel(tmp_path, name) for name in ("good", "bad")]
    world.repo.closed_tags.add("bad-1.0")
    with pytest.raises(RefusedReleaseError, match=r"GitHub refuses the release bad-1\.0: Validation Failed"):
        world.put(*files)
    assert recorded(world) == set()
    world.repo.closed_tags.clear()
    world.put(*files)
    assert recorded(world) == {path.name for path in files}
    assert world.drafts == []


@pytest.mark.slow
@pytest.mark.parametrize("fault", first(1, ["401", "403", "500"]))
@pytest.mark.parametrize("where", [CREATE, ASSET, "PATCH "])
def test_what_is_no_fault_of_one_release_is_an_error_of_all(world: World, tmp_path: Path, where: str, fault: str) -> None:
    group(world, [make_wheel(tmp_path, "before")])
    world.hub.fault(where, fault, times=9)
    with pytest.raises((NotAllowedError, StorageError)) as caught:
        group(world, *([make_wheel(tmp_path, name)] for name in ("one", "two")))
    assert not isinstance(caught.value, OneReleaseError)
    assert recorded(world) == {"before-1.0-py3-none-any.whl"}
