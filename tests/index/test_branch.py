"""The index branch on a real bare repository."""

from __future__ import annotations

import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.index.test_change import SDIST, WHEEL, A, B, add, new
from wharf.errors import RecordError, StorageError
from wharf.index import pack_merging, ref_log
from wharf.index.all_indexes import AllIndexes
from wharf.index.branch import Branch
from wharf.index.change import Outcome
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git
from wharf.index.index_name import is_index_name
from wharf.index.ref_transaction import STALE_LOCK, RefWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wharf.index.written_commit import WrittenCommit

WHY = CommitMessage(verb="publish", actor="ada")


@pytest.fixture
def branch(tmp_path: Path) -> Iterator[Branch]:
    with Branch(tmp_path / "index.git", "main") as opened:
        opened.create(tmp_path / "scratch")
        yield opened


def git(tmp_path: Path, *words: str, data: bytes | None = None) -> str:
    command = ["git", f"--git-dir={tmp_path / 'index.git'}", *words]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout.decode().strip()


def edit_by_hand(
    tmp_path: Path,
    path: str,
    data: bytes,
    *,
    message: str = "by hand",
    date: str = "@1800000000 +0000",
    index: str = "main",
) -> None:
    """What a person with a clone and an editor can do to the branch."""
    blob = git(tmp_path, "hash-object", "-w", "--stdin", data=data)
    env = {**os.environ, "GIT_INDEX_FILE": str(tmp_path / "by-hand")}
    base = ["git", f"--git-dir={tmp_path / 'index.git'}"]
    who = ["-c", "user.name=Hand", "-c", "user.email=hand@example.org"]
    subprocess.run([*base, "read-tree", f"wharf/{index}"], env=env, check=True)
    subprocess.run([*base, "update-index", "--add", "--cacheinfo", f"100644,{blob},{path}"], env=env, check=True)
    tree = subprocess.run([*base, "write-tree"], env=env, check=True, capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(
        [*base, *who, "commit-tree", tree, "-p", f"wharf/{index}", "-m", message],
        env={**os.environ, "GIT_COMMITTER_DATE": date}, check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    git(tmp_path, "update-ref", f"refs/heads/wharf/{index}", commit)


def test_an_index_without_a_commit_is_empty(branch: Branch) -> None:
    snapshot = branch.snapshot()
    assert branch.tip() is None
    assert snapshot.names() == ()
    assert snapshot.overview() == {}
    assert snapshot.project("demo") is None
    assert snapshot.metadata("demo", "1.0", WHEEL) is None
    assert list(branch.history()) == []


def test_a_change_is_one_commit_that_says_who_and_what(branch: Branch, tmp_path: Path) -> None:
    done = branch.commit(add(new(), new("other-2.0.tar.gz", B, "2.0", "other")), WHY)
    assert done.commit == branch.tip() == git(tmp_path, "rev-parse", "wharf/main")
    assert git(tmp_path, "log", "--format=%an|%s|%(trailers)", "wharf/main") == (
        "ada|publish demo 1.0, other 2.0|Wharf-Actor: ada"
    )
    assert git(tmp_path, "show", "wharf/main:wharf.toml").endswith("format = 1")
    assert git(tmp_path, "for-each-ref", "--format=%(refname)") == "refs/heads/wharf/main"
    assert git(tmp_path, "fsck", "--strict") == ""


def test_a_ref_whose_name_is_not_utf_8_is_no_index_and_keeps_none_from_being_read(branch: Branch, tmp_path: Path) -> None:
    tip = branch.commit(add(new()), WHY).commit
    for ref in (b"refs/heads/wharf/\xff", b"refs/wharf/removed/\xfe", "refs/heads/wharf/x\u2028y".encode()):
        subprocess.run([b"git", f"--git-dir={tmp_path}/index.git".encode(), b"update-ref", ref, str(tip).encode()], check=True)
    for _ in range(2):
        names = branch.all_names()
        assert not {"x", "y"} & {*names.there}, "only git's own line breaks end a name"
        assert [name for name in (*names.there, *names.removed) if is_index_name(name)] == ["main"]
        assert (list(branch.states()), branch.states()["main"].commit) == (["main"], tip)
        assert AllIndexes(branch).read({}).snapshots["main"].commit == tip
        git(tmp_path, "pack-refs", "--all")
    assert branch.commit(add(new(SDIST, B)), WHY).commit == branch.tip() != tip


def test_a_change_without_effect_makes_no_commit(branch: Branch) -> None:
    tip = branch.commit(add(new()), WHY).commit
    assert branch.commit(add(new()), WHY).commit is None
    assert branch.tip() == tip


def test_a_refused_writer_applies_its_change_again_to_the_newer_tip(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process is quicker every time, three times."""
    write, rivals = Branch._write, [new(SDIST, B), new("rival-1.0.tar.gz", B, "1.0", "rival")]

    def slow_write(self: Branch, *words: object) -> WrittenCommit:
        made = write(self, *words)  # type: ignore[arg-type]
        if rivals:
            with Branch(tmp_path / "index.git", "main") as rival:
                change = add(rivals.pop())
                monkeypatch.setattr(Branch, "_write", write)
                rival.commit(change, WHY)
                monkeypatch.setattr(Branch, "_write", slow_write)
        return made

    monkeypatch.setattr(Branch, "_write", slow_write)
    branch.commit(add(new()), WHY)
    assert branch.snapshot().overview() == {"demo": ("1.0",), "rival": ("1.0",)}
    assert len(branch.snapshot().project("demo").files) == 2  # type: ignore[union-attr]
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == "3"


def test_many_threads_lose_nothing(branch: Branch, tmp_path: Path) -> None:
    def publish(number: int) -> None:
        branch.commit(add(new(f"p{number}-1.0.tar.gz", A, "1.0", f"p{number}")), WHY)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(publish, range(12)))
    assert len(branch.snapshot().names()) == 12
    assert git(tmp_path, "rev-list", "--count", "--no-merges", "wharf/main") == "12"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["refs/heads/wharf/main.lock", "HEAD.lock", "logs/HEAD.lock", "packed-refs.lock"])
def test_a_lock_that_a_dead_process_left_is_broken_once_it_is_old(branch: Branch, tmp_path: Path, name: str) -> None:
    branch.commit(add(new()), WHY)
    lock = tmp_path / "index.git" / name
    lock.touch()
    old = time.time() - STALE_LOCK - 1
    os.utime(lock, (old, old))
    assert branch.commit(add(new(SDIST, B)), WHY).commit == branch.tip()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["packed-refs.lock", "packed-refs.new"])
def test_an_index_can_be_removed_when_what_a_dead_process_left_is_old(branch: Branch, tmp_path: Path, name: str) -> None:
    tip = branch.commit(add(new()), WHY).commit or ""
    git(tmp_path, "pack-refs", "--all")
    left = tmp_path / "index.git" / name
    left.touch()
    assert not branch.remove(tip, {}), "somebody may hold it"
    assert left.exists()
    old = time.time() - STALE_LOCK - 1
    os.utime(left, (old, old))
    assert not branch.remove(tip, {})
    assert branch.remove(tip, {})
    assert branch.all_names().removed == [branch.index]


def damage(tmp_path: Path, name: str) -> None:
    """What a power cut can leave of an object."""
    object_id = git(tmp_path, "rev-parse", name)
    for pack in (tmp_path / "index.git/objects/pack").glob("*.pack"):
        aside = pack.rename(tmp_path / pack.name)
        pack.with_suffix(".idx").unlink()
        git(tmp_path, "unpack-objects", "-q", data=aside.read_bytes())
    loose = tmp_path / "index.git/objects" / object_id[:2] / object_id[2:]
    loose.chmod(0o644)
    loose.write_bytes(b"")


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "name", ["wharf/main", "wharf/main^{tree}", "wharf/main:projects", "wharf/main:projects/de", "wharf/main:wharf.toml"]
)
def test_damage_is_never_taken_for_absence(tmp_path: Path, name: str) -> None:
    with Branch(tmp_path / "index.git", "main") as branch:
        branch.create(tmp_path / "scratch")
        branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "wharf.toml", b"# ours\nformat = 1\n")  # what every new index has needs no reading
    damage(tmp_path, name)
    with Branch(tmp_path / "index.git", "main") as branch:
        with pytest.raises(StorageError):
            branch.snapshot().names()
        with pytest.raises(StorageError):
            branch.commit(add(new(SDIST, B)), WHY)


@pytest.mark.slow
@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("left", [b"", b"garbage\n", b"0" * 40 + b"\n", b"1" * 40 + b"\n", None])
def test_a_lost_ref_is_not_an_empty_index(branch: Branch, tmp_path: Path, left: bytes | None) -> None:
    commit = branch.commit(add(new()), WHY).commit
    ref = tmp_path / "index.git/refs/heads/wharf/main"
    if left is None:
        ref.unlink()
    else:
        ref.write_bytes(left)
    assert branch.indexes() == ["main"]
    for act in (branch.tip, branch.snapshot, lambda: branch.commit(add(new(SDIST, B)), WHY)):
        with pytest.raises(StorageError, match="lost or damaged") as caught:
            act()
    assert commit is not None
    assert commit in (tmp_path / "index.git/logs/refs/heads/wharf/main").read_text()
    ref.unlink(missing_ok=True)
    assert "update-ref refs/heads/wharf/main COMMIT" in caught.value.hint
    git(tmp_path, "update-ref", "refs/heads/wharf/main", commit)
    assert branch.snapshot().names() == ("demo",)


def test_refs_that_are_no_files_are_not_taken_for_none(branch: Branch, tmp_path: Path) -> None:
    """As `git refs migrate --ref-format=reftable` leaves the folder."""
    (tmp_path / "index.git/refs/heads").rmdir()
    (tmp_path / "index.git/refs/heads").write_text("this repository uses the reftable format\n")
    (tmp_path / "index.git/reftable").mkdir()
    git(tmp_path, "config", "core.repositoryFormatVersion", "1")
    git(tmp_path, "config", "extensions.refStorage", "reftable")
    for act in (branch.indexes, branch.all_names):
        with pytest.raises(StorageError, match="reftable") as caught:
            act()
    assert "--ref-format=files" in caught.value.hint


def test_a_log_without_a_line_is_of_no_commit(branch: Branch, tmp_path: Path) -> None:
    """The disk was full when git made the log for the first commit, and so there was no first commit."""
    log = tmp_path / "index.git/logs/refs/heads/wharf/main"
    log.parent.mkdir(parents=True)
    log.touch()
    assert (branch.tip(), branch.indexes()) == (None, [])
    assert branch.commit(add(new()), WHY).commit == branch.tip()
    assert branch.indexes() == ["main"]
    assert len(log.read_text().splitlines()) == 1


def test_a_damaged_record_is_not_written_over_and_a_damaged_state_opens_nothing(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "projects/de/demo/project.json", b'{"project-status":{"status":"archived"}}')
    damage(tmp_path, "wharf/main:projects/de/demo/project.json")
    with pytest.raises(StorageError):
        branch.commit(add(new(SDIST, B)), WHY)
    edit_by_hand(tmp_path, "projects/de/demo/project.json", b"{}")
    damage(tmp_path, "wharf/main:projects/de/demo/1.0/release.json")
    with pytest.raises(StorageError):
        branch.commit(add(new(sha256=B)), WHY)
    found = (branch.snapshot().records("demo") or [])[0]
    assert isinstance(found, RecordError)
    assert "damaged" in found.message


@pytest.mark.slow
def test_readers_and_writers_go_on_while_git_tidies_up(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git is asked after every commit, and has many small packs to merge meanwhile."""
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 1.0)
    count, seen = 120, 0

    def publish(publisher: int) -> None:
        with Branch(tmp_path / "index.git", "main") as mine:
            for number in range(count // 2):
                name = f"p{publisher}-{number}"
                mine.commit(add(new(f"p{publisher}_{number}-1.0.tar.gz", A, "1.0", name)), WHY)

    with ThreadPoolExecutor(2) as pool:
        publishers = [pool.submit(publish, publisher) for publisher in range(2)]
        snapshot = branch.snapshot()
        while not all(publisher.done() for publisher in publishers):
            snapshot = branch.snapshot(snapshot)
            for name in snapshot.names()[-5:]:
                assert snapshot.project(name).files  # type: ignore[union-attr]
            assert len(snapshot.names()) >= seen
            seen = len(snapshot.names())
        for publisher in publishers:
            publisher.result()
    assert len(branch.snapshot(snapshot).names()) == count
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == str(count)
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


def test_a_commit_stands_where_git_cannot_tidy_up(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 1.0)
    monkeypatch.setattr("wharf.index.pack_merging.MOST_PACKS", 1)
    monkeypatch.setattr("wharf.index.pack_merging.MOST_MERGED", 0)
    git(tmp_path, "config", "repack.useDeltaBaseOffset", "neither")
    for number in range(4):
        assert branch.commit(add(new(f"p_{number}-1.0.tar.gz", A, "1.0", f"p-{number}")), WHY).commit
    while pack_merging.at_work(branch.git_dir):
        pass
    assert git(tmp_path, "rev-list", "--count", "wharf/main") == "4"


@pytest.mark.parametrize("geometric", [True, False], ids=["git", "git before 2.32"])
def test_what_no_ref_leads_to_stays_when_packs_are_merged(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, geometric: bool
) -> None:
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 0)
    for number in range(3):
        branch.commit(add(new(f"p_{number}-1.0.tar.gz", A, "1.0", f"p-{number}")), WHY)
    lost = branch.tip()
    git(tmp_path, "update-ref", "refs/heads/wharf/main", f"{lost}~1")
    for name in ("HEAD", "refs/heads/wharf/main"):
        (tmp_path / "index.git/logs" / name).unlink()
    long_ago = time.time() - 365 * 86400
    for path in (branch.git_dir / "objects" / "pack").iterdir():
        os.utime(path, (long_ago, long_ago))
    see = Git.see_through
    monkeypatch.setattr(
        Git, "see_through", lambda self, *words: (geometric or "--geometric=2" not in words) and see(self, *words)
    )
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 1.0)
    for name in ("MOST_PACKS", "MOST_MERGED"):
        monkeypatch.setattr(f"wharf.index.pack_merging.{name}", 0)
    monkeypatch.setattr("wharf.index.merged_pack.LARGEST", 0)
    branch.commit(add(new(SDIST, B)), WHY)
    while pack_merging.at_work(branch.git_dir):
        pass
    assert len([*(branch.git_dir / "objects" / "pack").glob("*.pack")]) == 1
    assert git(tmp_path, "rev-list", "--count", str(lost)) == "3"


@pytest.mark.parametrize(
    "words", [("repack", "-a", "-d"), ("gc", "--prune=now"), ("repack", "-a")], ids=["repack", "gc", "still deletes"]
)
def test_a_commit_that_waits_for_its_files_outlives_whoever_deletes_what_no_ref_leads_to(
    branch: Branch, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """`git repack -a -d` lists the packs that are not marked, makes one of all that has a ref, and deletes those."""
    branch.commit(add(new()), WHY)
    packs, listed = branch.git_dir / "objects" / "pack", set[str]()

    def tidy() -> None:
        if words == ("repack", "-a"):
            listed.update(each.stem for each in packs.glob("*.pack") if not each.with_suffix(".keep").exists())
        git(tmp_path, *words)

    commit = branch.commit(add(new(SDIST, B)), WHY, tidy).commit
    for each in [*packs.iterdir()]:
        if each.stem in listed:
            each.unlink()
    assert git(tmp_path, "rev-parse", "wharf/main") == commit
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""
    assert [*packs.glob("*.keep")] == []
    with Branch(branch.git_dir, "main") as again:
        assert again.snapshot().overview() == {"demo": ("1.0",)}


def test_an_index_that_begins_at_a_commit_outlives_whoever_deletes_what_no_ref_leads_to(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = branch.commit(add(new()), WHY).commit
    move = RefWriter.transact

    def tidied(self: RefWriter, steps: Mapping[str, str]) -> bool:
        git(tmp_path, "gc", "--prune=now", "--quiet")
        return move(self, steps)

    monkeypatch.setattr(RefWriter, "transact", tidied)
    made = branch.sibling("next").begin("ada", Outcome(edits={"a": b"b"}), at)
    assert git(tmp_path, "rev-parse", "wharf/next") == made
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


def test_a_long_log_is_cut_to_its_last_moves(branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.index.ref_transaction._LOG_SHARE", 1.0)
    monkeypatch.setattr("wharf.index.lone_ref.move", lambda *_asked: None)  # git also writes the log of HEAD
    monkeypatch.setattr("wharf.index.ref_log.MOST", 2000)
    monkeypatch.setattr("wharf.index.ref_log.KEPT", 500)
    branch.commit(add(new()), WHY)
    logs = [tmp_path / "index.git/logs" / name for name in ("HEAD", "refs/heads/wharf/main")]
    logs[1].chmod(0o664)
    longest = 0
    for number in range(20):
        commit = branch.commit(add(new(f"p_{number}-1.0.tar.gz", A, "1.0", f"p-{number}")), WHY).commit
        for log in logs:
            longest = max(longest, log.stat().st_size)
            assert log.read_text().splitlines()[-1].split()[1] == commit
    assert 500 < longest < 2300
    assert logs[1].stat().st_mode & 0o777 == 0o664, "who may write into it may go on"
    assert git(tmp_path, "rev-parse", "wharf/main@{1}") == git(tmp_path, "rev-parse", "wharf/main~1")
    assert [*(tmp_path / "index.git").rglob("*.lock")] == []
    lock = tmp_path / "index.git/refs/heads/wharf/main.lock"
    lock.touch()
    before = logs[1].read_bytes()
    monkeypatch.setattr("wharf.index.ref_log.MOST", 1)
    ref_log.shorten(branch.git_dir, branch.ref)
    assert logs[1].read_bytes() == before, "somebody moves the branch at this moment"
    assert lock.exists()


@pytest.mark.slow
@pytest.mark.parametrize(("merged", "left"), [(20, [2]), (0, [2, 3, 4])], ids=["here", "here and by git"])
def test_many_packs_become_few_and_a_large_one_is_left_alone(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, merged: int, left: list[int]
) -> None:
    packs = tmp_path / "index.git" / "objects" / "pack"
    files = [new(f"many_{number}-1.0.tar.gz", A, "1.0", f"many-{number}") for number in range(300)]
    branch.commit(add(*files), WHY)
    (large,) = packs.glob("*.pack")
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 0)
    for number in range(10):
        branch.commit(add(new(f"p_{number}-1.0.tar.gz", A, "1.0", f"p-{number}")), WHY)
    monkeypatch.setattr("wharf.index.branch._GC_SHARE", 1.0)
    monkeypatch.setattr("wharf.index.pack_merging.MOST_PACKS", 10)
    monkeypatch.setattr("wharf.index.pack_merging.MOST_MERGED", merged)
    monkeypatch.setattr("wharf.index.merged_pack.LARGEST", large.stat().st_size - 1)
    graphs = tmp_path / "index.git" / "objects" / "info" / "commit-graphs"
    graphs.mkdir()
    dead = graphs / "commit-graph-chain.lock"
    dead.touch()
    os.utime(dead, (1, 1))
    branch.commit(add(new(SDIST, B)), WHY)
    while pack_merging.at_work(branch.git_dir):
        pass
    assert bool([*graphs.glob("*.graph")]) is (merged == 0)
    assert large in [*packs.glob("*.pack")]
    assert len([*packs.glob("*.pack")]) in left
    assert branch.commit(add(new()), WHY).commit == branch.tip()
    assert git(tmp_path, "fsck", "--full", "--no-dangling") == ""


def test_two_processes_may_make_one_repository_at_once(tmp_path: Path) -> None:
    def make(number: int) -> None:
        with Branch(tmp_path / "index.git", "main") as opened:
            opened.create(tmp_path / f"scratch{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert [path.name for path in tmp_path.iterdir()] == ["index.git"]
