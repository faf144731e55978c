"""The index branch on GitHub: one contract for every way to commit, and what bad input and bad weather do to a clone."""

from __future__ import annotations

import contextlib
import secrets
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.index.test_change import SDIST, WHEEL, A, B, add, new
from tests.matrix import first
from tests.simulator import Hub
from wharf.errors import ConflictError, NotAllowedError, NotFoundError, StorageError
from wharf.github import clone as clones
from wharf.github.api import GitHub
from wharf.github.remote_branch import RemoteBranch
from wharf.github.request_turns import Waiting
from wharf.index.all_indexes import AllIndexes
from wharf.index.branch import Branch
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles, SetYanked
from wharf.repository_address import parse
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.simulator import Repo
    from wharf.github.clone import Depth
    from wharf.github.push_or_api import CommitWay
    from wharf.index.add_files import AddFiles
    from wharf.index.change import Change, Outcome, Records

WHY = CommitMessage(verb="publish", actor="ada")


@dataclass
class Place:
    """A repository that holds indexes, whichever kind it is, and the machines that use it."""

    root: Path
    way: str
    hub: Hub | None = None
    stack: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def git_dir(self) -> Path:
        return self.hub.repos["acme/pkgs"].git_dir if self.hub else self.root / "index.git"

    def open(self, machine: str = "here", index: str = "main") -> Branch:
        """The branch as a process on that machine sees it."""
        if self.hub is None:
            local = self.stack.enter_context(Branch(self.git_dir, index))
            local.create(self.root / secrets.token_hex(8))
            return local
        token = self.hub.token("alice", {"acme/pkgs": "write"})
        found = self.stack.enter_context(clone(self.hub, self.root / machine, token, index=index, way=self.way))  # type: ignore[arg-type]
        found.fetch()
        return found

    def log(self, form: str, index: str = "main") -> list[str]:
        return git(self.git_dir, "log", f"--format={form}", f"wharf/{index}").splitlines()


@contextlib.contextmanager
def clone(
    hub: Hub,
    folder: Path,
    token: str | None,
    *,
    index: str = "main",
    way: CommitWay = "git",
    depth: Depth = "trees",
    slug: str = "acme/pkgs",
    warn: Callable[[str], None] = lambda _text: None,
) -> Iterator[RemoteBranch]:
    """A clone whose waits move the simulator's clock and take no time."""
    address = parse(f"{hub.url}/{slug}")
    assert address is not None
    waiting = Waiting(clock=hub.clock.now, sleep=hub.clock.forward)
    with (
        GitHub(address, None if token is None else Secret(token), waiting=waiting, warn=warn) as github,
        RemoteBranch(folder, index, github, depth=depth, way=way) as branch,
    ):
        yield branch


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clones, "PAUSE", 0.0)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as started:
        yield started


@pytest.fixture
def repo(hub: Hub) -> Repo:
    return hub.create("acme/pkgs")


@pytest.fixture
def token(hub: Hub, repo: Repo) -> str:
    return hub.token("alice", {repo.slug: "write"})


@pytest.fixture(params=first(2, ["folder", "git", "api"]))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with contextlib.ExitStack() as stack:
        hub = None if request.param == "folder" else stack.enter_context(Hub(tmp_path / "hub"))
        if hub:
            hub.create("acme/pkgs")
        yield Place(tmp_path, request.param, hub, stack)


def git(git_dir: Path, *words: str, data: bytes | None = None) -> str:
    return subprocess.run(["git", f"--git-dir={git_dir}", *words], input=data, capture_output=True, check=True).stdout.decode()


class Raced:
    """A change that a rival is quicker than, once for each given."""

    def __init__(self, change: Change, *rivals: Callable[[], object]) -> None:
        self._change = change
        self._rivals = list(rivals)
        self.tries = 0

    @property
    def touched(self) -> list[tuple[str, str]]:
        return list(self._change.touched)

    def apply(self, records: Records) -> Outcome:
        self.tries += 1
        outcome = self._change.apply(records)
        if self._rivals:
            self._rivals.pop(0)()
        return outcome


def number(count: int) -> AddFiles:
    return add(new(f"p{count}-1.0.tar.gz", A, "1.0", f"p{count}"))


# The contract: the same for an embedded folder, for git push and for the API.


