"""Cases of a matrix: some in the fast run, the others where nobody waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable


def first(count: int, cases: Iterable[Any]) -> list[Any]:
    """All cases; those after the first `count` are marked `slow`. A tuple is one value for each name."""
    return [case if number < count else _slow(case) for number, case in enumerate(cases)]


def _slow(case: Any) -> Any:
    values = case if isinstance(case, tuple) else (case,)
    return pytest.param(*values, marks=pytest.mark.slow)
