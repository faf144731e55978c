"""An answer that something is there already is true after a power cut, too: also if another writer died before it synced it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests import forgetful_disk
from tests.forgetful_disk import Names
from tests.makers import make_wheel
from wharf.operations.init import initialise
from wharf.operations.promote import Wanted, promote
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.system import disk_sync

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Verb: TypeAlias = Callable[[Repository, Path], object]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not forgetful_disk.is_there(), reason="this machine has no FUSE"),
]


def publishes(repository: Repository, folder: Path) -> object:
    return publish(repository, [Input.of(make_wheel(folder))]).published


def skips_existing(repository: Repository, folder: Path) -> object:
    content = f"at = {repository.branch.tip()!r}"  # other bytes each time
    return publish(repository, [Input.of(make_wheel(folder, content=content))], skip_existing=True).published


def yanks(repository: Repository, _folder: Path) -> object:
    return set_yanked(repository, "there", "1.0", None, reason="old").outcome.changed


def removes(repository: Repository, _folder: Path) -> object:
    return remove(repository, "there", "1.0", None, reason="old").commit


def promotes(repository: Repository, _folder: Path) -> object:
    return promote(repository.of_index("staging"), [Wanted(project="there", version="1.0")], "main").commit


def begins_an_index(repository: Repository, _folder: Path) -> object:
    return initialise(repository.of_index("new"), private=None).made


VERBS: dict[str, list[Verb]] = {
    "main": [publishes, skips_existing, yanks, removes],
    "staging": [promotes],
    "new": [begins_an_index],
}


def cases() -> list[tuple[str, Verb]]:
    return [(index, verb) for index, verbs in VERBS.items() for verb in verbs]


def make(store: Path, folder: Path) -> None:
    """A store with one release in `main`, and the index `staging`, which has another one."""
    for index, name in (("main", "there"), ("staging", "other")):
        with open_repository(Settings(place=store, index=index)) as repository:
            publish(repository, [Input.of(make_wheel(folder, name))])


def dies_before_its_sync(store: Path, folder: Path, verb: Verb, patch: pytest.MonkeyPatch, way: str) -> None:
    """Another writer changes something, and ends after the ref has its new name and before the folder of it is synced."""
    with patch.context() as context:
        context.setattr("wharf.index.ref_transaction._sync", lambda *_asked: None)
        if way == "git":
            context.setattr("wharf.index.lone_ref.move", lambda *_asked: None)
        with open_repository(Settings(place=store)) as repository:
            assert verb(repository, folder), "this one changes something"


@pytest.mark.parametrize("way", ["here", "git"])
@pytest.mark.parametrize(("index", "verb"), cases())
def test_what_an_answer_says_to_be_there_outlives_a_power_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str, verb: Verb, way: str
) -> None:
    with forgetful_disk.forgetful_disk(tmp_path, Names.BY_FOLDER) as disk:
        store = disk.path / "store"
        make(store, tmp_path)
        disk.settle()
        dies_before_its_sync(store, tmp_path, verb, monkeypatch, way)
        with open_repository(Settings(place=store, index=index)) as repository:
            tip = repository.branch.tip()
        with open_repository(Settings(place=store)) as repository:
            assert not verb(repository, tmp_path), "it is there already"
        left = disk.cut(tmp_path / "left") / "store"
    with open_repository(Settings(place=left, index=index)) as repository:
        assert repository.branch.tip() == tip
        assert {each.kind for each in verify(repository).problems} <= {"unnamed-bytes"}  # which a removal deletes later


def test_bytes_go_when_the_removal_from_each_index_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with forgetful_disk.forgetful_disk(tmp_path, Names.BY_FOLDER) as disk:
        store = disk.path / "store"
        make(store, tmp_path)
        disk.settle()
        with monkeypatch.context() as patch:
            patch.setattr("wharf.operations.remove.delete_bytes", lambda *_asked: ((), ""))  # it dies before that, too
            dies_before_its_sync(store, tmp_path, removes, monkeypatch, "here")
        with open_repository(Settings(place=store, index="staging")) as repository:
            assert verify(repository, repair=True).ok
        assert len([*(store / "assets").glob("*/*")]) == 1
        disk_sync.sync(store / "assets")  # as a disk may do by itself: that the bytes are gone comes first
        left = disk.cut(tmp_path / "left") / "store"
    with open_repository(Settings(place=left)) as repository:
        assert verify(repository).ok
