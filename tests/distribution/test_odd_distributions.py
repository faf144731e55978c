"""What is odd in a file, and what becomes of it: taken, taken with a warning, or refused. The cases lie in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.odd import Odd, cases
from wharf.distribution.read_distribution import Distribution, read
from wharf.errors import InvalidDistributionError

if TYPE_CHECKING:
    from pathlib import Path


def found(case: Odd, folder: Path) -> Distribution:
    path = case.made(folder)
    with path.open("rb") as file:
        return read(file, path.name)


@pytest.mark.parametrize("case", [case for case in cases() if case.is_offered], ids=lambda case: case.label)
def test_what_a_current_installer_takes_is_taken(case: Odd, tmp_path: Path) -> None:
    distribution = found(case, tmp_path)
    warns = case.table["does"] == "warn"
    assert bool(distribution.warnings) is warns, distribution.warnings
    if warns:
        assert any(case.table["says"] in warning and warning.endswith(".") for warning in distribution.warnings)
        assert all("pip" in warning or "uv" in warning or "2.99" in warning for warning in distribution.warnings)
    assert distribution.requires_python == case.table.get("index")


@pytest.mark.parametrize("case", [case for case in cases() if not case.is_offered], ids=lambda case: case.label)
def test_what_no_installer_takes_or_what_is_dangerous_is_refused(case: Odd, tmp_path: Path) -> None:
    with pytest.raises(InvalidDistributionError) as caught:
        found(case, tmp_path)
    assert case.table["says"] in caught.value.message
    assert caught.value.hint.endswith(".")


def test_an_sdist_with_odd_requirements_announces_none(tmp_path: Path) -> None:
    odd = [case for case in cases() if case.table.get("kind") == "sdist" and case.family in {"extras", "requires-dist"}]
    assert odd
    assert not any(found(case, tmp_path).announces_metadata for case in odd)
