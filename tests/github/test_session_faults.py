"""Upload sessions on GitHub, with the server killed at each of its requests: another one takes them up, and nothing is lost."""

# ruff: noqa: F811 - fixtures are arguments of their own name
from __future__ import annotations

import contextlib
import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from tests.github.test_faults_at_each_request import KINDS, state
from tests.github.test_release_publishing import DAY, Killed, Reaper, World, _at_once, world  # noqa: F401 - fixtures
from tests.github.test_session_drafts import _no_pause  # noqa: F401 - a fixture
from tests.makers import make_sdist, make_wheel
from wharf.assets.session_requests import FileAsked, ReleaseAsked
from wharf.assets.session_store import LiveSessionError
from wharf.assets.upload_session_states import COMPLETED, PUBLISHED
from wharf.errors import WharfError
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.upload_rights import rights_of
from wharf.operations.upload_session_files import (
    Digests,
    KeptDistributions,
    announce_file,
    check_bytes,
    complete_file,
    delete_file,
    drop_files,
    keep_bytes,
)
from wharf.operations.upload_session_publish import SessionPublish, publish_session
from wharf.operations.upload_session_verbs import begin_session, find_session, utc_second
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.repository.opening import Repository

LIMIT = 1 << 20
MOST = 60  # requests of one release


def asked(path: Path) -> FileAsked:
    data = path.read_bytes()
    return FileAsked(filename=path.name, size=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})


def release(repository: Repository, paths: Sequence[Path], known: list[UploadSession] | None = None) -> UploadSession | None:
    """What a client and its server do with one release, from wherever an earlier try ended. None: another one publishes it.

    `known` is the session that the client was told of.
    """
    return published(repository, *staged(repository, paths, [] if known is None else known))


def staged(
    repository: Repository, paths: Sequence[Path], known: list[UploadSession]
) -> tuple[UploadSession, KeptDistributions]:
    """A session that has these files."""
    store, kept = repository.sessions, KeptDistributions()
    if not known:
        want = ReleaseAsked(project="demo", version="1.0")
        try:
            snapshot = repository.branch.snapshot()
            known.append(begin_session(store, "main", want, snapshot, creator="alice", now=utc_second()))
        except LiveSessionError as error:
            known.append(error.session)
    session = find_session(store, "main", known[0].id, utc_second(), newest=True)
    for path in paths if session.state != PUBLISHED else ():
        there = session.files.get(path.name)
        if there is not None and there.state == COMPLETED:
            continue
        if there is not None:
            drop_files(store, session.id, delete_file(store, session.id, there.number))
        upload(repository, session, path, kept)
    return session, kept


def upload(repository: Repository, session: UploadSession, path: Path, kept: KeptDistributions) -> SessionFile:
    """Announce a file, send it, and complete it."""
    store = repository.sessions
    _, file, replaced = announce_file(store, session, asked(path), repository.branch.snapshot(), LIMIT)
    drop_files(store, session.id, replaced)
    scratch = store.scratch(session.id)
    scratch.write_bytes(path.read_bytes())
    digests = Digests(file.hashes)
    digests.update(path.read_bytes())
    found = check_bytes(scratch, file, digests, limit=LIMIT, strict=False)
    keep_bytes(store, session.id, file, scratch, found)
    kept.keep(session.id, file.number, found)
    return complete_file(store, session.id, file.number)[1]


def published(repository: Repository, session: UploadSession, kept: KeptDistributions) -> UploadSession | None:
    """Publish it."""
    how = SessionPublish(actor=None, strict=False, limit=LIMIT, check=rights_of(repository), kept=kept)
    return publish_session(repository, repository.sessions, session.id, how)


def prepared(world: World, kind: str) -> World:
    return KINDS[kind].repository(world, re.sub("[^a-z]", "", kind))


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return make_wheel(tmp_path / "dist"), make_sdist(tmp_path / "dist")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["by git", "immutable, by the API, with metadata"])
def test_a_session_ends_as_a_publish_does(world: World, pair: tuple[Path, Path], kind: str) -> None:
    mine, other = prepared(world, kind), prepared(world, [*KINDS][1 if kind == "by git" else 2])
    with mine.open() as repository:
        done = release(repository, pair)
        assert done is not None
        assert done.state == PUBLISHED
        assert verify(repository).ok
    other.put(*pair)
    assert (state(mine).files, state(mine).assets) == (state(other).files, state(other).assets)
    assert mine.drafts == []


