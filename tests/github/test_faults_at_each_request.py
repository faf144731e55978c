"""The verbs that write on GitHub, with a fault at each of their requests in turn: the same command again finishes the work.

Which requests a command sends is not written down here: the fault is put before the first, the second and so on, until the
command comes through without having met it.
"""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.github.test_release_publishing import DAY, World, _at_once, world  # noqa: F401
from tests.github.test_remote_branch import git
from tests.makers import make_sdist, make_wheel
from wharf.errors import NotFoundError, WharfError
from wharf.index.commit_message import CommitMessage
from wharf.index.wharf_toml_change import TurnOnMetadataAssets
from wharf.operations.remove import remove
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wharf.github.push_or_api import CommitWay

FOREVER = 10**6
FAULTS = {
    "a request is lost": ("drop", 1),
    "an answer is lost": ("lose", 1),
    "an answer breaks off": ("short", 1),
    "a passing 502": ("502", 1),
    "an empty asset is left": ("starter", 1),
    "a refusal": ("422", 1),
    "a conflict": ("409", 1),
    "a short pause": ("secondary:5", 2),
    "the line is dead": ("drop", FOREVER),
    "no answer comes any more": ("lose", FOREVER),
    "GitHub is down": ("502", FOREVER),
    "the token is expired": ("401", FOREVER),
    "the right is gone": ("403", FOREVER),
    "nothing is to be seen": ("404", FOREVER),
    "all is refused": ("422", FOREVER),
    "a long pause": ("secondary:9999", FOREVER),
}
MOST = 80  # requests of one command


class Kind(NamedTuple):
    """What differs between repositories."""

    immutable: bool = False
    way: CommitWay = "auto"
    beside: bool = False

    def repository(self, world: World, name: str) -> World:
        """A repository of its own on the same simulator, with an index in it."""
        other = World(world.hub, world.hub.create(f"acme/{name}", immutable=self.immutable), world.root / name)
        other.way = self.way
        with other.open() as repository:
            repository.branch.begin("ada")
            if self.beside:
                repository.branch.commit(TurnOnMetadataAssets(), CommitMessage(verb="set", actor="ada"))
        return other


KINDS = {
    "by git": Kind(),
    "immutable, by git": Kind(immutable=True),
    "by the API, with metadata": Kind(way="api", beside=True),
    "immutable, by the API, with metadata": Kind(immutable=True, way="api", beside=True),
}


class State(NamedTuple):
    """All that a repository holds in the end, without ids."""

    files: frozenset[tuple[str, str, str]]
    assets: tuple[tuple[str, str, str, str], ...]
    drafts: int
    commits: int


def state(world: World) -> State:
    """What is in the index and in the releases. Whatever the index names is stored, in a release that is out."""
    listed = {asset.id: (release, asset) for release in world.published for asset in release.assets}
    files = set()
    names = git(world.repo.git_dir, "ls-tree", "-r", "--name-only", "wharf/main").split()
    for path in [name for name in names if name.endswith("release.json")]:
        for entry in json.loads(git(world.repo.git_dir, "show", f"wharf/main:{path}"))["files"]:
            assert f"{path.rpartition('/')[0]}/{entry['filename']}.metadata" in names
            release, asset = listed[entry["_wharf"]["asset"]]
            assert (asset.state, asset.digest) == ("uploaded", f"sha256:{entry['hashes']['sha256']}")
            assert (entry["_wharf"]["tag"], entry["_wharf"]["name"]) == (release.tag_name, asset.name)
            beside = entry["_wharf"].get("metadata")
            files.add((entry["filename"], release.tag_name, "" if beside is None else listed[beside][1].name))
    assets = sorted(
        (release.tag_name, asset.name, asset.state, str(asset.digest))
        for release in world.published
        for asset in release.assets
    )
    return State(frozenset(files), tuple(assets), len(world.drafts), world.commits)


def attempt(act: Callable[[], object]) -> WharfError | None:
    """What a command failed with. Anything but a WharfError is a defect."""
    try:
        act()
    except WharfError as error:
        return error
    return None


