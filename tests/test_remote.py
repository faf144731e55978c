"""The index branch on GitHub: one contract for every way to commit, and what bad input and bad weather do to a clone."""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import shutil
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from simulator import Hub
from test_change import SDIST, WHEEL, A, B, add, new

from wharf import clone as clones
from wharf.address import parse
from wharf.branch import Branch, Message
from wharf.change import AddFiles, RemoveFiles, SetYanked
from wharf.errors import ConflictError, NotAllowedError, NotFoundError, RecordError, StorageError
from wharf.github import GitHub
from wharf.objects import Git
from wharf.quota import Waiting
from wharf.remote import RemoteBranch
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simulator import Repo

    from wharf.change import Change, Outcome, Records
    from wharf.clone import Depth
    from wharf.settings import Way

WHY = Message(verb="publish", actor="ada")


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
    way: Way = "git",
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


@pytest.fixture(params=["folder", "git", "api"])
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


def test_a_later_commit_stands_on_the_first(place: Place) -> None:
    branch = place.open()
    first = branch.commit(add(new()), WHY).commit
    reason = "Zäh & „bös“"
    yank = SetYanked(project="demo", version="1.0", reason=reason)
    second = branch.commit(yank, Message(verb="yank", actor="Bób <b@example.org>", reason=reason)).commit
    assert place.log("%H %P") == [f"{second} {first}", f"{first} "]
    assert place.log("%B")[:5] == [f"yank demo 1.0 ({WHEEL})", "", reason, "", "Wharf-Actor: Bób <b@example.org>"]
    assert branch.snapshot().project("demo").files[0].yanked == reason  # type: ignore[union-attr]
    assert [(entry.verb, entry.actor, entry.project) for entry in place.open("another").history()] == [
        ("yank", "Bób <b@example.org>", "demo"),
        ("publish", "ada", "demo"),
    ]


def test_a_path_goes_where_a_change_takes_it_away(place: Place) -> None:
    branch = place.open()
    branch.commit(add(new(), new(SDIST, B)), WHY)
    branch.commit(RemoveFiles(project="demo", version="1.0", filename=SDIST), WHY)
    paths = git(place.git_dir, "ls-tree", "-r", "--name-only", "wharf/main")
    assert f"{WHEEL}.metadata" in paths
    assert f"{SDIST}.metadata" not in paths
    release = place.open("another").snapshot().release("demo", "1.0")
    assert release is not None
    assert release.removed == {SDIST: B}


def test_bytes_arrive_as_they_are(place: Place) -> None:
    data = bytes(range(256)) * 3000 + b"\r\n\n"
    file = add(new()).files[0]
    place.open().commit(add(type(file)(project=file.project, version=file.version, file=file.file, metadata=data)), WHY)
    assert place.open("another").snapshot().metadata("demo", "1.0", WHEEL) == data


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