def test_a_change_is_one_commit_that_says_who_and_what(place: Place) -> None:
    branch = place.open()
    assert branch.tip() is None
    done = branch.commit(add(new(), new("other-2.0.tar.gz", B, "2.0", "other")), WHY)
    assert done.commit == branch.tip() == git(place.git_dir, "rev-parse", "wharf/main").strip()
    assert place.log("%s|%(trailers:separator=;)|%P") == ["publish demo 1.0, other 2.0|Wharf-Actor: ada|"]
    assert git(place.git_dir, "ls-tree", "-r", "--name-only", "wharf/main").splitlines() == [
        "projects/de/demo/1.0/demo-1.0-py3-none-any.whl.metadata",
        "projects/de/demo/1.0/release.json",
        "projects/ot/other/2.0/other-2.0.tar.gz.metadata",
        "projects/ot/other/2.0/release.json",
        "wharf.toml",
    ]
    assert git(place.git_dir, "for-each-ref", "--format=%(refname)", "refs/heads/wharf", "refs/wharf").split() == [
        "refs/heads/wharf/main"
    ]
    assert git(place.git_dir, "fsck", "--strict", "--no-dangling") == ""
    assert branch.snapshot().project("demo").files[0].filename == WHEEL  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_later_commit_stands_on_the_first(place: Place) -> None:
    branch = place.open()
    first = branch.commit(add(new()), WHY).commit
    reason = "Zäh & „bös“"
    yank = SetYanked(project="demo", version="1.0", reason=reason)
    second = branch.commit(yank, CommitMessage(verb="yank", actor="Bób <b@example.org>", reason=reason)).commit
    assert place.log("%H %P") == [f"{second} {first}", f"{first} "]
    assert place.log("%B")[:5] == [f"yank demo 1.0 ({WHEEL})", "", reason, "", "Wharf-Actor: Bób <b@example.org>"]
    assert branch.snapshot().project("demo").files[0].yanked == reason  # type: ignore[union-attr]
    assert [(entry.verb, entry.actor, entry.releases[0][0]) for entry in place.open("another").history()] == [
        ("yank", "Bób <b@example.org>", "demo"),
        ("publish", "ada", "demo"),
    ]


@pytest.mark.slow
def test_a_path_goes_where_a_change_takes_it_away(place: Place) -> None:
    branch = place.open()
    branch.commit(add(new(), new(SDIST, B)), WHY)
    branch.commit(RemoveFiles.of("demo", "1.0", SDIST), WHY)
    paths = git(place.git_dir, "ls-tree", "-r", "--name-only", "wharf/main")
    assert f"{WHEEL}.metadata" in paths
    assert f"{SDIST}.metadata" not in paths
    release = place.open("another").snapshot().release("demo", "1.0")
    assert release is not None
    assert release.removed == {SDIST: B}


@pytest.mark.slow
def test_bytes_arrive_as_they_are(place: Place) -> None:
    data = bytes(range(256)) * 3000 + b"\r\n\n"
    file = add(new()).files[0]
    place.open().commit(add(type(file)(project=file.project, version=file.version, file=file.file, metadata=data)), WHY)
    assert place.open("another").snapshot().metadata("demo", "1.0", WHEEL) == data


