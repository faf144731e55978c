"""verify tells of upload sessions in a folder, and deletes those that are over, never a live one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wharf.assets.session_folder import FolderSessions
from wharf.assets.upload_session import new_session
from wharf.assets.upload_session_states import PROCESSING, PUBLISHED
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository

NOW = datetime.now(UTC).replace(microsecond=0)


def test_live_sessions_stay_and_those_that_are_over_go(repository: Repository, store: Path) -> None:
    sessions = FolderSessions(store)

    def begin(version: str, days: int = 0) -> str:
        now = NOW - timedelta(days=days)
        return sessions.create(new_session(index="main", project="demo", version=version, creator="ada", now=now)).id

    live, over, busy, ended = begin("1.0"), begin("2.0", days=8), begin("3.0"), begin("4.0")
    sessions.update(busy, lambda each: replace(each, state=PROCESSING))
    sessions.update(ended, lambda each: replace(each, state=PUBLISHED, ended=NOW))
    broken = store / "sessions" / begin("5.0") / "session.json"
    broken.write_text("{}")
    found = verify(repository)
    assert found.ok
    told = {each.path: (each.detail, each.repaired) for each in found.leftovers}
    assert {each.kind for each in found.leftovers} == {"upload-session"}
    assert set(told) == {*(f"sessions/{id_}" for id_ in (live, over, busy)), str(broken.relative_to(store))}
    until = f"{NOW + timedelta(days=7):%Y-%m-%d %H:%M}"
    assert told[f"sessions/{live}"] == (
        f"an upload session of demo 1.0 for the index main, 0 file(s), which ada began: it stays until {until} UTC",
        False,
    )
    assert "it ended" in told[f"sessions/{over}"][0]
    assert "being published" in told[f"sessions/{busy}"][0]
    repaired = verify(repository, repair=True)
    assert [each.path for each in repaired.leftovers if each.repaired] == [f"sessions/{over}"]
    assert {each.id for each in sessions.all()} == {live, busy, ended}


def test_one_that_is_being_published_stays_though_it_is_over(repository: Repository, store: Path) -> None:
    sessions = FolderSessions(store)
    old = new_session(index="main", project="demo", version="1.0", creator="ada", now=NOW - timedelta(days=8))
    sessions.create(old)
    with sessions.publishing(old.id):
        (found,) = verify(repository, repair=True).leftovers
        assert not found.repaired
    assert sessions.get(old.id) is not None
