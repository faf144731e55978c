"""Upload sessions on GitHub: each is a draft, which any server finds, and nothing of it is on the branch."""

# ruff: noqa: F811 - fixtures are arguments of their own name
from __future__ import annotations

import base64
import contextlib
import hashlib
import threading
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import World, _at_once, foreign, world  # noqa: F401 - fixtures
from tests.makers import make_wheel
from tests.simulator import Asset
from wharf.assets.session_store import LiveSessionError
from wharf.assets.upload_session import MOST_FILES, SessionFile, UploadSession, new_session
from wharf.assets.upload_session_states import COMPLETED, ERROR, OPEN, PENDING, PROCESSING, PUBLISHED
from wharf.errors import ConflictError, NotAllowedError, NotFoundError, RefusedError, StorageError
from wharf.github import session_memory, session_writes
from wharf.github.release_store import Releases
from wharf.github.session_text import LONGEST_TEXT, session_text
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.verify import verify
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.github.session_drafts import SessionDrafts


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_writes, "SETTLE", 0.0)


@pytest.fixture
def begun(world: World, tmp_path: Path) -> World:
    """The index is there."""
    world.had(make_wheel(tmp_path / "first", "other"))
    return world


@contextlib.contextmanager
def replica(world: World, machine: str = "one", token: str | None = None) -> Iterator[SessionDrafts]:
    """The sessions as one server process has them."""
    with world.open(token, machine=machine) as repository:
        assert isinstance(repository.assets, Releases)
        yield repository.assets.sessions(repository.branch)


def wanted(project: str = "demo", version: str = "1.0", *, now: datetime | None = None) -> UploadSession:
    return new_session(index="main", project=project, version=version, creator="alice", now=now or datetime.now(UTC))


def file_of(path: Path, number: int = 0) -> SessionFile:
    data = path.read_bytes()
    return SessionFile(number=number, filename=path.name, size=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})


def put(sessions: SessionDrafts, session: UploadSession, path: Path, number: int = 0) -> SessionFile:
    """Declare a file and upload it."""
    file = file_of(path, number)
    sessions.update(session.id, lambda each: each.with_file(file))
    scratch = sessions.scratch(session.id)
    scratch.write_bytes(path.read_bytes())
    sessions.keep(session.id, [(file, scratch, file.hashes["sha256"])])
    scratch.unlink(missing_ok=True)
    return file


@pytest.mark.slow
@pytest.mark.parametrize("later", ["demo_x-1.0-py3-none-any.whl", "demo.x-1.0-py3-none-any.whl"])
def test_bytes_that_a_later_upload_of_the_name_has_stay(begun: World, tmp_path: Path, later: str) -> None:
    """Also in another spelling: GitHub keeps so little of a name that either is the same there."""
    wheel = make_wheel(tmp_path / "dist", "demo-x")
    with replica(begun) as sessions:
        session = sessions.create(wanted("demo-x"))
        file = put(sessions, session, wheel)
        again = replace(file_of(wheel, 1), filename=later)
        sessions.update(session.id, lambda each: each.without_file(wheel.name).with_file(again))
        sessions.drop(session.id, file)
        found = sessions.get(session.id, newest=True)
        assert found is not None
        assert {each.filename: each.state for each in found.files.values()} == {later: COMPLETED}


