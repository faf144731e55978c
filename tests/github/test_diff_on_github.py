"""`diff` over GitHub: moments from the clone with the history, indexes from the usual one, and few fetches."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import two, world  # noqa: F401
from tests.github.test_remote_branch import git
from tests.makers import make_wheel
from wharf.operations.diff import diff

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.test_release_publishing import World


@pytest.mark.slow
def test_two_moments_and_two_indexes(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two)
    then = git(world.repo.git_dir, "rev-parse", "wharf/main").strip()
    world.put(*(make_wheel(world.root, f"p{number}", requires=["a"]) for number in range(12)))
    world.put(make_wheel(world.root, "p3"), index="staging")
    with world.open(machine="reader") as repository:
        world.hub.calls.clear()
        found = diff(repository, f"{then}..", detailed=True)
        assert [each.name for each in found.projects] == sorted(f"p{number}" for number in range(12))
        assert {tuple((each.requirements() or ([], []))[0]) for each in found.projects} == {("a",)}
        assert len([call for call in world.hub.calls if "upload-pack" in call.path]) <= 8
        assert {each.name: each.change for each in diff(repository, "main..staging").projects} == {
            "demo": "gone",
            "p3": "changed",
            **{f"p{number}": "gone" for number in range(12) if number != 3},
        }
        assert len(diff(repository, f"staging..main@{then}").projects) == 2
