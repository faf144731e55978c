"""A bare shallow clone in the cache folder: a copy of what is on GitHub, which can be thrown away at any time.

A damaged one is fetched again, beside the old one, which stays until the new one is whole.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import re
import secrets
import shutil
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from wharf.errors import AWAY, UNWRITABLE, NotAllowedError, StorageError
from wharf.github.replies import away, plain
from wharf.index import merged_pack
from wharf.index.git import Git, check_disk
from wharf.index.git_objects import GitObjects
from wharf.index.index_name import BRANCHES, REMOVED
from wharf.system import disk_remedies, file_lock, owner_only_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.github.api import GitHub
    from wharf.secret import Secret

Depth = Literal["trees", "whole", "history"]
"""What a clone holds: the folders of the last commit; its files too; or the folders of all commits."""

LOCK_PATIENCE: Final = 120.0
"""Seconds to wait for other processes of this machine that use the same clone."""
TRIES: Final = 4
"""How often git is asked to reach GitHub before it is given up."""
TRYING: Final = 30.0
"""Seconds after which a try that fails is the last one: where nothing answers, git waits for minutes each time."""
REMOTE: Final = "wharf"
"""What git calls it: not `origin`, for which people have their own settings."""
PAUSE: Final = 0.2
"""Seconds before a fetch that failed is tried again; doubled each time."""

_PACKS = 40  # packs after which a clone is tidied up: every fetch that brings something adds one
_HERE = "wharf-repository:"  # what the address is called until git looks it up
_ALL = tuple(f"+{prefix}*:{prefix}*" for prefix in (BRANCHES, REMOVED))
_CLONE = (
    ("core.logAllRefUpdates", "false"),  # a clone needs no log of its refs, and old commits may go
    ("core.fsync", "none"),  # what a power cut takes away is fetched again
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)
_PROMISE = ((f"remote.{REMOTE}.promisor", "true"), (f"remote.{REMOTE}.partialclonefilter", "blob:none"))
_OF_COMMIT = re.compile(r"\+[0-9a-f]{40}:")
_UNKNOWN = re.compile(r"error: 401|Authentication failed|could not read Username")  # a token that GitHub does not know
_NO_RIGHT = re.compile(r"error: 40[13]|Authentication failed|could not read Username|Permission to .* denied|archived")
_ELSEWHERE = re.compile(r"error: 30[1278]|redirect|not found|error: 404")
_BROKEN = re.compile(
    r"corrupt|bad object|inflate|missing (?:blob|tree|commit)|did not send all necessary|unable to read [0-9a-f]"
    r"|bad (?:config|shallow)|not a git repository|refusing to fetch into|Unable to create '.*File exists"
)


@dataclass(slots=True)
class _Turn:
    """Whose turn it is among the threads, and how often that one took it."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    held: int = 0