@pytest.mark.slow
def test_a_session_is_a_draft_which_another_server_finds(begun: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with replica(begun) as one, replica(begun, "two") as two:
        session = one.create(wanted())
        file = put(one, session, wheel)
        (draft,) = begun.drafts
        assert int(session.id[:16], 16) == draft.id
        found = two.get(session.id)
        assert found is not None
        assert (found.files[wheel.name].state, found.creator, found.token) == (COMPLETED, "alice", session.token)
        assert two.by_token(session.token) == found == one.get(session.id) == two.all()[0]
        with two.opener(session.id) as opener, opener(file) as opened:
            assert opened.read() == wheel.read_bytes()
        two.update(session.id, lambda each: each.without_file(wheel.name))
        two.drop(session.id, file)
        assert begun.drafts[0].assets == []
    assert begun.commits == 2
    assert begun.published[0].tag_name == "other-1.0"


def test_what_is_no_session_is_not_found(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        assert sessions.get("0" * 32) is None
        assert sessions.get("nonsense") is None
        assert sessions.get(session.id[:16] + "0" * 16) is None
        assert sessions.by_token(Secret(session.token.reveal()[:11] + "A" * 43)) is None
        assert sessions.by_token(Secret("A" * 43)) is None
        with pytest.raises(NotFoundError):
            sessions.update(session.id[:16] + "0" * 16, lambda each: each)


def test_guesses_of_a_stage_cost_a_bounded_number_of_requests(begun: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_memory, "GUESSES", 3)
    with replica(begun) as sessions, replica(begun, "two") as other:
        session = sessions.create(wanted())
        begun.hub.calls.clear()
        for _ in range(3):
            assert other.by_token(Secret(session.token.reveal()[:11] + "A" * 43)) is None
        with contextlib.suppress(Exception):
            other.by_token(Secret("AAAAAAAAAAE" + "A" * 43))
        assert begun.hub.count("api") <= 3


def test_a_token_that_may_not_write_is_shown_nothing(begun: World, tmp_path: Path) -> None:
    reader = begun.hub.token("bob", {"acme/pkgs": "read"})
    with begun.open() as repository, replica(begun, "two", reader):
        assert isinstance(repository.assets, Releases)
        session = repository.assets.sessions(repository.branch).create(wanted())
        with repository.acting_as(Secret(reader)) as his:  # the same process, which has just seen the draft
            assert isinstance(his.assets, Releases)
            theirs = his.assets.sessions(his.branch)
            assert theirs.get(session.id) is None
            assert theirs.all() == []
            with pytest.raises(NotAllowedError):
                theirs.create(wanted())
            with pytest.raises(NotFoundError):
                theirs.update(session.id, lambda each: replace(each, notices=("his",)))


def test_a_second_session_for_a_release_is_refused(begun: World) -> None:
    with replica(begun) as sessions, replica(begun, "two") as other:
        first = sessions.create(wanted())
        with pytest.raises(LiveSessionError) as caught:
            other.create(wanted())
        assert caught.value.session.id == first.id
        assert len(begun.drafts) == 1
        other.create(wanted(version="2.0"))


def test_of_two_that_begin_at_once_the_older_one_stays(begun: World) -> None:
    with replica(begun) as sessions, replica(begun, "two") as other:
        made: list[UploadSession] = []
        begun.hub.before(r"POST .*/releases$", lambda: made.append(other.create(wanted())))
        with pytest.raises(LiveSessionError) as caught:
            sessions.create(wanted())
        assert [each.id for each in begun.drafts] == [int(made[0].id[:16], 16)]
        assert caught.value.session.id == made[0].id


def test_one_that_ran_out_makes_room_and_goes(begun: World) -> None:
    with replica(begun) as sessions:
        old = sessions.create(wanted())
        later = datetime.now(UTC) + timedelta(days=8)
        new = sessions.create(wanted(now=later))
        assert [each.id for each in begun.drafts] == [int(new.id[:16], 16)]
        assert sessions.get(old.id) is None


def test_a_lost_answer_makes_no_second_draft(begun: World) -> None:
    begun.hub.fault(r"POST .*/releases$", "lose")
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        assert len(begun.drafts) == 1
        begun.hub.fault(r"PATCH .*/releases/\d+$", "lose")
        sessions.update(session.id, lambda each: replace(each, notices=("one",)))
        begun.hub.fault(r"PATCH .*/releases/\d+$", "drop")
        found = sessions.update(session.id, lambda each: replace(each, notices=(*each.notices, "two")))
        assert found.notices == ("one", "two")


def test_a_session_behind_a_thousand_releases_is_found_by_its_id(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        begun.hub.clock.forward(60)
        begun.repo.releases += [foreign(begun, f"v{number}") for number in range(150)]
        with replica(begun, "two") as other:
            begun.hub.calls.clear()
            assert other.get(session.id) == session
            assert begun.hub.count("api") == 1


def test_a_draft_that_github_dates_by_its_commit_is_found(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        begun.drafts[0].created_at = "2020-01-01T00:00:00Z"
        begun.repo.releases += [foreign(begun, f"v{number}") for number in range(20)]
        with replica(begun, "two") as other:
            assert [each.id for each in other.all()] == [session.id]
            found = other.get(session.id)
            assert found is not None
            assert found.expires == session.expires
            with pytest.raises(LiveSessionError):
                other.create(wanted())


def test_what_two_servers_write_at_once_is_there(begun: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one had read the text before the second one wrote, and overwrites it. The second one looks later."""
    patched, overwritten = threading.Event(), threading.Event()
    with replica(begun) as one, replica(begun, "two") as two:
        session = one.create(wanted())
        second = threading.Thread(
            target=two.update, args=(session.id, lambda each: replace(each, notices=("two",))), name="second"
        )

        def sleep(_seconds: float) -> None:
            if threading.current_thread() is second:
                patched.set()
                overwritten.wait(60)

        def begin() -> None:
            second.start()
            patched.wait(60)

        monkeypatch.setattr("wharf.github.session_writes.time.sleep", sleep)
        begun.hub.before(r"PATCH .*/releases/\d+$", begin)
        one.update(session.id, lambda each: each.with_file(SessionFile(number=0, filename="a.whl", size=1, hashes={})))
        overwritten.set()
        second.join()
        (found,) = one.all()
        assert ({*found.files}, found.notices) == ({"a.whl"}, ("two",))


def test_a_write_that_was_overwritten_is_made_again(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        (draft,) = begun.drafts
        before = draft.body
        patched: list[str | None] = []

        def overwrite() -> None:
            patched.append(draft.body)
            draft.body = before

        begun.hub.before(r"PATCH .*/releases/\d+$", lambda: begun.hub.before(r"GET .*/releases/\d+$", overwrite))
        sessions.update(session.id, lambda each: replace(each, notices=("said",)))
        assert patched
        found = sessions.get(session.id)
        assert found is not None
        assert found.notices == ("said",)


def test_changes_that_gather_share_a_write(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        begun.hub.calls.clear()
        ready = threading.Barrier(20)

        def declare(number: int) -> None:
            file = SessionFile(number=number, filename=f"demo-1.0-{number}.whl", size=1, hashes={})
            ready.wait()
            sessions.update(session.id, lambda each: each.with_file(file))

        threads = [threading.Thread(target=declare, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        found = sessions.get(session.id)
        assert found is not None
        assert len(found.files) == 20
        assert sum(call.method == "PATCH" for call in begun.hub.calls) < 15


def test_a_change_that_refuses_leaves_the_others(begun: World) -> None:
    def refuse(_session: UploadSession) -> UploadSession:
        raise ConflictError("no")

    with replica(begun) as sessions:
        session = sessions.create(wanted())
        with pytest.raises(ConflictError):
            sessions.update(session.id, refuse)
        begun.hub.calls.clear()
        assert sessions.update(session.id, lambda each: each) == session
        assert not [call for call in begun.hub.calls if call.method == "PATCH"]


@pytest.mark.slow
@pytest.mark.parametrize("published_before", [False, True])
@pytest.mark.parametrize("immutable", [False, True])
def test_a_session_is_published_without_sending_its_files_again(
    begun: World, tmp_path: Path, *, published_before: bool, immutable: bool
) -> None:
    begun.repo.immutable = immutable
    sdistlike = make_wheel(tmp_path / "early", tag="cp310-none-any")
    if published_before:
        begun.put(sdistlike)
    wheels = [make_wheel(tmp_path / "dist", tag=f"cp3{number}-none-any") for number in (11, 12)]
    with begun.open(machine="one") as repository, replica(begun, "two") as other:
        assert isinstance(repository.assets, Releases)
        sessions = repository.assets.sessions(repository.branch)
        session = sessions.create(wanted())
        for number, wheel in enumerate(wheels):
            put(sessions, session, wheel, number)
        stray = make_wheel(tmp_path / "stray", tag="cp313-none-any")
        file = put(sessions, session, stray, 2)
        sessions.update(session.id, lambda each: each.without_file(file.filename))
        sessions.drop(session.id, file)
        begun.hub.calls.clear()
        with sessions.publishing(session.id) as mine:
            assert mine
            with sessions.publishing(session.id) as again:
                assert not again
            now = sessions.update(session.id, lambda each: replace(each, state=PROCESSING))
            with other.publishing(session.id) as theirs:
                assert not theirs
            sessions.ready(now)
            publish(repository, [Input.of(each) for each in wheels], actor="a")
            done = sessions.update(session.id, lambda each: replace(each, state=PUBLISHED, ended=datetime.now(UTC)))
        assert done.state == PUBLISHED
        sessions.clear(session.id)
        assert begun.uploads() == 0
        tags = [release.tag_name for release in begun.published][1:]
        assert tags == (["demo-1.0", "demo-1.0_2"] if published_before else ["demo-1.0"])
        assert [each.name for each in begun.published[-1].assets] == [each.name for each in wheels]
        assert "session" not in (begun.published[-1].body or "")
        for each in (sessions.get(session.id), other.get(session.id)):
            assert each is not None
            assert (each.state, each.project, each.version, {*each.files}) == (
                PUBLISHED,
                "demo",
                "1.0",
                {wheel.name for wheel in wheels},
            )
        assert sessions.by_token(session.token) is None
        assert verify(repository).ok
        other.create(wanted())


@pytest.mark.slow
def test_a_publish_that_is_refused_leaves_a_session_that_can_be_changed(begun: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        put(sessions, session, wheel)
        now = sessions.update(session.id, lambda each: replace(each, state=PROCESSING))
        sessions.ready(now)
        assert "files=" in (begun.drafts[0].body or "")
        sessions.update(session.id, lambda each: replace(each, state=OPEN, notices=("refused",)))
        assert "files=" not in (begun.drafts[0].body or "")
        with replica(begun, "two") as other:
            found = other.get(session.id)
            assert found is not None
            assert (found.state, found.files[wheel.name].state) == (OPEN, COMPLETED)


def test_who_died_publishing_is_followed_by_another_server(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        sessions.update(session.id, lambda each: replace(each, state=PROCESSING))
        with sessions.publishing(session.id) as mine:
            assert mine, "this process knows that it does not publish"
    with replica(begun, "two") as other:
        with other.publishing(session.id) as mine:
            assert not mine
        begun.hub.clock.forward(301)
        with other.publishing(session.id) as mine:
            assert mine
        other.purge(session.id)
        assert begun.drafts == []


@pytest.mark.slow
def test_a_write_that_comes_after_the_publish_does_not_take_the_mark(begun: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with begun.open(machine="one") as repository, replica(begun, "two") as other:
        assert isinstance(repository.assets, Releases)
        sessions = repository.assets.sessions(repository.branch)
        session = sessions.create(wanted())
        put(sessions, session, wheel)

        def publish_it() -> None:
            sessions.ready(sessions.update(session.id, lambda each: replace(each, state=PROCESSING)))
            publish(repository, [Input.of(wheel)], actor="a")

        begun.hub.before(r"PATCH .*/releases/\d+$", publish_it)
        other.update(session.id, lambda each: replace(each, notices=("late",)))
        (release,) = [each for each in begun.published if each.tag_name == "demo-1.0"]
        assert "<!-- wharf index=main files=" in (release.body or "")
        assert "session=" not in (release.body or "")


def test_a_canceled_session_is_no_draft_any_more(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        sessions.update(session.id, lambda each: replace(each, state="canceled", ended=datetime.now(UTC)))
        sessions.clear(session.id)
        assert begun.drafts == []
        found = sessions.get(session.id)
        assert found is not None
        assert found.state == "canceled"
        with replica(begun, "two") as other:
            assert other.get(session.id) is None
            other.create(wanted())


def test_a_draft_that_a_person_deletes_is_the_end_of_the_session(begun: World, tmp_path: Path) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        begun.repo.releases.remove(begun.drafts[0])
        with pytest.raises(NotFoundError):
            put(sessions, session, make_wheel(tmp_path / "dist"))
        sessions.purge(session.id)
        assert sessions.get(session.id) is None


@pytest.mark.slow
@pytest.mark.parametrize("digested", [True, False])
def test_an_upload_that_left_a_name_without_bytes_is_made_again(begun: World, tmp_path: Path, *, digested: bool) -> None:
    wheel = make_wheel(tmp_path / "dist", version="1!2.0+cpu")
    begun.hub.fault(r"POST .*/assets$", "starter" if digested else "lose")
    with replica(begun) as sessions, replica(begun, "two") as other:
        session = sessions.create(wanted(version="1!2.0+cpu"))
        put(sessions, session, wheel)
        found = other.get(session.id)
        assert found is not None
        assert found.files[wheel.name].state == COMPLETED
        assert [each.state for each in begun.drafts[0].assets] == ["uploaded"]


NONSENSE = ("", "1 writes= !", "2 writes= AAAA", "1 writes= AAAA", "1 writes=" + "a" * 12 + " " + "eJwDAAAAAAE=")


@pytest.mark.parametrize("said", NONSENSE)
def test_a_text_that_somebody_changed_is_no_session(begun: World, said: str) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        begun.drafts[0].body = f"<!-- wharf session={said} -->"
        with replica(begun, "two") as other:
            assert other.get(session.id) is None
            assert other.all() == []
            other.create(wanted())


def test_a_text_that_is_copied_into_another_draft_is_another_session(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        copy = foreign(begun, "notes", draft=True)
        copy.body = (begun.drafts[0].body or "").replace("\n", "\r\n")  # as a browser sends it
        begun.repo.releases.append(copy)
        found = [each.id for each in sessions.all()]
        assert session.id in found
        assert len({*found}) == 2
        own = sessions.by_token(session.token)
        assert own is not None
        assert own.id == session.id


@pytest.mark.slow
def test_a_file_is_as_github_says(begun: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        file = put(sessions, session, wheel)
        sessions.update(session.id, lambda each: each.with_file(replace(file, state=ERROR, notices=("no wheel",))))
    with replica(begun, "two") as other:
        found = other.get(session.id)
        assert found is not None
        assert found.files[wheel.name].state == ERROR
        other.update(session.id, lambda each: each.with_file(replace(file, number=1)))
    asset = begun.drafts[0].assets[0]
    assert isinstance(asset, Asset)
    asset.digest = f"sha256:{'0' * 64}"
    with replica(begun, "three") as third:
        found = third.get(session.id)
        assert found is not None
        assert found.files[wheel.name].state == PENDING


@pytest.mark.slow
@pytest.mark.parametrize("completed", [True, False])
def test_a_thousand_files_fit_into_the_text(begun: World, *, completed: bool) -> None:
    def digest(kind: str, number: int) -> str:
        return hashlib.new(kind, f"{number}".encode()).hexdigest()

    session = wanted("a-project-with-a-long-name", "2026.11.30rc1")
    for number in range(MOST_FILES):
        name = f"a_project_with_a_long_name-2026.11.30rc1-{number}-cp3{number % 14}-cp3{number % 14}-manylinux_2_17_x86_64.whl"
        hashes = {"sha256": digest("sha256", number)} | ({"blake2b": digest("blake2b", number)} if completed else {})
        file = SessionFile(number=number, filename=name, size=10**7 + number, hashes=hashes)
        session = session.with_file(replace(file, state=COMPLETED, sha256=hashes["sha256"]) if completed else file)
    text = session_text(session, ["0" * 12] * 40)
    assert len(text) <= LONGEST_TEXT
    with replica(begun) as sessions:
        made = sessions.create(session)
        assert len(made.files) == MOST_FILES


def test_more_than_the_text_of_a_release_takes_is_said() -> None:
    session = wanted()
    for number in range(MOST_FILES):
        hashes = {kind: hashlib.new(kind, f"{number}".encode()).hexdigest() for kind in ("blake2b", "sha512")}
        session = session.with_file(SessionFile(number=number, filename=f"demo-1.0-{number}.whl", size=1, hashes=hashes))
    with pytest.raises(RefusedError, match="125000 characters"):
        session_text(session, [])


@pytest.mark.slow
def test_no_text_is_unpacked_without_a_bound(begun: World) -> None:
    bomb = base64.b64encode(zlib.compress(b" " * (64 << 20), 9)).decode()
    draft = foreign(begun, "demo-1.0", draft=True)
    draft.body = f"<!-- wharf session=1 writes= {bomb} -->"
    begun.repo.releases.append(draft)
    with replica(begun) as sessions:
        assert sessions.all() == []


@pytest.mark.parametrize("more", [b"", b"x"], ids=["changed", "longer"])
def test_bytes_that_github_changed_are_not_read_as_the_file(begun: World, tmp_path: Path, more: bytes) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with replica(begun) as sessions:
        session = sessions.create(wanted())
        file = put(sessions, session, wheel)
        with sessions.opener(session.id) as opener, opener(file) as opened:
            assert (opened.seek(-4, 2), opened.read()) == (wheel.stat().st_size - 4, wheel.read_bytes()[-4:])
        begun.drafts[0].assets[0].data.write_bytes(wheel.read_bytes()[:-1] + b"?" + more)
        with sessions.opener(session.id) as opener, opener(file) as opened, pytest.raises(StorageError, match="other bytes"):
            opened.read()


def test_what_the_check_of_a_file_said_is_written_with_the_next_change(begun: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    with replica(begun) as one, replica(begun, "two") as two:
        session = one.create(wanted())
        file = put(one, session, wheel)
        begun.hub.calls.clear()
        one.update(
            session.id,
            lambda each: each.with_file(replace(each.files[file.filename], requires_python=">=3.11", notices=("hm",))),
        )
        assert not [call for call in begun.hub.calls if call.method == "PATCH"]
        own, other = one.get(session.id), two.get(session.id)
        assert own is not None
        assert other is not None
        assert [each.files[file.filename].requires_python for each in (own, other)] == [">=3.11", None]
        one.update(session.id, lambda each: replace(each, notices=("next",)))
        other = two.get(session.id, newest=True)
        assert other is not None
        assert other.files[file.filename] == own.files[file.filename]
