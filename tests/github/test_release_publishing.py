"""Publishing into GitHub releases: whole or not at all, resumable from wherever it stopped, and what bad weather does to it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from functools import cache, partial
from typing import TYPE_CHECKING

import pytest

from tests.github.test_remote_branch import git
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.simulator import Asset, Hub, Release, plumbing, rest_releases
from tests.simulator.template import Template, keep
from wharf.assets.asset_store import Progress
from wharf.errors import ConflictError, StorageError
from wharf.github import asset_upload, clone, release_writing, request_turns
from wharf.github.release_store import Releases
from wharf.github.wire import Outgoing, Wire
from wharf.index.git import Git
from wharf.index.history import Asked
from wharf.operations.publish import Published, publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository.opening import Repository, Watch, open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse
from wharf.transport.http_client import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulator import Repo
    from wharf.github.push_or_api import CommitWay
    from wharf.model import Release as Recorded

DAY = 24 * 3600.0


class World:
    """A repository on the simulator, and the machines and people that use it."""

    def __init__(self, hub: Hub, repo: Repo, root: Path, base: Path | None = None) -> None:
        self._base = base or root
        self.hub = hub
        self.repo = repo
        self.root = root
        self.token = hub.token("alice", {repo.slug: "write"})
        self.waits: list[tuple[str, float]] = []
        self.way: CommitWay = "auto"

    @contextlib.contextmanager
    def open(
        self,
        token: str | None = None,
        *,
        machine: str = "home",
        index: str = "main",
        max_wait: float = 3600.0,
        slug: str | None = None,
    ) -> Iterator[Repository]:
        address = parse(f"{self.hub.url}/{slug or self.repo.slug}")
        assert address is not None
        folder = self.root / machine
        settings = Settings(
            place=address, index=index, cache=folder / "cache", data=folder / "data", max_wait=max_wait, commit=self.way
        )
        watch = Watch(wait=lambda reason, seconds: self.waits.append((reason, seconds)))
        with open_repository(settings, {"WHARF_TOKEN": token or self.token}, watch, whole=True) as repository:
            yield repository

    def put(
        self, *paths: Path, token: str | None = None, machine: str = "home", index: str = "main", max_wait: float = 3600.0
    ) -> Published:
        with self.open(token, machine=machine, index=index, max_wait=max_wait) as repository:
            return publish(repository, [Input.of(path) for path in paths], actor="ada")

    def had(self, *paths: Path) -> None:
        """These files are in the index already: whoever published them works at this machine."""
        files = tuple((path.name, path.read_bytes()) for path in paths)
        made = _published(self._base, files)
        shutil.rmtree(self.repo.git_dir)
        self.repo = made.copy(self.hub, self.root)

    def record(self, version: str = "1.0", *, project: str = "demo", index: str = "main") -> Recorded:
        with self.open(machine="reader", index=index) as repository:
            found = repository.branch.snapshot().release(project, version)
        assert found is not None
        return found

    @property
    def tags(self) -> list[str]:
        return [ref.removeprefix("refs/tags/") for ref in plumbing.refs(self.repo.git_dir, "refs/tags/")]

    @property
    def published(self) -> list[Release]:
        return [release for release in self.repo.releases if not release.draft]

    @property
    def drafts(self) -> list[Release]:
        return [release for release in self.repo.releases if release.draft]

    @property
    def commits(self) -> int:
        return len(git(self.repo.git_dir, "rev-list", "wharf/main").split())

    def uploads(self) -> int:
        """Those that GitHub took, also where nobody heard of it."""
        return sum(call.kind == "upload" and call.status in {0, 201} for call in self.hub.calls)

    def check(self, *paths: Path, version: str = "1.0", tags: tuple[str, ...] = ("demo-1.0",)) -> None:
        """The index has these files, and each is in a published release as it is recorded."""
        record = self.record(version)
        assert {file.filename for file in record.files} >= {path.name for path in paths}
        for file in record.files:
            release = next(one for one in self.published if one.id == file.location["release"])
            asset = next(one for one in release.assets if one.id == file.location["asset"])
            assert (release.tag_name, asset.name) == (file.location["tag"], file.location["name"])
            assert asset.data.read_bytes() == next(path for path in paths if path.name == file.filename).read_bytes()
        assert [release.tag_name for release in self.published] == list(tags)


@cache
def _published(base: Path, files: tuple[tuple[str, bytes], ...]) -> Template:
    """A repository whose index has these files, made once in a process."""
    root = base / f"published-{uuid.uuid4()}"
    (root / "dist").mkdir(parents=True)
    for name, data in files:
        (root / "dist" / name).write_bytes(data)
    with Hub(root / "hub") as hub:
        world = World(hub, hub.create("acme/pkgs"), root)
        world.put(*(root / "dist" / name for name, _ in files))
        return keep(hub, world.repo, root, ("home",), root / "kept")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "PAUSE", 0.0)
    for each in (asset_upload, release_writing):
        monkeypatch.setattr(each, "PAUSE", 0.0)


@pytest.fixture
def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Waits move the simulator's clock and take no time."""
    with Hub(tmp_path / "hub") as hub:
        waiting = partial(request_turns.Waiting, clock=hub.clock.now, sleep=hub.clock.forward)
        monkeypatch.setattr(request_turns, "Waiting", waiting)
        yield World(hub, hub.create("acme/pkgs"), tmp_path, tmp_path_factory.getbasetemp())


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    return make_wheel(tmp_path / "dist"), make_sdist(tmp_path / "dist")


