"""One publish into GitHub releases: draft, upload, verify, publish; and the same again from wherever it stopped.

For each version: what published releases of ours hold already is taken as it is. The rest goes into a release that is open to
more files, or into a draft, which nobody sees before it is whole. A draft for the same files, left by a publish that died, is
filled up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from wharf import listing
from wharf.errors import RejectedError, StorageError, UncertainError
from wharf.listing import MOST_ASSETS, Listed, Stored

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from wharf.change import Named
    from wharf.github import GitHub
    from wharf.model import File, Json, Release
    from wharf.store import Incoming, Progress, Recorded, Source

T = TypeVar("T")

UPLOADS: Final = 8
"""Files that are sent at the same time."""
STALE: Final = timedelta(minutes=5)
"""After that, an upload that was begun and has no bytes is one that died."""

_RELEASES = 6  # releases that are worked on at the same time
_TRIES = 4  # of one upload
_TAGS_AT_ONCE = 200  # looked up in one query
_TAGS_AT_MOST = 50  # tries to find one that nothing has


class _ClosedError(Exception):
    """The release takes no more files from us."""


@dataclass(slots=True)
class _Sent:
    """What went out in one try of an upload."""

    count: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


@dataclass(slots=True)
class _Load:
    """Files of one version that go into one release: the one that they go `into`, or a new one with the tag of that number."""

    project: str
    version: str
    incoming: Sequence[Incoming]
    number: int
    into: Listed | None = None

    @property
    def base(self) -> str:
        return f"{self.project}-{self.version}"

    @property
    def tag(self) -> str:
        return listing.numbered(self.base, self.number)

    @property
    def files(self) -> list[File]:
        return [each.named.file for each in self.incoming]


class Shipment:
    """A publish under way. A context manager: at its end nothing of it runs any more."""

    def __init__(self, github: GitHub, index: str, progress: Progress) -> None:
        self._github = github
        self._index = index
        self._progress = progress
        self._stop = threading.Event()
        self._releases = ThreadPoolExecutor(_RELEASES, "release")
        self._uploads = ThreadPoolExecutor(UPLOADS, "upload")
        self._listed: Future[list[Listed]] = self._releases.submit(self._list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stop.set()
        for pool in (self._releases, self._uploads):
            pool.shutdown(cancel_futures=True)

    @contextlib.contextmanager
    def take(self, source: Source, limit: int) -> Iterator[tuple[BinaryIO, Source]]:
        """The file itself: it is not copied. Whether the same bytes were sent later, GitHub's digest tells."""
        del limit  # who reads it counts
        with source() as file:
            yield file, source

    def put(self, new: Sequence[Incoming], known: Sequence[Incoming], recorded: Recorded, tip: str | None) -> Sequence[Named]:
        """Store the new files; those known are in releases already. Raises StorageError and what GitHub's answers mean."""
        del known
        if tip is None:
            raise StorageError("The index has no commit yet that a release could point at.", "`wharf init` makes it.")
        groups: dict[tuple[str, str], list[Incoming]] = {}
        for each in new:
            groups.setdefault((each.named.project, each.named.version), []).append(each)
        done: list[Named] = []
        loads: list[_Load] = []
        for (project, version), incoming in groups.items():
            found, rest = self._plan(project, version, incoming, recorded(project, version))
            done += found
            loads += rest
        self._number([load for load in loads if load.into is None or load.into.draft])
        for named in self._all(self._releases, [partial(self._carry_out, load, tip) for load in loads]):
            done += named
        return done

    def _all(self, pool: ThreadPoolExecutor, jobs: Sequence[Callable[[], T]]) -> list[T]:
        """The results of jobs that run side by side. The first that fails stops those that have not begun."""
        futures = [pool.submit(job) for job in jobs]
        wait(futures, return_when=FIRST_EXCEPTION)
        failed = next((each for each in futures if each.done() and not each.cancelled() and each.exception()), None)
        if failed is not None:
            for each in futures:
                each.cancel()
            failed.result()
        return [each.result() for each in futures]

    def _list(self) -> list[Listed]:
        """The newest 100 releases: where a draft or a release that a crash left unrecorded would be."""
        return [listing.release(each) for each in self._github.pages("{repo}/releases", at_most=1)]

    def _plan(
        self, project: str, version: str, incoming: Sequence[Incoming], record: Release | None
    ) -> tuple[list[Named], list[_Load]]:
        """The files that published releases of ours hold already, and where the others go."""
        base = f"{project}-{version}"
        places = [file.location for file in record.files if "repository" not in file.location] if record else []
        ours = {each.id: each for each in self._listed.result() if each.mark and listing.number_of(each.tag, base)}
        latest = max((id_ for place in places if isinstance(id_ := place.get("release"), int)), default=None)
        if latest is not None and latest not in ours:
            reply = self._github.call("GET", f"{{repo}}/releases/{latest}", allow=(404,))
            if reply.status == 200:
                ours[latest] = listing.release(reply.data)
        tags = {str(place.get("tag")) for place in places} | {each.tag for each in ours.values() if not each.draft}
        number = max((listing.number_of(tag, base) or 0 for tag in tags), default=0) + 1
        done, rest = [], []
        for each in incoming:
            release = next((one for one in ours.values() if not one.draft and one.find(each.named.file)), None)
            stored = release.find(each.named.file) if release else None
            if release is None or stored is None:
                rest.append(each)
            else:
                done.append(_located(each.named, release.id, release.tag, stored))
                self._progress.sent(each.named.file.filename, each.named.file.size)
        loads = []
        for at in range(0, len(rest), MOST_ASSETS):
            load = _Load(project, version, rest[at : at + MOST_ASSETS], number + at // MOST_ASSETS)
            load.into = _open_release(ours.values(), load.files) or _draft_for(ours.values(), load.files)
            loads.append(load)
        return done, loads

    def _number(self, loads: Sequence[_Load]) -> None:
        """Give each load the first tag from its number on that nothing has: one that is not ours is left alone."""
        used = {load.tag for load in loads}
        waiting = list(loads)
        for _ in range(_TAGS_AT_MOST):
            if not waiting:
                return
            taken = self._existing([load.tag for load in waiting])
            waiting = [load for load in waiting if load.tag in taken]
            for load in waiting:
                while load.tag in used:
                    load.number += 1
                used.add(load.tag)
        raise StorageError(f"There are too many tags like {waiting[0].tag}.", "Delete those that are not releases of wharf's.")

    def _existing(self, tags: Sequence[str]) -> set[str]:
        """Those tags that exist, asked for by their exact names in one query for all ("refs" has none for several)."""
        found: set[str] = set()
        address = self._github.address
        for at in range(0, len(tags), _TAGS_AT_ONCE):
            some = {f"t{number}": tag for number, tag in enumerate(tags[at : at + _TAGS_AT_ONCE])}
            head = "".join(f", ${each}: String!" for each in some)
            fields = " ".join(f"{each}: ref(qualifiedName: ${each}) {{ id }}" for each in some)
            query = f"query($owner: String!, $name: String!{head}) {{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
            names: dict[str, Json] = {each: f"refs/tags/{tag}" for each, tag in some.items()}
            data = self._github.graphql(query, {"owner": address.owner, "name": address.name, **names}).get("repository")
            found |= {tag for each, tag in some.items() if isinstance(data, dict) and data.get(each)}
        return found

    def _carry_out(self, load: _Load, tip: str) -> list[Named]:
        """Put a load into its release and make that visible; the files with their locations."""
        release = load.into or self._create(load, tip)
        try:
            stored = self._fill(release, load)
        except _ClosedError:
            # Published or filled up meanwhile, or somebody else is filling it at this moment: a release of our own.
            self._number([load])
            release = self._create(load, tip)
            stored = self._fill(release, load)
        if not release.draft:
            return [_located(each.named, release.id, release.tag, stored[each.named.file.filename]) for each in load.incoming]
        published = self._publish(release, load, tip)
        if published.id != release.id:
            stored = {file.filename: one for file in load.files if (one := published.find(file))}
        return [_located(each.named, published.id, published.tag, stored[each.named.file.filename]) for each in load.incoming]

    def _create(self, load: _Load, tip: str) -> Listed:
        """A draft for a load."""
        body: dict[str, Json] = {
            "tag_name": load.tag,
            "name": load.tag,
            "target_commitish": tip,
            "draft": True,
            "body": listing.text(self._index, load.project, load.version, load.files),
        }
        for _ in range(_TRIES):
            try:
                return listing.release(self._github.call("POST", "{repo}/releases", body=body).data)
            except UncertainError as error:
                lost = error
                wanted = listing.mark(load.files)
                made = [each for each in self._list() if each.draft and each.mark == wanted and not each.assets]
                if made:
                    return made[0]
        raise lost

    def _fill(self, release: Listed, load: _Load) -> dict[str, Stored]:
        """The assets of a load by file name, uploaded as far as they are not there."""
        stored = {}
        jobs = []
        for each in load.incoming:
            found = release.find(each.named.file)
            if found is None:
                jobs.append(partial(self._upload, release, each))
            else:
                stored[each.named.file.filename] = found
                self._progress.sent(each.named.file.filename, each.named.file.size)
        return stored | dict(self._all(self._uploads, jobs))

    def _upload(self, release: Listed, incoming: Incoming) -> tuple[str, Stored]:
        """Upload one file, whatever an earlier try has left. Raises _ClosedError if it has to go into another release."""
        file = incoming.named.file
        own = False
        for _ in range(_TRIES):
            try:
                return file.filename, self._send(release, incoming)
            except UncertainError as error:
                own, failure = True, StorageError(error.message, error.hint)
            except RejectedError as error:
                failure = error
                if (
                    "immutable" in error.message.lower()
                    or ("custom", "file_count") in error.codes
                    or "file_count" in error.message
                ):
                    raise _ClosedError from error
                if not error.says("already_exists"):
                    raise
            other = self._namesake(release, file)
            if other is not None and other.holds(file):
                return file.filename, other
            if other is not None:
                if not own and not (release.draft and other.state == "uploaded") and not self._stale(other):
                    raise _ClosedError
                self._github.call("DELETE", f"{{repo}}/releases/assets/{other.id}", allow=(404,))
        raise failure

    def _send(self, release: Listed, incoming: Incoming) -> Stored:
        file = incoming.named.file
        tries: list[_Sent] = []

        def sink() -> Callable[[bytes], None]:
            if tries:
                self._progress.sent(file.filename, -tries[-1].count)
            tries.append(_Sent())
            return sent

        def sent(chunk: bytes) -> None:
            if self._stop.is_set():
                raise StorageError("The upload was stopped.", "Run the same command again: it goes on from there.")
            tries[-1].digest.update(chunk)
            tries[-1].count += len(chunk)
            self._progress.sent(file.filename, len(chunk))

        with incoming.source() as opened:
            reply = self._github.upload(release.upload_url, file.filename, opened, file.size, sink=sink)
        stored = listing.asset(reply.data)
        arrived = stored.sha256 or tries[-1].digest.hexdigest()  # an old server tells no digest: then what was sent has to do
        if arrived != file.sha256 or stored.size != file.size:
            self._github.call("DELETE", f"{{repo}}/releases/assets/{stored.id}", allow=(404,))
            raise StorageError(
                f"{file.filename} arrived at GitHub with other bytes than were checked (sha256 {arrived}).",
                "Did the file change meanwhile? Run the same command again.",
            )
        return stored

    def _namesake(self, release: Listed, file: File) -> Stored | None:
        """The asset of a release that has the file's bytes, else the one that has its name."""
        assets = [listing.asset(each) for each in self._github.pages(f"{{repo}}/releases/{release.id}/assets")]
        names = {file.filename, listing.stored_name(file.filename)}
        return next((each for each in assets if each.holds(file)), None) or next(
            (each for each in assets if each.name in names), None
        )

    def _stale(self, stored: Stored) -> bool:
        return stored.state != "uploaded" and self._github.now() - datetime.fromisoformat(stored.updated) > STALE

    def _publish(self, release: Listed, load: _Load, tip: str) -> Listed:
        """Make a filled draft visible; or the release that is it, if another publisher of the same files was quicker."""
        for _ in range(_TRIES):
            body: dict[str, Json] = {
                "tag_name": load.tag,
                "name": load.tag,
                "target_commitish": tip,
                "draft": False,
                "make_latest": "false",
            }
            try:
                return listing.release(self._github.call("PATCH", f"{{repo}}/releases/{release.id}", body=body).data)
            except (UncertainError, RejectedError) as error:
                failure = error
                now = listing.release(self._github.call("GET", f"{{repo}}/releases/{release.id}").data)
                if not now.draft:
                    return now
                if isinstance(error, UncertainError):
                    continue
                if not error.says("already_exists"):
                    raise
            twin = next((each for each in self._list() if each.tag == load.tag and not each.draft and each.mark), None)
            if twin is not None and all(twin.find(file) for file in load.files):
                self._github.call("DELETE", f"{{repo}}/releases/{release.id}", allow=(404,))
                return twin
            load.number += 1  # the tag is somebody else's, or one that was burned with a deleted release
            self._number([load])
        raise failure


def _open_release(ours: Iterable[Listed], files: Sequence[File]) -> Listed | None:
    """A published release that takes more files, and has room for these."""
    names = {listing.stored_name(file.filename) for file in files}
    for each in ours:
        taken = {asset.name for asset in each.assets}
        if not each.draft and not each.immutable and len(taken) + len(files) <= MOST_ASSETS and not taken & names:
            return each
    return None


def _draft_for(ours: Iterable[Listed], files: Sequence[File]) -> Listed | None:
    """A draft that an earlier publish of exactly these files began."""
    wanted = listing.mark(files)
    return next((each for each in ours if each.draft and each.mark == wanted), None)


def _located(named: Named, release: int, tag: str, stored: Stored) -> Named:
    """The file with its location, as GitHub told it."""
    location: dict[str, Json] = {"release": release, "tag": tag, "asset": stored.id, "name": stored.name}
    return dataclasses.replace(named, file=dataclasses.replace(named.file, location=location))