class Clone:
    """The clone of that depth in `folder`, for one index branch of it; a `whole` one always for all.

    - Threads and processes change it under one lock.
    - Nothing is lost with it. A damaged clone is made again beside the old one, which can be read until then.
    - Neither the token nor the address is in its files, and no `insteadOf` of a person changes where git goes.
    """

    def __init__(self, folder: Path, depth: Depth, ref: str, github: GitHub) -> None:
        self.folder = folder
        self.depth = depth
        self.ref = ref
        self.github = github
        self.git = Git(folder / f"{depth}.git", _CLONE)
        self.objects = GitObjects(self.git, self._bring)
        self._shallow = [] if depth == "history" else ["--depth=1"]
        self._damaged = self.git.git_dir / "damaged"
        self._every = self.git.git_dir / "every-index"
        self._turn = _Turn()
        self._sent: Secret | None = None  # the token of the git that was started last

    def beside(self, ref: str) -> Clone:
        """The same clone for another branch: with the same lock, and the same git that reads, which ends with this one's."""
        other = copy.copy(self)
        other.ref = ref
        return other

    def tip(self) -> str | None:
        """The commit that the branch was at when it was fetched last, or None."""
        found = self.objects.one(self.ref) if (self.git.git_dir / "HEAD").is_file() else None
        return None if found is None else found.id

    @property
    def has_every_index(self) -> bool:
        """Whether all indexes of the repository were fetched at least once."""
        return self._every.exists()

    def fetch(self) -> None:
        """Bring the branch to where it is on GitHub.

        Raises NotFoundError, NotAllowedError or StorageError, and then what the clone held before can still be read.
        """
        with self.locked():
            if self.depth == "whole":
                self.fetch_all()
                return
            if not self._sound():
                self._renew()
                return
            # Only the first time without history: what was fetched once needs one question less to be found unchanged.
            first = self._shallow if self.tip() is None else []
            if not self._fetch(*first, f"+{self.ref}:{self.ref}"):
                self.git.run("update-ref", "-d", self.ref)  # the branch is not there, or not any more
            self._tidy()

    def fetch_all(self) -> None:
        """Bring all index branches to where they are. Raises as `fetch` does."""
        with self.locked():
            if not self._sound():
                self._renew()
                if self.has_every_index:
                    return
            self._fetch("--prune", *([] if self.has_every_index else self._shallow), *_ALL)
            self._mark(self._every)
            self._tidy()

    def bring_commit(self, name: str) -> str | None:
        """The commit that a ref or an id names on GitHub, brought here without files; None if there is none.

        No ref of the clone names it afterwards: it stays as long as nobody tidies up. Raises as `fetch` does.
        """
        ref = f"refs/wharf/brought/{secrets.token_hex(8)}"
        with self.locked():
            if not self._sound():
                self._renew()
            if not self._fetch(f"+{name}:{ref}"):
                return None
            status, out, _ = self.git.attempt("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
            self.git.run("update-ref", "-d", ref)
            return None if status else out.decode().strip()

    def landed(self, commit: str) -> None:
        """Remember that a commit made here is the branch's on GitHub now. Raises as `fetch` does."""
        if self.git.attempt("update-ref", self.ref, commit)[0]:
            self.distrust()
            self.fetch()

    def remote(self, git_dir: Path | None = None, *, fetching: bool = True) -> Git:
        """Git with the way to GitHub in its environment: neither the address nor the token is ever in the clone's files.

        `fetching` has it bring what is missing; a push must not, which would fetch whatever commit it finds there.
        """
        url = self.github.address.git
        here = f"http.{url}."  # closer to the address than what a person may have set for the host
        config = [
            *_CLONE,
            (f"remote.{REMOTE}.url", _HERE),
            # git looks an address up once: none that a person's `insteadOf` has for GitHub, a mirror or ssh, comes into it.
            (f"url.{url}.insteadOf", _HERE),
            *([(f"{here}proxy", "")] if self.github.address.scheme == "http" else []),  # on this machine no proxy comes between
            (f"{here}followRedirects", "false"),  # git would send the token on to wherever it is sent
            (f"{here}lowSpeedLimit", "1000"),
            (f"{here}lowSpeedTime", "60"),
            (f"credential.{url}.helper", ""),
            ("push.negotiate", "false"),
            ("push.gpgSign", "false"),  # GitHub takes no signed push
            ("push.pushOption", ""),
        ]
        if fetching and self.depth != "whole":
            config += _PROMISE
        if self.depth == "history":
            config.append(
                ("fetch.writeCommitGraph", "true")
            )  # whoever reads the line of all commits needs a quarter of the time
        self._sent = self.github.token
        return Git(git_dir or self.git.git_dir, config, url=url, token=self._sent)

    def explain(self, verb: str, err: str) -> None:
        """Raise what GitHub's API says of a failure that is not a passing one; it also resolves a new name."""
        if not (_ELSEWHERE.search(err) or _NO_RIGHT.search(err)):  # GitHub too says that permission is denied
            check_disk(err, self.folder, disk_remedies.CACHE)
        if _ELSEWHERE.search(err) or _NO_RIGHT.search(err):
            before = self.github.address
            if self.github.rest.about().archived and verb == "push":
                raise NotAllowedError(f"{before} is archived: it takes no changes.", "Unarchive it in its settings on GitHub.")
            source = self.github.source
            if _UNKNOWN.search(err) and source is not None and self._sent is not None and source.refused(self._sent):
                return  # git tries again, with the token that there is now
            if self.github.address == before and _NO_RIGHT.search(err):
                raise NotAllowedError(
                    f"GitHub does not allow git to {verb} {before}: {said(err)}",
                    "Reading needs the permission `contents: read`, writing `contents: write` (classic tokens: `repo`).",
                )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the clone, among threads and processes; again within itself, too."""
        with self._turn.lock:
            if self._turn.held:
                yield
                return
            try:
                owner_only_folder.make(self.folder)  # a private index is nobody else's to read
                path = self.folder / f"{self.depth}.lock"
                file = path.open("ab")
            except OSError as error:
                raise self._unusable(error) from error
            with file:
                file_lock.take(file.fileno(), fcntl.LOCK_EX, path, LOCK_PATIENCE)
                self._turn.held += 1
                try:
                    yield
                finally:
                    self._turn.held -= 1

    def _sound(self) -> bool:
        """Whether there is a clone whose tip can be read."""
        if not (self.git.git_dir / "HEAD").is_file() or self._damaged.exists():
            return False
        try:
            tip = self.tip()
            if tip is not None:
                self.objects.trees([f"{tip}^{{tree}}"])
        except StorageError:
            return False
        return tip is not None or not (self.git.git_dir / self.ref).exists()

    def _renew(self) -> None:
        """Fetch a new clone beside the one that is damaged or missing, then put it in its place: a bad one outlives none."""
        fresh, old = (self.git.git_dir.with_suffix(suffix) for suffix in (".new", ".old"))
        for path in (fresh, old):
            shutil.rmtree(path, ignore_errors=True)
        status, _, err = Git(fresh).attempt("init", "--quiet", "--bare", "--template=", "--initial-branch=wharf/main")
        if status:
            self.explain("init", err)
            raise StorageError(
                f"{self.folder} cannot be used as a cache: {said(err)}",
                f"Delete it, or {disk_remedies.CACHE}.",
                told=UNWRITABLE,
            )
        # Another process may be reading another index from the clone that goes: it finds its own in the new one, too.
        everything = self.depth == "whole" or self.git.git_dir.is_dir()
        self._fetch(*self._shallow, *(_ALL if everything else (f"+{self.ref}:{self.ref}",)), into=fresh)
        if everything:
            self._mark(fresh / self._every.name)
        try:
            with contextlib.suppress(FileNotFoundError):
                self.git.git_dir.rename(old)
            fresh.rename(self.git.git_dir)
        except OSError as error:
            raise self._unusable(error) from error
        self.objects.close()  # the process that reads has the old one open
        shutil.rmtree(old, ignore_errors=True)

    def _bring(self, ids: list[str]) -> None:
        """Get objects that a clone without files lacks, all at once. What is still missing then is damage."""
        with self.locked():
            names = "".join(f"{each}\n" for each in ids).encode()
            if self.depth != "whole":
                # Nothing is said of the commits that are here: GitHub would leave out what it takes for known from them.
                self._fetch("--stdin", stdin=names)
            status, out, _ = self.git.attempt("cat-file", "--batch-check", stdin=names)
            if status or b" missing\n" in out:
                self.distrust()

    def _fetch(self, *words: str, stdin: bytes = b"", into: Path | None = None) -> bool:
        """Whether there is what was asked for: False only for one ref or commit. Raises StorageError for failures."""
        began = time.monotonic()
        refs = [word for word in words if word.startswith("+")]
        options = [word for word in words if word not in refs]
        for again in range(TRIES):
            status, _, err = self.remote(into).attempt(
                *(["-c", "fetch.negotiationAlgorithm=noop"] if stdin else []),
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *options, REMOTE, *refs),
                stdin=stdin,
            )
            if status == 0 or (status == 1 and not err):  # 1: there is no such branch, and with a depth git ends so
                return True
            if len(refs) == 1 and _is_absent(refs[0], err):
                return False
            if _BROKEN.search(err) and into is None and not stdin:
                self._renew()
            else:
                self.explain("fetch", err)
            if time.monotonic() - began > TRYING:
                break
            if 0 < again < TRIES - 1:
                time.sleep(PAUSE * 2**again)
        raise StorageError(f"git fetch from {self.github.address} failed: {said(err)}", away(said(err)), told=AWAY)

    def distrust(self) -> None:
        """Have the next fetch bring everything again, also that of another process."""
        self._mark(self._damaged)

    def _mark(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # what a mark saves is then done again
            path.touch()

    def _unusable(self, error: OSError) -> StorageError:
        hint = disk_remedies.hint(error, disk_remedies.CACHE)
        return StorageError(f"{self.folder} cannot be used as a cache: {error.strerror}.", hint, told=UNWRITABLE)

    def _tidy(self) -> None:
        if len(list((self.git.git_dir / "objects" / "pack").glob("*.pack"))) > _PACKS:
            # Whoever reads an older commit in this clone at this moment has an hour to finish.
            promise = () if self.depth == "whole" else _PROMISE
            # What was fetched is here, whether or not there is room to tidy up: the next fetch tries again.
            with contextlib.suppress(StorageError):
                merged_pack.delete_rests(self.git.git_dir)
            Git(self.git.git_dir, (*_CLONE, *promise)).attempt("gc", "--quiet", "--prune=1.hour.ago")


def said(err: str) -> str:
    """What git said, in one sentence."""
    return plain(err).rstrip(".") + "."


def _is_absent(refspec: str, err: str) -> bool:
    """Whether git says that there is no such ref or commit. Of a ref, "not our ref" says that it moved during the fetch."""
    return "couldn't find remote ref" in err or ("not our ref" in err and bool(_OF_COMMIT.match(refspec)))
