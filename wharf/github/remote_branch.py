"""The index branch of a repository on GitHub: a clone to read from, and two ways to commit.

A commit lands by a plain push, which GitHub refuses if the branch is not at the commit's parent any more; or by the API, where
a push is not allowed.
"""

from __future__ import annotations

import contextlib
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wharf.errors import AWAY, GraphQLError, NotAllowedError, NotFoundError, RejectedError, StorageError, UncertainError
from wharf.github.branch_push import push
from wharf.github.clone import TRIES, TRYING, Clone, said
from wharf.github.commit_by_api import commit_by_api, refusal
from wharf.index.branch import Branch, Committed
from wharf.index.change import at_once
from wharf.index.commit_objects import edits_of
from wharf.index.history import ALL
from wharf.index.index_name import BRANCHES, REMOVED, IndexNames
from wharf.index.revision import is_revision
from wharf.index.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from wharf.github.account import Job
    from wharf.github.api import GitHub
    from wharf.github.clone import Depth
    from wharf.github.push_or_api import CommitWay
    from wharf.index.change import Change, Outcome, Stored
    from wharf.index.commit_message import CommitMessage
    from wharf.index.history import Asked, HistoryEntry

_ID = re.compile("[0-9a-f]{4,40}")
_BELOW = re.compile(r"([^~^]+)(.*)")


