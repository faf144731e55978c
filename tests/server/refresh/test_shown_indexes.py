# ruff: noqa: F811 - fixtures are arguments of their own name
"""How very many indexes are put together, beside the event loop, which has requests to answer meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.server.test_several_indexes import edit, put, staged  # noqa: F401 - a fixture
from wharf.server.answer_cache import AnswerCache
from wharf.server.refresh import shown_indexes
from wharf.server.refresh.shown_indexes import ShownIndexes
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from wharf.repository.opening import Repository


def over(repository: Repository) -> tuple[AnswerCache, ShownIndexes]:
    cache = AnswerCache(lambda _file, _control: pytest.fail("no file is asked for"), private=True)
    return cache, ShownIndexes(repository.branch, cache, may_be_empty=False, every=lambda: True)


@pytest.fixture
def ordered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The indexes whose order was computed."""
    names: list[str] = []

    def noted(index: str, bases_of: Callable[[str], Sequence[str] | None]) -> list[str]:
        names.append(index)
        return resolution_order(index, bases_of)

    monkeypatch.setattr(shown_indexes, "resolution_order", noted)
    return names


def test_the_orders_are_computed_where_the_indexes_are_read_and_only_if_bases_changed(
    staged: Repository, store: Path, tmp_path: Path, ordered: list[str]
) -> None:
    cache, shown = over(staged)
    read = shown.read()
    assert (sorted(ordered), cache.sources) == (["lone", "main", "staging"], {})
    ordered.clear()
    shown.show(read)
    put(staged, "main", make_wheel(tmp_path, "demo", "3.0"))
    assert not shown.show(shown.read()).problems
    assert ordered == []
    assert [each.index for each in cache.sources["staging"].layers] == ["staging", "main"]
    assert cache.sources["staging"].layers[1].snapshot.versions("demo") == ["1.0", "3.0"]
    edit(store, "lone", 'format = 1\nbases = ["staging"]\n')
    shown.show(shown.read())
    assert sorted(ordered) == ["lone", "main", "staging"]
    assert cache.sources["lone"].has("next")


@pytest.mark.slow
def test_an_index_whose_bases_are_in_a_circle_stays_as_it_was_until_they_are_not(
    staged: Repository, store: Path, tmp_path: Path, ordered: list[str]
) -> None:
    cache, shown = over(staged)
    shown.show(shown.read())
    edit(store, "main", 'format = 1\nbases = ["staging"]\n')
    put(staged, "main", make_wheel(tmp_path, "fresh"))
    for _ in range(2):
        assert "is a base of itself" in str(shown.show(shown.read()).problems["main"])
        assert [each.index for each in cache.sources["main"].layers] == ["main"]
        assert (cache.sources["main"].has("fresh"), cache.claims.has("fresh")) == (False, True)
    edit(store, "main", "format = 1\n")
    assert not shown.show(shown.read()).problems
    assert ordered