def killed_and_taken_up(
    world: World, pair: tuple[Path, Path], step: int, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> bool:
    """Whether the request was met. Another server ends what the dead one began; for what was begun it is given its time."""
    known: list[UploadSession] = []
    with world.open(machine="dead") as repository, monkeypatch.context() as patch:
        reaper = Reaper(patch, step, after=after)
        try:
            release(repository, pair, known)
        except Killed:
            met = True
        except (WharfError, BaseExceptionGroup):
            met = reaper.dead
        else:
            return False
    assert met
    world.hub.clock.forward(301)
    with world.open(machine="other") as repository:
        done = release(repository, pair, known)
        assert done is not None
        assert done.state == PUBLISHED
        world.hub.clock.forward(2 * DAY)
        assert verify(repository, repair=True).ok
    return True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "after", "kind"),
    [
        (4, True, "by git"),
        (11, False, "by git"),
        (18, True, "by git"),
        (21, True, "by git"),
        (22, False, "by git"),
        (22, True, "by the API, with metadata"),  # which is in the draft
    ],
)
def test_another_server_takes_up_what_a_killed_one_left(
    world: World, pair: tuple[Path, Path], step: int, kind: str, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    mine = prepared(world, kind)
    assert killed_and_taken_up(mine, pair, step, monkeypatch, after=after)
    mine.check(*pair)
    assert mine.drafts == []


@pytest.mark.slow
def test_another_server_takes_up_whatever_a_killed_one_left(
    world: World, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in range(1, MOST, 3):
        mine = World(world.hub, world.hub.create(f"acme/r{step}"), world.root / f"r{step}")
        with mine.open() as repository:
            repository.branch.begin("ada")
        if not killed_and_taken_up(mine, pair, step, monkeypatch, after=step % 3 > 0):
            return
        mine.check(*pair)
        assert mine.drafts == []
    pytest.fail("a release took more requests than are killed here")


@pytest.mark.slow
def test_a_release_that_no_index_names_is_not_published(
    world: World, pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server died between the release and the commit. The session is not over before the index names its files."""
    mine = prepared(world, "by git")
    with mine.open(machine="dead") as repository, monkeypatch.context() as patch:
        store = repository.sessions
        reaper = Reaper(patch, 10**6, after=False)
        count = reaper._count

        def at_the_push(what: str, act: object) -> object:
            if what == "git push":
                raise Killed
            return count(what, act)

        patch.setattr(reaper, "_count", at_the_push)
        with pytest.raises(Killed):
            release(repository, pair)
    (draft,) = mine.published
    with mine.open(machine="other") as repository:
        store = repository.sessions
        id_ = f"{draft.id:016x}{'0' * 16}"
        found = find_session(store, "main", id_, utc_second())
        assert found.state == "processing", "somebody may be about to commit"
        assert {*found.files} == {path.name for path in pair}
        world.hub.clock.forward(301)
        found = find_session(store, "main", id_, utc_second(), newest=True)
        assert found.state == "error"
        done = release(repository, pair, known=[found])
        assert done is not None
        assert done.state == PUBLISHED
    mine.check(*pair)
    with mine.open(machine="third") as repository:
        assert find_session(repository.sessions, "main", id_, utc_second()).state == PUBLISHED


PUBLISHING = (r"GET .*/assets", r"PATCH .*", r"POST .*graphql", r"POST .*git-receive-pack")


@pytest.mark.slow
@pytest.mark.parametrize("where", PUBLISHING)
def test_two_servers_that_publish_one_session_at_once(world: World, pair: tuple[Path, Path], where: str) -> None:
    """Whoever comes second, at whichever moment, finds the work done, or does it once more."""
    mine = prepared(world, "by git")
    with mine.open(machine="one") as one, mine.open(machine="two") as two:
        session, kept = staged(one, pair, [])

        def at_once() -> None:
            with contextlib.suppress(WharfError):
                published(two, session, KeptDistributions())

        mine.hub.before(where, at_once)
        done = published(one, session, kept)
        assert done is not None
        assert done.state == PUBLISHED
        mine.hub.clock.forward(301)
        again = published(two, session, KeptDistributions())
        assert again is not None
        assert again.state == PUBLISHED
    mine.check(*pair)
    assert mine.drafts == []
    with mine.open() as repository:
        assert verify(repository).ok


@pytest.mark.slow
def test_an_ordinary_publish_leaves_a_session_alone(world: World, pair: tuple[Path, Path]) -> None:
    mine = prepared(world, "by git")
    with mine.open(machine="one") as repository:
        want = ReleaseAsked(project="demo", version="1.0")
        session = begin_session(
            repository.sessions, "main", want, repository.branch.snapshot(), creator="alice", now=utc_second()
        )
        publish(repository, [Input.of(pair[0])], actor="a")
        assert [each.id for each in mine.drafts] == [int(session.id[:16], 16)]
        done = release(repository, pair[1:], known=[session])
        assert done is not None
        mine.check(*pair, tags=("demo-1.0_2", "demo-1.0"))  # the older draft was published later
