"""The index branch: its tip, changes to it by compare-and-swap, and its history.

A bare repository holds one orphan branch `wharf/<index>` per index. A commit's objects are written as one small pack, which no
reader can see, and become the tip in one step or not at all.
"""

from __future__ import annotations

import contextlib
import random
import time
from dataclasses import dataclass, replace
from itertools import compress
from typing import TYPE_CHECKING, Final

from wharf.errors import NoIndexError, StorageError
from wharf.index import branch_tip, commit_line, commit_objects, history, index_states, ref_names, ref_stamps, store_clock
from wharf.index.bare_repository import make_repository
from wharf.index.branch_contents import BranchContents
from wharf.index.change import Outcome, at_once
from wharf.index.commit_line import CommitLine
from wharf.index.commit_message import CommitMessage
from wharf.index.git import Git, identity
from wharf.index.git_objects import GitObjects
from wharf.index.history import ALL
from wharf.index.index_name import BRANCHES, REMOVED, IndexNames, is_index_name
from wharf.index.pack_merging import merge_if_many
from wharf.index.ref_transaction import RefWriter, unmoved
from wharf.index.revision import is_revision
from wharf.index.snapshot import Snapshot, project_names
from wharf.index.written_commit import WrittenCommit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Self

    from wharf.index.change import Change, Stored
    from wharf.index.history import Asked, HistoryEntry
    from wharf.index.index_states import IndexState

REFUSALS_AT_MOST: Final = 100
"""How often one change is applied again to a newer tip before it is given up."""
PATIENCE: Final = 60.0
"""Seconds after which a change is given up, however few the tries."""

_GC_SHARE = 1 / 32  # of the commits after which the packs are counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Committed:
    """A change as it was carried out: the commit (None: it changed nothing), and its outcome on the tip that it met."""

    commit: str | None
    outcome: Outcome


