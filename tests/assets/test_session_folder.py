"""The store of upload sessions in a folder: what two who write at once, a dead process and a damaged file come to."""

import dataclasses
import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.server.running import soon
from wharf.assets import session_folder, session_record
from wharf.assets.session_folder import FolderSessions
from wharf.assets.session_record import SessionRecord
from wharf.assets.session_store import LiveSessionError, ManySessionsError, SessionStore
from wharf.assets.upload_session import LIFE, SessionFile, UploadSession, new_session
from wharf.errors import ConflictError, NotFoundError, OddFileError, RefusedError, StorageError
from wharf.secret import Secret

NOW = datetime.now(UTC).replace(microsecond=0)


def _session(version: str = "1.0", index: str = "default") -> UploadSession:
    return new_session(index=index, project="demo", version=version, creator="ci", now=NOW)


def _file(number: int = 0, name: str = "demo-1.0.tar.gz") -> SessionFile:
    return SessionFile(number=number, filename=name, size=3, hashes={"sha256": "0" * 64})


def _with(file: SessionFile, session: UploadSession) -> UploadSession:
    return session.with_file(file)


@pytest.fixture
def store(tmp_path: Path) -> FolderSessions:
    return FolderSessions(tmp_path)


def _keep(store: SessionStore, session: UploadSession, file: SessionFile, data: bytes) -> None:
    path = store.scratch(session.id)
    path.write_bytes(data)
    store.keep(session.id, [(file, path, "0" * 64)])
    assert not path.exists()


def test_the_folder_of_the_store_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    store, session = FolderSessions(tmp_path / "store"), _session().with_file(_file())
    store.create(session)
    _keep(store, session, _file(), b"abc")
    assert FolderSessions(tmp_path / "disk").get(session.id) == session


def test_another_process_sees_a_session_as_it_was_kept(store: FolderSessions, tmp_path: Path) -> None:
    session = _session().with_file(_file())
    store.create(session)
    other = FolderSessions(tmp_path)
    assert other.get(session.id) == session
    assert other.by_token(session.token) == session
    assert other.by_token(Secret("A" * 43)) is None
    assert other.get("0" * 32) is None
    assert other.get("../../etc") is None
    changed = store.update(session.id, lambda each: dataclasses.replace(each, state="error"))
    assert other.by_token(session.token) == changed
    assert list(other.all()) == [changed]


def test_only_the_owner_may_read_it(store: FolderSessions, tmp_path: Path) -> None:
    session = _session()
    store.create(session)
    for path in (tmp_path / "sessions").rglob("*"):
        assert path.is_dir() or path.name in {"lock", "publishing"} or stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not path.is_dir() or stat.S_IMODE(path.stat().st_mode) == 0o700


def test_of_many_who_begin_one_release_one_wins(tmp_path: Path) -> None:
    def begin(number: int) -> str:
        session = _session()
        try:
            FolderSessions(tmp_path).create(session)
        except LiveSessionError as error:
            return error.session.id
        return session.id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(begin, range(24)))) == 1


def test_a_release_may_have_a_new_session_when_the_old_one_is_over(store: FolderSessions) -> None:
    first = _session()
    store.create(first)
    store.update(first.id, lambda each: dataclasses.replace(each, state="canceled", ended=NOW))
    store.create(_session())
    later = dataclasses.replace(_session(), created=NOW + LIFE + timedelta(seconds=1))
    store.create(later)
    assert len(store.all()) == 3


def test_sessions_of_an_index_are_bounded(store: FolderSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_folder, "MOST_SESSIONS", 2)
    for version in ("1", "2"):
        store.create(_session(version))
    with pytest.raises(ManySessionsError, match=f"'default', {_session().creator} has as many"):
        store.create(_session("3"))
    store.create(_session("3", "staging"))
    other = dataclasses.replace(_session("3"), creator="somebody else")
    store.create(other)  # nobody takes the room of others
    monkeypatch.setattr(session_folder, "MOST_OF_ALL", 3)
    with pytest.raises(ManySessionsError, match="'default' has as many"):
        store.create(dataclasses.replace(_session("4"), creator="a third"))


