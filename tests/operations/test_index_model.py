"""Random sequences of all operations on several indexes, held against a plain model after each step: on a folder, on GitHub.

Time passes, clocks of publishers are wrong, and at random moments the whole past has to be what it was when it was the present.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.makers import make_wheel
from tests.operations.recorded_past import RecordedPast, Shown, shown, written
from tests.server.over_github import World
from tests.simulator import Clock, Hub
from wharf.errors import WharfError
from wharf.index import store_clock
from wharf.index.moment import parse_moment
from wharf.index.wharf_toml_change import Setting
from wharf.operations import manage_indexes
from wharf.operations.index_from_past import create_from_past
from wharf.operations.index_settings import set_settings
from wharf.operations.promote import Wanted, promote
from wharf.operations.prune import prune
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.restore import restore
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository import at_moment
from wharf.repository.opening import Repository, check_index, open_repository
from wharf.repository.settings import Settings
from wharf.server.answer_cache import AnswerCache
from wharf.server.refresh.shown_indexes import ShownIndexes

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from wharf.model import Project

INDEXES = ("main", "staging", "dev")
RELEASES = tuple(itertools.product(("alpha", "beta"), ("1.0", "2.0")))
CONTENTS = ("one", "two")
DAY, YEAR = 86_400, 365 * 86_400
KEPT = 89 * DAY
"""Seconds for which the past surely keeps what left by `prune` and `restore`."""
PACES = (0, 1, 40 * DAY, 0, 3, DAY, 4000)
"""Seconds that pass before one operation after the other."""

indexes = st.sampled_from(INDEXES)
releases = st.sampled_from(RELEASES)
picks = st.integers(0, 50)
"""Recorded moments. How many there are depends on how quick this machine is."""


@dataclass
class Index:
    """What an index has to have: the content and the yank of each release, and the contents of those that left it.

    `left` is by which verb they left, and when.
    """

    files: dict[tuple[str, str], tuple[str, bool]] = field(default_factory=dict)
    removed: dict[tuple[str, str], str] = field(default_factory=dict)
    left: dict[tuple[str, str], tuple[str, float]] = field(default_factory=dict)
    bases: tuple[str, ...] = ()
    names: set[str] = field(default_factory=set)

    def lose(self, release: tuple[str, str], verb: str, now: float) -> None:
        self.removed[release] = self.files.pop(release)[0]
        self.left[release] = verb, now

    def gain(self, release: tuple[str, str], content: str, *, yanked: bool) -> None:
        self.files[release] = content, yanked
        self.removed.pop(release, None)
        self.left.pop(release, None)


def _takes(model: Index, release: tuple[str, str], content: str) -> bool:
    """Whether the name of a release's file is free for that content."""
    return {model.files.get(release, (content, False))[0], model.removed.get(release, content)} == {content}


def _wheels(folder: Path) -> dict[tuple[str, str, str], Path]:
    made = {}
    for (project, version), content in itertools.product(RELEASES, CONTENTS):
        (folder / content).mkdir(exist_ok=True)
        made[project, version, content] = make_wheel(folder / content, project, version, content=content)
    return made


