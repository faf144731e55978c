"""Several publishes in one commit: who is refused is told so, and the rest lands."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_sdist, make_wheel
from wharf.assets.folder_store import FolderStore
from wharf.errors import ConflictError, InvalidDistributionError, MayNotWriteError, RefusedError, StorageError, WharfError
from wharf.index.branch import Branch
from wharf.model import Status
from wharf.operations.publish import Published, publish
from wharf.operations.publish_group import Member, publish_group
from wharf.operations.publish_inputs import Input
from wharf.operations.set_status import set_status
from wharf.operations.upload_rights import NO_LIMITS, TokenLimits
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wharf.index.guarded_change import Check
    from wharf.index.written_commit import WrittenCommit
    from wharf.repository.opening import Repository


def member(*paths: Path, check: Check = NO_LIMITS) -> Member:
    return Member(inputs=[Input.of(path) for path in paths], check=check)


def wheels(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return [make_wheel(folder, name) for name in names]


def told(results: Sequence[Published | WharfError]) -> list[object]:
    """The file names of each member that landed, the kind of the error of each other one."""
    return [
        [each.file.filename for each in found.published] if isinstance(found, Published) else type(found) for found in results
    ]


def shown(repository: Repository) -> dict[str, str]:
    """The sha256 of every file of the index, by its name."""
    snapshot = repository.branch.snapshot()
    projects = snapshot.projects(snapshot.names())
    return {file.filename: file.sha256 for project, _ in projects for file in project.files}


@pytest.mark.slow
@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("kind", ["conflict", "closed", "no right", "no distribution"])
def test_one_that_is_refused_in_any_place_stops_no_other(place: int, kind: str, repository: Repository, tmp_path: Path) -> None:
    (taken,) = wheels(tmp_path, "taken")
    publish(repository, [Input.of(taken)], actor="ada")
    (tmp_path / "x").mkdir()
    other = make_wheel(tmp_path / "x", "taken", content="other bytes\n")
    check: Check = NO_LIMITS
    expected: type[WharfError] = ConflictError
    if kind == "closed":
        set_status(repository, "taken", Status(marker="archived"), actor="ada")
        expected = RefusedError
    elif kind == "no right":
        check, expected = TokenLimits("ci", ("free*",), "main"), MayNotWriteError
        other = make_sdist(tmp_path, "foreign")
    elif kind == "no distribution":
        other.write_bytes(b"not a wheel")
        expected = InvalidDistributionError
    before, files = shown(repository), wheels(tmp_path, "free-a", "free-b", "free-c")
    members = [member(path, check=check) for path in files]
    members.insert(place, member(other, check=check))
    tip = repository.branch.tip()
    found = publish_group(repository, members, actor="ada")
    names: list[object] = [[path.name] for path in files]
    names.insert(place, expected)
    assert told(found) == names
    assert shown(repository).keys() == before.keys() | {path.name for path in files}
    commits = {each.commit for each in found if isinstance(each, Published)}
    assert commits == {repository.branch.tip()} != {tip}
    newest = next(iter(repository.branch.history()))
    assert newest.message.splitlines()[0] == "publish free-a 1.0, free-b 1.0, free-c 1.0"
    assert verify(repository).ok, "what was refused left nothing in the store"


def test_members_meet_what_those_before_them_bring(repository: Repository, tmp_path: Path) -> None:
    (one,) = wheels(tmp_path / "one", "demo")
    (tmp_path / "two").mkdir()
    other = make_wheel(tmp_path / "two", "demo", content="other bytes\n")
    sdist = make_sdist(tmp_path)
    found = publish_group(repository, [member(one), member(sdist), member(other), member(one), member(sdist, other)])
    assert told(found) == [[one.name], [sdist.name], ConflictError, [], ConflictError]
    again = found[3]
    assert isinstance(again, Published)
    assert [each.file.filename for each in again.unchanged] == [one.name]
    assert again.commit is None
    assert len(list(repository.branch.history())) == 1
    assert sorted(shown(repository)) == sorted([one.name, sdist.name])
    assert verify(repository).ok


@pytest.mark.parametrize("place", range(3))
def test_a_conflict_that_comes_with_a_newer_tip_is_the_members_alone(
    place: int, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = wheels(tmp_path / "ours", "aa", "bb", "cc")
    (tmp_path / "theirs").mkdir()
    quick = make_wheel(tmp_path / "theirs", ("aa", "bb", "cc")[place], content="theirs\n")
    land = type(repository.branch)._land
    raced: list[bool] = []

    def quicker(branch: object, *words: object) -> str | None:
        if not raced:
            raced.append(True)
            publish(repository, [Input.of(quick)], actor="eve")
        return land(branch, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(type(repository.branch), "_land", quicker)
    names: list[object] = [[path.name] for path in files]
    names[place] = ConflictError
    assert told(publish_group(repository, [member(path) for path in files], actor="ada")) == names
    assert [each.actor for each in repository.branch.history()] == ["ada", "eve"]


def test_if_all_are_refused_nothing_is_stored(repository: Repository, tmp_path: Path, store: Path) -> None:
    limits = TokenLimits("ci", ("other",), "main")
    found = publish_group(repository, [member(path, check=limits) for path in wheels(tmp_path / "f", "aa", "bb")])
    assert told(found) == [MayNotWriteError, MayNotWriteError]
    assert repository.branch.tip() is None
    assert list((store / "assets").iterdir()) == list((store / "staging").iterdir()) == []


def test_the_globs_of_a_token_are_looked_at_for_each_member(repository: Repository, tmp_path: Path) -> None:
    limits = TokenLimits("ci", ("team-*",), "main")
    files = wheels(tmp_path / "f", "team-a", "outsider", "team-b")
    found = publish_group(repository, [member(path, check=limits) for path in files])
    assert told(found) == [[files[0].name], MayNotWriteError, [files[2].name]]


def test_a_full_disk_is_told_to_all_and_shows_nothing(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = wheels(tmp_path / "f", "aa", "bb", "cc")
    publish(repository, [Input.of(files[0])], actor="ada")
    tip, count = repository.branch.tip(), [0]
    sync = os.fsync

    def full(handle: int) -> None:
        count[0] += 1
        if count[0] == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"No space left|The disk is full"):  # as the sync says it that fails first
        publish_group(repository, [member(path) for path in files[1:]], actor="ada")
    monkeypatch.setattr(os, "fsync", sync)
    assert repository.branch.tip() == tip
    assert told(publish_group(repository, [member(path) for path in files[1:]])) == [[files[1].name], [files[2].name]]
    assert verify(repository).ok


def test_a_dry_run_of_a_group_says_what_would_land(repository: Repository, tmp_path: Path, store: Path) -> None:
    files = wheels(tmp_path / "f", "aa", "bb")
    (tmp_path / "g").mkdir()
    other = make_wheel(tmp_path / "g", "aa", content="other\n")
    found = publish_group(repository, [member(path) for path in (files[0], other, files[1])], dry_run=True)
    assert told(found) == [[files[0].name], ConflictError, [files[1].name]]
    assert (repository.branch.tip(), list((store / "assets").iterdir())) == (None, [])


class Died(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["_write", "_advance"])
def test_a_group_that_dies_between_store_and_commit_shows_nothing_and_lands_whole_later(
    step: str, repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = wheels(tmp_path / "f", "aa", "bb", "cc")
    publish(repository, [Input.of(files[0])], actor="ada")
    before = shown(repository)

    def dies(*_words: object) -> None:
        raise Died

    with monkeypatch.context() as broken:
        broken.setattr(type(repository.branch), step, dies)
        with pytest.raises(Died):
            publish_group(repository, [member(path) for path in files[1:]], actor="ada")
    assert shown(repository) == before
    assert told(publish_group(repository, [member(path) for path in files])) == [[], [files[1].name], [files[2].name]]
    assert verify(repository).ok


def test_the_branch_does_not_move_before_the_bytes_lie_still(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The objects of the commit may be written meanwhile."""
    said: list[str] = []
    put, advance = FolderStore._put_one, Branch._advance

    def slow(store: FolderStore, *words: object) -> None:
        written.wait(60)
        put(store, *words)  # type: ignore[arg-type]
        said.append("stored")

    def moves(branch: Branch, *words: object) -> bool:
        said.append("moves")
        return advance(branch, *words)  # type: ignore[arg-type]

    def writes(branch: Branch, *words: object) -> WrittenCommit:
        try:
            return write(branch, *words)  # type: ignore[arg-type]
        finally:
            written.set()

    written, write = threading.Event(), Branch._write
    monkeypatch.setattr(FolderStore, "_put_one", slow)
    monkeypatch.setattr(Branch, "_advance", moves)
    monkeypatch.setattr(Branch, "_write", writes)
    publish_group(repository, [member(path) for path in wheels(tmp_path / "f", "aa", "bb")], actor="ada")
    assert said == ["stored", "stored", "moves"]
