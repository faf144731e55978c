"""Upload sessions whose process dies, at every step of a publish and of a deletion: the next one continues."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_sdist, make_wheel
from wharf.assets import session_folder
from wharf.assets.session_folder import FolderSessions
from wharf.assets.session_requests import FileAsked, ReleaseAsked
from wharf.errors import ConflictError, NotFoundError, StorageError
from wharf.operations import upload_session_batch, upload_session_publish
from wharf.operations.publish import publish
from wharf.operations.upload_rights import NO_LIMITS
from wharf.operations.upload_session_batch import ComingFile, announce_batch, keep_batch
from wharf.operations.upload_session_files import (
    Digests,
    KeptDistributions,
    announce_file,
    check_bytes,
    complete_file,
    keep_bytes,
)
from wharf.operations.upload_session_publish import SessionPublish, publish_session
from wharf.operations.upload_session_verbs import begin_session, cancel_session, find_session, sweep_sessions, utc_second
from wharf.system import regular_file, unnamed_file

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.assets.upload_session import UploadSession
    from wharf.repository.opening import Repository

LIMIT = 1 << 20


class Death(BaseException):
    """The process ends here."""


def staged(repository: Repository, *paths: Path) -> UploadSession:
    """A session with these files, completed."""
    store, snapshot = repository.sessions, repository.branch.snapshot()
    session = begin_session(store, "default", ReleaseAsked("demo", "1.0"), snapshot, creator="ci", now=utc_second())
    for path in paths:
        data = path.read_bytes()
        digests = Digests({"sha512": "0"})
        digests.update(data)
        asked = FileAsked(path.name, len(data), {"sha256": digests.sha256})
        session, file, _ = announce_file(store, session, asked, snapshot, LIMIT)
        digests = Digests(asked.hashes)
        digests.update(data)
        scratch = store.scratch(session.id)
        scratch.write_bytes(data)
        found = check_bytes(scratch, file, digests, limit=LIMIT, strict=False)
        keep_bytes(store, session.id, file, scratch, found)
        session, _ = complete_file(store, session.id, file.number)
    return session


def how() -> SessionPublish:
    return SessionPublish(actor="ci", strict=False, limit=LIMIT, check=NO_LIMITS, kept=KeptDistributions())


def _dies(*_: object, **__: object) -> None:
    raise Death


def _dies_after(what: object) -> object:
    def call(*given: object, **more: object) -> None:
        what(*given, **more)  # type: ignore[operator]
        raise Death

    return call


@pytest.mark.parametrize("step", ["ready", "publish", "committed", "clear"])
def test_a_publish_that_dies_is_published_by_the_next(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    session = staged(repository, make_wheel(tmp_path), make_sdist(tmp_path))
    with monkeypatch.context() as patch:
        if step in {"ready", "clear"}:
            patch.setattr(FolderSessions, step, _dies)
        else:
            patch.setattr(upload_session_publish, "publish", _dies if step == "publish" else _dies_after(publish))
        with pytest.raises(Death):
            publish_session(repository, repository.sessions, session.id, how())
    raw = repository.sessions.get(session.id)
    assert raw is not None
    assert raw.state == ("published" if step == "clear" else "processing")
    found = find_session(repository.sessions, "default", session.id, utc_second())
    if step != "clear":
        assert found.state == "error"
        assert "Publish it again" in found.notices[0]
    done = publish_session(repository, repository.sessions, session.id, how())
    assert done is not None
    assert (done.state, done.notices) == ("published", ())
    assert len(list(repository.branch.history())) == 1
    project = repository.branch.snapshot().project("demo")
    assert project is not None
    assert len(project.files) == 2
    with pytest.raises(NotFoundError), repository.sessions.opener(session.id) as opener:
        opener(next(iter(session.files.values())))


@pytest.mark.parametrize("step", ["reserved", "first", "last", "completed"])
def test_a_batch_that_dies_is_there_as_a_whole_or_not_at_all(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    paths, session = [make_wheel(tmp_path), make_sdist(tmp_path)], staged(repository)
    with monkeypatch.context() as patch:
        put = regular_file.put_all
        if step == "reserved":
            patch.setattr(session_folder, "sync_together", _dies)
        elif step == "first":
            patch.setattr(regular_file, "put_all", _dies_after(lambda some, *where: put(some[:1], *where)))
        elif step == "last":
            patch.setattr(upload_session_batch, "_completed", _dies)
        else:
            patch.setattr(upload_session_batch, "_completed", _dies_after(upload_session_batch._completed))
        patch.setattr(FolderSessions, "drop", lambda *_: None)  # who is dead deletes nothing
        with pytest.raises(Death):
            batch(repository, session, *paths)
    found = repository.sessions.get(session.id)
    assert found is not None
    assert sorted(found.files) == (sorted(path.name for path in paths) if step == "completed" else [])
    after = batch(repository, found, *paths)
    assert {each.state for each in after.files.values()} == {"completed"}
    assert len(after.files) == 2
    done = publish_session(repository, repository.sessions, session.id, how())
    assert done is not None
    assert done.state == "published"


def batch(repository: Repository, session: UploadSession, *paths: Path) -> UploadSession:
    """The session with these files, which came in one request."""
    store, snapshot = repository.sessions, repository.branch.snapshot()
    asked = [FileAsked(path.name, path.stat().st_size, {"sha256": sha256_of(path)}) for path in paths]
    come = []
    for path, file in zip(paths, announce_batch(store, session, asked, snapshot, LIMIT), strict=True):
        digests, scratch = Digests(file.hashes), store.scratch(session.id)
        scratch.write_bytes(path.read_bytes())
        digests.update(path.read_bytes())
        come.append(ComingFile(file, scratch, digests))
    return keep_batch(store, session.id, come, limit=LIMIT, strict=False)[0]


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_next_publish_need_not_be_told_of_the_dead_one(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = staged(repository, make_wheel(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(upload_session_publish, "publish", _dies)
        with pytest.raises(Death):
            publish_session(repository, repository.sessions, session.id, how())
    done = publish_session(repository, repository.sessions, session.id, how())
    assert done is not None
    assert done.state == "published"


def test_a_cancellation_that_dies_is_ended_by_the_next(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = staged(repository, make_wheel(tmp_path))
    file = next(iter(session.files.values()))
    with monkeypatch.context() as patch:
        patch.setattr(FolderSessions, "clear", _dies)
        with pytest.raises(Death):
            cancel_session(repository.sessions, session.id, utc_second())
    with repository.sessions.opener(session.id) as opener:
        opener(file).close()
    assert cancel_session(repository.sessions, session.id, utc_second()).state == "canceled"
    with pytest.raises(NotFoundError), repository.sessions.opener(session.id) as opener:
        opener(file)


def test_staged_bytes_that_were_damaged_are_not_published(repository: Repository, store: Path, tmp_path: Path) -> None:
    session = staged(repository, make_wheel(tmp_path))
    (path,) = (store / "sessions" / session.id / "files").iterdir()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(Exception, match=r"damaged|wheel|zip"):
        publish_session(repository, repository.sessions, session.id, how())
    assert repository.branch.snapshot().project("demo") is None
    after = repository.sessions.get(session.id)
    assert after is not None
    assert after.state == "open"


@pytest.mark.parametrize("folder", ["assets", "staging"])
def test_a_folder_of_the_store_that_is_gone_is_told(repository: Repository, store: Path, tmp_path: Path, folder: str) -> None:
    session = staged(repository, make_wheel(tmp_path))
    (store / folder).rmdir()
    with pytest.raises(StorageError, match=f"{folder} is gone"):
        publish_session(repository, repository.sessions, session.id, how())
    after = repository.sessions.get(session.id)
    assert after is not None
    assert after.state == "open"
    (store / folder).mkdir()
    done = publish_session(repository, repository.sessions, session.id, how())
    assert done is not None
    assert done.state == "published"


def test_bytes_that_are_damaged_after_their_check_is_remembered(repository: Repository, store: Path, tmp_path: Path) -> None:
    session, ways = staged(repository, make_wheel(tmp_path)), how()
    file = next(iter(session.files.values()))
    with repository.sessions.opener(session.id) as opener:
        upload_session_publish._checked(opener, session, file, ways)
    (path,) = (store / "sessions" / session.id / "files").iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(StorageError, match="damaged"):
        publish_session(repository, repository.sessions, session.id, ways)
    assert repository.branch.snapshot().project("demo") is None


@pytest.mark.skipif(sys.platform != "linux", reason="an open file can get a name on Linux")
def test_staged_bytes_are_kept_as_they_lie(repository: Repository, store: Path, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    session = staged(repository, wheel)
    (path,) = (store / "sessions" / session.id / "files").iterdir()
    lies = path.stat().st_ino
    publish_session(repository, repository.sessions, session.id, how())
    (asset,) = (store / "assets").glob(f"*/{wheel.name}")
    assert (asset.stat().st_ino, asset.stat().st_nlink) == (lies, 1)
    assert asset.read_bytes() == wheel.read_bytes()


def test_where_a_file_gets_no_second_name_it_is_copied_and_compared(
    repository: Repository, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, ways = make_wheel(tmp_path), how()
    session = staged(repository, wheel)
    with repository.sessions.opener(session.id) as opener:
        upload_session_publish._checked(opener, session, next(iter(session.files.values())), ways)
    (path,) = (store / "sessions" / session.id / "files").iterdir()
    whole = path.read_bytes()

    def damage(*_: object) -> bool:
        path.write_bytes(whole[:-1] + b"x")
        return False

    monkeypatch.setattr(unnamed_file, "give_name", damage)
    with pytest.raises(StorageError, match="damaged"):
        publish_session(repository, repository.sessions, session.id, ways)
    path.write_bytes(whole)
    monkeypatch.setattr(unnamed_file, "give_name", lambda *_: False)
    publish_session(repository, repository.sessions, session.id, ways)
    (asset,) = (store / "assets").glob(f"*/{wheel.name}")
    assert asset.read_bytes() == whole


def test_what_is_over_is_deleted_and_the_rest_is_not(repository: Repository, tmp_path: Path) -> None:
    store, now = repository.sessions, utc_second()
    session = staged(repository, make_wheel(tmp_path))
    assert sweep_sessions(store, now + timedelta(days=6)) == []
    cancel_session(store, session.id, now)
    other = staged(repository, make_sdist(tmp_path))
    assert sweep_sessions(store, now + timedelta(hours=23)) == []
    told: list[str] = []
    swept = sweep_sessions(store, now + timedelta(hours=25), told=lambda each: told.append(each.id))
    assert [each.id for each in swept] == told == [session.id]
    store.update(other.id, lambda each: dataclasses.replace(each, state="processing"))
    with store.publishing(other.id):
        sweep_sessions(store, now + timedelta(days=8))
        assert store.get(other.id) is not None
    sweep_sessions(store, now + timedelta(days=8))
    assert store.all() == []


def test_a_session_without_a_file_is_not_published(repository: Repository) -> None:
    session = staged(repository)
    with pytest.raises(ConflictError, match="no file"):
        publish_session(repository, repository.sessions, session.id, how())
    assert repository.branch.tip() is None