class Branch:
    """The index branch `wharf/<index>` of a bare repository. A context manager: it ends the git processes that read and write.

    With `removed`, the last commit of a removed index, which is only read. `objects` and `refs` are what another branch reads
    and moves refs through: that one ends the processes.

    - The branch moves from the commit that a change was applied to, to a child of that commit, or not at all. If it is at
      another commit by then, the change is applied again to that one.
    - Until the branch moves no ref names what was written: a crash shows nothing to any reader.
    - A change that comes to no edits makes no commit.
    - No index gets the name of a removed one. Its branch goes and comes back in one step, with its commit.
    - A branch whose ref or commit is lost or damaged is an error, never an empty index.
    - No hook of any configuration runs when the branch moves.
    """

    def __init__(
        self,
        git_dir: Path,
        index: str,
        *,
        removed: bool = False,
        objects: GitObjects | None = None,
        refs: RefWriter | None = None,
    ) -> None:
        self.index = index
        self.ref = f"{REMOVED if removed else BRANCHES}{index}"
        self._git = Git(git_dir)
        self._objects = GitObjects(self._git) if objects is None else objects
        self._refs = RefWriter(self._git) if refs is None else refs
        self._latest: Snapshot | None = None
        self._owns = objects is None, refs is None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()

    def close(self) -> None:
        """End the git processes, unless they are those of another branch."""
        for end in compress((self._objects.close, self._refs.close), self._owns):
            end()

    @property
    def git_dir(self) -> Path:
        """The bare repository on this machine that is read."""
        return self._git.git_dir

    @property
    def objects(self) -> GitObjects:
        """What the branch is read through."""
        return self._objects

    @property
    def has_every_index(self) -> bool:
        """Whether every index of the repository is on this machine."""
        return True

    def create(self, scratch: Path) -> None:
        """Make the bare repository, at `scratch` first, if it is not there; two processes may do so at once."""
        make_repository(self._git.git_dir, scratch)

    def sibling(self, index: str, *, removed: bool = False) -> Branch:
        """Another index of the same repository, by the same git processes. It costs nothing, and needs no closing."""
        return Branch(self._git.git_dir, index, removed=removed, objects=self._objects, refs=self._refs)

    def fetch(self) -> None:
        """Bring the tip from where it is kept. Here it is kept in this very repository."""

    def distrust(self) -> None:
        """Have the next `fetch` bring everything again, where this is a copy. Here it is not a copy."""

    def indexes(self) -> list[str]:
        """The names of all indexes in the repository, brought to where they are kept."""
        return self.local_indexes()

    def local_indexes(self) -> list[str]:
        """The names of all indexes that are here, also of those whose ref is lost or damaged, which git ignores."""
        return ref_names.below(self._git.git_dir, BRANCHES)

    def all_names(self) -> IndexNames:
        """The names of all indexes, and of the removed ones, brought to where they are kept."""
        return self.local_names()

    def local_names(self) -> IndexNames:
        """The names of all indexes that are here, and of the removed ones. One that goes or comes back now is in a list."""
        before = ref_names.below(self._git.git_dir, REMOVED)
        there = ref_names.below(self._git.git_dir, BRANCHES)
        return IndexNames(there, sorted({*before, *ref_names.below(self._git.git_dir, REMOVED)}))

    def states(self) -> dict[str, IndexState]:
        """All indexes of the repository with their settings, by name, as they are now."""
        return index_states.read(self._objects, {name: f"{BRANCHES}{name}" for name in filter(is_index_name, self.indexes())})

    def stamp(self) -> object:
        """A value that changes whenever the tip may have moved. Costs a few system calls, no process."""
        return ref_stamps.stamp(self._git.git_dir, self.ref)

    def stamp_of_all(self) -> object:
        """The same for all indexes of the repository, and for those that were removed. Costs system calls, no process."""
        return ref_stamps.stamp_of_all(self._git.git_dir)

    def commit_at(self, ref: str) -> str | None:
        """The commit of a ref, or None, also where it is lost or damaged."""
        found = self._objects.one(ref)
        return None if found is None else found.id

    def snapshot_at(self, commit: str) -> Snapshot:
        """The index at a commit. Raises StorageError for what is no index."""
        return Snapshot(self._objects, commit)

    def names_at(self, commit: str) -> tuple[str, ...]:
        """The names of the projects at a commit, whatever its settings say. Raises StorageError for damage."""
        return project_names(self._objects, commit)

    def tip(self) -> str | None:
        """The commit that the branch is at, or None. Raises StorageError if it had one that is lost or damaged."""
        return branch_tip.read(self._objects, self._git.git_dir, self.ref)

    def sync_tip(self) -> None:
        """Have the tip survive a power cut, before an answer that goes by it: who wrote it may not have synced it.

        Raises StorageError.
        """
        self._refs.sync(self.ref)

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        """The index as it is now. Given a snapshot from before, only what changed since is read; that one, if nothing did."""
        tip = self.tip()
        if tip and previous and previous.commit == tip:
            return previous
        made = Snapshot(self._objects, tip, previous)
        if previous is not None:
            self._latest = made  # what one caller has read of it, such as who shows it, the next change need not read again
        return made

    def line(self, before: CommitLine | None = None) -> CommitLine:
        """The commits that were the tip, up to the one that is it now; the line from before, if it is given, grown.

        The last one that was looked at so is kept in a ref. Raises RewrittenError where the branch does not stand on it.
        """
        tip, line = self.tip(), before or CommitLine()
        return line if tip is None else commit_line.grown(line, self._git, self._objects, self.index, tip)

    def continues(self, before: str, after: str) -> bool:
        """Whether a commit has an earlier one below it, as far as the commits on this machine show."""
        return self._git.attempt("merge-base", "--is-ancestor", before, after)[0] == 0

    def common(self, one: str, other: str) -> str | None:
        """The newest commit that two commits have below them, or None."""
        status, out, _ = self._git.attempt("merge-base", one, other)
        return None if status else out.decode().split()[0]

    @contextlib.contextmanager
    def with_history(self) -> Iterator[Branch]:
        """The same branch with all of its commits at hand."""
        yield self

    def commit_of(self, word: str) -> str | None:
        """The commit that a word stands for: a commit's id, a branch such as `wharf/main`, or another ref; None if none."""
        return self._parsed(word) if is_revision(word) else None

    def contents(self, commit: str) -> BranchContents:
        """All paths and bytes at a commit, whatever they are."""
        return BranchContents(self._git, self._objects, commit)

    def prepared(self, change: Change) -> Snapshot:
        """The index as it is now, with what the change is going to read at hand."""
        del change
        self._latest = latest = self.snapshot(self._latest)
        return latest

    def commit(self, change: Change, message: CommitMessage, stored: Stored = at_once) -> Committed:
        """Carry out a change as one commit on whatever the tip is by then, when what it names is `stored`.

        An outcome without edits makes none, and is good after a power cut, too. Raises what `change.apply` raises, and
        StorageError where others kept writing.
        """
        started = time.monotonic()
        before: str | None = None
        for tries in range(REFUSALS_AT_MOST):
            snapshot = self.prepared(change)
            if snapshot.commit is None:
                self.check_not_removed()
            if snapshot.commit is None and before is not None:  # a new one would have this change and nothing else
                raise StorageError(
                    f"Somebody deleted the branch {self.ref} at this moment.",
                    f"It was at {before}: make it again at that commit, then run the same command again.",
                )
            before = snapshot.commit
            outcome = change.apply(snapshot)
            if not outcome.edits:
                self.sync_tip()
                return Committed(commit=None, outcome=outcome)
            message = self._signed(message)
            commit = self._land(snapshot.commit, outcome, message, stored)
            if commit is not None:
                return Committed(commit=commit, outcome=outcome)
            if time.monotonic() - started > PATIENCE:
                break
            time.sleep(random.uniform(0, min(0.01 * 2**tries, 0.5)))  # noqa: S311 - spreads writers, guards nothing
        raise StorageError(f"Others kept writing to {self.ref} for a minute.", "Nothing is lost: run the same command again.")

    def begin(self, actor: str | None = None, outcome: Outcome | None = None, at: str | None = None) -> str | None:
        """Make the index, with its settings (`outcome` may have others than the usual ones) and nothing else.

        With `at`, a commit of another index, it begins there, with one commit on it if the outcome has edits.
        None: it is there, or somebody is making it at this moment. Raises NoIndexError for the name of a removed one.
        """
        if self.tip():
            return None
        self.check_not_removed()
        verb = "remove" if outcome and outcome.changed else "begin"  # what is left out stays away as what somebody removed
        message = self._signed(CommitMessage(verb=verb, actor=actor, reason=f"As at {at[:12]}." if at else ""))
        return self._land(None, outcome or Outcome(), message) if at is None else self._fork(at, outcome or Outcome(), message)

    def remove(self, tip: str, beside: Mapping[str, str]) -> bool:
        """Take the index away, and keep its commit among the removed ones, in one step.

        False: it is not at `tip` any more, or another index is not at the commit that `beside` has for its name.
        """
        return self._move(self.ref, f"{REMOVED}{self.index}", tip, beside)

    def restore(self, tip: str, beside: Mapping[str, str]) -> bool:
        """Bring a removed index back, in one step. False: it was not removed at `tip`, or as for `remove`."""
        return self._move(f"{REMOVED}{self.index}", self.ref, tip, beside)

    def _move(self, source: str, target: str, commit: str, beside: Mapping[str, str]) -> bool:
        """Give a commit another ref, if the first one is at it and the other one is free, or holds the same commit."""
        there = self._objects.one(target)
        known = f"verify {target} {commit}" if there is not None and there.id == commit else f"create {target} {commit}"
        return self._refs.transact({source: f"delete {source} {commit}", target: known, **unmoved(beside)})

    def check_not_removed(self) -> None:
        """Raise NoIndexError if there was an index of this name that was removed."""
        if self._is_removed():
            raise NoIndexError(
                f"The index {self.index!r} was removed, and nothing else gets its name.",
                f"`wharf index restore {self.index}` brings it back as it was.",
            )

    def _is_removed(self) -> bool:
        return self._objects.one(f"{REMOVED}{self.index}") is not None

    def history(self, asked: Asked = ALL) -> Iterator[HistoryEntry]:
        """The audit log, newest first, an entry for each commit. Raises NotFoundError for `since` a commit of another line."""
        if self.tip() is not None:
            after = None if asked.since is None else commit_line.last_before(self.line(), asked.since, self.index)
            yield from history.read(self._git, self._objects, asked.at or self.ref, asked, after)

    def _parsed(self, word: str) -> str | None:
        """The commit that a word stands for in the repository on this machine."""
        status, out, _ = self._git.attempt("rev-parse", "--verify", "--quiet", f"{word}^{{commit}}")
        return None if status else out.decode().strip()

    def _signed(self, message: CommitMessage) -> CommitMessage:
        """The message with an actor."""
        return message if message.actor is not None else replace(message, actor=identity())

    def now(self) -> int:
        """The time where the index is kept, in seconds since 1970. It dates commits, as clocks of writers may be wrong."""
        return store_clock.now(self._git.git_dir)

    def _land(self, tip: str | None, outcome: Outcome, message: CommitMessage, stored: Stored = at_once) -> str | None:
        """Make one commit on `tip` and move the branch to it; None if somebody was quicker."""
        with self._write(tip, outcome, message) as commit:
            stored()
            if not self._advance(tip, commit.id, outcome.beside):
                return None
        if random.random() < _GC_SHARE and merge_if_many(self._git):  # noqa: S311 - spreads a cost, guards nothing
            self._refs.close()  # or it would keep the packs open that were merged
        return commit.id

    def _fork(self, at: str, outcome: Outcome, message: CommitMessage) -> str | None:
        """Make the branch at a commit, or at one on it if there are edits; None if somebody was quicker."""
        with self._write(at, outcome, message) if outcome.edits else contextlib.nullcontext() as written:
            commit = at if written is None else written.id
            return commit if self._advance(None, commit, outcome.beside) else None

    def _write(self, tip: str | None, outcome: Outcome, message: CommitMessage) -> WrittenCommit:
        """Write the commit's objects. No ref names them yet, so a crash from here on shows nothing to anyone."""
        moment = self.now() if message.moment is None else message.moment
        edits = commit_objects.edits_of(tip, outcome)
        made = commit_objects.make(self._objects, tip, edits, message, message.text(outcome.changed), moment)
        written = WrittenCommit(self._git.git_dir, made)
        self._objects.keep(made[-1].id, made[-2].id, made)
        return written

    def _advance(self, tip: str | None, commit: str, beside: Mapping[str, str]) -> bool:
        """Compare and swap: move the branch from `tip` to `commit`. False: it is not at `tip` any more, or locked."""
        free = {} if tip else {(removed := f"{REMOVED}{self.index}"): f"verify {removed} {commit_objects.ZERO}"}
        steps = {self.ref: f"update {self.ref} {commit} {tip or commit_objects.ZERO}", **free, **unmoved(beside)}
        return self._refs.transact(steps)