@pytest.mark.slow
def test_who_finds_a_newer_tip_applies_the_change_again(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    rival.commit(add(new("first-1.0.tar.gz", A, "1.0", "first")), WHY)  # which this clone does not know of yet
    change = Raced(add(new()), lambda: rival.commit(add(new(SDIST, B)), WHY), lambda: rival.commit(number(1), WHY))
    done = branch.commit(change, WHY)
    assert done.commit == branch.tip()
    assert change.tries >= 3
    snapshot = place.open("third").snapshot()
    assert snapshot.names() == ("demo", "first", "p1")
    assert len(snapshot.project("demo").files) == 2  # type: ignore[union-attr]
    assert len(place.log("%H")) == 4


@pytest.mark.slow
def test_of_two_first_commits_one_stands_on_the_other(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    branch.commit(Raced(number(1), lambda: rival.commit(number(2), WHY)), WHY)
    assert place.open("third").snapshot().names() == ("p1", "p2")
    assert len(place.log("%H")) == 2


@pytest.mark.slow
def test_a_conflict_that_a_rival_made_is_found_on_the_newer_tip(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    with pytest.raises(ConflictError):
        branch.commit(Raced(add(new(sha256=B)), lambda: rival.commit(add(new()), WHY)), WHY)
    assert len(place.log("%H")) == 1


@pytest.mark.slow
def test_an_outcome_without_edits_makes_no_commit(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    tip = branch.commit(add(new()), WHY).commit
    assert branch.commit(add(new()), WHY).commit is None
    rival.fetch()
    done = rival.commit(Raced(number(1), lambda: branch.commit(number(1), WHY)), CommitMessage(verb="publish", actor="bob"))
    assert (done.commit, [named.project for named in done.outcome.unchanged]) == (None, ["p1"])
    assert place.log("%P")[0] == tip
    assert len(place.log("%H")) == 2


@pytest.mark.slow
def test_indexes_do_not_touch_each_other(place: Place) -> None:
    main, staging = place.open(), place.open(index="staging")
    main.commit(add(new()), WHY)
    tip = main.tip()
    staging.commit(add(new(sha256=B)), WHY)
    assert main.indexes() == ["main", "staging"]
    assert (main.tip(), len(place.log("%H", "staging"))) == (tip, 1)
    with main.sibling("staging") as sibling:
        assert sibling.snapshot().project("demo").files[0].sha256 == B  # type: ignore[union-attr]
    assert main.snapshot().project("demo").files[0].sha256 == A  # type: ignore[union-attr]


@pytest.mark.slow
def test_an_index_begins_once(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    assert branch.begin("ada") == branch.tip()
    assert branch.begin("ada") is None
    assert rival.begin("bob") is None
    assert rival.tip() == branch.tip()
    assert place.log("%s|%(trailers:separator=;)") == ["begin the index|Wharf-Actor: ada"]
    assert branch.snapshot().names() == ()


@pytest.mark.slow
def test_writers_at_the_same_time_lose_nothing(place: Place) -> None:
    """Some on one machine, which share a clone, and some on others."""

    def publish(count: int) -> None:
        place.open(f"machine{count % 3}").commit(number(count), WHY)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(publish, range(9)))
    assert len(place.open("another").snapshot().names()) == 9
    assert len(place.log("%H")) == 9
    assert git(place.git_dir, "rev-list", "--merges", "wharf/main") == ""
    assert git(place.git_dir, "fsck", "--strict", "--no-dangling") == ""


# Where a push is not allowed.


@pytest.mark.slow
def test_what_git_may_not_push_goes_by_the_api(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    repo.signed.add("wharf/main")
    with clone(hub, tmp_path / "a", token, way="auto") as branch:
        done = branch.commit(number(1), WHY)
        assert done.commit == branch.tip()
        assert done.commit in repo.verified
    with clone(hub, tmp_path / "a", token, way="git") as branch:
        with pytest.raises(NotAllowedError, match="verified signatures") as caught:
            branch.commit(number(2), WHY)
        assert "commit = 'api'" in caught.value.hint
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_a_branch_that_takes_nothing_from_anybody_is_told(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay
) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        repo.protected.add("wharf/main")
        with pytest.raises((NotAllowedError, StorageError), match="pull request"):
            branch.commit(number(1), WHY)
        assert branch.snapshot().names() == ("demo",)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_a_first_commit_that_the_rules_forbid_is_told_at_once(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay
) -> None:
    repo.signed.add("wharf/main")
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        with pytest.raises(NotAllowedError, match="wharf/main"):
            branch.commit(add(new()), WHY)
    assert hub.count("git") + hub.count("api") < 15


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_a_token_that_may_only_read_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    reader = hub.token("bob", {repo.slug: "read"})
    with clone(hub, tmp_path / "b", reader, way=way) as branch:
        branch.fetch()
        assert branch.snapshot().names() == ("demo",)
        with pytest.raises(NotAllowedError) as caught:
            branch.commit(number(1), WHY)
        assert "contents: write" in caught.value.hint
        with branch.sibling("fresh") as fresh, pytest.raises(NotAllowedError):
            fresh.begin("bob")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_an_archived_repository_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        repo.archived = True
        with pytest.raises(NotAllowedError, match="archived") as caught:
            branch.commit(number(1), WHY)
        assert "narchive" in caught.value.hint
        branch.fetch()
        assert branch.snapshot().names() == ("demo",)


# Repositories that are not as they should be.


@pytest.mark.parametrize("way", ["git", "api"])
def test_an_empty_repository_is_not_given_an_index_for_a_default_branch(hub: Hub, tmp_path: Path, way: CommitWay) -> None:
    repo = hub.create("acme/empty", auto_init=False)
    token = hub.token("alice", {repo.slug: "write"})
    with clone(hub, tmp_path / "a", token, way=way, slug=repo.slug) as branch:
        branch.fetch()
        for act in (lambda: branch.begin("ada"), lambda: branch.commit(add(new()), WHY)):
            with pytest.raises(StorageError, match="empty") as caught:
                act()
            assert f"wharf init {hub.url}/acme/empty" in caught.value.hint
    assert git(repo.git_dir, "for-each-ref") == ""


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "api"])
def test_a_branch_that_stands_in_the_way_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay) -> None:
    git(repo.git_dir, "update-ref", "refs/heads/wharf", "main")
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        with pytest.raises(StorageError, match="a branch named wharf") as caught:
            branch.begin("ada")
        assert "ename" in caught.value.hint
    git(repo.git_dir, "update-ref", "-d", "refs/heads/wharf")
    git(repo.git_dir, "update-ref", "refs/heads/wharfage", "main")
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        assert branch.begin("ada")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "api"])
def test_a_renamed_repository_is_followed_and_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay) -> None:
    told: list[str] = []
    with clone(hub, tmp_path / "a", token, way=way, warn=told.append) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        repo.rename("acme/other")
        branch.commit(number(1), WHY)
        branch.fetch()
        assert branch.github.address.slug == "acme/other"
    with clone(hub, tmp_path / "b", token, way=way, warn=told.append) as branch:
        branch.fetch()
        assert branch.snapshot().names() == ("demo", "p1")
    assert len(told) == 2
    assert all("acme/other" in each for each in told)
    moved = [call for call in hub.calls if call.status in {301, 307}]
    assert moved
    assert all(call.path.startswith(("/acme/pkgs", "/api/v3/repos/acme/pkgs")) for call in moved)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "api"])
