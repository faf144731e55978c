"""The verbs on a real store: order, idempotence, repair."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

import pytest

from tests.index.test_branch import damage, edit_by_hand, git
from tests.makers import make_sdist, make_wheel
from wharf.assets.asset_store import Progress
from wharf.assets.folder_store import FolderStore
from wharf.errors import ConflictError, InvalidDistributionError, NotFoundError, RecordError, StorageError, TooLargeError
from wharf.index import record
from wharf.index.history import Asked
from wharf.operations.publish import Published, publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from datetime import tzinfo
    from pathlib import Path


def put(repository: Repository, *paths: Path, dry_run: bool = False) -> Published:
    inputs = [Input.of(path) for path in paths]
    return publish(repository, inputs, actor="ada", dry_run=dry_run)


def stored(store: Path) -> list[str]:
    return sorted(path.name for path in (store / "assets").rglob("*") if path.is_file())


def names(published: Published) -> tuple[list[str], list[str]]:
    return (
        [named.file.filename for named in published.published],
        [named.file.filename for named in published.unchanged],
    )


def test_publish_stores_names_and_tells(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    done = put(repository, wheel, sdist)
    assert done.commit == repository.branch.tip()
    assert names(done) == ([wheel.name, sdist.name], [])
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (store / "assets" / sha256 / wheel.name).read_bytes() == wheel.read_bytes()
    assert list((store / "staging").iterdir()) == []
    again = put(repository, sdist, wheel, wheel)
    assert (again.commit, names(again)) == (None, ([], [wheel.name, sdist.name]))


def _pour(path: Path, pipe: int) -> None:
    with os.fdopen(pipe, "wb") as into:
        into.write(path.read_bytes())


def test_a_file_is_read_once_and_what_was_checked_is_what_is_kept(repository: Repository, tmp_path: Path) -> None:
    """From a pipe nothing can be read a second time."""
    wheel = make_wheel(tmp_path)
    reading, writing = os.pipe()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(_pour, wheel, writing)
        done = publish(repository, [Input(wheel.name, lambda: os.fdopen(reading, "rb"))], actor="ada")
    assert done.published[0].file.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert verify(repository).ok


def test_a_conflict_publishes_nothing_at_all(repository: Repository, tmp_path: Path, store: Path) -> None:
    put(repository, make_wheel(tmp_path))
    tip, before = repository.branch.tip(), stored(store)
    fresh = make_wheel(tmp_path, "fresh")
    with pytest.raises(ConflictError, match=r"demo-1.0-py3-none-any.whl"):
        put(repository, fresh, make_wheel(tmp_path, content="other"))
    assert (repository.branch.tip(), stored(store)) == (tip, before)


def test_one_broken_file_publishes_nothing_at_all(repository: Repository, tmp_path: Path, store: Path) -> None:
    broken = tmp_path / "broken-1.0-py3-none-any.whl"
    broken.write_bytes(b"PK")
    with pytest.raises(InvalidDistributionError, match=broken.name):
        put(repository, make_wheel(tmp_path), broken)
    assert repository.branch.tip() is None
    assert stored(store) == []
    assert list((store / "staging").iterdir()) == []


def test_every_broken_file_is_named(repository: Repository, tmp_path: Path) -> None:
    broken = [tmp_path / name for name in ("broken-1.0-py3-none-any.whl", "notes.txt", "other-1.0.tar.gz")]
    for path in broken:
        path.write_bytes(b"PK")
    with pytest.raises(InvalidDistributionError, match=r"^3 files are refused\.") as caught:
        put(repository, broken[0], make_wheel(tmp_path), *broken[1:])
    assert [line.partition(":")[0] for line in caught.value.message.splitlines()[1:]] == [path.name for path in broken]
    assert repository.branch.tip() is None


def test_a_file_that_is_too_large_is_not_read(repository: Repository, tmp_path: Path) -> None:
    def unread() -> BinaryIO:
        pytest.fail("it was opened")

    with pytest.raises(TooLargeError, match="larger than 9 bytes"):
        publish(repository, [Input("demo-1.0.tar.gz", unread, 10)], actor="ada", limit=9)


def test_strict_makes_warnings_errors(repository: Repository, tmp_path: Path) -> None:
    odd, good = make_wheel(tmp_path, extras=[".none"]), make_wheel(tmp_path, "good")
    with pytest.raises(InvalidDistributionError, match=r"^demo-1.0-py3-none-any\.whl: Provides-Extra .*'\.none'") as caught:
        publish(repository, [Input.of(odd), Input.of(good)], actor="ada", strict=True)
    assert "--strict" in caught.value.hint
    assert repository.branch.tip() is None
    assert publish(repository, [Input.of(good)], actor="ada", strict=True).published
    assert put(repository, odd).warnings


def test_the_same_bytes_under_another_spelling_are_unchanged(repository: Repository, tmp_path: Path, store: Path) -> None:
    sdist = make_sdist(tmp_path, "my-proj")
    other = sdist.with_name("my-proj-1.0.0.tar.gz")
    other.write_bytes(sdist.read_bytes())
    assert names(put(repository, sdist, other)) == ([sdist.name], [])
    tip = repository.branch.tip()
    assert names(put(repository, other)) == ([], [sdist.name])
    assert (repository.branch.tip(), stored(store)) == (tip, [sdist.name])
    remove(repository, "my-proj", "1.0", None, reason="", actor="ada")
    assert names(put(repository, other)) == ([other.name], [])
    assert stored(store) == [other.name]
    assert verify(repository).ok


def test_the_same_name_twice_with_different_bytes_is_a_conflict(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    one, other = make_wheel(tmp_path / "a"), make_wheel(tmp_path / "b", content="other")
    with pytest.raises(ConflictError, match="given twice"):
        put(repository, one, other)
    with pytest.raises(ConflictError, match="two names of one file"):
        put(repository, make_sdist(tmp_path / "a"), make_sdist(tmp_path / "b", "demo", "1.0.0"))


def test_a_dry_run_tells_the_same_and_leaves_no_trace(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    assert names(put(repository, wheel, dry_run=True)) == ([wheel.name], [])
    assert (repository.branch.tip(), stored(store)) == (None, [])
    put(repository, wheel)
    assert names(put(repository, wheel, dry_run=True)) == ([], [wheel.name])
    with pytest.raises(ConflictError):
        put(repository, make_wheel(tmp_path, content="other"), dry_run=True)


def test_a_file_over_the_limit_is_refused(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    with pytest.raises(TooLargeError, match=wheel.name):
        publish(repository, [Input.of(wheel)], actor="ada", limit=100)
    assert stored(store) == []


def test_a_full_disk_is_told_and_nothing_is_published(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("wharf.assets.folder_store.os.fsync", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        put(repository, make_wheel(tmp_path))
    assert "room" in caught.value.hint
    assert repository.branch.tip() is None


def test_publishing_again_heals_bytes_that_are_gone_or_damaged(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    put(repository, wheel, sdist)
    next((store / "assets").rglob(wheel.name)).unlink()
    next((store / "assets").rglob(sdist.name)).write_bytes(b"rotten")
    found = verify(repository)
    assert not found.ok
    assert {each.kind for each in found.problems} == {"missing-bytes", "other-bytes"}
    assert names(put(repository, wheel, sdist)) == ([], [wheel.name, sdist.name])
    assert verify(repository).ok


def test_verify_sees_damage_of_the_same_size(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    kept = next((store / "assets").rglob(wheel.name))
    kept.write_bytes(b"x" + kept.read_bytes()[1:])
    assert [each.kind for each in verify(repository).problems] == ["other-bytes"]


@pytest.mark.slow
def test_verify_repairs_what_nobody_names_and_keeps_what_another_index_names(
    repository: Repository, tmp_path: Path, store: Path
) -> None:
    put(repository, make_wheel(tmp_path))
    with open_repository(Settings(place=store, index="staging")) as staging:
        put(staging, make_wheel(tmp_path, "candidate"))
    orphan = store / "assets" / ("f" * 64) / "orphan-1.0.tar.gz"
    orphan.parent.mkdir()
    orphan.write_bytes(b"x")
    (store / "staging" / "dead").mkdir()
    (store / "staging" / "dead" / "1").write_bytes(b"half")
    found = verify(repository)
    assert ([each.kind for each in found.problems], found.ok) == (["unnamed-bytes"], False)
    assert [each.path for each in found.leftovers] == ["staging/dead"]
    assert orphan.exists()
    repaired = verify(repository, repair=True)
    assert repaired.ok
    assert all(each.repaired for each in (*repaired.problems, *repaired.leftovers))
    assert not orphan.parent.exists()
    assert list((store / "staging").iterdir()) == []
    assert verify(repository).problems == ()
    assert len(stored(store)) == 2


def test_leftovers_alone_are_no_problem(repository: Repository, store: Path) -> None:
    (store / "staging" / "dead").mkdir()
    found = verify(repository)
    assert (found.ok, len(found.leftovers)) == (True, 1)


def test_bytes_of_a_publisher_at_work_are_no_problem_and_are_not_swept(
    repository: Repository, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.operations.verify_folder.PATIENCE", 0.0)
    about_to_be_named = store / "assets" / ("f" * 64) / "new-1.0.tar.gz"
    about_to_be_named.parent.mkdir()
    about_to_be_named.write_bytes(b"x")
    with FolderStore(store).intake(Progress()) as publish, publish.take(lambda: io.BytesIO(b"bytes"), 10):
        found = verify(repository, repair=True)
    assert found.ok
    assert [each.kind for each in found.leftovers] == ["unnamed-bytes", "temporary"]
    assert about_to_be_named.exists()
    assert [*(store / "staging").iterdir()] == []


def test_nothing_is_swept_while_a_record_cannot_be_read(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    edit_by_hand(store, "projects/de/demo/1.0/release.json", b"{oops")
    found = verify(repository, repair=True)
    assert not found.ok
    assert {each.kind for each in found.problems} == {"broken-record", "unnamed-bytes"}
    assert stored(store) == [wheel.name]


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("name", ["wharf/main", "wharf/main:projects", "wharf/main:projects/de/demo"])
def test_nothing_is_swept_while_git_is_damaged(repository: Repository, tmp_path: Path, store: Path, name: str) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    damage(store, name)
    with open_repository(Settings(place=store)) as again, pytest.raises(StorageError):
        verify(again, repair=True)
    with open_repository(Settings(place=store, index="other")) as other:
        assert not verify(other, repair=True).ok
    assert stored(store) == [wheel.name]


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("index", ["main", "staging"])
@pytest.mark.parametrize("lost", ["emptied", "deleted"])
def test_nothing_is_swept_when_a_ref_is_lost(
    repository: Repository, tmp_path: Path, store: Path, index: str, lost: str
) -> None:
    wheel = make_wheel(tmp_path)
    with open_repository(Settings(place=store, index=index)) as other:
        put(other, wheel)
    ref = store / "index.git/refs/heads/wharf" / index
    if lost == "emptied":
        ref.write_bytes(b"")
    else:
        ref.unlink()
    if index == "main":
        with pytest.raises(StorageError):
            verify(repository, repair=True)
    else:
        found = verify(repository, repair=True)
        assert not found.ok
        assert "unread-index" in {each.kind for each in found.leftovers}
    assert stored(store) == [wheel.name]


def test_a_store_whose_index_is_gone_is_not_taken_for_a_new_one(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    shutil.rmtree(store / "index.git")
    with pytest.raises(StorageError, match="the index is lost"), open_repository(Settings(place=store)):
        pass
    assert stored(store) == [wheel.name]


def test_a_branch_beside_the_indexes_that_is_none_stops_nothing_and_loses_nothing(
    repository: Repository, tmp_path: Path, store: Path
) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    edit_by_hand(store, "wharf.toml", b"format = 2")
    git(store, "branch", "wharf/later", "wharf/main")
    edit_by_hand(store, "wharf.toml", b"format = 1")
    assert verify(repository).ok
    done = remove(repository, "demo", "1.0", None, reason="", actor="bob")
    assert [named.file.filename for named in done.kept] == [wheel.name]
    assert not verify(repository, repair=True).ok
    assert stored(store) == [wheel.name]


def test_what_others_leave_in_the_folders_stops_no_repair(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    (store / "staging" / ".DS_Store").write_bytes(b"x")
    (store / "staging" / "link").symlink_to(tmp_path)
    (store / "assets" / ".DS_Store").write_bytes(b"x")
    (store / "assets" / ("e" * 64)).write_bytes(b"x")
    (store / "assets" / ("f" * 64) / "demo-1.0.tar.gz").mkdir(parents=True)
    found = verify(repository, repair=True)
    assert {each.path: each.repaired for each in found.leftovers} == {
        "staging/.DS_Store": True,
        "staging/link": True,
        "assets/.DS_Store": False,
    }
    assert {each.path: each.repaired for each in found.problems} == {
        f"assets/{'e' * 64}": False,
        f"assets/{'f' * 64}/demo-1.0.tar.gz": False,
    }
    assert wheel.exists()
    assert stored(store).count(wheel.name) == 1


def test_verify_checks_core_metadata(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    edit_by_hand(store, f"projects/de/demo/1.0/{wheel.name}.metadata", b"Name: evil\n")
    assert [each.kind for each in verify(repository).problems] == ["other-metadata"]


def test_remove_takes_the_record_then_the_bytes(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    put(repository, wheel, sdist)
    done = remove(repository, "demo", "1.0", wheel.name, reason="secret inside", actor="bob")
    assert [named.file.filename for named in done.removed] == [wheel.name]
    assert stored(store) == [sdist.name]
    assert verify(repository).ok
    assert next(repository.branch.history()).message.endswith("secret inside")
    again = remove(repository, "demo", "1.0", wheel.name, reason="", actor="bob")
    assert (again.commit, again.removed) == (None, ())
    assert [{*each.removed} for each in again.gone] == [{wheel.name}]
    with pytest.raises(NotFoundError):
        remove(repository, "demo", "1.0", "demo-1.0-1-py3-none-any.whl", reason="", actor="bob")
    assert put(repository, wheel).commit
    assert stored(store) == [wheel.name, sdist.name]


def test_remove_leaves_bytes_that_another_index_names(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    with open_repository(Settings(place=store, index="staging")) as staging:
        put(staging, wheel)
        done = remove(staging, "demo", "1.0", None, reason="", actor="bob")
        assert [named.file.filename for named in done.kept] == [wheel.name]
        assert staging.branch.snapshot().overview() == {}
    assert stored(store) == [wheel.name]
    assert remove(repository, "demo", "1.0", None, reason="", actor="bob").kept == ()
    assert stored(store) == []


def test_remove_leaves_the_bytes_while_a_publisher_is_at_work(
    repository: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.assets.folder_store.PATIENCE", 0.0)
    put(repository, make_wheel(tmp_path))
    with FolderStore(store).intake(Progress()):
        done = remove(repository, "demo", "1.0", None, reason="", actor="bob")
    assert "publish is under way" in done.reason
    assert len(stored(store)) == 1
    again = remove(repository, "demo", "1.0", None, reason="", actor="bob")
    assert (again.commit, len(again.removed), again.kept) == (None, 1, ())
    assert stored(store) == []


def test_yank_is_recorded_with_its_reason(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    done = set_yanked(repository, "demo", "1.0", None, reason="loses data", actor="bob")
    assert done.commit
    project = repository.branch.snapshot().project("demo")
    assert project is not None
    assert [file.yanked for file in project.files] == ["loses data"]
    assert set_yanked(repository, "demo", "1.0", None, reason="loses data", actor="bob").commit is None
    assert set_yanked(repository, "demo", "1.0", None, reason="", actor="bob").commit is None, "the reason stays"
    assert set_yanked(repository, "demo", "1.0", None, reason=None, actor="bob").commit


def test_a_quarantined_or_archived_project_is_closed(repository: Repository, tmp_path: Path, store: Path) -> None:
    put(repository, make_wheel(tmp_path))
    state = b'{"project-status":{"status":"archived","reason":"moved"}}'
    edit_by_hand(store, "projects/de/demo/project.json", state)
    with pytest.raises(Exception, match="archived: moved"):
        put(repository, make_wheel(tmp_path, version="2.0"))


@pytest.mark.parametrize("moment", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9500, 1, 1, tzinfo=UTC)])
@pytest.mark.parametrize("dry_run", [True, False])
def test_a_clock_that_cannot_be_publishes_nothing(
    moment: datetime, dry_run: bool, repository: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment

    wheel = make_wheel(tmp_path)
    monkeypatch.setattr("wharf.operations.publish_group.datetime", Clock)
    with pytest.raises(StorageError, match=f"The clock of this machine says {moment.year}-01-01 00:00 UTC"):
        put(repository, wheel, dry_run=dry_run)
    assert (repository.branch.tip(), stored(store)) == (None, [])


def test_a_record_that_no_reader_takes_is_mended_as_the_documentation_says(
    repository: Repository, tmp_path: Path, store: Path
) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    path = record.path("demo", "1.0")
    data = git(store, "show", f"wharf/main:{path}").encode()
    edit_by_hand(store, path, data.replace(b'"upload-time":"2', b'"upload-time":"1'))
    with pytest.raises(RecordError, match="cannot be"):
        put(repository, wheel)
    clone = tmp_path / "index"
    commit = next(repository.branch.history(Asked(project="demo"))).commit
    for words in (
        ("clone", "--quiet", "--branch", "wharf/main", str(store / "index.git"), str(clone)),
        ("-C", str(clone), "revert", "--no-edit", commit),
        ("-C", str(clone), "push", "--quiet"),
    ):
        subprocess.run(["git", *words], check=True, capture_output=True)
    assert verify(repository).ok
    assert names(put(repository, wheel)) == ([], [wheel.name])


def test_a_store_is_copied_while_it_is_used_index_first(repository: Repository, store: Path, tmp_path: Path) -> None:
    """As docs/server.md says it: of what is published meanwhile, the copy has the bytes and no name."""
    put(repository, make_wheel(tmp_path))
    copy = tmp_path / "copy"
    subprocess.run(["git", "clone", "--quiet", "--mirror", store / "index.git", copy / "index.git"], check=True, timeout=60)
    put(repository, make_wheel(tmp_path, version="2.0"))
    shutil.copytree(store / "assets", copy / "assets")
    with open_repository(Settings(place=copy)) as copied:
        assert [each.kind for each in verify(copied).problems] == ["unnamed-bytes"]
        assert list(copied.branch.snapshot().versions("demo")) == ["1.0"]
        assert names(put(copied, make_wheel(tmp_path, version="2.0"))) == (["demo-2.0-py3-none-any.whl"], [])
        assert verify(copied).ok
