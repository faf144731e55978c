"""One planned release, carried out: draft, upload, check, publish; from wherever an earlier publish stopped."""

from __future__ import annotations

from concurrent.futures import FIRST_EXCEPTION, wait
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.assets.asset_store import Progress
from wharf.errors import NotAllowedError, OneReleaseError, RefusedReleaseError, RejectedError, StorageError, UncertainError
from wharf.github import release_listing, release_tags
from wharf.github.asset_upload import PAUSE, ClosedError, Upload
from wharf.github.release_planning import holds_all
from wharf.github.release_states import DRAFTED, DRAFTS, state_of
from wharf.github.reused_assets import located

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import ThreadPoolExecutor

    from wharf.assets.asset_store import Incoming
    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored
    from wharf.github.release_planning import PlannedRelease
    from wharf.github.reused_assets import ReusedAssets
    from wharf.index.change import Named

T = TypeVar("T")

_UNSEEN: Final = Progress()  # of metadata, a few kilobytes that a person did not ask to be sent
_TRIES: Final = 4  # of one call that may have been carried out, and of one tag
_TAGS: Final = 50  # tries to find one that nothing has


@dataclass(frozen=True, slots=True)
class ReleaseWriter:
    """Stores the files of planned releases, for `index`. Safe to use from several threads.

    - Nobody sees a release before GitHub's digest of each of its files is ours.
    - What an earlier or another publisher stored is taken up. It is not sent again.
    - A tag or a release that is not wharf's is left alone.
    - When `stop` is set, nothing becomes visible any more.
    - If `lenient`, what GitHub refuses of a release is left out of its plan, and the other files are stored.
    """

    github: GitHub
    index: str
    progress: Progress
    stop: threading.Event
    uploads: ThreadPoolExecutor
    reused: ReusedAssets
    lenient: bool = False

    def newest(self, tags: Sequence[str] = ()) -> list[Listed]:
        """The newest 100 releases by their commits' dates, where a crash left a draft or one unrecorded; those of `tags`."""
        rest = self.github.rest
        return [*rest.releases(100), *(found for tag in tags[-_TRIES:] if (found := rest.release(tag)) is not None)]

    def give_tags(self, releases: Sequence[PlannedRelease]) -> None:
        """Give each the first tag from its number on that nothing has. Raises OneReleaseError, where it is not lenient."""
        used = {each.tag for each in releases}
        waiting = list(releases)
        for _ in range(_TAGS):
            if not waiting:
                return
            taken = release_tags.existing(self.github, [each.tag for each in waiting])
            waiting = [each for each in waiting if each.tag in taken]
            for each in waiting:
                each.taken.append(each.tag)
                while each.tag in used:
                    each.number += 1
                used.add(each.tag)
        for each in waiting:
            error = OneReleaseError(f"There are too many tags like {each.tag}.", "Delete those that are not wharf releases.")
            if not self.lenient:
                raise error
            each.refuse(each.incoming, error)

    def _give_another_tag(self, planned: PlannedRelease) -> None:
        replace(self, lenient=False).give_tags([planned])

    def write(self, planned: PlannedRelease, tip: str) -> list[Named]:
        """Put the files into their release and make that visible; the files with their locations.

        Raises OneReleaseError, where it is not lenient, for what says nothing of other releases.
        """
        try:
            return self._write(planned, tip)
        except RejectedError as rejected:
            if any(field == "target_commitish" for _, field in rejected.codes):  # the tip is gone, for all of them
                raise
            error: OneReleaseError = _refusal(f"the release {planned.tag}", rejected)
        except OneReleaseError as found:
            error = found
        if not self.lenient:
            raise error
        planned.refuse(planned.incoming, error)
        return []

    def _write(self, planned: PlannedRelease, tip: str) -> list[Named]:
        if not planned.incoming:
            return []
        twin = self._twin(planned) if planned.taken and planned.into is None else None
        if twin is not None:
            return self.reused.take_up(twin, planned.incoming)
        release = planned.into or self._create(planned, tip)
        try:
            stored = self._fill(release, planned)
        except NotAllowedError:
            if self.github.rest.release(release.id) is None:
                raise _deleted(planned) from None
            raise
        except ClosedError:
            twin = self._twin(planned)
            if twin is not None:
                return self.reused.take_up(twin, planned.incoming)
            # Published or filled up meanwhile, or somebody else is filling it at this moment: then a new release.
            self._give_another_tag(planned)
            release = self._create(planned, tip)
            stored = self._fill(release, planned)
        if release.draft:
            published = self._publish(release, planned, tip)
            if published.id != release.id:
                return self.reused.take_up(published, planned.incoming)
            release = published
            self._check_whole(release, stored.values())
        self.reused.note_returned(release, stored)
        return [located(each, release, stored) for each in planned.incoming]

    def _create(self, planned: PlannedRelease, tip: str) -> Listed:
        """A draft."""
        for _ in range(_TRIES):
            try:
                return self.github.rest.create_release(planned.tag, tip, self._text(planned), prerelease=planned.is_prerelease)
            except UncertainError as error:
                lost = error
                made = [each for each in self.newest() if state_of(each, planned.files) is DRAFTED]
                if made:
                    return made[0]
        raise lost

    def _text(self, planned: PlannedRelease) -> str:
        return release_listing.text(self.index, planned.project, planned.version, planned.files)

    def _fill(self, release: Listed, planned: PlannedRelease) -> dict[str, Stored]:
        """The assets by file name, uploaded as far as they are not there."""
        stored: dict[str, Stored] = {}
        jobs: dict[str, Callable[[], Stored | OneReleaseError]] = {}
        every = [*((one, self.progress) for one in planned.incoming), *((one, _UNSEEN) for one in planned.beside)]
        for each, progress in every:
            file = each.named.file
            found = release.find(file)
            if found is None:
                jobs[file.filename] = partial(self._upload, Upload(self.github, release, each, progress, self.stop))
            else:
                if not release.draft:
                    self.reused.note(found, release)
                stored[file.filename] = found
                progress.sent(file.filename, file.size)
        for filename, done in zip(jobs, side_by_side(self.uploads, [*jobs.values()]), strict=True):
            if not isinstance(done, OneReleaseError):
                stored[filename] = done
                continue
            belongs = (filename, *(each.named.file.filename for each in planned.incoming if _is_beside(each, filename)))
            planned.refuse([each for each in planned.incoming if each.named.file.filename in belongs], done)
            if not planned.incoming:
                raise done
        return stored

    def _upload(self, upload: Upload) -> Stored | OneReleaseError:
        """The asset; or, where that is lenient, why there is none."""
        filename = upload.incoming.named.file.filename
        try:
            return upload.carry_out()
        except RejectedError as rejected:
            error: OneReleaseError = _refusal(filename, rejected)
        except OneReleaseError as found:
            error = found
        if not self.lenient:
            raise error
        return error

    def _publish(self, release: Listed, planned: PlannedRelease, tip: str) -> Listed:
        """Make a filled draft visible; or the release that is it, if another publisher of the same files was quicker."""
        if self.stop.is_set():
            raise StorageError("The publish was stopped.", "Run the same command again: it continues there.")
        for _ in range(_TRIES):
            try:
                published = self.github.rest.publish_release(
                    release.id, planned.tag, tip, self._text(planned), prerelease=planned.is_prerelease
                )
                if not published.draft:
                    return published
                raise UncertainError(f"GitHub left the release {planned.tag} a draft.", "Run the same command again.")
            except (UncertainError, RejectedError, NotAllowedError) as error:
                failure = error
                now = self.github.rest.release(release.id)
                if now is not None and not now.draft:
                    return now
                if isinstance(error, UncertainError):
                    continue
                if now is not None and not _tag_is_taken(error):
                    raise
            twin = self._twin(planned, release.id)
            if twin is not None:
                self.github.rest.delete_release(release.id)
                return twin
            if now is None:
                raise _deleted(planned)
            planned.number += 1  # the tag is somebody else's, or one that was burned with a deleted release
            self._give_another_tag(planned)
        raise failure

    def _check_whole(self, release: Listed, stored: Iterable[Stored]) -> None:
        """Raise StorageError if a release was published without one of its assets."""
        told = {each.id for each in release.assets}
        missing = [each for each in stored if each.id not in told]
        if missing:  # what is told beside a release is not believed to be all of it
            told = {each.id for each in self.github.rest.assets(release.id)}
        for each in missing:
            if each.id not in told:
                raise OneReleaseError(
                    f"{each.name} was deleted from the draft of {release.tag} before it was published.",
                    "Run the same command again: it continues there.",
                )

    def _twin(self, planned: PlannedRelease, own: int | None = None) -> Listed | None:
        """The release in which another publisher has published the same files since the plan was made.

        Where another draft for them is seen, it is given a moment: it may be the one that just took the tag.
        """
        for tries in range(_TRIES):
            listed = self.newest([*planned.taken, planned.tag])
            ours = [each for each in listed if each.mark and release_tags.number_of(each.tag, planned.base)]
            twin = next((each for each in ours if holds_all(each, planned.files)), None)
            if twin is not None or not any(state_of(each, planned.files) in DRAFTS and each.id != own for each in listed):
                return twin
            self.stop.wait(PAUSE * 2**tries)
        return None


def side_by_side(pool: ThreadPoolExecutor, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """The results of jobs that run side by side. The first that fails stops those that have not begun."""
    futures = [pool.submit(job) for job in jobs]
    wait(futures, return_when=FIRST_EXCEPTION)
    failed = next((each for each in futures if each.done() and not each.cancelled() and each.exception()), None)
    if failed is not None:
        for each in futures:
            each.cancel()
        failed.result()
    return [each.result() for each in futures]


def _refusal(what: str, error: RejectedError) -> RefusedReleaseError:
    return RefusedReleaseError(
        f"GitHub refuses {what}: {error.said}.", "Look at the rules of the repository, or ask its owner."
    )


def _is_beside(each: Incoming, filename: str) -> bool:
    return each.beside is not None and each.beside.named.file.filename == filename


def _deleted(planned: PlannedRelease) -> OneReleaseError:
    return OneReleaseError(f"The release {planned.tag} was deleted while it was filled.", "Run the same command again.")


def _tag_is_taken(error: Exception) -> bool:
    """By another release, or for ever by an immutable one that was deleted (GitHub has no code for that)."""
    return isinstance(error, RejectedError) and (
        error.says("already_exists") or "used by an immutable release" in error.message
    )