def test_of_two_first_commits_one_stands_on_the_other(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    branch.commit(Raced(number(1), lambda: rival.commit(number(2), WHY)), WHY)
    assert place.open("third").snapshot().names() == ("p1", "p2")
    assert len(place.log("%H")) == 2


def test_a_conflict_that_a_rival_made_is_found_on_the_newer_tip(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    with pytest.raises(ConflictError):
        branch.commit(Raced(add(new(sha256=B)), lambda: rival.commit(add(new()), WHY)), WHY)
    assert len(place.log("%H")) == 1


def test_an_outcome_without_edits_makes_no_commit(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    tip = branch.commit(add(new()), WHY).commit
    assert branch.commit(add(new()), WHY).commit is None
    rival.fetch()
    done = rival.commit(Raced(number(1), lambda: branch.commit(number(1), WHY)), Message(verb="publish", actor="bob"))
    assert (done.commit, [named.project for named in done.outcome.unchanged]) == (None, ["p1"])
    assert place.log("%P")[0] == tip
    assert len(place.log("%H")) == 2


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


def test_an_index_begins_once(place: Place) -> None:
    branch, rival = place.open(), place.open("rival")
    assert branch.begin("ada") == branch.tip()
    assert branch.begin("ada") is None
    assert rival.begin("bob") is None
    assert rival.tip() == branch.tip()
    assert place.log("%s|%(trailers:separator=;)") == ["begin the index|Wharf-Actor: ada"]
    assert branch.snapshot().names() == ()


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


@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_a_branch_that_takes_nothing_from_anybody_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        repo.protected.add("wharf/main")
        with pytest.raises((NotAllowedError, StorageError), match="pull request"):
            branch.commit(number(1), WHY)
        assert branch.snapshot().names() == ("demo",)


@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_a_first_commit_that_the_rules_forbid_is_told_at_once(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way
) -> None:
    repo.signed.add("wharf/main")
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        with pytest.raises(NotAllowedError, match="wharf/main"):
            branch.commit(add(new()), WHY)
    assert hub.count("git") + hub.count("api") < 15


@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_a_token_that_may_only_read_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
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


@pytest.mark.parametrize("way", ["git", "auto", "api"])
def test_an_archived_repository_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
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
def test_an_empty_repository_is_not_given_an_index_for_a_default_branch(hub: Hub, tmp_path: Path, way: Way) -> None:
    repo = hub.create("acme/empty", auto_init=False)
    token = hub.token("alice", {repo.slug: "write"})
    with clone(hub, tmp_path / "a", token, way=way, slug=repo.slug) as branch:
        branch.fetch()
        for act in (lambda: branch.begin("ada"), lambda: branch.commit(add(new()), WHY)):
            with pytest.raises(StorageError, match="empty") as caught:
                act()
            assert f"wharf init {hub.url}/acme/empty" in caught.value.hint
    assert git(repo.git_dir, "for-each-ref") == ""


@pytest.mark.parametrize("way", ["git", "api"])
def test_a_branch_that_stands_in_the_way_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
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


@pytest.mark.parametrize("way", ["git", "api"])
def test_a_renamed_repository_is_followed_and_told(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
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


@pytest.mark.parametrize("way", ["git", "api"])
def test_a_repository_that_is_gone_is_told_and_its_clone_stays(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way
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


# Bad weather.


def test_a_clone_is_kept_when_github_is_down(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    hub.down = True
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        with pytest.raises(StorageError, match="git fetch from"):
            branch.fetch()
        assert branch.snapshot().project("demo").files[0].filename == WHEEL  # type: ignore[union-attr]
        assert branch.snapshot().metadata("demo", "1.0", WHEEL) == b"Name: demo\n"
        with pytest.raises(StorageError):
            branch.commit(number(1), WHY)
    hub.down = False
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.commit(number(1), WHY)
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2


def test_the_history_is_kept_when_github_is_down(hub: Hub, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        known = [entry.commit for entry in branch.history()]
        hub.down = True
        assert [entry.commit for entry in branch.history()] == known
        hub.down = False
        branch.commit(number(1), WHY)
        hub.down = True
        with pytest.raises(StorageError):
            list(branch.history())  # an older one than the index that is shown


@pytest.mark.parametrize("fault", ["drop", "500", "503", "short"])
def test_a_passing_failure_of_git_passes(hub: Hub, repo: Repo, token: str, tmp_path: Path, fault: str) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        hub.fault(r"GET .*info/refs", fault)
        branch.fetch()
        hub.fault(r"POST .*git-receive-pack", "drop" if fault == "short" else fault)
        branch.commit(add(new()), WHY)
        hub.fault(r"POST .*git-upload-pack", fault)
        with branch.sibling("main") as again:
            again.fetch()
    with clone(hub, tmp_path / "b", token) as branch:
        hub.fault(r"POST .*git-upload-pack", fault, after=1)
        branch.fetch()
        assert branch.snapshot().names() == ("demo",)
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 1


def test_who_waited_long_for_a_failure_does_not_try_again(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "TRYING", 0.0)
    with clone(hub, tmp_path / "a", token) as branch:
        hub.fault("GET /acme/pkgs.git", "503")
        with pytest.raises(StorageError, match="git fetch"):
            branch.fetch()
        branch.fetch()


def test_a_commit_that_github_stumbled_over_is_known_for_ours(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, way="api") as branch:
        branch.fetch()
        branch.begin("ada")
        hub.fault(r"POST .*graphql$", "internal")
        assert branch.commit(number(1), WHY).commit == branch.tip()
        hub.fault(r"POST .*graphql$", "502", times=30)
        with pytest.raises(StorageError, match="Committing to") as caught:
            branch.commit(number(2), WHY)
        assert "again" in caught.value.hint
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2


@pytest.mark.parametrize("way", ["git", "api"])
@pytest.mark.parametrize("first", [True, False])
def test_a_commit_whose_answer_was_lost_is_known_for_ours(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way, *, first: bool
) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        if not first:
            branch.commit(number(1), WHY)
        hub.fault(r"POST .*(git-receive-pack|graphql|git/refs)$", "lose")
        done = branch.commit(add(new()), WHY)
        assert done.commit == branch.tip() == git(repo.git_dir, "rev-parse", "wharf/main").strip()
        assert [named.project for named in done.outcome.changed] == ["demo"]
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2 - first


@pytest.mark.parametrize("way", ["git", "api"])
def test_a_lost_answer_and_a_rival_are_told_apart(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch, clone(hub, tmp_path / "b", token) as rival:
        branch.fetch()
        branch.begin("ada")
        rival.fetch()
        hub.before(r"POST .*(git-receive-pack|graphql)$", lambda: rival.commit(number(1), WHY))
        hub.fault(r"POST .*(git-receive-pack|graphql)$", "drop", after=1 if way == "git" else 0)
        done = branch.commit(add(new()), WHY)
        assert done.commit == branch.tip()
        assert branch.snapshot().names() == ("demo", "p1")
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 3


def _every(folder: Path, suffix: str) -> list[Path]:
    found = [path for path in folder.rglob(f"*{suffix}") if path.is_file()]
    for path in found:
        path.chmod(0o644)
    return found


def _remove(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.unlink()


def _empty(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.write_bytes(b"")


def _garble(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.write_bytes(b"\x5a" * path.stat().st_size)


def _halve(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "depth"),
    [
        (partial(_remove, suffix=".pack"), "trees"), (partial(_empty, suffix=".pack"), "whole"),
        (partial(_garble, suffix=".pack"), "trees"), (partial(_halve, suffix=".pack"), "whole"),
        (partial(_remove, suffix=".idx"), "trees"), (partial(_garble, suffix=".idx"), "whole"),
        (partial(_remove, suffix="heads/wharf/main"), "whole"), (partial(_empty, suffix="heads/wharf/main"), "trees"),
        (partial(_garble, suffix="heads/wharf/main"), "whole"), (partial(_remove, suffix="HEAD"), "trees"),
        (partial(_empty, suffix="HEAD"), "whole"), (partial(_garble, suffix="config"), "trees"),
        (partial(_remove, suffix="shallow"), "trees"), (partial(_garble, suffix="shallow"), "whole"),
        (lambda folder: shutil.rmtree(folder / "objects"), "trees"),
        (lambda folder: shutil.rmtree(folder / "objects" / "pack"), "whole"),
        (lambda folder: shutil.rmtree(folder / "refs"), "whole"),
        (lambda folder: (folder / "shallow.lock").touch(), "trees"),
        (lambda folder: (folder / "refs/heads/wharf/main.lock").touch(), "trees"),
    ],
)  # fmt: skip
def test_a_damaged_clone_is_fetched_again(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, damage: Callable[[Path], None], depth: Depth
) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new(), *number(1).files), WHY)
    with clone(hub, tmp_path / "b", token, depth=depth) as branch:
        branch.fetch()
        assert branch.snapshot().project("demo")
    damage(tmp_path / "b" / f"{depth}.git")
    with clone(hub, tmp_path / "b", token, depth=depth) as branch:
        branch.fetch()
        assert branch.snapshot().project("demo")
        assert branch.snapshot().metadata("p1", "1.0", "p1-1.0.tar.gz") == b"Name: demo\n"
        branch.commit(number(2), WHY)
        assert branch.snapshot().names() == ("demo", "p1", "p2")


def _lose(git_dir: Path, scratch: Path, name: str) -> None:
    """Take one object out of a repository."""
    lost = git(git_dir, "rev-parse", name).strip()
    for pack in git_dir.rglob("*.pack"):
        aside = pack.rename(scratch / pack.name)
        pack.with_suffix(".idx").unlink()
        git(git_dir, "unpack-objects", "-q", data=aside.read_bytes())
    (git_dir / "objects" / lost[:2] / lost[2:]).unlink()


def test_a_folder_that_a_clone_lost_is_brought_when_it_is_read(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new(), *number(1).files), WHY)
    _lose(tmp_path / "a" / "trees.git", tmp_path, "wharf/main:projects/de/demo/1.0")
    with clone(hub, tmp_path / "a", token) as branch:
        assert branch.snapshot().project("demo").files  # type: ignore[union-attr]


def test_a_damaged_clone_is_not_thrown_away_while_github_is_down(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.fetch()
        branch.commit(add(new(), *number(1).files), WHY)
    _lose(tmp_path / "a" / "whole.git", tmp_path, "wharf/main:projects/de/demo/1.0/release.json")
    hub.down = True
    with clone(hub, tmp_path / "a", token, depth="whole") as branch, clone(hub, tmp_path / "a", token, depth="whole") as other:
        for _ in range(2):
            snapshot = branch.snapshot()
            assert [isinstance(each, RecordError) for each in snapshot.records("demo") or ()] == [True]
            assert snapshot.project("p1").files  # type: ignore[union-attr]
            with pytest.raises(StorageError):
                branch.fetch()
        hub.down = False
        other.fetch()
        assert branch.snapshot().project("demo").files  # type: ignore[union-attr]


def test_what_happens_to_the_branch_itself_is_followed(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch, clone(hub, tmp_path / "b", token) as other:
        branch.fetch()
        first = branch.commit(add(new()), WHY).commit
        other.fetch()
        branch.commit(number(1), WHY)
        branch.commit(number(2), WHY)
        other.fetch()
        assert other.snapshot().names() == ("demo", "p1", "p2")
        git(repo.git_dir, "update-ref", "refs/heads/wharf/main", str(first))
        other.fetch()
        assert other.snapshot().names() == ("demo",)
        git(repo.git_dir, "update-ref", "-d", "refs/heads/wharf/main")
        other.fetch()
        assert other.tip() is None
        assert other.indexes() == []
        assert other.commit(number(3), WHY).commit
        branch.fetch()
        assert branch.snapshot().names() == ("p3",)


@pytest.mark.parametrize("way", ["git", "api"])
def test_a_branch_that_somebody_takes_back_meanwhile(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: Way) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        first = branch.commit(number(1), WHY).commit
        branch.commit(number(2), WHY)
        hub.before(
            r"POST .*(receive-pack|graphql)$", lambda: git(repo.git_dir, "update-ref", "refs/heads/wharf/main", str(first))
        )
        branch.commit(number(3), WHY)
        assert branch.snapshot().names() == ("p1", "p3")


def test_an_index_nobody_made_has_no_tip(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        assert branch.tip() is None
        assert list(branch.history()) == []
        assert branch.indexes() == []


def test_a_cache_that_cannot_be_used_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file where the folder should be")
    with clone(hub, tmp_path / "a", token) as branch, pytest.raises(StorageError, match="cache"):
        branch.fetch()


def test_a_clone_that_others_do_not_let_go_of_is_told(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "LOCK_PATIENCE", 0.05)
    with (
        clone(hub, tmp_path / "a", token) as branch,
        clone(hub, tmp_path / "a", token) as other,
        branch._clone.locked(),
        pytest.raises(StorageError, match="Others keep using"),
    ):
        other.fetch()


def test_a_clone_is_tidied_up_while_it_is_read(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "_PACKS", 3)
    with clone(hub, tmp_path / "a", token) as branch, clone(hub, tmp_path / "b", token, depth="whole") as reader:
        branch.fetch()
        for count in range(6):
            branch.commit(number(count), WHY)
            reader.fetch()
            branch.fetch()
            snapshot = reader.snapshot()
            assert all(snapshot.project(name) for name in snapshot.names())
        assert len(snapshot.names()) == 6
    for folder in (tmp_path / "a" / "trees.git", tmp_path / "b" / "whole.git"):
        assert len(list((folder / "objects" / "pack").glob("*.pack"))) <= 5


# What leaves the process, and what does not.


def test_a_token_is_in_no_file_and_in_no_argument(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, tools, spoken = shutil.which("git"), tmp_path / "tools", tmp_path / "spoken"
    tools.mkdir()
    (tools / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> {spoken}\nexec {program} "$@"\n')
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    for way in ("git", "api"):
        with clone(hub, tmp_path / "a", token, way=way) as branch:
            branch.fetch()
            branch.commit(number(len(way)), WHY)
            branch.snapshot().project("p3")
            assert list(branch.history())
            assert token not in repr(branch.__dict__)
    pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    assert "push" in spoken.read_text()
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()] + [spoken]
    for path in files:
        data = path.read_bytes()
        for secret in (token, pair, hub.host):
            assert secret.encode() not in data, path
    assert all("authorization" in call.headers for call in hub.calls)
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_no_token_follows_a_redirect_of_gits(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    """git itself sends its headers on to wherever it is sent."""
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        repo.rename("acme/other")
        branch.fetch()
    assert [call.status for call in hub.calls if call.path.startswith("/acme/pkgs.git")].count(301) == 1


class Elsewhere(BaseHTTPRequestHandler):
    """Another server on this machine, which is not to be asked for anything."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers}")
        self.send_error(404)

    def log_message(self, *_args: object) -> None:
        pass


@contextlib.contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it was asked."""
    asked = list[str]()
    handler = type("Handler", (Elsewhere,), {"asked": asked, "do_POST": Elsewhere.do_GET})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "config",
    [
        '[url "{elsewhere}/"]\n insteadOf = {hub}/',
        '[url "{elsewhere}/other.git"]\n insteadOf = {hub}/acme/pkgs.git',
        '[url "{elsewhere}/"]\n pushInsteadOf = {hub}/',
        '[url "git@localhost:"]\n insteadOf = {hub}/\n[core]\n sshCommand = "touch {root}/ssh; false"',
        '[remote "origin"]\n url = {elsewhere}/other.git',
        '[remote "origin"]\n pushurl = {elsewhere}/other.git',
        '[remote "origin"]\n proxy = {elsewhere}',
        '[http "{hub}/"]\n proxy = {elsewhere}',
        '[http "{hub}/acme"]\n extraHeader = Authorization: Basic d3Jvbmc6d3Jvbmc=',
        "[http]\n extraHeader = Authorization: Basic d3Jvbmc6d3Jvbmc=",
        "[push]\n gpgSign = true\n pushOption = ci.skip",
        "[i18n]\n logOutputEncoding = utf-16\n[log]\n date = iso\n abbrevCommit = true\n[color]\n ui = always",
    ],
)
def test_what_a_person_has_set_up_for_git_leads_the_token_nowhere_else(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, config: str
) -> None:
    with elsewhere() as (other, asked):
        with Path("~/.gitconfig").expanduser().open("a") as file:
            file.write(config.format(hub=hub.url, elsewhere=other, root=tmp_path) + "\n")
        with clone(hub, tmp_path / "a", token) as branch:
            branch.fetch()
            branch.commit(add(new()), WHY)
            assert len(list(branch.history())) == 1
        with clone(hub, tmp_path / "b", token) as branch:
            branch.fetch()
            assert branch.snapshot().project("demo") is not None  # brings the record
    assert asked == []
    assert not (tmp_path / "ssh").exists()
    calls = [call for call in hub.calls if call.kind == "git"]
    assert calls
    assert {call.login for call in calls} == {"alice"}


def test_a_redirect_that_a_person_allows_for_the_host_is_not_followed_token_in_hand(
    hub: Hub, repo: Repo, token: str, tmp_path: Path
) -> None:
    with Path("~/.gitconfig").expanduser().open("a") as file:
        file.write(f'[http "{hub.url}/"]\n followRedirects = true\n')
    repo.rename("acme/other")
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
    asked = [(call.path.partition("?")[0], call.status) for call in hub.calls if call.kind == "git"]
    assert asked[0] == ("/acme/pkgs.git/info/refs", 301)
    assert [call.path for call in hub.calls][1].startswith("/api/")  # GitHub's API says what it is called now


def test_a_helper_for_the_host_is_not_asked_where_the_token_is_refused(
    hub: Hub, repo: Repo, token: str, tmp_path: Path
) -> None:
    with Path("~/.gitconfig").expanduser().open("a") as file:
        file.write(f'[credential "{hub.url}"]\n helper = "!f() {{ touch {tmp_path}/asked; echo password={token}; }}; f"\n')
    with clone(hub, tmp_path / "a", "ghp_wrong") as branch, pytest.raises(NotAllowedError):
        branch.fetch()
    assert not (tmp_path / "asked").exists()


@pytest.mark.parametrize(
    "environ",
    [
        {"GIT_TRACE_CURL": "{log}", "GIT_TRACE_REDACT": "0"},
        {"GIT_TRACE2_EVENT": "{log}", "GIT_TRACE2_CONFIG_PARAMS": "*"},
        {"GIT_TRACE2_EVENT": "{log}", "GIT_TRACE2_ENV_VARS": ",".join(f"GIT_CONFIG_VALUE_{each}" for each in range(40))},
        {"GIT_TRACE": "{log}", "GIT_TRACE_SETUP": "{log}"},
    ],
)
def test_no_trace_of_git_s_has_the_token(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value.format(log=tmp_path / "log"))
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    text = (tmp_path / "log").read_text()
    assert "fetch" in text or "GET /acme/pkgs.git" in text
    assert token not in text
    assert base64.b64encode(f"x-access-token:{token}".encode()).decode() not in text


@pytest.mark.parametrize("form", ["{token}", "Basic {pair}"])
def test_what_git_repeats_of_a_server_has_no_token_and_moves_no_cursor(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, form: str
) -> None:
    pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    hook = repo.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nprintf 'you sent {form.format(token=token, pair=pair)} \\033[2J\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        with pytest.raises(NotAllowedError, match="you sent") as caught:
            branch.commit(add(new()), WHY)
    assert token not in str(caught.value)
    assert pair not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_server_that_has_git_talk_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nyes 'all is well' | head -c 40000000 >&2\necho done\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    status, out, err = Git(tmp_path).attempt("fetch")
    assert (status != 0, out) == (True, b"")
    assert 0 < len(err) <= 1 << 16


def test_a_store_that_somebody_else_made_starts_no_program(tmp_path: Path) -> None:
    """Its configuration may promise missing objects, and name a program that brings them."""
    store, flag = tmp_path / "index.git", tmp_path / "started"
    with Branch(store, "main") as branch:
        branch.create(tmp_path / "scratch")
        branch.commit(add(new()), WHY)
        tree = git(store, "rev-parse", "wharf/main^{tree}").strip()
    git(store, "unpack-objects", data=b"".join(pack.read_bytes() for pack in _away(store)))
    (store / "objects" / tree[:2] / tree[2:]).unlink()
    with (store / "config").open("a") as file:
        file.write(
            "[core]\n repositoryformatversion = 1\n[extensions]\n partialClone = x\n"
            f'[remote "x"]\n url = .\n promisor = true\n uploadpack = "touch {flag}; false"\n'
        )
    with Branch(store, "main") as branch, pytest.raises(StorageError):
        branch.snapshot()
    assert not flag.exists()


def test_a_store_that_somebody_else_signed_starts_no_program(tmp_path: Path) -> None:
    store, flag = tmp_path / "index.git", tmp_path / "started"
    (tmp_path / "gpg").write_text(f"#!/bin/sh\n: > {flag}\n")
    (tmp_path / "gpg").chmod(0o755)
    with Branch(store, "main") as branch:
        branch.create(tmp_path / "scratch")
        branch.commit(add(new()), WHY)
    head, _, text = git(store, "cat-file", "commit", "wharf/main").partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\n{text}"
    commit = git(store, "hash-object", "-w", "-t", "commit", "--stdin", data=signed.encode()).strip()
    git(store, "update-ref", "refs/heads/wharf/main", commit)
    with (store / "config").open("a") as file:
        file.write(f"[log]\n showSignature = true\n[gpg]\n program = {tmp_path}/gpg\n")
    with Branch(store, "main") as branch:
        assert len(list(branch.history())) == 1
    assert not flag.exists()


def _away(store: Path) -> list[Path]:
    """The packs of a repository, taken out of it."""
    found = list((store / "objects" / "pack").glob("*.pack"))
    return [path.rename(store.parent / path.name) for path in found]


def test_what_a_clone_without_files_lacks_comes_at_once(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    count = 30
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        for half in (range(count // 2), range(count // 2, count)):
            branch.commit(add(*(new(f"p{each}-1.0.tar.gz", A, "1.0", f"p{each}") for each in half)), WHY)
    with clone(hub, tmp_path / "b", token) as branch:
        branch.fetch()
        packs = sum(path.stat().st_size for path in (tmp_path / "b" / "trees.git").rglob("*.pack"))
        hub.calls.clear()
        wheels = [new(f"p{each}-1.0-py3-none-any.whl", B, "1.0", f"p{each}") for each in range(count)]
        branch.commit(add(*wheels), WHY)
        assert hub.count("git") <= 4  # two to fetch, two to push
        after = sum(path.stat().st_size for path in (tmp_path / "b" / "trees.git").rglob("*.pack"))
    assert packs < 20_000
    assert after < 60_000
    with clone(hub, tmp_path / "c", token, depth="whole") as branch:
        branch.fetch()
        hub.down = True
        snapshot = branch.snapshot()
        assert all(len(snapshot.project(name).files) == 2 for name in snapshot.names())  # type: ignore[union-attr]


def test_a_fetch_of_what_is_there_costs_little(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        hub.calls.clear()
        branch.fetch()
        assert (hub.count("git"), len(hub.calls)) == (2, 2)
