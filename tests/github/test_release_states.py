"""The table of a publish's life, row by row: a fault at each request, the state that it leaves, and whoever repairs that."""

# ruff: noqa: F811 - fixtures are arguments of their own name
from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.github.listed import asset, file_of, listed
from tests.github.test_release_publishing import DAY, Killed, Reaper, _at_once, two, world  # noqa: F401 - fixtures
from wharf.errors import WharfError
from wharf.github import release_publishing
from wharf.github.release_listing import MOST_ASSETS
from wharf.github.release_states import DRAFTS, STATES, ReleaseState, Remedy, state_of
from wharf.index import asset_location
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.github.test_release_publishing import World
    from wharf.github.release_listing import Listed
    from wharf.operations.verify import Verified

FOREVER = 10**6
BY_NAME = {state.name: state for state in STATES}
FAULTS = {
    "it dies before": False,
    "it dies after": True,
    "a refusal": False,
    "the answer is lost": True,
    "the line is dead": False,
}
"""What happens at the request that leads on, and whether GitHub carries the request out."""


class Scene(NamedTuple):
    """What is there before the publish, and which of its requests of that kind is the one."""

    prepare: Callable[[World, tuple[Path, Path]], object] = lambda _world, _two: None
    number: int = 1
    later: bool = False
    """The files are the second one alone."""


def first_alone(world: World, two: tuple[Path, Path]) -> None:
    world.put(two[0])


def no_bytes(world: World, _two: tuple[Path, Path]) -> None:
    world.hub.fault(r"POST .*/assets$", "starter")


def rival(world: World, two: tuple[Path, Path]) -> None:
    world.hub.before(r"POST .*/releases$", partial(world.put, *two, machine="rival"))


def immutable(world: World, _two: tuple[Path, Path]) -> None:
    world.repo.immutable = True


def both(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two)


def draft_again(world: World, two: tuple[Path, Path]) -> None:
    world.put(*two)
    world.published[0].draft = True


def first_and_no_bytes(world: World, two: tuple[Path, Path]) -> None:
    first_alone(world, two)
    no_bytes(world, two)


SCENES = {
    "absent": Scene(),
    "drafted": Scene(),
    "broken": Scene(no_bytes),
    "filling": Scene(number=2),
    "filled": Scene(),
    "superseded": Scene(rival),
    "open": Scene(first_alone, later=True),
    "blocked": Scene(first_and_no_bytes, later=True),
    "published": Scene(),
    "immutable": Scene(immutable),
    "recorded": Scene(both),
    "withdrawn": Scene(draft_again),
}


class Reach(Reaper):
    """Kills the publish at its nth request of one kind."""

    def __init__(self, patch: pytest.MonkeyPatch, where: str, number: int, *, after: bool) -> None:
        self.where = re.compile(where)
        super().__init__(patch, number, after=after)

    def _count(self, what: str, act: object) -> object:
        if self.where.search(what.partition("?")[0]):
            return super()._count(what, act)
        if self.dead:
            raise Killed
        return act()  # type: ignore[operator]


def pattern(event: str, push: str) -> str:
    """The requests that a row names as its event."""
    method, _, path = event.partition(" ")
    return push if event == "git push" else rf"{method} .*{path}$".replace("ID", r"\d+")


def fail(world: World, patch: pytest.MonkeyPatch, fault: str, event: str, number: int) -> None:
    """Let the nth request of that kind meet a fault."""
    if fault.startswith("it dies"):
        Reach(patch, pattern(event, "git push"), number, after=fault.endswith("after"))
        return
    where, hub = pattern(event, r"POST .*/git-receive-pack$"), world.hub
    if fault == "a refusal":
        hub.fault(where, "422", times=FOREVER, after=number - 1)
        return

    def begin(left: int) -> None:
        if left:
            hub.before(where, partial(begin, left - 1))
            return
        if fault == "the answer is lost":
            hub.fault(where, "lose")
        hub.fault("", "drop", times=FOREVER)

    begin(number) if number > 1 else hub.before(where, partial(begin, 0))


class Life:
    """A publish of some files, and what is to be seen of it."""

    def __init__(self, world: World, two: tuple[Path, Path], state: ReleaseState) -> None:
        self.world, self.two, self.scene = world, two, SCENES[state.name]
        with world.open() as repository:
            repository.branch.begin("ada")
        self.files = [file_of(path.name, path.read_bytes()) for path in (two[1:] if self.scene.later else two)]

    def stop(self, state: ReleaseState, fault: str) -> None:
        """Publish, until that fault at the event of a state."""
        self.scene.prepare(self.world, self.two)
        if state.event:
            with pytest.MonkeyPatch.context() as patch:
                fail(self.world, patch, fault, state.event, self.scene.number)
                with pytest.raises((WharfError, Killed)):
                    self.world.put(*self.two)
            self.world.hub.faults = type(self.world.hub.faults)()

    @property
    def states(self) -> set[str]:
        """Those of all releases."""
        with self.world.open(machine="observer") as repository:
            assert repository.github is not None
            releases = list(repository.github.rest.releases())
            record = repository.branch.snapshot().release("demo", "1.0")
        named = {id_ for file in (record.files if record else ()) for id_ in asset_location.ids(file)}
        found = {state_of(each, self.files, named, [one for one in releases if one is not each]).name for each in releases}
        found = found - {"absent"} or {"absent"}
        empty = any(asset.state == "starter" for release in self.world.repo.releases for asset in release.assets)
        assert empty == bool(found & {"broken", "blocked"})
        assert bool(self.world.drafts) == bool(found & {"withdrawn", *(each.name for each in DRAFTS)})
        return found

    @property
    def state(self) -> ReleaseState:
        """What is left to do counts before what is done: a draft beside a published release."""
        found = self.states
        return next(each for each in STATES if each.name in found)

    def verify(self, *, repair: bool = False) -> Verified:
        with self.world.open(machine="observer") as repository:
            return verify(repository, repair=repair)

    def publish(self) -> None:
        self.world.put(*self.two, machine="another")
        assert self.states == {"recorded"}
        self.check_clean()

    def check_clean(self) -> None:
        found = self.verify()
        assert (found.problems, found.leftovers) == ((), ())