class Machine(RuleBasedStateMachine):
    """One repository, asked by each operation as a command would, and the model of it."""

    opened: Callable[[], contextlib.AbstractContextManager[Place]]
    begins = False
    """Whether a publish makes the first index and the default one, as in a folder."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        self.there: dict[str, Index] = {"main": Index()}
        self.gone: dict[str, Index] = {}
        self.erased: set[tuple[str, str]] = set()
        """The releases of which somebody wanted the bytes deleted: of those that several indexes had, they may be stored."""

    @initialize()
    def begin(self) -> None:
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.wheels = _wheels(folder)
        self.contents = {hashlib.sha256(wheel.read_bytes()).hexdigest(): key[2] for key, wheel in self.wheels.items()}
        place = self.stack.enter_context(type(self).opened())
        self.open, self.clock = place.open, place.clock
        self.past = RecordedPast(place.git_dir, place.clock)
        self.paces, self.skew = itertools.cycle(PACES), 0
        with self.open("main") as repository:
            publish(repository, [Input.of(self.wheels["alpha", "1.0", "one"])], actor="ada")
            self.there["main"].files["alpha", "1.0"] = "one", False
            self.there["main"].names.add("alpha")
        self.create_or_restore("staging")
        self.set_bases("main", ["staging"])
        self.past.record(self.now())
        self.publish("staging", ("beta", "1.0"), "one")
        self.served = self.stack.enter_context(self.open("main"))
        self.cache = AnswerCache(lambda file, control: pytest.fail("no file is asked for"), private=True)
        self.shown = ShownIndexes(self.served.branch, self.cache, may_be_empty=False, every=lambda: True)

    def teardown(self) -> None:
        with self.stack:
            if hasattr(self, "shown"):
                self.look_back([*self.past.states], 0)

    @contextlib.contextmanager
    def later(self, index: str) -> Iterator[Repository]:
        """The repository as a command has it that begins now, by a clock of its own."""
        self.clock.forward(next(self.paces))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda skew=self.skew: NOW() + skew)
            with self.open(index) as repository:
                yield repository

    def expect(self, index: str, operation: Callable[[Repository], Any], *, works: bool) -> None:
        """The operation works, or fails as wharf fails."""
        with self.later(index) as repository:
            if works:
                operation(repository)
            else:
                with pytest.raises(WharfError):
                    operation(repository)

    @rule(index=indexes, release=releases, content=st.sampled_from(CONTENTS))
    def publish(self, index: str, release: tuple[str, str], content: str) -> None:
        if self.begins and index not in {*self.there, *self.gone} and (index == "main" or not self.there):
            self.there[index] = Index()
        model, wheel = self.there.get(index), self.wheels[(*release, content)]
        free = model is not None and _takes(model, release, content)
        self.expect(index, lambda repository: publish(repository, [Input.of(wheel)], actor="ada", create=False), works=free)
        if free and model is not None:
            if release not in model.files:
                model.gain(release, content, yanked=False)
            self.erased.discard(release)
            model.names.add(release[0])

    @rule(index=indexes, release=releases, yanked=st.booleans())
    def yank(self, index: str, release: tuple[str, str], *, yanked: bool) -> None:
        model = self.there.get(index)
        has = model is not None and release in model.files
        reason = "bad" if yanked else None
        self.expect(index, lambda repository: set_yanked(repository, *release, None, reason=reason, actor="ada"), works=has)
        if has and model is not None:
            model.files[release] = model.files[release][0], yanked

    @rule(index=indexes, release=releases)
    def remove(self, index: str, release: tuple[str, str]) -> None:
        model = self.there.get(index)
        known = model is not None and (release in model.files or release in model.removed)
        self.expect(index, lambda repository: remove(repository, *release, None, reason="", actor="ada"), works=known)
        if model is not None and release in model.files:
            model.lose(release, "remove", self.clock.now())
        if known:
            self.erased.add(release)

    @rule(source=indexes, into=indexes, release=releases)
    def promote(self, source: str, into: str, release: tuple[str, str]) -> None:
        one, other = self.there.get(source), self.there.get(into)
        has = one is not None and other is not None and source != into and release in one.files
        content = one.files[release][0] if one is not None and has else ""
        free = has and other is not None and _takes(other, release, content)
        wanted = [Wanted(project=release[0], version=release[1])]

        def take(repository: Repository) -> None:
            check_index(repository)
            promote(repository, wanted, source, actor="ada")

        self.expect(into, take, works=free)
        if free and one is not None and other is not None:
            if release not in other.files:
                other.gain(release, content, yanked=one.files[release][1])
            other.names.add(release[0])

    @rule(index=indexes)
    def prune(self, index: str) -> None:
        """By a rule that keeps the newest release of alpha."""
        model = self.there.get(index)
        newest_only = (Setting(("retention",), [{"names": ["alpha"], "keep-newest": 1}]),)

        def prune_it(repository: Repository) -> None:
            check_index(repository)
            set_settings(repository, newest_only, actor="ada")
            prune(repository, actor="ada")

        self.expect(index, prune_it, works=model is not None)
        if model is not None:
            others = [each for name, each in (*self.there.items(), *self.gone.items()) if name != index]
            for release in sorted(release for release in model.files if release[0] == "alpha")[:-1]:
                if not any(release in each.files for each in others):
                    model.lose(release, "prune", self.clock.now())

    @rule(index=indexes, pick=picks, by_commit=st.booleans())
    def restore_to(self, index: str, pick: int, *, by_commit: bool) -> None:
        model = self.there.get(index)
        moments = sorted(second for second, state in self.past.states.items() if index in state)
        if model is None or not moments:
            return
        second = moments[pick % len(moments)]
        moment = parse_moment(self.past.states[second][index].commit if by_commit else written(second))
        self.expect(index, lambda repository: restore(repository, moment, actor="ada"), works=True)
        was = self.contents_of(self.past.states[second][index].own)
        with self.open(index) as repository:
            repository.branch.fetch()
            found = self.contents_of(shown(repository).own)
        for release in [*model.files]:
            if release not in was:
                model.lose(release, "restore", self.clock.now())
        for release, (content, yanked) in was.items():
            if self.comes_back(model, release, found):
                model.gain(release, content, yanked=yanked)

    def comes_back(self, model: Index, release: tuple[str, str], found: Container[tuple[str, str]]) -> bool:
        """Whether a release that an index had is there after it was brought back; `found` are those that are."""
        verb, when = model.left.get(release, ("", 0.0))
        unsure = release in self.erased or self.clock.now() - when > KEPT
        return release in model.files or (verb != "remove" and (release in found or not unsure))

    @rule(index=st.sampled_from(INDEXES[1:]), source=indexes, pick=picks)
    def create_at(self, index: str, source: str, pick: int) -> None:
        model = self.there.get(source)
        moments = sorted(second for second, state in self.past.states.items() if source in state)
        if model is None or not moments or index == source:
            return
        second = moments[pick % len(moments)]
        was = self.past.states[second][source]
        works = index not in {*self.there, *self.gone} and {*was.bases} <= self.there.keys()
        moment = parse_moment(written(second))
        self.expect(index, lambda repository: create_from_past(repository, source, moment, actor="ada"), works=works)
        if not works:
            return
        with self.open(index) as repository:
            repository.branch.indexes()
            found = self.contents_of(shown(repository).own)
        made = self.there[index] = Index(bases=was.bases)
        for project in was.own:
            made.names.add(project.name)
            for release in project.releases:
                for sha256 in release.removed.values():
                    made.removed[project.name, release.version] = self.contents[sha256]
        for key, (content, yanked) in self.contents_of(was.own).items():
            if self.comes_back(model, key, found):
                made.files[key] = content, yanked
            else:
                made.removed[key] = content

    @rule(index=indexes, bases=st.lists(indexes, max_size=2, unique=True))
    def set_bases(self, index: str, bases: list[str]) -> None:
        model = self.there.get(index)
        works = model is not None and all(base in self.there and index not in self.order(base) for base in bases)
        change = (Setting(("bases",), bases),)

        def change_settings(repository: Repository) -> None:
            check_index(repository)
            set_settings(repository, change, actor="ada")

        self.expect(index, change_settings, works=works)
        if works and model is not None:
            model.bases = tuple(bases)

    @rule(index=st.sampled_from(INDEXES[1:]))
    def create_or_restore(self, index: str) -> None:
        was, fresh = self.gone.get(index), index not in {*self.there, *self.gone}
        self.expect(index, lambda repository: manage_indexes.create(repository, (), "ada"), works=fresh)
        if fresh:
            self.there[index] = Index()
        able = was is not None and all(base in self.there and index not in self.order(base) for base in was.bases)
        self.expect(index, manage_indexes.restore, works=able)
        if able:
            self.there[index] = self.gone.pop(index)

    @rule(index=indexes)
    def remove_index(self, index: str) -> None:
        used = any(index in model.bases for model in self.there.values())
        works = index in self.there and not used and index != "main"
        if index != "main":
            self.expect(index, manage_indexes.remove, works=works)
        if works:
            self.gone[index] = self.there.pop(index)

    @rule(skew=st.sampled_from((0, -YEAR, YEAR)))
    def another_publisher(self, skew: int) -> None:
        """Whose clock is so many seconds ahead."""
        self.skew = skew

    @rule(index=indexes, aside=indexes)
    def merge(self, index: str, aside: str) -> None:
        if {index, aside} <= self.there.keys():
            self.clock.forward(next(self.paces))
            self.past.merge(index, aside)

    @rule(index=indexes)
    def mislead(self, index: str) -> None:
        if index in self.there:
            self.past.mislead(index)

    @rule(index=indexes)
    def rewrite(self, index: str) -> None:
        if index in self.there:
            with self.open(index) as repository, repository.branch.with_history() as branch:
                branch.indexes()
                self.past.check_rewritten(repository, branch, index)

    @rule(picked=st.lists(picks, max_size=3), later=st.sampled_from((0, 1, 5 * DAY)))
    def look_back_somewhere(self, picked: list[int], later: int) -> None:
        moments = sorted(self.past.states)
        self.look_back([moments[pick % len(moments)] for pick in picked], later)

    def look_back(self, seconds: list[int], later: int) -> None:
        """The whole past of these moments is what it was when it was the present."""
        with self.open("main") as repository, repository.branch.with_history() as branch:
            branch.indexes()
            self.past.compare(repository, branch, seconds, later)
            self.past.check_strangers(repository, branch)

    def order(self, index: str) -> list[str]:
        """The index and all of its bases, each before its own."""
        found: list[str] = []
        for base in reversed(self.there[index].bases):
            found = [*(each for each in self.order(base) if each not in found), *found]
        return [index, *found]

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        if hasattr(self, "shown"):
            now = self.now()
            self.past.record(now)
            self.check_addresses(now)

    def now(self) -> dict[str, Shown]:
        """What each index shows. Every record is that of the model, and its bytes are stored."""
        now: dict[str, Shown] = {}
        for index, model in self.there.items():
            with self.open(index) as repository:
                repository.branch.indexes()
                if repository.branch.tip() is None:  # the default index of a folder, before the first publish
                    assert not model.files
                    continue
                now[index] = shown(repository)
                assert self.contents_of(now[index].own) == model.files, index
                assert verify(repository).problems == ()
        return now

    def check_addresses(self, now: dict[str, Shown]) -> None:
        """Each address of a server shows what the model says, and every name is claimed."""
        self.served.branch.fetch()
        found = self.shown.show(self.shown.read())
        assert (found.own, [*found.missing], found.problems) == (True, [], {})
        assert {*self.cache.sources} == {*self.there}
        for index in self.there:
            merged: dict[tuple[str, str], tuple[str, bool]] = {}
            for layer in self.order(index):
                merged = {**self.there[layer].files, **merged}
            source = self.cache.sources[index]
            projects = tuple(project for project, _ in source.projects(source.names()))
            assert self.contents_of(projects) == merged, index
            if index in now:
                assert (now[index].merged, now[index].names) == (projects, source.names())
        names = set().union(*(model.names for model in (*self.there.values(), *self.gone.values())))
        assert all(map(self.cache.claims.has, names))
        assert not self.cache.claims.has("gamma")

    def contents_of(self, projects: tuple[Project, ...]) -> dict[tuple[str, str], tuple[str, bool]]:
        return {
            (project.name, release.version): (self.contents[file.sha256], file.yanked is not None)
            for project in projects
            for release in project.releases
            for file in release.files
        }


NOW = time.time


@dataclass(frozen=True)
class Place:
    """Where a repository is kept: how it is opened for an index, the git repository there, and the clock there."""

    open: Callable[[str], contextlib.AbstractContextManager[Repository]]
    git_dir: Path
    clock: Clock


@contextlib.contextmanager
def _on_a_folder() -> Iterator[Place]:
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        store = Path(folder) / "store"
        patch.setattr(store_clock, "now", lambda _folder: int(clock.now()))
        patch.setattr(at_moment, "time", SimpleNamespace(time=clock.now))  # the machine of whoever reads
        yield Place(lambda index: open_repository(Settings(place=store, index=index)), store / "index.git", clock)


@contextlib.contextmanager
def _on_github() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, Hub(Path(folder) / "hub") as hub:
        repo = hub.create("acme/pkgs")
        hub.limits.enforced = False
        world = World(hub, repo, Path(folder))
        with world.open(world.alice, "hers") as repository:
            repository.branch.begin("ada")
        with world.stack:
            yield Place(lambda index: world.open(world.alice, "hers", index=index), repo.git_dir, hub.clock)


@pytest.mark.slow
@pytest.mark.parametrize(("where", "examples", "steps"), [(_on_a_folder, 8, 20), (_on_github, 2, 12)])
def test_no_sequence_of_operations_shows_anything_but_the_model(
    where: Callable[[], contextlib.AbstractContextManager[Place]], examples: int, steps: int
) -> None:
    machine = type("Machine", (Machine,), {"opened": staticmethod(where), "begins": where is _on_a_folder})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