# The plain way.


@pytest.mark.slow
def test_a_release_is_drafted_filled_published_and_recorded(world: World, two: tuple[Path, Path]) -> None:
    done = world.put(*two)
    assert sorted(named.file.filename for named in done.published) == sorted(path.name for path in two)
    world.check(*two)
    (release,) = world.repo.releases
    assert (release.tag_name, release.name, release.latest, release.author) == ("demo-1.0", "demo-1.0", False, "alice")
    first = git(world.repo.git_dir, "rev-list", "--max-parents=0", "wharf/main").strip()
    assert git(world.repo.git_dir, "rev-parse", "demo-1.0").strip() == first != done.commit
    posted = [f"{call.method} {call.path.rpartition('/')[2]}" for call in world.hub.calls if call.kind in {"api", "upload"}]
    assert posted[-1].startswith("PATCH")
    assert world.commits == 2
    record = world.record()
    assert [sorted(file.location) for file in record.files] == [["asset", "name", "release", "tag"]] * 2


@pytest.mark.slow
@pytest.mark.parametrize("sparse", [False, True])
def test_a_release_of_two_files_is_cheap(world: World, two: tuple[Path, Path], tmp_path: Path, *, sparse: bool) -> None:
    """Also where GitHub leaves out what it may leave out: PyGithub would ask for it, with a call for each object."""
    world.repo.sparse = sparse
    world.put(*two)
    world.hub.calls.clear()
    with world.open(machine="home") as repository:
        before = world.hub.count("git")
        publish(
            repository,
            [Input.of(make_wheel(tmp_path, "demo", "2.0")), Input.of(make_sdist(tmp_path, "demo", "2.0"))],
            actor="a",
        )
    assert world.hub.count("api") + world.hub.count("upload") + world.hub.count("graphql") <= 6
    assert world.hub.count("git") - before <= 4  # one fetch and one push


@pytest.mark.slow
def test_many_releases_are_one_commit(world: World, tmp_path: Path) -> None:
    world.had(make_wheel(tmp_path))
    world.hub.calls.clear()
    paths = [make_wheel(tmp_path, f"p{number % 4}", f"1.{number}") for number in range(8)]
    done = world.put(*paths)
    assert len(done.published) == 8
    assert world.commits == 3
    assert [release.tag_name for release in world.drafts] == []
    assert len(world.published) == 9
    assert world.hub.count("api") + world.hub.count("upload") + world.hub.count("graphql") <= 8 * 3 + 2


