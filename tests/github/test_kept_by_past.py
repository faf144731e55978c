"""On GitHub too, assets stay that a snapshot of the past names, and go when its time is over."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_deleting import look
from tests.github.test_release_publishing import DAY, World, two, world  # noqa: F401
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.kept_by_past import kept_by_past

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_repair_leaves_assets_that_the_past_names(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    assets = {file.location["asset"] for file in world.record().files}
    with world.open() as repository:
        repository.branch.commit(RemoveFiles.of("demo", "1.0"), CommitMessage(verb="prune", actor="ada"))
        past = kept_by_past(repository)
        assert past.certain
        assert assets <= past.assets.keys()
        assert {name for _, name in past.files} == {path.name for path in two}
    world.hub.clock.forward(89 * DAY)
    found = look(world, repair=True)
    assert (found.ok, {each.kind for each in found.leftovers}) == (True, {"kept-for-past"})
    assert {asset.id for release in world.published for asset in release.assets} == assets
    world.hub.clock.forward(DAY + 60)
    assert {each.repaired for each in look(world, repair=True).problems} == {True}
    assert [asset for release in world.published for asset in release.assets] == []
