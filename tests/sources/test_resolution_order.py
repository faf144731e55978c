"""The order in which an index and its bases are looked at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import StorageError
from wharf.sources.resolution_order import resolution_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Graph = dict[str, list[str]]


@pytest.mark.parametrize(
    ("graph", "order"),
    [
        ({"a": []}, "a"),
        ({"a": ["b", "c"], "b": [], "c": []}, "abc"),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, "abcd"),
        ({"a": ["b", "c"], "b": ["d"], "c": [], "d": []}, "abdc"),
        ({"a": ["b", "c"], "b": [], "c": ["b"]}, "acb"),
        ({"a": ["b"], "b": ["c"], "c": [], "z": ["z"]}, "abc"),
    ],
)
def test_an_index_stands_before_its_bases_and_those_in_their_order(graph: Graph, order: str) -> None:
    assert resolution_order("a", graph.get) == [*order]


@st.composite
def _graphs(draw: st.DrawFn) -> Graph:
    """Up to seven indexes, each with bases among those after it: no circle."""
    names = "abcdefg"[: draw(st.integers(1, 7))]
    return {
        name: draw(st.lists(st.sampled_from(names[number + 1 :]), unique=True)) if names[number + 1 :] else []
        for number, name in enumerate(names)
    }


def _walk(graph: Mapping[str, Sequence[str]], index: str) -> list[str]:
    """Every visit of the walk: as many as there are ways."""
    return [index, *(each for base in graph[index] for each in _walk(graph, base))]


@pytest.mark.slow
@given(_graphs())
def test_the_last_visit_counts(graph: Graph) -> None:
    visits = _walk(graph, "a")
    last = sorted(set(visits), key=lambda name: len(visits) - visits[::-1].index(name))
    order = resolution_order("a", graph.get)
    assert order == last
    for name in order:
        assert all(order.index(base) > order.index(name) for base in graph[name])


@pytest.mark.parametrize(
    ("graph", "circle", "remedy"),
    [
        ({"a": ["a"]}, "a -> a", "a --set 'bases=[]'"),
        ({"a": ["b"], "b": ["c", "a"], "c": []}, "a -> b -> a", "b --set 'bases=[\"c\"]'"),
        ({"a": ["x", "b"], "b": ["c"], "c": ["b", "x"], "x": []}, "b -> c -> b", "c --set 'bases=[\"x\"]'"),
    ],
)
def test_a_circle_is_named_with_the_command_that_breaks_it(graph: Graph, circle: str, remedy: str) -> None:
    with pytest.raises(StorageError, match=rf"is a base of itself: {circle}\.") as caught:
        resolution_order("a", graph.get)
    assert f"`wharf index settings {remedy}`" in caught.value.hint


def test_a_base_that_is_not_there_is_named_with_the_index_that_has_it() -> None:
    graph = {"a": ["b"], "b": ["lost", "c"], "c": []}
    with pytest.raises(StorageError, match="'b' has the base 'lost', and there is no such index") as caught:
        resolution_order("a", graph.get)
    assert "`wharf index create lost`" in caught.value.hint
    assert "`wharf index settings b --set 'bases=[\"c\"]'`" in caught.value.hint
    with pytest.raises(StorageError, match="There is no index 'lost'"):
        resolution_order("lost", graph.get)


def test_hostile_bases_cost_no_more_than_they_are_many() -> None:
    """Sixteen bases for each of 4,000 indexes: more ways than there are atoms, and one question for each index."""
    asked: list[str] = []

    def bases_of(name: str) -> list[str]:
        asked.append(name)
        return [str(base) for base in range(int(name) + 1, min(int(name) + 17, 4000))]

    assert resolution_order("0", bases_of) == [str(number) for number in range(4000)]
    assert len(asked) == 4000


def test_a_long_circle_is_told_in_short() -> None:
    with pytest.raises(StorageError, match=re.escape("'0' is a base of itself: 0 -> 1 -> 2 -> 3 -> … -> ")) as caught:
        resolution_order("0", lambda name: [str((int(name) + 1) % 5000)])
    assert len(caught.value.message) < 200