def at_each_request(
    world: World, kind: Kind, fault: str, prepare: Callable[[World], object], act: Callable[[World], object], steps: range
) -> Iterator[tuple[World, str]]:
    """A repository for each request of `act`, at which the fault was met; by now it is over, and the command has ended."""
    how, times = FAULTS[fault]
    for step in steps:
        one = kind.repository(world, f"step{step}")
        prepare(one)
        hub = one.hub
        hub.fault("", how, times=times, after=step)
        failed = attempt(partial(act, one))
        left = [each.times for each in hub.faults._faults]
        hub.faults = type(hub.faults)()
        if left == [times]:
            assert failed is None
            return
        state(one)
        yield one, f"request {step}: {failed}"
    raise AssertionError("it never ends")


def finish(
    world: World,
    kind: Kind,
    fault: str,
    act: Callable[[World], object],
    prepare: Callable[[World], object] = lambda _world: None,
    *,
    steps: range = range(MOST),
    done: type[WharfError] | None = None,
) -> None:
    """Whatever happens to `act` on its way, the same once more leaves what it leaves in good weather.

    `steps` are the requests that are tried, `done` is how it may say that there is nothing left to do.
    """
    clean = kind.repository(world, "clean")
    prepare(clean)
    act(clean)
    wanted = state(clean)
    for one, what in at_each_request(world, kind, fault, prepare, act, steps):
        again = attempt(partial(act, one))
        assert again is None or (done is not None and isinstance(again, done)), (what, again)
        assert state(one) == wanted, what


def publish_all(one: World) -> None:
    """Two files of one version, and one of another project."""
    dist = one.root.parent / "dist"
    one.put(make_wheel(dist), make_sdist(dist), make_wheel(dist, "other", "2.0+cpu"))


def publish_two(one: World) -> None:
    one.put(make_wheel(one.root.parent / "dist"), make_sdist(one.root.parent / "dist"))


def take_out(one: World) -> None:
    with one.open() as repository:
        remove(repository, "demo", "1.0", None, reason="", actor="ada")


def leave_behind(one: World) -> None:
    """Files that the index names; a release that is out and that it does not name; and a draft. All are old."""
    publish_two(one)
    commit = r"POST .*graphql$" if one.way == "api" else r"POST .*receive-pack$"
    for version, where, after in (("2.0", commit, int(one.way == "api")), ("3.0", r"PATCH .*", 0)):
        one.hub.fault(where, "422", times=FOREVER, after=after)
        assert attempt(partial(one.put, make_wheel(one.root / "dist", "demo", version)))
        one.hub.faults = type(one.hub.faults)()
    assert (len(one.published), len(one.drafts)) == (2, 1)
    one.hub.clock.forward(2 * DAY)


def repair(one: World) -> None:
    with one.open() as repository:
        assert verify(repository, repair=True).ok


SHARE = 7
"""Each fault is tried with one kind of repository, at every seventh request, beginning at another one each time."""
PAIRS = [
    pytest.param(KINDS[kind], fault, range(number % SHARE, MOST, SHARE), id=f"{fault}, {kind}")
    for number, fault in enumerate(FAULTS)
    for kind in [list(KINDS)[number % len(KINDS)]]
]
CASES = ("kind", "fault", "steps")


@pytest.mark.slow
def test_a_publish(world: World) -> None:
    finish(world, KINDS["by git"], "no answer comes any more", publish_two, steps=range(1, MOST, 4))


@pytest.mark.slow
@pytest.mark.parametrize(CASES, PAIRS)
def test_a_publish_of_several_versions(world: World, kind: Kind, fault: str, steps: range) -> None:
    finish(world, kind, fault, publish_all, steps=steps)


@pytest.mark.slow
@pytest.mark.parametrize(CASES, PAIRS[::3])
def test_a_removal(world: World, kind: Kind, fault: str, steps: range) -> None:
    finish(world, kind, fault, take_out, publish_two, steps=steps, done=NotFoundError)


@pytest.mark.slow
@pytest.mark.parametrize(CASES, PAIRS[1::3])
def test_a_repair(world: World, kind: Kind, fault: str, steps: range) -> None:
    finish(world, kind, fault, repair, leave_behind, steps=steps)