class RemoteBranch(Branch):
    """The branch `wharf/<index>` on GitHub, read from the clone in `folder`. `removed` is as for any branch.

    - Readers see the tip of the last `fetch`. Only what changes the branch fetches by itself.
    - A commit lands on the tip that it was made for, or not at all. The branch is never forced, and never made again by a
      commit that was made while somebody removed it.
    - A commit whose answer was lost is looked for before anything is sent again.
    - `job` is the job of GitHub Actions that this runs in, if it is one.
    """

    def __init__(
        self,
        folder: Path,
        index: str,
        github: GitHub,
        *,
        depth: Depth = "trees",
        way: CommitWay = "auto",
        job: Job | None = None,
        removed: bool = False,
        clone: Clone | None = None,
    ) -> None:
        super().__init__(folder / f"{depth}.git", index, removed=removed, objects=clone.objects if clone else None)
        self.github = github
        self._clone = clone.beside(self.ref) if clone else Clone(folder, depth, self.ref, github)
        self._git, self._objects = self._clone.git, self._clone.objects
        self._way = way
        self._job = job

    def sibling(self, index: str, *, removed: bool = False) -> RemoteBranch:
        """As for any branch, over the same clone."""
        clone, way, job = self._clone, self._way, self._job
        return RemoteBranch(clone.folder, index, self.github, depth=clone.depth, way=way, job=job, removed=removed, clone=clone)

    def acting_as(self, github: GitHub) -> RemoteBranch:
        """The same branch, over the same clone, with another client. What that does is not done by the job."""
        return RemoteBranch(self._clone.folder, self.index, github, depth=self._clone.depth, way=self._way)

    @property
    def has_every_index(self) -> bool:
        """Whether all indexes were fetched at least once."""
        return self._clone.has_every_index

    def fetch(self) -> None:
        """Bring the index branch to where it is on GitHub.

        Raises NotFoundError, NotAllowedError or StorageError, and then what the clone held before can still be read.
        """
        self._clone.fetch()

    def distrust(self) -> None:
        """Have the next `fetch` bring everything again: the copy here is damaged."""
        self._clone.distrust()

    def indexes(self) -> list[str]:
        """The names of all indexes of the repository, brought to where they are on GitHub."""
        self._clone.fetch_all()
        return self.local_indexes()

    def all_names(self) -> IndexNames:
        """As for any branch, brought to where they are on GitHub."""
        self._clone.fetch_all()
        return self.local_names()

    def commit(self, change: Change, message: CommitMessage, stored: Stored = at_once) -> Committed:
        """As for any branch. Publishers on one machine queue up, so that they need not refuse each other's pushes."""
        with self._clone.locked():
            return super().commit(change, message, stored)

    def begin(self, actor: str | None = None, outcome: Outcome | None = None, at: str | None = None) -> str | None:
        """As for any branch. Another index's commit is there already, so that no history is pushed, whatever the way is."""
        with self._clone.locked():
            return super().begin(actor, outcome, at)

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        """The index as it was at the last fetch."""
        if not (self._git.git_dir / "HEAD").is_file():
            return Snapshot(self._objects, None)
        return super().snapshot(previous)

    def tip(self) -> str | None:
        """The commit that the branch was at when it was fetched last, or None."""
        return self._clone.tip()

    def sync_tip(self) -> None:
        """Nothing: what GitHub showed does not depend on the disk of this machine."""

    def history(self, asked: Asked = ALL) -> Iterator[HistoryEntry]:
        """The audit log, newest first, from a clone that has all commits."""
        if self._clone.depth == "history":
            yield from super().history(asked)
            return
        with self.historic() as branch:
            try:
                branch.fetch()
            except (NotFoundError, NotAllowedError):
                raise
            except StorageError:
                # Whoever may do with an older index was warned when it was opened; the history of that one will do as well.
                if branch.tip() is None or branch.tip() != self.tip():
                    raise
            yield from branch.history(asked)

    @contextlib.contextmanager
    def with_history(self) -> Iterator[RemoteBranch]:
        """As for any branch, from a clone that has the folders of all commits, and fetches the files that are read."""
        with self.historic() as branch:
            branch.fetch()
            yield branch

    def commit_of(self, word: str) -> str | None:
        """As for any branch; what is not an id is looked up on GitHub, so that `refs/pull/7/head` is one, too."""
        if not is_revision(word):
            return None
        name, below = _BELOW.fullmatch(word).groups()  # type: ignore[union-attr]  # it matches whatever is a revision
        if _ID.fullmatch(name) and (here := self._parsed(word)):
            return here
        found = self._clone.bring_commit(name)
        return None if found is None else self._parsed(f"{found}{below}")

    def historic(self) -> RemoteBranch:
        """The same branch over a clone that has the folders of all commits. Nothing is brought before somebody fetches."""
        return RemoteBranch(self._clone.folder, self.index, self.github, depth="history")

    def prepared(self, change: Change) -> Snapshot:
        """As for any branch; the records that the clone lacks are brought at once."""
        snapshot = super().prepared(change)
        snapshot.prefetch(change.touched)
        return snapshot

    def proposed(self, tip: str, outcome: Outcome, message: CommitMessage) -> str:
        """The id of a commit on `tip` that no ref names. It is the same one whenever the same person makes it."""
        moment = int(self._git.run("log", "-1", "--format=%ct", tip))
        with self._clone.locked():
            return self._write(tip, outcome, replace(self._signed(message), moment=moment)).given()

    def push_beside(self, commit: str, name: str) -> bool:
        """Push a commit to another branch, which is made. False: somebody made it with another commit meanwhile.

        Raises NotAllowedError and StorageError.
        """
        began = time.monotonic()
        for _ in range(TRIES):
            with self._clone.locked():
                done = push(self._clone, {f"refs/heads/{name}": (None, commit)}, {})
            if done.done:
                return True
            if (there := self.github.rest.ref(f"heads/{name}")) is not None:
                return there == commit
            if time.monotonic() - began > TRYING:
                break
        raise self._failed(done.err)

    def now(self) -> int:
        """The time at GitHub, by its last answer. It is asked if there was none, which no limit counts."""
        if not self.github.is_dated:
            self.github.call("GET", "/rate_limit", allow=(404,))
        return int(self.github.now().timestamp())

    def _signed(self, message: CommitMessage) -> CommitMessage:
        """In a job whoever set it off, else the account of the token; where GitHub does not tell, the person here."""
        if message.actor is not None:
            return message
        account = (self._job.account if self._job else None) or self.github.account()
        if account is not None:
            message = replace(message, actor=account.login, email=account.email(self.github.address))
        return super()._signed(replace(message, run=self._job.run if self._job else ""))

    def _land(self, tip: str | None, outcome: Outcome, message: CommitMessage, stored: Stored = at_once) -> str | None:
        stored()
        if tip is None:
            self._check_room()
        if self._way == "api":
            return self._land_by_api(tip, outcome, message)
        try:
            return self._push(tip, outcome, message)
        except NotAllowedError as refused:
            if self._way == "git" or "archived" in refused.message:
                raise
            try:
                return self._land_by_api(tip, outcome, message)
            except (NotAllowedError, StorageError) as error:
                raise refused from error

    def _check_room(self) -> None:
        """Raise StorageError where the index branch must not or cannot be made."""
        where = self.github.address
        try:
            blocked = "refs/heads/wharf" in self.github.rest.refs("heads/wharf")
        except RejectedError as error:
            if error.status != 409:
                raise
            raise StorageError(
                f"{where} is empty: the first branch that it gets becomes its default one, which an index must not be.",
                f"`wharf init {where}` makes its first commit.",
            ) from None
        if blocked:
            raise StorageError(
                f"{where} has a branch named wharf, and beside it git has no room for wharf/{self.index}.",
                "Rename or delete that branch.",
            )

    def _push(self, tip: str | None, outcome: Outcome, message: CommitMessage) -> str | None:
        commit = self._write(tip, outcome, message).given()
        more = ", or set commit = 'api' to commit by the API" if self._way == "git" else ""
        began = time.monotonic()
        for _ in range(TRIES):
            done = push(self._clone, {self.ref: (tip, commit)}, outcome.beside, more=more)
            if done.done:
                self._clone.landed(commit)
                return commit
            landed = self._landed(tip, commit)  # also if it is stale: below git, a push whose answer was lost is sent again
            if done.stale or self.tip() != tip:
                return landed
            if time.monotonic() - began > TRYING:
                break
        raise self._failed(done.err)

    def _move(self, source: str, target: str, commit: str, beside: Mapping[str, str]) -> bool:
        """As for any branch, by one push, whatever the way of commits is: the API cannot do both at once."""
        with self._clone.locked():
            for _ in range(TRIES):
                done = push(self._clone, {source: (commit, None), target: (None, commit)}, beside)
                self._clone.fetch_all()
                if done.done or self._is_at(target, commit):  # below git, a push whose answer was lost is sent again
                    return not self._objects.one(source)
                if done.stale:
                    return False
        raise self._failed(done.err)

    def _failed(self, err: str) -> StorageError:
        return StorageError(f"git push to {self.github.address} failed: {said(err)}", "Run the same command again.", told=AWAY)

    def _is_at(self, ref: str, commit: str) -> bool:
        found = self._objects.one(ref)
        return found is not None and found.id == commit

    def _is_removed(self) -> bool:
        try:
            return self.github.rest.ref(f"{REMOVED}{self.index}".removeprefix("refs/")) is not None
        except RejectedError as error:
            if error.status != 409:  # for a repository without a commit
                raise
            return False

    def _landed(self, tip: str | None, mine: str) -> str | None:
        """The commit as which `mine` landed although no answer said so: it stands on `tip`, with the same tree and message."""
        self.fetch()
        now = self.tip()
        if now is None or now == tip:
            return None
        first = self._git.run("rev-list", "--reverse", now, *([f"^{tip}"] if tip else [])).decode().split()[:1]
        same = {self._git.run("log", "-1", "--format=%T %B", each).strip() for each in (*first, mine)}
        return first[0] if first and len(same) == 1 else None

    def _land_by_api(self, tip: str | None, outcome: Outcome, message: CommitMessage) -> str | None:
        edits, text = edits_of(tip, outcome), message.text(outcome.changed).strip()
        for _ in range(TRIES):
            if not self._still(outcome.beside):
                return None
            try:
                if tip is None:
                    commit = self._first_by_api(edits, text)
                else:
                    commit = commit_by_api(self.github, self.index, tip, edits, text)
            except (UncertainError, GraphQLError) as error:
                stale = isinstance(error, GraphQLError) and "STALE_DATA" in error.types
                landed = self._landed(tip, self._write(tip, outcome, message).given())
                if stale or self.tip() != tip:
                    return landed
                if isinstance(error, GraphQLError):
                    raise refusal(self.index, error.message, error.types) from error
                lost = error
            else:
                self.fetch()
                return commit
        raise StorageError(
            f"Committing to {self.github.address} failed: {lost.message}", "Run the same command again.", told=AWAY
        )

    def _still(self, beside: Mapping[str, str]) -> bool:
        """Whether the other indexes did not move, as far as GitHub says now: the API compares the branch of a commit only."""
        if beside:
            self._clone.fetch_all()
        return all(self._is_at(f"{BRANCHES}{name}", commit) for name, commit in beside.items())

    def _fork(self, at: str, outcome: Outcome, message: CommitMessage) -> str | None:
        commit = at
        try:
            if outcome.edits:
                commit = self.github.rest.create_commit(at, outcome.edits, message.text(outcome.changed))
            self.github.rest.create_ref(self.ref, commit)
        except RejectedError as error:
            if "already exists" in error.message:  # somebody made the branch meanwhile
                return None
            raise refusal(self.index, error.message, ()) from error
        self.fetch()
        return commit

    def _first_by_api(self, edits: dict[str, bytes | None], text: str) -> str | None:
        """The first commit of an index, through the Git database API: createCommitOnBranch needs a branch to stand on."""
        files = {path: data or b"" for path, data in edits.items()}
        try:
            return self.github.rest.create_branch(self.ref, files, f"{text}\n")
        except RejectedError as error:
            if "already exists" in error.message:  # somebody made the branch meanwhile
                return None
            raise refusal(self.index, error.message, ()) from error
