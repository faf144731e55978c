"""The index branch of a repository on GitHub: a bare shallow clone to read from, and two ways to commit.

`RemoteBranch` reads from a clone in the cache folder, which can be thrown away at any time. It lands a commit by a plain push,
which GitHub refuses if the branch is not at the commit's parent any more; or by the API, where a push is not allowed.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import re
import shutil
import threading
import time
from typing import TYPE_CHECKING, Final, Literal

from wharf.branch import Branch, Committed, Message, edits_of
from wharf.errors import GraphQLError, NotAllowedError, RejectedError, StorageError, UncertainError
from wharf.objects import Git, Objects
from wharf.secret import Secret
from wharf.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.branch import Entry
    from wharf.change import Change, Outcome
    from wharf.github import GitHub
    from wharf.model import Json
    from wharf.settings import Way

Depth = Literal["trees", "whole", "history"]
"""What a clone holds: the folders of the last commit; its files too; or the folders of all commits."""

LOCK_PATIENCE: Final = 120.0
"""Seconds to wait for other processes of this machine that use the same clone."""

PAUSE: Final = 0.2
"""Seconds before a fetch that failed is tried again; doubled each time."""

_NETWORK_TRIES = 3
_PACKS = 40  # packs after which a clone is tidied up: every fetch that brings something adds one
_CLONE = (
    ("core.logAllRefUpdates", "false"),  # a clone has no history of its own, and old commits may go
    ("core.fsync", "none"),  # what a power cut takes away is fetched again
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
)
_STALE = re.compile(r"fetch first|non-fast-forward|stale info|failed to update ref|cannot lock ref|reference already exists")
_REFUSED = re.compile(r"GH006|GH013|protected branch|pre-receive hook declined|hook declined|verified signature", re.IGNORECASE)
_NO_RIGHT = re.compile(r"error: 40[13]|Authentication failed|could not read Username|Permission to .* denied|archived")
_ELSEWHERE = re.compile(r"error: 30[1278]|redirect|not found|error: 404")
_BROKEN = re.compile(
    r"corrupt|bad object|inflate|missing (?:blob|tree|commit)|did not send all necessary|unable to read [0-9a-f]"
    r"|bad (?:config|shallow)|not a git repository|Unable to create '.*File exists"
)
_MUTATION = """
mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }
"""


class RemoteBranch(Branch):
    """The branch `wharf/<index>` on GitHub, read from the clone in `folder`. `fetch` brings the tip; nothing else does."""

    def __init__(self, folder: Path, index: str, github: GitHub, *, depth: Depth = "trees", way: Way = "auto") -> None:
        super().__init__(folder / f"{depth}.git", index)
        self.github = github
        self.depth = depth
        self._folder = folder
        self._way = way
        self._git = Git(self._git.git_dir, _CLONE)
        self._objects = Objects(self._git, self._bring)
        self._damaged = self._git.git_dir / "damaged"
        self._turn = threading.RLock()
        self._held = 0

    def sibling(self, index: str, github: GitHub | None = None) -> RemoteBranch:
        """As for any branch, over the same clone."""
        return RemoteBranch(self._folder, index, github or self.github, depth=self.depth, way=self._way)

    def fetch(self) -> None:
        """Bring the index branch to where it is on GitHub.

        Raises NotFoundError, NotAllowedError or StorageError, and then what the clone held before can still be read.
        """
        with self._locked():
            if not self._sound():
                self._renew()
                return
            # Only the first time without history: what was fetched once needs one question less to be found unchanged.
            first = ["--depth=1"] if self.tip() is None and self.depth != "history" else []
            if not self._fetch(*first, f"+{self.ref}:{self.ref}"):
                self._git.run("update-ref", "-d", self.ref)  # the branch is not there, or not any more
            self._tidy()

    def indexes(self) -> list[str]:
        """The names of all indexes of the repository, brought to where they are on GitHub."""
        with self._locked():
            if not self._sound():
                self._renew()
            self._fetch("--prune", "--depth=1", "+refs/heads/wharf/*:refs/heads/wharf/*")
        return super().indexes()

    def commit(self, change: Change, message: Message) -> Committed:
        """As for any branch. Publishers on one machine queue up, so that they need not refuse each other's pushes."""
        with self._locked():
            return super().commit(change, message)

    def begin(self, actor: str) -> str | None:
        """As for any branch."""
        with self._locked():
            return super().begin(actor)

    def snapshot(self, previous: Snapshot | None = None) -> Snapshot:
        """The index as it was at the last fetch."""
        if not (self._git.git_dir / "HEAD").is_file():
            return Snapshot(self._objects, None)
        return super().snapshot(previous)

    def tip(self) -> str | None:
        """The commit that the branch was at when it was fetched last, or None."""
        found = self._objects.one(self.ref) if (self._git.git_dir / "HEAD").is_file() else None
        return None if found is None else found.id

    def history(self, project: str | None = None) -> Iterator[Entry]:
        """The audit log, newest first, from a clone that has all commits."""
        if self.depth == "history":
            yield from super().history(project)
            return
        with RemoteBranch(self._folder, self.index, self.github, depth="history") as branch:
            branch.fetch()
            yield from branch.history(project)

    def prepared(self, change: Change) -> Snapshot:
        """As for any branch; the records that the clone lacks are brought at once."""
        snapshot = super().prepared(change)
        snapshot.bring(change.touched)
        return snapshot

    def _land(self, tip: str | None, outcome: Outcome, message: Message) -> str | None:
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
        found = self.github.call("GET", "{repo}/git/matching-refs/heads/wharf", allow=(409,))
        if found.status == 409:
            raise StorageError(
                f"{where} is empty: the first branch that it gets becomes its default one, which an index must not be.",
                f"`wharf init {where}` makes its first commit.",
            )
        refs = found.data if isinstance(found.data, list) else []
        if any(isinstance(each, dict) and each.get("ref") == "refs/heads/wharf" for each in refs):
            raise StorageError(
                f"{where} has a branch named wharf, and beside it git has no room for wharf/{self.index}.",
                "Rename or delete that branch.",
            )

    def _push(self, tip: str | None, outcome: Outcome, message: Message) -> str | None:
        commit = self._write(tip, outcome, message)
        for _ in range(_NETWORK_TRIES):
            status, _, err = self._remote().attempt("push", "--quiet", "origin", f"{commit}:{self.ref}")
            if status == 0:
                self._git.run("update-ref", self.ref, commit)
                return commit
            if _REFUSED.search(err):
                raise NotAllowedError(
                    f"GitHub does not let git push to {self.ref} of {self.github.address}: {_said(err)}",
                    f"Exempt wharf/{self.index} from the branch's rules, or set commit = 'api' to commit by the API.",
                )
            if _STALE.search(err):
                self.fetch()
                return None
            self._explain("push", err)
            landed = self._landed(tip, commit)
            if self.tip() != tip:
                return landed
        raise StorageError(f"git push to {self.github.address} failed: {_said(err)}", "Run the same command again.")

    def _landed(self, tip: str | None, mine: str) -> str | None:
        """The commit as which `mine` landed although no answer came: it stands on `tip` and has the very same tree."""
        self.fetch()
        now = self.tip()
        if now is None or now == tip:
            return None
        first = self._git.run("rev-list", "--reverse", now, *([f"^{tip}"] if tip else [])).decode().split()[:1]
        trees = {self._git.run("rev-parse", f"{each}^{{tree}}") for each in (*first, mine)}
        return first[0] if first and len(trees) == 1 else None

    def _land_by_api(self, tip: str | None, outcome: Outcome, message: Message) -> str | None:
        edits = edits_of(tip, outcome)
        text = message.text(outcome.changed).strip()
        for _ in range(_NETWORK_TRIES):
            try:
                commit = self._first_by_api(edits, text) if tip is None else self._commit_by_api(tip, edits, text)
            except UncertainError as error:
                lost = error
                landed = self._landed(tip, self._write(tip, outcome, message))
                if self.tip() != tip:
                    return landed
            except GraphQLError as error:
                self.fetch()
                if self.tip() == tip and "STALE_DATA" not in error.types:
                    raise self._refusal(error.message, error.types) from error
                return None
            else:
                self.fetch()
                return commit
        raise StorageError(f"Committing to {self.github.address} failed: {lost.message}", "Run the same command again.")

    def _commit_by_api(self, tip: str, edits: dict[str, bytes | None], text: str) -> str:
        headline, _, body = text.partition("\n")
        variables: dict[str, Json] = {
            "branch": {"repositoryNameWithOwner": self.github.address.slug, "branchName": f"wharf/{self.index}"},
            "message": {"headline": headline, "body": body.strip()},
            "expectedHeadOid": tip,
            "fileChanges": {
                "additions": [
                    {"path": path, "contents": base64.b64encode(data).decode()}
                    for path, data in edits.items()
                    if data is not None
                ],
                "deletions": [{"path": path} for path, data in edits.items() if data is None],
            },
        }
        done = self.github.graphql(_MUTATION, {"input": variables}).get("createCommitOnBranch")
        commit = done.get("commit") if isinstance(done, dict) else None
        if not isinstance(commit, dict):
            raise UncertainError("GitHub did not say which commit it made.", "")
        return str(commit["oid"])

    def _first_by_api(self, edits: dict[str, bytes | None], text: str) -> str | None:
        """The first commit of an index, through the Git database API: createCommitOnBranch needs a branch to stand on."""
        entries: list[Json] = []
        for path, data in edits.items():
            encoded = {"content": base64.b64encode(data or b"").decode(), "encoding": "base64"}
            blob = self.github.call("POST", "{repo}/git/blobs", body=dict(encoded)).data
            entries.append({"path": path, "mode": "100644", "type": "blob", "sha": _sha(blob)})
        tree = _sha(self.github.call("POST", "{repo}/git/trees", body={"tree": entries}).data)
        body: dict[str, Json] = {"message": f"{text}\n", "tree": tree, "parents": []}
        commit = _sha(self.github.call("POST", "{repo}/git/commits", body=body).data)
        try:
            self.github.call("POST", "{repo}/git/refs", body={"ref": self.ref, "sha": commit})
        except RejectedError as error:
            if "already exists" in error.message:  # somebody made the branch meanwhile
                return None
            raise self._refusal(error.message, ()) from error
        return commit

    def _refusal(self, said: str, types: tuple[str, ...]) -> NotAllowedError | StorageError:
        """What the API's refusal of a commit means."""
        if "archived" in said:
            return NotAllowedError(said, "Unarchive it in its settings on GitHub.")
        if "FORBIDDEN" in types:
            return NotAllowedError(said, "Writing needs the permission `contents: write` (classic tokens: `repo`).")
        if "NOT_FOUND" in types:
            return StorageError(said, "Is the address of the repository right?")
        return NotAllowedError(f"wharf/{self.index}: {said}", f"Exempt wharf/{self.index} from the branch's rules.")

    def _bring(self, ids: list[str]) -> None:
        """Get objects that a clone without files lacks, all at once. What is still missing then is damage."""
        with self._locked():
            names = "".join(f"{each}\n" for each in ids).encode()
            if self.depth != "whole":
                # Nothing is said of the commits that are here: GitHub would leave out what it takes for known from them.
                self._fetch("--stdin", stdin=names)
            if b" missing\n" in self._git.run("cat-file", "--batch-check", stdin=names):
                self._damaged.touch()  # the next fetch heals it, also that of another process

    def _sound(self) -> bool:
        """Whether there is a clone whose tip can be read."""
        if not (self._git.git_dir / "HEAD").is_file() or self._damaged.exists():
            return False
        try:
            tip = self.tip()
            if tip is not None:
                self._objects.trees([f"{tip}^{{tree}}"])
        except StorageError:
            return False
        return tip is not None or not (self._git.git_dir / self.ref).exists()

    def _renew(self) -> None:
        """Fetch a new clone beside the one that is damaged or missing, then put it in its place: a bad one outlives none."""
        fresh, old = (self._git.git_dir.with_suffix(suffix) for suffix in (".new", ".old"))
        for path in (fresh, old):
            shutil.rmtree(path, ignore_errors=True)
        Git(fresh).run("init", "--quiet", "--bare", "--template=", "--initial-branch=wharf/main")
        first = [] if self.depth == "history" else ["--depth=1"]
        self._fetch(*first, f"+{self.ref}:{self.ref}", into=fresh)
        with contextlib.suppress(FileNotFoundError):
            self._git.git_dir.rename(old)
        fresh.rename(self._git.git_dir)
        self._objects.close()  # the process that reads has the old one open
        shutil.rmtree(old, ignore_errors=True)

    def _fetch(self, *words: str, stdin: bytes = b"", into: Path | None = None) -> bool:
        """Whether there is what was asked for."""
        for again in range(_NETWORK_TRIES):
            status, _, err = self._remote(into).attempt(
                *(["-c", "fetch.negotiationAlgorithm=noop"] if stdin else []),
                *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", *words[:-1], *_origin(words[-1])),
                stdin=stdin,
            )
            if status == 0 or (status == 1 and not err):  # 1: there is no such branch, and with a depth git ends so
                return True
            if "couldn't find remote ref" in err:
                return False
            if _BROKEN.search(err) and into is None and not stdin:
                self._renew()
            else:
                self._explain("fetch", err)
            if again:
                time.sleep(PAUSE * 2**again)
        raise StorageError(f"git fetch from {self.github.address} failed: {_said(err)}", "Is the network there? Is GitHub up?")

    def _explain(self, verb: str, err: str) -> None:
        """Raise what GitHub's API says of a failure that is not a passing one; it also resolves a new name."""
        if "No space left" in err or "Disk quota" in err:
            raise StorageError(f"The disk is full at {self._folder}: {_said(err)}", "Free some room there.")
        if _ELSEWHERE.search(err) or _NO_RIGHT.search(err):
            before = self.github.address
            found = self.github.call("GET", "{repo}").data
            if isinstance(found, dict) and found.get("archived") and verb == "push":
                raise NotAllowedError(f"{before} is archived: it takes no changes.", "Unarchive it in its settings on GitHub.")
            if self.github.address == before and _NO_RIGHT.search(err):
                raise NotAllowedError(
                    f"GitHub does not allow git to {verb} {before}: {_said(err)}",
                    "Reading needs the permission `contents: read`, writing `contents: write` (classic tokens: `repo`).",
                )

    def _tidy(self) -> None:
        packs = self._git.git_dir / "objects" / "pack"
        if sum(path.suffix == ".pack" for path in packs.iterdir()) > _PACKS:
            # Whoever reads an older commit in this clone at this moment has an hour to finish.
            self._remote().run("gc", "--quiet", "--prune=1.hour.ago")

    def _remote(self, git_dir: Path | None = None) -> Git:
        """Git with the way to GitHub in its environment: neither the address nor the token is ever in the clone's files."""
        token = self.github.token
        header = None
        if token is not None:
            pair = base64.b64encode(f"x-access-token:{token.reveal()}".encode()).decode()
            header = Secret(f"Authorization: Basic {pair}")
        config = [
            *_CLONE,
            ("remote.origin.url", self.github.address.git),
            ("http.followRedirects", "false"),  # git would send the token on to wherever it is sent
            ("credential.helper", ""),
            ("http.lowSpeedLimit", "1000"),
            ("http.lowSpeedTime", "60"),
            ("push.negotiate", "false"),
        ]
        if self.depth != "whole":
            config += [("remote.origin.promisor", "true"), ("remote.origin.partialclonefilter", "blob:none")]
        return Git(git_dir or self._git.git_dir, config, header)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the clone, among threads and processes; again within itself, too."""
        with self._turn:
            if self._held:
                yield
                return
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                file = (self._folder / f"{self.depth}.lock").open("ab")
            except OSError as error:
                raise StorageError(
                    f"{self._folder} cannot be used as a cache: {error.strerror}.", "Check room and rights."
                ) from error
            with file:
                _acquire(file.fileno(), self._folder)
                self._held += 1
                try:
                    yield
                finally:
                    self._held -= 1


def _acquire(handle: int, folder: Path) -> None:
    end = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise StorageError(f"Others keep using {folder}.", "Run the same command again.") from None
            time.sleep(0.01)
        else:
            return


def _origin(word: str) -> tuple[str, ...]:
    return ("--stdin", "origin") if word == "--stdin" else ("origin", word)


def _sha(data: Json) -> str:
    if not isinstance(data, dict) or not isinstance(data.get("sha"), str):
        raise StorageError("GitHub gave no id for a new object.", "Run the same command again.")
    return str(data["sha"])


def _said(err: str) -> str:
    """What git said, in one line."""
    return " ".join(err.split())[-400:]