def test_of_sessions_that_ended_the_newest_are_told(store: FolderSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_folder, "MOST_ENDED", 2)
    made = [_session(str(number)) for number in range(6)]
    for number, each in enumerate(made[:5]):
        store.create(each)
        store.update(each.id, partial(_canceled, ended=NOW + timedelta(seconds=5 - number)))
    other = store.create(_session("1", "staging"))
    store.create(made[5])
    assert {each.id for each in store.all()} == {each.id for each in (made[0], made[1], made[5], other)}


def _canceled(session: UploadSession, ended: datetime) -> UploadSession:
    return dataclasses.replace(session, state="canceled", ended=ended)


def test_a_session_that_ended_is_read_once_however_many_begin(
    store: FolderSessions, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(50):
        ended = store.create(_session(f"{number}.0"))
        store.update(ended.id, lambda each: dataclasses.replace(each, state="canceled", ended=NOW))
    fresh, read, get = FolderSessions(tmp_path), list[str](), FolderSessions.get

    def noted(self: FolderSessions, id_: str, **more: bool) -> UploadSession | None:
        read.append(id_)
        return get(self, id_, **more)

    monkeypatch.setattr(FolderSessions, "get", noted)
    fresh.create(_session("100.0"))
    assert len(read) == 50
    fresh.create(_session("101.0"))
    assert len(read) == 51, "of those that are live, another process may have ended one"
    with pytest.raises(LiveSessionError):
        fresh.create(_session("101.0"))


def test_a_power_cut_in_a_publish_leaves_the_session_before_it(store: FolderSessions, tmp_path: Path) -> None:
    session = store.create(_session())
    store.update(session.id, partial(_with, dataclasses.replace(_file(), state="completed", sha256="0" * 64)))
    before = (tmp_path / "sessions" / session.id / "session.json").read_bytes()
    store.update(session.id, lambda each: dataclasses.replace(each, state="processing"))
    seen = FolderSessions(tmp_path).get(session.id)
    assert seen is not None
    assert seen.state == "processing"
    assert (tmp_path / "sessions" / session.id / "session.json").read_bytes() == before
    store.update(session.id, lambda each: dataclasses.replace(each, state="published", ended=NOW))
    (tmp_path / "sessions" / session.id / "session.later").unlink()
    seen = FolderSessions(tmp_path).get(session.id)
    assert seen is not None
    assert seen.state == "published"


def test_who_guesses_a_stage_has_no_session_read(store: FolderSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [store.create(_session(str(number))) for number in range(3)]
    assert store.by_token(sessions[1].token) == sessions[1]
    read: list[str] = []
    seen = store._records.read

    def noted(id_: str) -> SessionRecord:
        read.append(id_)
        return seen(id_)

    monkeypatch.setattr(store._records, "read", noted)
    for guess in ("A" * 43, "x", "../../etc"):
        assert store.by_token(Secret(guess)) is None
    assert not read
    newest = store.create(_session("9"))
    read.clear()
    assert store.by_token(newest.token) == newest
    assert set(read) == {newest.id}


def test_a_session_never_becomes_one_that_cannot_be_read(store: FolderSessions, monkeypatch: pytest.MonkeyPatch) -> None:
    session = store.create(_session())
    monkeypatch.setattr(session_record, "LARGEST", 2000)
    noted = dataclasses.replace(_file(), notices=("x" * 2000,))
    with pytest.raises(RefusedError):
        store.update(session.id, lambda each: each.with_file(noted))
    assert store.get(session.id) == session


def test_no_update_is_lost(tmp_path: Path) -> None:
    session = _session()
    FolderSessions(tmp_path).create(session)

    def add(number: int) -> None:
        FolderSessions(tmp_path).update(session.id, lambda each: each.with_file(_file(number, f"demo-1.0-{number}.zip")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(24)))
    found = FolderSessions(tmp_path).get(session.id)
    assert found is not None
    assert len(found.files) == 24
    assert found.taken == 24


def test_changes_that_come_while_one_is_written_are_written_together(
    store: FolderSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[int] = []
    session, first, go = _session(), threading.Event(), threading.Event()
    store.create(session)
    write = FolderSessions._write

    def slowly(self: FolderSessions, after: UploadSession, base: str | None = None) -> None:
        written.append(len(after.files))
        first.set()
        assert go.wait(60)
        write(self, after, base)

    def add(number: int) -> UploadSession:
        return store.update(session.id, lambda each: each.with_file(_file(number, f"demo-1.0-{number}.zip")))

    def refuse(each: UploadSession) -> UploadSession:
        raise ConflictError(each.id)

    monkeypatch.setattr(FolderSessions, "_write", slowly)
    with ThreadPoolExecutor(8) as pool:
        added = [pool.submit(add, 0)]
        assert first.wait(60)
        added += [pool.submit(add, number) for number in range(1, 6)]
        refused = pool.submit(store.update, session.id, refuse)
        soon(lambda: len(store._asked.get(session.id, ())) == 6)
        go.set()
        assert [each.result().files[f"demo-1.0-{number}.zip"].number for number, each in enumerate(added)] == list(range(6))
        with pytest.raises(ConflictError):
            refused.result()
    assert written == [1, 6]


@pytest.mark.parametrize("damage", ["torn", "empty", "of another record", "gone"])
def test_what_a_power_cut_left_of_an_announcement_says_nothing(store: FolderSessions, tmp_path: Path, damage: str) -> None:
    session = _session()
    store.create(session)
    later = tmp_path / "sessions" / session.id / "session.later"
    announced = store.update(session.id, lambda each: each.with_file(_file()))
    assert FolderSessions(tmp_path).get(session.id) == announced
    done = dataclasses.replace(_file(1, "demo-1.0.zip"), state="completed", sha256="0" * 64)
    if damage == "of another record":
        before = later.read_bytes()
        session = store.update(session.id, lambda each: each.with_file(done))
        later.write_bytes(before)
    elif damage == "gone":
        later.unlink()
    else:
        later.write_bytes(later.read_bytes()[: -5 if damage == "torn" else 0])
    for each in (store, FolderSessions(tmp_path)):
        assert each.get(session.id) == session


def test_another_process_is_seen_at_once(store: FolderSessions, tmp_path: Path) -> None:
    session, other = _session(), FolderSessions(tmp_path)
    store.create(session)
    for number in range(20):
        file = _file(number, f"demo-1.0-{number}.zip")
        if number % 3 == 0:
            file = dataclasses.replace(file, state="completed", sha256="0" * 64)
        store, other = other, store
        changed = store.update(session.id, partial(_with, file))
        assert other.get(session.id) == changed
        assert len(changed.files) == number + 1


def test_a_change_that_is_refused_changes_nothing(store: FolderSessions) -> None:
    session = _session()
    store.create(session)

    def refuse(each: UploadSession) -> UploadSession:
        raise ConflictError(each.id)

    with pytest.raises(ConflictError):
        store.update(session.id, refuse)
    assert store.get(session.id) == session
    with pytest.raises(NotFoundError):
        store.update("0" * 32, lambda each: each)


def test_bytes_are_kept_replaced_and_deleted(store: FolderSessions) -> None:
    session = _session()
    store.create(session)
    for data in (b"abc", b"def"):
        _keep(store, session, _file(), data)
        with store.opener(session.id) as opener, opener(_file()) as file:
            assert file.read() == data
    _keep(store, session, _file(1), b"ghi")
    store.drop(session.id, _file())
    store.drop(session.id, _file())
    with pytest.raises(NotFoundError), store.opener(session.id) as opener:
        opener(_file())
    store.clear(session.id)
    store.clear(session.id)
    with pytest.raises(NotFoundError), store.opener(session.id) as opener:
        opener(_file(1))
    assert store.get(session.id) == session
    store.purge(session.id)
    store.purge(session.id)
    assert store.get(session.id) is None
    assert not store.all()


def test_bytes_that_cannot_be_deleted_go_with_the_session(store: FolderSessions, tmp_path: Path) -> None:
    """When they are deleted, the session was published already: that is no failure of the publish."""
    session = _session()
    store.create(session)
    files = tmp_path / "sessions" / session.id / "files"
    (files / "0").mkdir()
    _keep(store, session, _file(1), b"abc")
    store.clear(session.id)
    assert [path.name for path in files.iterdir()] == ["0"]
    store.purge(session.id)
    assert not files.parent.exists()


def test_bytes_for_a_session_that_is_gone_are_refused(store: FolderSessions, tmp_path: Path) -> None:
    session = _session()
    store.create(session)
    path = store.scratch(session.id)
    path.write_bytes(b"abc")
    store.purge(session.id)
    with pytest.raises(NotFoundError):
        store.keep(session.id, [(_file(), path, "0" * 64)])
    with pytest.raises(NotFoundError), store.publishing(session.id):
        pass


def test_one_at_a_time_publishes_and_nobody_deletes_it_meanwhile(store: FolderSessions, tmp_path: Path) -> None:
    session = _session()
    store.create(session)
    with store.publishing(session.id) as mine:
        assert mine
        with FolderSessions(tmp_path).publishing(session.id) as other:
            assert not other
        FolderSessions(tmp_path).purge(session.id)
        assert store.get(session.id) == session
    with FolderSessions(tmp_path).publishing(session.id) as mine:
        assert mine


@pytest.mark.slow
def test_a_dead_process_publishes_no_more(store: FolderSessions, tmp_path: Path) -> None:
    session = _session()
    store.create(session)
    code = (
        "import sys, pathlib, time\nfrom wharf.assets.session_folder import FolderSessions\n"
        "with FolderSessions(pathlib.Path(sys.argv[1])).publishing(sys.argv[2]) as mine:\n"
        "    print(mine, flush=True)\n    time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, tmp_path, session.id], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"True\n"
        with store.publishing(session.id) as mine:
            assert not mine
        process.kill()
        process.wait()
    with store.publishing(session.id) as mine:
        assert mine


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 5000, b"\xff", b'{"version":9}'])
def test_a_damaged_session_is_told_and_keeps_no_other_one(store: FolderSessions, tmp_path: Path, data: bytes) -> None:
    session, other = _session(), _session("2.0")
    store.create(session)
    store.create(other)
    path = tmp_path / "sessions" / session.id / "session.json"
    path.write_bytes(data)
    with pytest.raises(StorageError, match=r"session\.json"):
        store.get(session.id)
    assert list(store.all()) == [other]
    assert store.unreadable() == [path]
    assert store.by_token(session.token) is None
    store.create(_session())
    store.purge(session.id)
    assert not path.parent.exists()


def test_a_link_is_not_followed(store: FolderSessions, tmp_path: Path) -> None:
    session = _session()
    store.create(session)
    secret = tmp_path / "secret"
    secret.write_bytes(b"abc")
    (tmp_path / "sessions" / session.id / "files" / "0").symlink_to(secret)
    with pytest.raises(OddFileError), store.opener(session.id) as opener:
        opener(_file())
    path = tmp_path / "sessions" / session.id / "session.json"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OddFileError):
        store.get(session.id)
    assert secret.read_bytes() == b"abc"


def test_the_rest_of_a_session_that_was_being_deleted_goes_with_the_next(store: FolderSessions, tmp_path: Path) -> None:
    rest = tmp_path / "sessions" / ("0" * 32) / "files"
    rest.mkdir(parents=True)
    (rest / "0").write_bytes(b"abc")
    assert not store.all()
    store.create(_session())
    assert not rest.parent.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_told(store: FolderSessions, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="cannot be used"):
        store.create(_session())
    tmp_path.chmod(0o700)