def test_what_is_there_is_unchanged_and_nothing_is_sent(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.hub.calls.clear()
    again = world.put(*two, machine="another")
    assert (again.commit, len(again.unchanged), again.published) == (None, 2, ())
    assert all(call.method == "GET" or call.kind == "git" for call in world.hub.calls)
    assert (world.commits, len(world.repo.releases)) == (2, 1)


def test_a_conflict_is_known_before_any_byte_is_sent(world: World, two: tuple[Path, Path], tmp_path: Path) -> None:
    world.had(*two)
    world.hub.calls.clear()
    with pytest.raises(ConflictError, match=two[0].name):
        world.put(make_wheel(tmp_path / "new", "fresh"), make_wheel(tmp_path / "new", content="other"))
    assert all(call.method == "GET" or call.kind == "git" for call in world.hub.calls)
    assert (world.commits, len(world.repo.releases)) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("version", first(1, ["1!2.0+cpu.x86", "1.0+cpu.x86", "1!2.0", "1.0rc1.post2.dev3"]))
@pytest.mark.parametrize("strict", first(1, [False, True]), ids=["as today", "if GitHub changed more"])
def test_names_are_recorded_as_github_answers_them(
    world: World, tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch, *, strict: bool
) -> None:
    mangled = rest_releases.mangled
    if strict:
        monkeypatch.setattr(rest_releases, "mangled", lambda name: mangled(name).replace("+", ".").replace("!", "."))
    wheel, sdist = make_wheel(tmp_path, "demo", version), make_sdist(tmp_path, "demo", version)
    world.put(wheel)
    world.put(sdist)
    world.check(wheel, sdist, version=version, tags=(f"demo-{version}",))
    names = [file.location["name"] for file in world.record(version).files]
    assert names == sorted(
        (mangled(path.name) if not strict else path.name.replace("+", ".").replace("!", ".")) for path in (wheel, sdist)
    )
    assert world.put(wheel, sdist, machine="another").published == ()
    with world.open() as repository:
        assert verify(repository).ok
        releases = repository.assets
        assert isinstance(releases, Releases)
        links = [releases.link(releases.place(file)) for file in world.record(version).files]
    assert all("!" not in link and "+" not in link for link in links) or "+" not in version


@pytest.mark.slow
def test_a_name_that_github_makes_shorter_is_found_again(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not documented what becomes of several odd characters in a row."""
    monkeypatch.setattr(rest_releases, "mangled", lambda name: re.sub(r"[^A-Za-z0-9-]+", ".", name).strip("."))
    version = "1!1.0+cpu.x"
    paths = make_wheel(tmp_path, "demo", version), make_sdist(tmp_path, "demo", version)
    world.hub.fault(r"POST .*/assets$", "starter")
    world.hub.fault(r"POST .*/assets$", "lose")
    world.put(*paths)
    world.check(*paths, version=version, tags=(f"demo-{version}",))
    assert world.uploads() == 2
    with world.open() as repository:
        assert remove(repository, "demo", version, None, reason="", actor="bob").kept == ()
    assert world.published[0].assets == []


@pytest.mark.slow
def test_progress_tells_every_byte_once(world: World, two: tuple[Path, Path]) -> None:
    sent: dict[str, int] = {}

    def tell(name: str, count: int) -> None:
        sent[name] = sent.get(name, 0) + count

    world.hub.fault(r"POST .*/assets$", "502")
    with world.open() as repository:
        publish(repository, [Input.of(path) for path in two], actor="ada", progress=Progress(sent=tell))
    assert sent == {path.name: path.stat().st_size for path in two}


@pytest.mark.slow
def test_another_index_of_the_repository_uses_the_same_assets(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.put(*two, index="staging", machine="another")
    assert world.record(index="staging").files[0].location == world.record().files[0].location
    assert (world.uploads(), len(world.repo.releases)) == (0, 1)


# A second file for a release that is out, and tags that are taken.


@pytest.mark.slow
@pytest.mark.parametrize("immutable", first(1, [True, False]))
def test_a_file_that_comes_later(world: World, two: tuple[Path, Path], *, immutable: bool) -> None:
    world.repo.immutable = immutable
    world.put(two[0])
    world.put(two[1], machine="another")
    world.check(*two, tags=("demo-1.0", "demo-1.0_2") if immutable else ("demo-1.0",))
    third = make_wheel(two[0].parent, tag="cp311-cp311-linux_x86_64")
    world.put(third)
    tags = ("demo-1.0", "demo-1.0_2", "demo-1.0_3") if immutable else ("demo-1.0",)
    world.check(*two, third, tags=tags)
    assert world.tags == list(tags)


@pytest.mark.slow
def test_a_release_that_is_older_than_the_list_is_found_by_its_record(world: World, two: tuple[Path, Path]) -> None:
    world.had(two[0])
    number = world.repo.releases[0].id
    for other in range(150):
        world.repo.releases.append(foreign(world, f"v{other}"))
    world.put(two[1])
    assert {file.location["release"] for file in world.record().files} == {number}


def foreign(world: World, tag: str, *, draft: bool = False) -> Release:
    """A release that somebody made by hand."""
    return Release(
        id=world.hub.next_id(),
        tag_name=tag,
        target_commitish="main",
        author="bob",
        created_at=world.hub.clock.text(),
        draft=draft,
        body="Notes",
    )


@pytest.mark.slow
@pytest.mark.parametrize("released", [False, True])
def test_a_tag_that_is_not_ours_is_left_alone(world: World, two: tuple[Path, Path], *, released: bool) -> None:
    main = git(world.repo.git_dir, "rev-parse", "main").strip()
    plumbing.update_ref(world.repo.git_dir, "refs/tags/demo-1.0", main)
    plumbing.update_ref(world.repo.git_dir, "refs/tags/demo-1.0_2", main)
    if released:
        world.repo.releases.append(foreign(world, "demo-1.0"))
    world.put(*two)
    ours = [release for release in world.published if release.author == "alice"]
    assert [release.tag_name for release in ours] == ["demo-1.0_3"]
    assert git(world.repo.git_dir, "rev-parse", "demo-1.0").strip() == main
    assert {file.location["tag"] for file in world.record().files} == {"demo-1.0_3"}
    assert all(not release.assets for release in world.published if release.author == "bob")


@pytest.mark.slow
def test_a_tag_that_is_taken_in_the_last_moment(world: World, two: tuple[Path, Path]) -> None:
    world.hub.before(r"PATCH .*/releases/", lambda: world.repo.releases.append(foreign(world, "demo-1.0")))
    world.put(*two)
    assert {file.location["tag"] for file in world.record().files} == {"demo-1.0_2"}
    assert (world.uploads(), world.drafts) == (2, [])


@pytest.mark.slow
def test_a_tag_that_was_burned_with_an_immutable_release(world: World, two: tuple[Path, Path]) -> None:
    world.repo.burned |= {"demo-1.0", "demo-1.0_2"}
    world.put(*two)
    world.check(*two, tags=("demo-1.0_3",))
    assert world.uploads() == 2


def fill(world: World, release: Release, count: int) -> None:
    for number in range(count):
        asset = Asset(
            id=world.hub.next_id(),
            name=f"filler-{number}",
            label=None,
            state="uploaded",
            size=0,
            digest=None,
            data=world.root / "nothing",
            content_type="",
            uploader="bob",
            created_at=world.hub.clock.text(),
        )
        release.assets.append(asset)


@pytest.mark.slow
@pytest.mark.parametrize("late", first(1, [False, True]), ids=["known before", "filled up meanwhile"])
def test_a_release_with_a_thousand_assets_is_full(world: World, two: tuple[Path, Path], *, late: bool) -> None:
    world.had(two[0])
    if late:
        world.hub.before(r"POST .*/assets$", lambda: fill(world, world.repo.releases[0], 999))
    else:
        fill(world, world.repo.releases[0], 999)
    world.put(two[1], machine="another")
    world.check(*two, tags=("demo-1.0", "demo-1.0_2"))


# Publishes that died, at every step.


def starter(world: World, release: Release, name: str) -> Asset:
    path = world.root / "starter"
    path.write_bytes(b"")
    asset = Asset(
        id=world.hub.next_id(),
        name=name,
        label=None,
        state="starter",
        size=0,
        digest=None,
        data=path,
        content_type="",
        uploader="bob",
        created_at=world.hub.clock.text(),
    )
    release.assets.append(asset)
    return asset


class Killed(BaseException):
    """What a test kills a publish with: nothing in wharf catches it."""


class Reaper:
    """Kills the publish at its nth step outside, before or after that was carried out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int, *, after: bool) -> None:
        self.step = step
        self.after = after
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self.dead = False
        send, attempt = Wire._try, Git.attempt

        def counted_send(wire: Wire, request: Outgoing, *, last: bool) -> object:
            return self._count(f"{request.method} {request.url}", lambda: send(wire, request, last=last))

        def counted_attempt(program: Git, *words: str, stdin: bytes = b"") -> object:
            act = partial(attempt, program, *words, stdin=stdin)
            return self._count("git push", act) if words[0] == "push" else act()

        monkeypatch.setattr(Wire, "_try", counted_send)
        monkeypatch.setattr(Git, "attempt", counted_attempt)

    def _count(self, what: str, act: object) -> object:
        with self._lock:
            if self.dead:
                raise Killed
            self.seen.append(what)
            hit = len(self.seen) == self.step
            self.dead = hit and not self.after
        if hit and not self.after:
            raise Killed
        result = act()  # type: ignore[operator]
        if hit:
            self.dead = True
            if isinstance(result, Answer):
                result.close()  # the dead hold no connections
            raise Killed
        return result


STEPS = 10  # list, was the index removed, begin's look, begin, tags, create, two uploads, publish, commit


@pytest.mark.slow
@pytest.mark.parametrize("after", first(1, [True, False]), ids=["after", "before"])
@pytest.mark.parametrize("step", first(3, range(STEPS, 0, -1)))
def test_a_publish_that_was_killed_is_finished_by_the_same_command(
    world: World, two: tuple[Path, Path], step: int, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    with monkeypatch.context() as patch:
        reaper = Reaper(patch, step, after=after)
        with pytest.raises(Killed):
            world.put(*two)
        assert len(reaper.seen) >= step
    done = world.put(*two)
    world.check(*two)
    assert world.drafts == []
    assert world.uploads() == 2
    assert world.commits == 2
    assert len(done.published) == (0 if step == STEPS and after else 2)


@pytest.mark.slow
def test_no_step_is_missed(world: World, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        reaper = Reaper(patch, 0, after=False)
        world.put(*two)
    assert len(reaper.seen) == STEPS, reaper.seen


@pytest.mark.slow
@pytest.mark.parametrize(
    "where",
    [r"GET .*/releases$", r"POST .*/graphql", r"POST .*/releases$", r"POST .*/assets$", r"PATCH .*", r"POST .*receive-pack"],
)
def test_a_process_that_was_killed_leaves_nothing_that_the_next_one_cannot_finish(
    world: World, two: tuple[Path, Path], where: str
) -> None:
    environ = {**os.environ, "WHARF_REPO": f"{world.hub.url}/acme/pkgs", "WHARF_TOKEN": world.token}
    command = [sys.executable, "-m", "wharf", "publish", "--create", *map(str, two)]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    reached = threading.Event()

    def kill() -> None:
        process.send_signal(signal.SIGKILL)
        reached.set()

    world.hub.before(where, kill)
    assert process.wait(60) == -signal.SIGKILL
    assert reached.wait(60)
    assert subprocess.run(command, env=environ, check=False).returncode == 0
    world.check(*two)
    assert world.drafts == []


@pytest.mark.slow
def test_what_a_killed_publish_left_is_swept_a_day_later(
    world: World, two: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_wheel(tmp_path, "demo", "2.0")
    world.put(make_wheel(tmp_path, "kept"))
    for path, step in ((two[0], 5), (other, 6)):  # a draft with its asset; and a release that is out and not recorded
        with monkeypatch.context() as patch:
            Reaper(patch, step, after=False)
            with pytest.raises(Killed):
                world.put(path)
    assert (len(world.drafts), len(world.published)) == (1, 2)
    with world.open() as repository:
        young = verify(repository, repair=True)
        assert young.ok
        assert sorted(each.kind for each in young.leftovers) == ["temporary", "temporary"]
        assert not any(each.repaired for each in young.leftovers)
        assert (len(world.drafts), len(world.published[1].assets)) == (1, 1)
        world.hub.clock.forward(DAY + 60)
        told = verify(repository)
        assert [each.kind for each in told.problems] == ["unnamed-bytes"]
        mended = verify(repository, repair=True)
        assert mended.ok
        assert all(each.repaired for each in (*mended.problems, *mended.leftovers))
        assert (world.drafts, world.published[1].assets) == ([], [])
        assert (verify(repository).problems, verify(repository).leftovers) == ((), ())
    assert world.put(two[0], other).published
    with world.open() as repository:
        assert verify(repository).files == 3


@pytest.mark.slow
def test_a_draft_at_work_is_never_swept(world: World, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """GitHub may tell the age of the tagged commit for that of the draft: the assets in it are young."""
    with monkeypatch.context() as patch:
        Reaper(patch, 9, after=False)
        with pytest.raises(Killed):
            world.put(*two)
    world.drafts[0].created_at = "2020-01-01T00:00:00Z"
    with world.open() as repository:
        verify(repository, repair=True)
        assert len(world.drafts) == 1
        world.hub.clock.forward(DAY + 60)
        world.hub.before(r"GET .*/releases/\d+$", lambda: starter(world, world.drafts[0], "taken-up-again.whl"))
        verify(repository, repair=True)
        assert len(world.drafts) == 1
        world.hub.clock.forward(DAY + 60)
        verify(repository, repair=True)
        assert world.drafts == []


# The other verbs.


@pytest.mark.slow
def test_yank_and_unyank(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.hub.calls.clear()
    with world.open() as repository:
        assert set_yanked(repository, "demo", "1.0", None, reason="loses data", actor="bob").commit
        assert {file.yanked for file in world.record().files} == {"loses data"}
        assert set_yanked(repository, "demo", "1.0", two[0].name, reason=None, actor="bob").commit
        assert {file.yanked for file in world.record().files} == {"loses data", None}
        assert [entry.verb for entry in repository.branch.history(Asked(project="demo"))] == ["unyank", "yank", "publish"]
    assert {call.path for call in world.hub.calls if call.kind != "git"} == {"/api/v3/rate_limit"}, (
        "the time, which costs nothing"
    )


@pytest.mark.slow
@pytest.mark.parametrize("immutable", first(1, [True, False]))
def test_remove_takes_the_record_first_and_then_what_can_go(world: World, two: tuple[Path, Path], *, immutable: bool) -> None:
    world.repo.immutable = immutable
    world.put(*two)
    with world.open() as repository:
        done = remove(repository, "demo", "1.0", two[1].name, reason="secret inside", actor="bob")
    assert [named.file.filename for named in done.removed] == [two[1].name]
    assert len(world.record().files) == 1
    if immutable:
        assert [named.file.filename for named in done.kept] == [two[1].name]
        assert "immutable" in done.reason
        assert "deleted" in done.reason
    else:
        assert (done.kept, len(world.published[0].assets)) == ((), 1)
    with world.open() as repository:
        found = verify(repository)
        assert found.ok
        world.hub.clock.forward(DAY + 60)
        assert verify(repository, repair=True).ok
    with pytest.raises(ConflictError):
        world.put(make_sdist(two[0].parent / "other", content="other"))
    uploads = world.uploads()
    world.put(two[1])  # the same bytes may come back
    world.check(*two)
    assert world.uploads() - uploads == (0 if immutable else 1)


@pytest.mark.slow
def test_remove_leaves_what_another_index_names(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.put(two[0], index="staging")
    with world.open() as repository:
        done = remove(repository, "demo", "1.0", None, reason="", actor="bob")
    assert [named.file.filename for named in done.kept] == [two[0].name]
    assert [asset.name for asset in world.published[0].assets] == [two[0].name]
    with world.open(index="staging") as repository:
        assert verify(repository).ok


@pytest.mark.slow
def test_remove_with_a_token_that_lost_its_right_to_delete_says_so(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.hub.fault(r"DELETE ", "403", times=9)
    with world.open() as repository:
        done = remove(repository, "demo", "1.0", None, reason="", actor="bob")
    assert (len(done.removed), len(done.kept)) == (2, 2)
    assert "Forbidden" in done.reason


def test_verify_downloads_nothing(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.hub.calls.clear()
    with world.open() as repository:
        found = verify(repository)
    assert (found.ok, found.files, found.leftovers) == (True, 2, ())
    assert (world.hub.count("storage"), world.hub.count("web"), world.hub.count("api")) == (0, 0, 1)


@pytest.mark.slow
def test_verify_finds_what_is_gone_and_what_is_other(world: World, two: tuple[Path, Path]) -> None:
    third = make_wheel(two[0].parent, tag="cp311-cp311-linux_x86_64")
    world.put(*two, third)
    by_name = {asset.name: asset for asset in world.published[0].assets}
    world.published[0].assets.remove(by_name[two[0].name])
    by_name[two[1].name].digest = "sha256:" + "0" * 64
    by_name[third.name].state = "starter"
    with world.open() as repository:
        found = verify(repository, repair=True)
        assert {(each.path, each.kind) for each in found.problems} == {
            (f"releases/demo-1.0/{two[0].name}", "missing-bytes"),
            (f"releases/demo-1.0/{two[1].name}", "other-bytes"),
            (f"releases/demo-1.0/{third.name}", "missing-bytes"),
        }
        assert all(f"wharf remove demo==1.0 {each.path.rpartition('/')[2]}" in each.detail for each in found.problems)
        # The remedy that it tells helps.
        for path in (*two, third):
            remove(repository, "demo", "1.0", path.name, reason="", actor="bob")
        publish(repository, [Input.of(path) for path in (*two, third)], actor="ada")
        assert verify(repository).ok


def edit_by_hand(world: World, path: str, data: bytes) -> None:
    tip = git(world.repo.git_dir, "rev-parse", "wharf/main").strip()
    plumbing.commit_files(world.repo.git_dir, "wharf/main", tip, "by hand", "bob", 1.8e9, additions=[(path, data)])


@pytest.mark.slow
def test_a_broken_record_is_named_and_left_out_and_nothing_is_swept(world: World, tmp_path: Path) -> None:
    world.put(make_wheel(tmp_path), make_wheel(tmp_path, "demo", "2.0"), make_wheel(tmp_path, "other"))
    edit_by_hand(world, "projects/de/demo/2.0/release.json", b"{oops")
    world.hub.clock.forward(DAY + 60)
    with world.open() as repository:
        project = repository.branch.snapshot().project("demo")
        assert project is not None
        assert project.versions == ("1.0",)
        found = verify(repository, repair=True)
    assert {(each.kind, each.path, each.repaired) for each in found.problems} == {
        ("broken-record", "projects/de/demo/2.0/release.json", False),
        ("unnamed-bytes", "releases/demo-2.0/demo-2.0-py3-none-any.whl", False),
    }
    assert sum(len(release.assets) for release in world.published) == 3


@pytest.mark.slow
def test_an_index_that_cannot_be_read_keeps_its_bytes(world: World, two: tuple[Path, Path]) -> None:
    world.had(two[0])
    world.put(two[1], index="staging")
    tip = git(world.repo.git_dir, "rev-parse", "wharf/staging").strip()
    later = [("wharf.toml", b"format = 9\n")]
    plumbing.commit_files(world.repo.git_dir, "wharf/staging", tip, "by hand", "bob", 1.8e9, additions=later)
    world.hub.clock.forward(DAY + 60)
    with world.open() as repository:
        found = verify(repository, repair=True)
        assert [each.kind for each in found.leftovers] == ["unread-index"]
        assert [each.repaired for each in found.problems] == [False]
        assert len(remove(repository, "demo", "1.0", None, reason="", actor="bob").kept) == 1
    assert sum(len(release.assets) for release in world.published) == 2


def test_what_is_not_wharfs_is_never_touched(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    theirs = foreign(world, "v1.0")
    fill(world, theirs, 2)
    world.repo.releases += [theirs, foreign(world, "demo-2.0", draft=True)]
    world.hub.clock.forward(DAY * 30)
    with world.open() as repository:
        found = verify(repository, repair=True)
    assert (found.problems, found.leftovers) == ((), ())
    assert len(world.repo.releases) == 3


@pytest.mark.slow
def test_a_record_that_places_a_file_elsewhere_is_not_followed(world: World, two: tuple[Path, Path]) -> None:
    """Whoever can push to the branch must not make another's token read for them."""
    world.hub.create("acme/secrets")
    world.put(two[0])
    path = "projects/de/demo/1.0/release.json"
    text = git(world.repo.git_dir, "show", f"wharf/main:{path}")
    edit_by_hand(world, path, text.replace('"asset":', '"repository":"acme/secrets","asset":', 1).encode())
    with world.open() as repository:
        world.hub.calls.clear()
        assert [each.kind for each in verify(repository).problems] == ["missing-bytes"]
        with pytest.raises(StorageError, match="another repository"):
            repository.assets.place(world.record().files[0])  # type: ignore[union-attr]
        done = remove(repository, "demo", "1.0", None, reason="", actor="bob")
        assert "another repository" in done.reason
    assert not [call for call in world.hub.calls if "secrets" in call.path]


@pytest.mark.slow
def test_the_bytes_at_github_are_the_bytes_that_were_given(world: World, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"big.bin": os.urandom(3 << 20)})
    world.put(wheel)
    file = world.record().files[0]
    with world.open() as repository:
        assert repository.github is not None
        with repository.github.asset(int(str(file.location["asset"]))) as where:
            assert isinstance(where, str)
            with repository.github.open(where) as download:
                found = b"".join(download.chunks)
    assert hashlib.sha256(found).hexdigest() == file.sha256 == hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert all("authorization" not in call.headers for call in world.hub.calls if call.kind == "storage")


@pytest.mark.slow
@pytest.mark.parametrize("immutable", first(1, [True, False]))
def test_a_release_on_an_old_tip_is_found_though_a_hundred_are_newer(
    world: World, two: tuple[Path, Path], tmp_path: Path, *, immutable: bool
) -> None:
    """GitHub lists releases by the date of their commits: one on an index that rested for a year is not among the newest."""
    world.repo.immutable = immutable
    world.put(make_wheel(tmp_path, "other", "1.0"))
    world.hub.clock.forward(400 * 86400)
    for number in range(120):
        world.repo.releases.append(foreign(world, f"v{number}"))
    world.hub.clock.forward(60)
    world.hub.fault("git-receive-pack", "500", times=99)
    with pytest.raises(StorageError):
        world.put(*two)
    world.hub.faults._faults.clear()
    sent = world.uploads()
    world.put(*two)
    assert {file.location["tag"] for file in world.record().files} == {"demo-1.0"}
    assert world.uploads() == sent


@pytest.mark.slow
def test_a_release_that_github_left_a_draft_is_published_again(world: World, two: tuple[Path, Path]) -> None:
    """People have seen it: 200, and the answer itself says that it is a draft still."""
    world.hub.fault("PATCH .*/releases", "draft", times=99)
    with pytest.raises(StorageError, match="draft"):
        world.put(*two)
    assert world.published == []
    assert world.commits == 1
    world.hub.faults._faults.clear()
    world.hub.fault("PATCH .*/releases", "draft")
    world.put(*two)
    world.check(*two)


@pytest.mark.slow
def test_a_draft_that_is_not_known_everywhere_yet_is_filled_a_moment_later(world: World, two: tuple[Path, Path]) -> None:
    world.hub.fault("POST .*/assets", "404", times=2)
    world.put(*two)
    world.check(*two)


@pytest.mark.slow
def test_the_same_bytes_under_another_spelling_are_not_sent_again(world: World, tmp_path: Path) -> None:
    sdist = make_sdist(tmp_path, "my-proj")
    other = sdist.with_name("my-proj-1.0.tar.gz")
    other.write_bytes(sdist.read_bytes())
    world.put(sdist)
    sent, commits = world.uploads(), world.commits
    again = world.put(other)
    assert [named.file.filename for named in again.unchanged] == [sdist.name]
    assert (world.uploads(), world.commits) == (sent, commits)
    with world.open() as repository:
        remove(repository, "my-proj", "1.0", None, reason="", actor="ada")
    world.put(other)
    assert [file.filename for file in world.record(project="my-proj").files] == [other.name]
    with world.open() as repository:
        assert verify(repository).ok
