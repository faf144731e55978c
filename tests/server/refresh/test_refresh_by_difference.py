"""What is shown after a commit is what a server would show that begins there, though only the difference was looked at."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.index.test_branch import WHY
from wharf.index import commit_objects, small_pack
from wharf.index.branch import Branch
from wharf.index.git_objects import GitObject, GitObjects
from wharf.index.tree_ids import TreeIds, differing
from wharf.server.answer_cache import AnswerCache
from wharf.server.http import answer
from wharf.server.ready_answers import MOST, ReadyAnswers
from wharf.server.refresh.shown_indexes import ShownIndexes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from wharf.sources.layers import Layer

NAMES = [f"{first}{second}{more}" for first, second in itertools.product("ab", "ab") for more in ("", "-x", "-y")]
CHANGES = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([None, b"1", b"2", b"3"]), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def branch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    folder = tmp_path_factory.mktemp("refresh")
    with Branch(folder / "index.git", "main") as opened:
        opened.create(folder / "scratch")
        opened.begin("ada")
        yield opened


def put(branch: Branch, projects: Mapping[str, bytes | None]) -> None:
    """A commit that gives projects other states, or takes them away."""
    edits = {f"projects/{name[:2]}/{name}/project.json": data for name, data in projects.items()}
    tip = branch.tip()
    made = commit_objects.make(branch.objects, tip, edits, WHY, "by hand", 1700000000)
    small_pack.write(branch.git_dir, made)
    assert branch._advance(tip, made[-1].id, {})


def over(branch: Branch) -> tuple[AnswerCache, ShownIndexes]:
    cache = AnswerCache(lambda _file, _control: pytest.fail("no file is asked for"), private=True)
    return cache, ShownIndexes(branch, cache, may_be_empty=False, every=lambda: True)


def refreshed(shown: ShownIndexes) -> Mapping[str, Collection[str] | None]:
    read = shown.read()
    shown.show(read)
    return read.together.changed


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rounds=st.lists(CHANGES, min_size=1, max_size=4))
def test_after_each_commit_it_is_as_if_read_from_scratch(branch: Branch, rounds: list[dict[str, bytes | None]]) -> None:
    cache, shown = over(branch)
    refreshed(shown)
    for projects in rounds:
        before = dict(cache.sources["main"].layers[0].trees)
        put(branch, projects)
        changed = refreshed(shown)
        fresh, beginning = over(branch)
        refreshed(beginning)
        after = dict(fresh.sources["main"].layers[0].trees)
        differ = {name for name in {**before, **after} if before.get(name) != after.get(name)}
        assert {name for names in changed.values() for name in names or ()} == differ
        assert cache.sources["main"].names() == fresh.sources["main"].names() == tuple(sorted(after))
        assert cache.sources["main"].list_validator() == fresh.sources["main"].list_validator()
        for name in NAMES:
            assert cache.sources["main"].validator(name) == fresh.sources["main"].validator(name)
            assert cache.claims.has(name) >= fresh.claims.has(name)
            assert cache.claims.has(name) or name not in before


@pytest.mark.slow
def test_among_twenty_thousand_projects_one_shard_is_read_and_compared(branch: Branch, monkeypatch: pytest.MonkeyPatch) -> None:
    letters = "cdefghijklmnopqrstuvwxyz"
    many = {f"{first}{second}-{number}": b"1" for first in letters for second in letters for number in range(35)}
    put(branch, dict(many))
    cache, shown = over(branch)
    refreshed(shown)
    asked: list[str] = []
    read = GitObjects.read

    def noted(self: GitObjects, names: Iterable[str]) -> list[GitObject | None]:
        listed = [*names]
        asked.extend(name for name in listed if not name.startswith("refs/"))
        return read(self, listed)

    monkeypatch.setattr(GitObjects, "read", noted)
    put(branch, {"cc-1": b"2", "cc-new": b"1", "cc-2": None})
    asked.clear()
    assert {*(refreshed(shown)["main"] or ())} == {"cc-1", "cc-new", "cc-2"}
    assert len(asked) == 3, "the commit, its shards, and the one that differs"
    before, after = (each.trees for each in (*_layers(shown), *_layers(over_again(branch))))
    assert dict(before) == dict(after)
    assert len(before) == len(after) == 20160 + len([name for name in after if name not in many]) - 1
    assert cache.claims.has("cc-2"), "a name that was seen once stays claimed"


def over_again(branch: Branch) -> ShownIndexes:
    _, shown = over(branch)
    refreshed(shown)
    return shown


def _layers(shown: ShownIndexes) -> tuple[Layer, ...]:
    return (shown._layers["main"],)


@pytest.mark.slow
@given(
    before=st.dictionaries(st.sampled_from(NAMES), st.sampled_from("12")),
    after=st.dictionaries(st.sampled_from(NAMES), st.sampled_from("12")),
)
def test_shards_differ_as_their_names_do(before: dict[str, str], after: dict[str, str]) -> None:
    sharded = []
    for names in (before, after):
        shards: dict[str, dict[str, str]] = {}
        for name, tree in names.items():
            shards.setdefault(name[:2], {})[name] = tree
        sharded.append(TreeIds(shards))
        assert dict(sharded[-1]) == names
        assert (len(sharded[-1]), bool(sharded[-1])) == (len(names), bool(names))
        assert all((name in sharded[-1]) == (name in names) for name in [*NAMES, "zz", ""])
    assert sorted(differing(*sharded)) == sorted(differing(before, after))
    assert sorted(differing(before, sharded[1])) == sorted(differing(before, after))


def test_answers_of_projects_that_did_not_change_lie_ready_still() -> None:
    ready, page = ReadyAnswers(), answer.text(200, "x")
    paths = ["/simple/", "/simple/demo/", "/main/simple/demo/", "/simple/other/", "/files/aa/demo-1.0.tar.gz"]
    paths += ["/files/aa/Demo-1.0-py3-none-any.whl.metadata", "/files/aa/other-1.0-py3-none-any.whl"]
    for path in paths:
        ready.put((path, None, None), "main", page)
        ready.put((f"/dev{path}", None, None), "dev", page)
    ready.drop("main", {"demo"})
    assert [path for path in paths if (path, None, None) in ready] == ["/simple/other/", "/files/aa/other-1.0-py3-none-any.whl"]
    assert len(ready) == 2 + len(paths), "another index shows what it showed"
    ready.pop(("/simple/other/", None, None))
    ready.drop("main", {"other"})
    ready.drop("dev", None)
    assert len(ready) == 0
    assert ready._asked == {}, "and nothing is kept of what is forgotten"


def test_answers_are_bounded() -> None:
    ready, page = ReadyAnswers(), answer.text(200, "x")
    for number in range(MOST + 1):
        ready.put((f"/simple/p{number}/", None, None), "main", page)
    assert len(ready) == len(ready._asked) == 1
