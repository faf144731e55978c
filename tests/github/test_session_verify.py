"""verify tells of upload sessions on GitHub, and deletes those that are over, never a live one."""

# ruff: noqa: F811 - fixtures are arguments of their own name
from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import DAY, World, _at_once, foreign, world  # noqa: F401 - fixtures
from tests.github.test_session_drafts import _no_pause, begun, put, replica, wanted  # noqa: F401 - fixtures
from tests.makers import make_wheel
from wharf.assets.upload_session_states import OPEN, PROCESSING
from wharf.github import release_listing
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.operations.verify_findings import Finding


def leftovers(world: World, *, repair: bool = False) -> list[Finding]:
    with world.open(machine="verifier") as repository:
        found = verify(repository, repair=repair)
    assert found.ok
    return [*found.leftovers]


@pytest.mark.slow
@pytest.mark.parametrize("publishing", [False, True], ids=["open", "with the mark of a publish"])
def test_a_live_session_is_no_draft_that_a_publish_left(begun: World, tmp_path: Path, *, publishing: bool) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted(now=datetime.fromtimestamp(begun.hub.clock.now(), UTC)))
        put(sessions, session, make_wheel(tmp_path / "dist"))
        if publishing:
            sessions.ready(sessions.update(session.id, lambda each: replace(each, state=PROCESSING)))
    older = release_listing.marked(begun.drafts[0].body or "")
    assert (older[1] is not None) == publishing, "versions of wharf without sessions take it for none of theirs"
    begun.hub.clock.forward(2 * DAY)
    (found,) = leftovers(begun, repair=True)
    assert (found.kind, found.repaired) == ("upload-session", False)
    assert "of demo 1.0 for the index main, 1 file(s), which alice began" in found.detail
    assert ("publish died" in found.detail) == publishing
    begun.hub.clock.forward(6 * DAY)
    assert [each.repaired for each in leftovers(begun)] == [False]
    assert [each.repaired for each in leftovers(begun, repair=True)] == [True]
    assert (begun.drafts, leftovers(begun)) == ([], [])


@pytest.mark.slow
def test_one_that_another_server_publishes_stays(begun: World) -> None:
    with replica(begun) as sessions:
        session = sessions.create(wanted(now=datetime.fromtimestamp(begun.hub.clock.now(), UTC)))
        begun.hub.clock.forward(8 * DAY)
        sessions.update(session.id, lambda each: replace(each, state=PROCESSING))
        assert [each.repaired for each in leftovers(begun, repair=True)] == [False]
        sessions.update(session.id, lambda each: replace(each, state=OPEN))
        assert [each.repaired for each in leftovers(begun, repair=True)] == [True]


@pytest.mark.slow
@pytest.mark.parametrize(("said", "goes"), [("1 nonsense", True), ("2 of a later version", False)])
def test_a_text_that_cannot_be_read_is_told(begun: World, said: str, *, goes: bool) -> None:
    draft = foreign(begun, "demo-1.0", draft=True)
    draft.body = f"Notes. <!-- wharf session={said} -->"
    begun.repo.releases.append(draft)
    (found,) = leftovers(begun, repair=True)
    assert (found.kind, found.repaired) == ("upload-session", False)
    assert "cannot be read" in found.detail
    begun.hub.clock.forward(31 * DAY)
    assert [each.repaired for each in leftovers(begun, repair=True)] == [goes]
    assert len(begun.drafts) == (not goes)


def test_a_draft_of_a_person_is_not_told(begun: World) -> None:
    begun.repo.releases.append(foreign(begun, "notes", draft=True))
    begun.hub.clock.forward(31 * DAY)
    assert leftovers(begun, repair=True) == []