def test_a_repository_that_is_gone_is_told_and_its_clone_stays(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay
) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        repo.delete()
        with pytest.raises(NotFoundError, match="acme/pkgs"):
            branch.fetch()
        with pytest.raises((NotFoundError, StorageError), match="acme/pkgs"):
            branch.commit(number(1), WHY)
        assert branch.snapshot().names() == ("demo",)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "error", "hint"),
    [("wrong", NotAllowedError, "make a new one"), ("none", NotFoundError, "WHARF_TOKEN"),
     ("stranger", NotFoundError, "does the token reach it"), ("metadata", NotAllowedError, "contents: read")],
)  # fmt: skip
def test_a_token_that_does_not_do_is_told(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, kind: str, error: type[Exception], hint: str
) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.begin("ada")
    tokens = {
        "wrong": "ghp_wrong",
        "none": None,
        "stranger": hub.token("eve", {}),
        "metadata": hub.token("eve", {repo.slug: "read"}, kind="fine-grained", contents=False),
    }
    with clone(hub, tmp_path / "b", tokens[kind]) as branch:
        with pytest.raises(error) as caught:
            branch.fetch()
        assert hint in str(getattr(caught.value, "hint", ""))
        assert branch.tip() is None
        assert branch.snapshot().names() == ()


@pytest.mark.slow
def test_a_public_repository_is_read_without_a_token(hub: Hub, tmp_path: Path) -> None:
    repo = hub.create("acme/open", private=False)
    token = hub.token("alice", {repo.slug: "write"})
    with clone(hub, tmp_path / "a", token, slug=repo.slug) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    with clone(hub, tmp_path / "b", None, slug=repo.slug) as branch:
        branch.fetch()
        assert branch.snapshot().names() == ("demo",)
        with pytest.raises(NotAllowedError):
            branch.commit(number(1), WHY)


def test_no_proxy_comes_between_git_and_a_loopback_address(
    hub: Hub, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        assert branch.commit(add(new()), WHY).commit is not None


@pytest.mark.slow
def test_all_indexes_are_read_in_the_clone_that_was_made_again(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        git(repo.git_dir, "update-ref", "refs/heads/wharf/staging", "refs/heads/wharf/main")
        branch.fetch()
        every = AllIndexes(branch)
        before = every.read({}).snapshots
        assert {name: each.names() for name, each in before.items()} == {"main": ("demo",), "staging": ("demo",)}
        with branch.sibling("staging") as staging:
            staging.commit(number(1), WHY)
        branch.distrust()
        branch.fetch()
        after = every.read(before).snapshots
        assert {name: each.names() for name, each in after.items()} == {"main": ("demo",), "staging": ("demo", "p1")}
        assert after["staging"].project("p1").files  # type: ignore[union-attr]
