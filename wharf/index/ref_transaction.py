"""Several refs of a repository moved in one step, or not at all ("git-update-ref", "--stdin")."""

from __future__ import annotations

import contextlib
import random
import re
import threading
from typing import TYPE_CHECKING, Final

from wharf.errors import StorageError
from wharf.index import lone_ref, ref_log, store_clock
from wharf.index.git import check_disk, unwritable, watch_stderr
from wharf.index.index_name import BRANCHES
from wharf.system.disk_sync import sync

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from wharf.index.git import Git, Process

STALE_LOCK: Final = 10.0
"""Seconds, by the clock of the disk, after which a lock on a ref belongs to a process that died: git holds one for
milliseconds."""

_LOG_SHARE = 1 / 32  # of the moves after which the length of the log is looked at
_ANSWERS = [b"start: ok\n", b"prepare: ok\n", b"commit: ok\n"]
_PROMPT = (2, 33, 1)  # the first git that writes an answer before it reads on ("update-ref: fix streaming of status updates")
_PACKED = re.compile(r"packed-refs\.(?:lock|new)'?: File exists")
_ZERO = "0" * 40


class RefWriter:
    """Moves refs of one repository: one with its own file in this process (`lone_ref`), as git would do it.

    All else is for one `git update-ref --stdin`, which stays for the next ones.

    - One transaction at a time. Its refs, and the names of those that are new, are on the disk when it is over.
    - Whatever that git does not answer as it should is asked of one that does nothing else. So a git that died costs time and
      nothing else.
    - A git before 2.33.1 keeps its answers back until it ends. Then each transaction has a git that does nothing else.
    - A git that died in the middle may have moved the refs: what they are at decides.
    - No hook runs: git would start those that the repository's own configuration names.
    """

    def __init__(self, program: Git) -> None:
        self._program = program
        self._quiet: Git | None = None
        self._stays = False
        self._lock = threading.Lock()
        self._process: Process | None = None

    def transact(self, steps: Mapping[str, str]) -> bool:
        """Do all steps, which have the refs that they are about as keys. False: a ref is not as a step wants it, or locked.

        Raises StorageError if the repository cannot be written.
        """
        with self._lock:
            done = lone_ref.move(self._program.git_dir, *steps.values()) if len(steps) == 1 else None
            if done is None:
                done = self._by_git(steps)
            if done:
                _sync(self._program.git_dir, steps)
                if random.random() < _LOG_SHARE:  # noqa: S311 - spreads a cost, guards nothing
                    for ref in steps:
                        ref_log.shorten(self._program.git_dir, ref)
            return done

    def sync(self, ref: str) -> None:
        """Have a ref that was read survive a power cut: who moved it may have died before its name was synced, or be about to.

        A ref that is not there by now is no error. Raises StorageError if the disk does not take it.
        """
        git_dir = self._program.git_dir
        try:
            _sync_paths(git_dir, (ref, "packed-refs", *_folders_above(ref)))
        except OSError as error:
            raise unwritable(error, git_dir) from error

    def _by_git(self, steps: Mapping[str, str]) -> bool:
        if self._quiet is None:
            self._quiet = self._program.without_hooks()
            self._stays = self._quiet.version() >= _PROMPT
        done = self._ask_kept(self._quiet, steps) if self._stays else None
        return _ask(self._quiet, steps) if done is None else done

    def close(self) -> None:
        """End the git that stays."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(OSError):  # it may be dead, with words that it did not read
                process.communicate()

    def _ask_kept(self, program: Git, steps: Mapping[str, str]) -> bool | None:
        """The same of the git that stays; None: it did nothing."""
        if self._process is None:
            self._process = program.start("update-ref", "--stdin")
            self._listener, self._heard = watch_stderr(self._process)
        answers: list[bytes] = []
        try:
            self._process.stdin.write(_script(steps))
            self._process.stdin.flush()
            answers = [self._process.stdout.readline() for _ in _ANSWERS]
        except OSError:  # it was dead before, which costs a system call to ask for at each commit
            pass
        if answers == _ANSWERS:
            return True
        self._end()
        self._listener.join()
        said = self._heard.decode(errors="replace").strip()
        if answers[:2] == _ANSWERS[:2]:
            return _ask(program, {ref: f"verify {ref} {_after(line)}" for ref, line in steps.items()}) or None
        return _refused(program, steps, said) if "cannot lock ref" in said else None


def _ask(program: Git, steps: Mapping[str, str]) -> bool:
    """The same of a git that does nothing else."""
    status, _, err = program.attempt("update-ref", "--stdin", stdin=_script(steps))
    return status == 0 or _refused(program, steps, err)


def _script(steps: Mapping[str, str]) -> bytes:
    return "".join(f"{line}\n" for line in ("start", *steps.values(), "prepare", "commit")).encode(errors="surrogateescape")


def _after(step: str) -> str:
    """The commit that a ref is at after a step."""
    verb, _, commit, *_ = step.split(" ")
    return _ZERO if verb == "delete" else commit


def _refused(program: Git, steps: Iterable[str], err: str) -> bool:
    """False, after locks that dead processes left were broken. Raises StorageError for what is no refusal.

    Git locks HEAD, too, when it moves the branch that HEAD leads to, and the file of packed refs when it deletes a ref.
    """
    check_disk(err, program.git_dir)  # its message names a lock then, too
    if "cannot lock ref" not in err and _PACKED.search(err) is None:
        raise StorageError(
            f"{next(iter(steps))} cannot be written: {err[-300:]}",
            f"`git --git-dir={program.git_dir} fsck` tells whether the repository is sound.",
        )
    for lock in (*(f"{ref}.lock" for ref in (*steps, "HEAD", "packed-refs")), "packed-refs.new"):
        lone_ref.break_dead(f"{program.git_dir}/{lock}", lambda time: store_clock.now(program.git_dir) - time > STALE_LOCK)
    return False


def _sync(git_dir: Path, steps: Mapping[str, str]) -> None:
    """Whoever writes a ref syncs its bytes. Its name is synced here, and those of the folders above that may be new with it."""
    new = any(line.startswith("create ") or line.endswith(f" {_ZERO}") for line in steps.values())
    folders = {ref.rpartition("/")[0] for ref, line in steps.items() if not line.startswith("verify ")}
    if new:
        folders |= {above for ref in steps for above in _folders_above(ref)}
    _sync_paths(git_dir, sorted(folders, reverse=True))


def _folders_above(ref: str) -> list[str]:
    """The folders that have to be there for a ref, up to the one that the repository lies in, the deepest one first."""
    parts = ref.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, -1, -1)] + [".."]


def _sync_paths(git_dir: Path, paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # git deletes a folder that is empty by now
            sync(f"{git_dir}/{path}")


def unmoved(beside: Mapping[str, str]) -> dict[str, str]:
    """The steps that want indexes, by name, to be at their commits."""
    return {ref: f"verify {ref} {commit}" for name, commit in beside.items() if (ref := f"{BRANCHES}{name}")}