def repair(life: Life) -> None:
    """Too early, it deletes nothing. A day later nothing is left over, and the same files can be published."""
    before = life.states
    assert life.verify(repair=True).ok
    assert life.states == before
    life.world.hub.clock.forward(DAY + 60)
    assert life.verify(repair=True).ok
    life.check_clean()
    assert not life.states & {"published", *(each.name for each in DRAFTS)}
    life.publish()


def next_later(life: Life) -> None:
    life.world.hub.clock.forward(301)
    life.publish()


def person(life: Life) -> None:
    assert not life.verify().ok
    life.world.drafts[0].draft = False
    assert life.verify().ok
    assert life.states == {"recorded"}


REPAIRERS: dict[Remedy, Callable[[Life], None]] = {
    Remedy.NOBODY: Life.check_clean,
    Remedy.NEXT: Life.publish,
    Remedy.NEXT_LATER: next_later,
    Remedy.REPAIR: repair,
    Remedy.PERSON: person,
}
FAST = {"filled", "published", "withdrawn"}
"""States whose row is tried in the fast run."""
CASES = [
    pytest.param(
        state, fault, id=f"{state.name}: {fault}", marks=[pytest.mark.slow] if number or state.name not in FAST else []
    )
    for state in STATES
    for number, fault in enumerate(FAULTS if state.event else [*FAULTS][:1])
]


WHEEL, SDIST = file_of("demo-1.0-py3-none-any.whl"), file_of("demo-1.0.tar.gz")
EXAMPLES: dict[str, list[Listed]] = {
    "absent": [
        listed(draft=True, files=(WHEEL,)),
        listed(asset(WHEEL), immutable=True),
        listed(asset(file_of(WHEEL.filename, b"other"))),
        listed(*(asset(file_of(f"{number}.whl")) for number in range(MOST_ASSETS - 1))),
    ],
    "drafted": [listed(draft=True, files=(WHEEL, SDIST))],
    "broken": [listed(asset(WHEEL), asset(SDIST, state="starter"), draft=True, files=(WHEEL, SDIST))],
    "filling": [listed(asset(WHEEL), draft=True, files=(WHEEL, SDIST))],
    "filled": [listed(asset(WHEEL), asset(SDIST), draft=True, files=(WHEEL, SDIST))],
    "superseded": [listed(draft=True, files=(WHEEL, SDIST)), listed(asset(WHEEL), asset(SDIST))],
    "open": [listed(asset(WHEEL)), listed()],
    "blocked": [listed(asset(WHEEL), asset(SDIST, state="starter"))],
    "published": [listed(asset(WHEEL), asset(SDIST), asset(file_of("more.whl")))],
    "immutable": [listed(asset(WHEEL), asset(SDIST), immutable=True)],
    "recorded": [
        listed(asset(WHEEL, id=1), asset(SDIST, id=2)),
        listed(asset(WHEEL, id=1), asset(SDIST, id=2), immutable=True),
    ],
    "withdrawn": [listed(asset(WHEEL, id=1), asset(SDIST), draft=True, files=(WHEEL, SDIST))],
}


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_a_state_is_told_from_what_github_lists(state: ReleaseState) -> None:
    first, *others = EXAMPLES[state.name]
    assert state_of(first, (WHEEL, SDIST), {1, 2}, others) is state
    if state.name != "superseded":
        assert {state_of(each, (WHEEL, SDIST), {1, 2}).name for each in others} <= {state.name}


@pytest.fixture(autouse=True)
def _one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_publishing, "UPLOADS", 1)


@pytest.mark.slow
@pytest.mark.parametrize(("state", "fault"), CASES)
def test_a_fault_leaves_the_state_that_the_table_names_and_its_first_remedy_repairs_it(
    world: World, two: tuple[Path, Path], state: ReleaseState, fault: str
) -> None:
    life = Life(world, two, state)
    life.stop(state, fault)
    expected = BY_NAME[state.next] if state.event and FAULTS[fault] else state
    assert life.state is expected
    REPAIRERS[expected.remedies[0]](life)


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_repair_deletes_what_the_table_says_and_nothing_else(world: World, two: tuple[Path, Path], state: ReleaseState) -> None:
    life = Life(world, two, state)
    life.stop(state, "it dies before")
    if Remedy.REPAIR in state.remedies:
        repair(life)
        return
    world.hub.clock.forward(DAY + 60)
    before = [(release.id, release.draft, len(release.assets)) for release in world.repo.releases]
    life.verify(repair=True)
    assert life.state is state
    assert [(release.id, release.draft, len(release.assets)) for release in world.repo.releases] == before


def test_each_event_leads_to_a_state_and_each_remedy_is_tried() -> None:
    assert list(BY_NAME) == list(SCENES) == list(EXAMPLES)
    assert all(bool(state.event) == (state.next in BY_NAME) for state in STATES)
    assert {remedy for state in STATES for remedy in state.remedies} == set(Remedy) == set(REPAIRERS)
    tried = {state.remedies[0] for state in STATES} | {Remedy.REPAIR}
    assert tried == set(Remedy)
