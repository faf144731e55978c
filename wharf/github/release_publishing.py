"""One publish into GitHub releases: draft, upload, verify, publish; and the same again from wherever it stopped.

For each version: what published wharf releases hold already is taken as it is. The rest goes into a release that is open to
more files, or into a draft, which nobody sees before it is whole. A draft for the same files, left by a publish that died, is
filled up.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from wharf.assets.asset_store import Progress
from wharf.errors import NotAllowedError, RejectedError, StorageError, UncertainError
from wharf.github import release_listing
from wharf.github.asset_upload import PAUSE, ClosedError, Upload
from wharf.github.release_listing import MOST_ASSETS, Listed, Stored
from wharf.index import asset_location

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Self

    from wharf.assets.asset_store import Incoming, Opener, Recorded
    from wharf.github.api import GitHub
    from wharf.index.change import Named
    from wharf.model import File, Release

T = TypeVar("T")

UPLOADS: Final = 12
"""Files that are sent at the same time."""

_UNSEEN: Final = Progress()  # of metadata, a few kilobytes that a person did not ask to be sent
_RELEASES = 6  # releases that are worked on at the same time
_TRIES = 4  # of one call that may have been carried out, and of one tag
_TAGS_AT_ONCE = 200  # looked up in one query
_TAGS_AT_MOST = 50  # tries to find one that nothing has


@dataclass(slots=True)
class _Load:
    """Files of one version that go into one release: the one that they go `into`, or a new one with the tag of that number."""

    project: str
    version: str
    incoming: Sequence[Incoming]
    number: int
    into: Listed | None = None
    taken: list[str] = field(default_factory=list)  # tags that it was planned with

    @property
    def base(self) -> str:
        return f"{self.project}-{self.version}"

    @property
    def tag(self) -> str:
        return release_listing.numbered(self.base, self.number)

    @property
    def files(self) -> list[File]:
        return [each.named.file for each in self.incoming]

    @property
    def beside(self) -> list[Incoming]:
        return [each.beside for each in self.incoming if each.beside is not None]


class Shipment:
    """A publish under way. A context manager: at its end nothing of it runs any more."""

    def __init__(self, github: GitHub, index: str, progress: Progress) -> None:
        self._github = github
        self._index = index
        self._progress = progress
        self._stop = threading.Event()
        self._taken: dict[int, int] = {}  # assets that others may be deleting, as they lay there already; and their releases
        self._back: set[str] = set()  # files that were removed once: a removal that is finished late may delete them, too
        self._releases = ThreadPoolExecutor(_RELEASES, "release")
        self._uploads = ThreadPoolExecutor(UPLOADS, "upload")
        self._listed: Future[list[Listed]] = self._releases.submit(self._list)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stop.set()
        with self._github.interrupted() if error else contextlib.nullcontext():  # who gives up does not wait for limits
            for pool in (self._releases, self._uploads):
                pool.shutdown(cancel_futures=True)

    @contextlib.contextmanager
    def take(self, opener: Opener, limit: int) -> Iterator[tuple[BinaryIO, Opener]]:
        """The file itself: it is not copied. Whether the same bytes were sent later, GitHub's digest tells."""
        del limit  # who reads it counts
        with opener() as file:
            yield file, opener

    def published_before(self) -> str | None:
        """The tag of a release that was published to this index, if there is one among the newest."""
        return next((each.tag for each in self._listed.result() if each.index == self._index and not each.draft), None)

    def settle(self, committed: Sequence[Named]) -> None:
        """Raise StorageError if what was taken as it lay is gone: somebody deleted it before the index named it.

        A removal or a repair that looks at the indexes before this commit, and deletes after this look, sees it afterwards.
        """
        taken = {
            id_: each for each in committed if (id_ := asset_location.id_of(each.file.location.get("asset"))) in self._taken
        }
        for release in {self._taken[each] for each in taken}:
            found = self._github.rest.release(release)
            there = {asset.id for asset in found.assets} if found else set()
            for asset, each in taken.items():
                if self._taken[asset] == release and asset not in there:
                    raise StorageError(
                        f"{each.file.filename} was deleted at GitHub while it was published.",
                        f"`wharf remove {each.project}=={each.version} {each.file.filename}`, then publish it again.",
                    )

    def put(self, new: Sequence[Incoming], known: Sequence[Incoming], recorded: Recorded, tip: str | None) -> Sequence[Named]:
        """Store the new files; those known are in releases already. Raises StorageError and what GitHub's answers mean."""
        for each in known:  # what need not be sent is not waited for by who watches
            self._progress.sent(each.named.file.filename, each.named.file.size)
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

    def _list(self, tags: Sequence[str] = ()) -> list[Listed]:
        """The newest 100 releases by their commits' dates, where a crash left a draft or one unrecorded; those of `tags`."""
        rest = self._github.rest
        return [*rest.releases(100), *(found for tag in tags[-_TRIES:] if (found := rest.release(tag)) is not None)]

    def _found_in(self, release: Listed, incoming: Iterable[Incoming]) -> list[Named]:
        """Files that a release has."""
        found = []
        for each in incoming:
            stored = release.find(each.named.file)
            if stored is not None and not release.immutable:
                self._taken[stored.id] = release.id
            beside = release.find(each.beside.named.file) if each.beside else None
            found.append(_located(each, release, stored, beside))
        return found

    def _check_whole(self, release: Listed, stored: Iterable[Stored]) -> None:
        """Raise StorageError if a release was published without one of its assets."""
        told = {each.id for each in release.assets}
        missing = [each for each in stored if each.id not in told]
        if missing:  # what is told beside a release is not believed to be all of it
            told = {each.id for each in self._github.rest.assets(release.id)}
        for each in missing:
            if each.id not in told:
                raise StorageError(
                    f"{each.name} was deleted from the draft of {release.tag} before it was published.",
                    "Run the same command again: it continues there.",
                )

    def _plan(
        self, project: str, version: str, incoming: Sequence[Incoming], record: Release | None
    ) -> tuple[list[Named], list[_Load]]:
        """The files that published wharf releases hold already, and where the others go."""
        base = f"{project}-{version}"
        self._back |= record.removed.keys() if record else set()
        places = [file.location for file in record.files if "repository" not in file.location] if record else []
        ours = {each.id: each for each in self._listed.result() if each.mark and release_listing.number_of(each.tag, base)}
        latest = max((id_ for place in places if (id_ := asset_location.id_of(place.get("release")))), default=None)
        if latest is not None and latest not in ours:
            release = self._github.rest.release(latest)
            if release is not None and release.mark and release_listing.is_of(release.tag, project, version):
                ours[latest] = release  # else the record was written by hand, or the release was: it is not ours to fill
        tags = {str(place.get("tag")) for place in places} | {each.tag for each in ours.values() if not each.draft}
        number = max((release_listing.number_of(tag, base) or 0 for tag in tags), default=0) + 1
        done, rest = [], []
        for each in incoming:
            release = next((one for one in ours.values() if not one.draft and _has(one, each)), None)
            if release is None:
                rest.append(each)
            else:
                done += self._found_in(release, [each])
                self._progress.sent(each.named.file.filename, each.named.file.size)
        loads = []
        most = MOST_ASSETS // (2 if any(each.beside for each in rest) else 1)
        for at in range(0, len(rest), most):
            load = _Load(project, version, rest[at : at + most], number + at // most)
            wanted = [*load.files, *(each.named.file for each in load.beside)]
            load.into = release_listing.open_release(ours.values(), wanted) or release_listing.draft_for(
                ours.values(), load.files
            )
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
                load.taken.append(load.tag)
                while load.tag in used:
                    load.number += 1
                used.add(load.tag)
        raise StorageError(f"There are too many tags like {waiting[0].tag}.", "Delete those that are not wharf releases.")

    def _existing(self, tags: Sequence[str]) -> set[str]:
        """Those tags that exist, asked for by their exact names in one query for all ("refs" has none for several)."""
        found: set[str] = set()
        address = self._github.address
        for at in range(0, len(tags), _TAGS_AT_ONCE):
            query, names = release_listing.tags_query(tags[at : at + _TAGS_AT_ONCE])
            data = self._github.graphql(query, {"owner": address.owner, "name": address.name, **names}).get("repository")
            found |= {tag for field, tag in zip(names, tags[at:], strict=False) if isinstance(data, dict) and data.get(field)}
        return found

    def _carry_out(self, load: _Load, tip: str) -> list[Named]:
        """Put a load into its release and make that visible; the files with their locations."""
        twin = self._twin(load) if load.taken and load.into is None else None
        if twin is not None:
            return self._found_in(twin, load.incoming)
        release = load.into or self._create(load, tip)
        try:
            stored = self._fill(release, load)
        except NotAllowedError:
            if self._github.rest.release(release.id) is None:
                raise _deleted(load) from None
            raise
        except ClosedError:
            twin = self._twin(load)
            if twin is not None:
                return self._found_in(twin, load.incoming)
            # Published or filled up meanwhile, or somebody else is filling it at this moment: then a new release.
            self._number([load])
            release = self._create(load, tip)
            stored = self._fill(release, load)
        if release.draft:
            published = self._publish(release, load, tip)
            if published.id != release.id:
                return self._found_in(published, load.incoming)
            release = published
            self._check_whole(release, stored.values())
        self._taken |= {stored[name].id: release.id for name in stored.keys() & self._back}
        return [
            _located(
                each,
                release,
                stored[each.named.file.filename],
                stored.get(each.beside.named.file.filename) if each.beside else None,
            )
            for each in load.incoming
        ]

    def _create(self, load: _Load, tip: str) -> Listed:
        """A draft for a load."""
        for _ in range(_TRIES):
            try:
                return self._github.rest.create_release(load.tag, tip, self._text(load))
            except UncertainError as error:
                lost = error
                wanted = release_listing.mark(load.files)
                made = [each for each in self._list() if each.draft and each.mark == wanted and not each.assets]
                if made:
                    return made[0]
        raise lost

    def _text(self, load: _Load) -> str:
        return release_listing.text(self._index, load.project, load.version, load.files)

    def _fill(self, release: Listed, load: _Load) -> dict[str, Stored]:
        """The assets of a load by file name, uploaded as far as they are not there."""
        stored: dict[str, Stored] = {}
        jobs: list[Callable[[], Stored]] = []
        missing: list[str] = []
        for each, progress in (*((one, self._progress) for one in load.incoming), *((one, _UNSEEN) for one in load.beside)):
            found = release.find(each.named.file)
            if found is None:
                upload = Upload(self._github, release, each, progress, self._stop)
                jobs.append(upload.carry_out)
                missing.append(each.named.file.filename)
            else:
                if not release.draft:
                    self._taken[found.id] = release.id
                stored[each.named.file.filename] = found
                progress.sent(each.named.file.filename, each.named.file.size)
        return stored | dict(zip(missing, self._all(self._uploads, jobs), strict=True))

    def _publish(self, release: Listed, load: _Load, tip: str) -> Listed:
        """Make a filled draft visible; or the release that is it, if another publisher of the same files was quicker."""
        if self._stop.is_set():
            raise StorageError("The publish was stopped.", "Run the same command again: it continues there.")
        for _ in range(_TRIES):
            try:
                published = self._github.rest.publish_release(release.id, load.tag, tip, self._text(load))
                if not published.draft:
                    return published
                raise UncertainError(f"GitHub left the release {load.tag} a draft.", "Run the same command again.")
            except (UncertainError, RejectedError, NotAllowedError) as error:
                failure = error
                now = self._github.rest.release(release.id)
                if now is not None and not now.draft:
                    return now
                if isinstance(error, UncertainError):
                    continue
                if now is not None and not _tag_is_taken(error):
                    raise
            twin = self._twin(load, release.id)
            if twin is not None:
                self._github.rest.delete_release(release.id)
                return twin
            if now is None:
                raise _deleted(load)
            load.number += 1  # the tag is somebody else's, or one that was burned with a deleted release
            self._number([load])
        raise failure

    def _twin(self, load: _Load, own: int | None = None) -> Listed | None:
        """The release in which another publisher has published the same files since the plan was made.

        Where another draft for them is seen, it is given a moment: it may be the one that just took the tag.
        """
        wanted = release_listing.mark(load.files)
        for tries in range(_TRIES):
            listed = self._list([*load.taken, load.tag])
            for each in listed:
                ours = each.mark and not each.draft and release_listing.number_of(each.tag, load.base)
                if ours and all(each.find(file) for file in load.files):
                    return each
            if not any(each.draft and each.mark == wanted and each.id != own for each in listed):
                break
            self._stop.wait(PAUSE * 2**tries)
        return None


def _deleted(load: _Load) -> StorageError:
    return StorageError(f"The release {load.tag} was deleted while it was filled.", "Run the same command again.")


def _tag_is_taken(error: Exception) -> bool:
    """By another release, or for ever by an immutable one that was deleted (GitHub has no code for that)."""
    return isinstance(error, RejectedError) and (
        error.says("already_exists") or "used by an immutable release" in error.message
    )


def _has(release: Listed, each: Incoming) -> bool:
    """Whether a release holds a file, and what belongs beside it unless that can come no more."""
    found = release.find(each.named.file) is not None
    return found and (each.beside is None or release.immutable or release.find(each.beside.named.file) is not None)


def _located(each: Incoming, release: Listed, stored: Stored | None, beside: Stored | None) -> Named:
    """The file with its location, as GitHub told it."""
    if stored is None:
        raise TypeError(f"{release.tag} does not hold {each.named.file.filename}")
    location = release_listing.location(release, stored, beside)
    return dataclasses.replace(each.named, file=dataclasses.replace(each.named.file, location=location))
