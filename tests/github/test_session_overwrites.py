"""A server reads the text of a session, waits too long, and writes: that undoes what another server did in between.

Whatever is undone, and whenever: a file that was taken is published, a file that was deleted is not, or somebody is told.
"""

# ruff: noqa: F811 - fixtures are arguments of their own name
from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import _at_once, world  # noqa: F401 - fixtures
from tests.github.test_session_drafts import _no_pause, begun, put, replica  # noqa: F401 - fixtures
from tests.github.test_session_faults import published, upload
from tests.makers import make_wheel
from wharf.assets.session_requests import ReleaseAsked
from wharf.assets.upload_session_states import COMPLETED, OPEN, PUBLISHED
from wharf.errors import BusyError, ConflictError, NotFoundError
from wharf.operations.upload_session_files import KeptDistributions, delete_file, drop_files
from wharf.operations.upload_session_verbs import begin_session, cancel_session, extend_session, find_session, utc_second

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.github.test_release_publishing import World
    from tests.simulator import Release
    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.repository.opening import Repository

STEPS = range(3, 16)
"""Before this request of a change and a publish a late write comes: after the first text, and until the publish has begun."""
TRIES = 4  # of what was undone


@dataclass
class LateWrite:
    """A text that a server made of an older one, and that it writes before the request of that number."""

    world: World
    draft: Release
    text: str | None
    step: int

    def wait(self) -> None:
        self.world.hub.before(".", self._count)

    def _count(self) -> None:
        self.step -= 1
        if self.step > 0:
            self.wait()
        elif self.draft in self.world.repo.releases and self.draft.draft:
            self.draft.body = self.text


def late_write(world: World, session: UploadSession, step: int) -> LateWrite:
    """Another server lets a session stay longer: it has read the text by now."""
    draft = next(each for each in world.drafts if each.id == int(session.id[:16], 16))
    before = draft.body
    with replica(world, "two") as two:
        extend_session(two, session.id, 3600)
    late = LateWrite(world, draft, draft.body, step)
    draft.body = before
    assert late.text != before
    return late


def begin(one: Repository, version: str) -> UploadSession:
    want = ReleaseAsked(project="demo", version=version)
    return begin_session(one.sessions, "main", want, one.branch.snapshot(), creator="alice", now=utc_second())


@dataclass(frozen=True)
class Client:
    """Who works on one session, and does again what came to nothing."""

    server: Repository
    session: UploadSession

    def files(self) -> Mapping[str, SessionFile]:
        return find_session(self.server.sessions, "main", self.session.id, utc_second(), newest=True).files

    def put(self, path: Path) -> None:
        there = self.files().get(path.name)
        if there is not None and there.state != COMPLETED:
            self.delete(path)
        upload(self.server, self.session, path, KeptDistributions())

    def delete(self, path: Path) -> None:
        there = self.files().get(path.name)
        if there is not None:
            deleted = delete_file(self.server.sessions, self.session.id, there.number)
            drop_files(self.server.sessions, self.session.id, deleted)

    def publish(self) -> str | None:
        """Why it is refused; None: it is published."""
        try:
            done = published(self.server, self.session, KeptDistributions())
        except ConflictError as error:
            return error.message
        assert done is not None
        assert done.state == PUBLISHED
        return None

    def cancel(self) -> None:
        cancel_session(self.server.sessions, self.session.id, utc_second())


def in_index(world: World, version: str) -> dict[str, str]:
    return {each.filename: each.sha256 for each in world.record(version).files}


def digests(*paths: Path) -> dict[str, str]:
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in paths}


@pytest.mark.slow
@pytest.mark.parametrize("change", ["put", "replace", "delete"])
def test_whatever_a_late_write_undoes_is_told(begun: World, tmp_path: Path, change: str) -> None:
    with begun.open(machine="one") as one:
        for step in STEPS:
            begun.hub.clock.forward(3700)  # no limit stands in the way
            version = f"{step}.0"
            session = begin(one, version)
            client = Client(one, session)
            stays, gone, target, other = (
                make_wheel(tmp_path / folder, version=version, tag=f"py{tag}-none-any", content=f"# {folder}\n")
                for folder, tag in (("a", 39), ("a", 310), ("a", 311), ("b", 311))
            )
            client.put(stays)
            client.put(gone)
            client.delete(gone)  # so the session has less files than were announced
            if change != "put":
                client.put(target)
            act = {"put": partial(client.put, target), "replace": partial(client.put, other)}.get(change)
            act = act or partial(client.delete, target)
            late_write(begun, session, step).wait()
            wanted = {"put": (stays, target), "replace": (stays, other), "delete": (stays,)}[change]
            for _ in range(TRIES):
                with contextlib.suppress(ConflictError, NotFoundError):
                    act()
                    refused = client.publish()
                    if refused is None:
                        break
                    assert re.search(r"not completed: \S+py311|no entry for \S+py311|are published", refused)
                    if "are published" in refused and in_index(begun, version) == digests(*wanted):
                        client.cancel()
                        break
            else:
                pytest.fail(f"step {step}: it is not published")
            assert in_index(begun, version) == digests(*wanted), f"step {step}"
            assert begun.drafts == []


@pytest.mark.slow
def test_a_session_that_was_canceled_is_not_there_or_the_cancel_is_told_to_have_failed(begun: World) -> None:
    with begun.open(machine="one") as one:
        for step in STEPS:
            session = begin(one, f"{step}.0")
            late = late_write(begun, session, step)
            late.wait()
            for _ in range(TRIES):
                with contextlib.suppress(BusyError):
                    Client(one, session).cancel()
                    break
            assert begun.drafts == []
            if late.step > 0:
                return  # it takes no more requests
    pytest.fail("a cancel takes more requests than were tried")


@pytest.mark.slow
@pytest.mark.parametrize("where", [r"GET .*/assets", r"PATCH .*/releases/\d+$"], ids=["before the look", "after it"])
def test_bytes_that_come_when_a_publish_begins_and_have_no_entry_are_told(begun: World, tmp_path: Path, where: str) -> None:
    """The publish says what is wrong, and not what became of its own state, which is undone, too."""
    stays, late = (make_wheel(tmp_path, tag=f"py{tag}-none-any") for tag in (39, 311))
    with begun.open(machine="one") as one, replica(begun, "two") as two:
        session = begin(one, "1.0")
        client = Client(one, session)
        client.put(stays)
        (draft,) = begun.drafts
        before = draft.body

        def come() -> None:
            put(two, session, late)
            draft.body = before

        begun.hub.before(r"PATCH .*/releases/\d+$", lambda: begun.hub.before(where, come))
        assert "no entry for demo-1.0-py311-none-any.whl" in (client.publish() or "")
        assert find_session(one.sessions, "main", session.id, utc_second(), newest=True).state == OPEN
        client.put(late)
        assert client.publish() is None
        assert in_index(begun, "1.0") == digests(stays, late)
