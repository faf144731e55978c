"""`POST /legacy/`: the upload API that twine and `uv publish` speak, carried out by the same operation as the command."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from wharf.distribution import read_distribution
from wharf.distribution.file_names import Name, plain
from wharf.errors import (
    UNWRITABLE,
    MayNotWriteError,
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    StorageError,
    TooLargeError,
    UsageError,
    WharfError,
)
from wharf.operations.publish_group import Member, Published, publish_group
from wharf.operations.publish_inputs import Input
from wharf.server.access.borrowed_tokens import as_server_error
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.request_body import check_length, pieces
from wharf.server.web import upload_form_parser
from wharf.server.web.reserved_names import ReservedNames
from wharf.server.web.upload_checks import check_form
from wharf.server.web.upload_form import UploadLimits
from wharf.server.web.upload_groups import UploadGroups
from wharf.server.web.upload_slots import UploadSlots
from wharf.server.web.uploader_rights import UploaderRights
from wharf.system import disk_remedies, file_lock
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from starlette.requests import Request

    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Uploader
    from wharf.server.web.quota_wait import QuotaWait
    from wharf.server.web.upload_form import UploadForm

FORM_LIMIT = 32 << 20
"""Bytes that the fields of a form may have beside the file: descriptions and attestations are the large ones."""
CHECKS = 4
"""Uploads that are checked at the same time."""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What came of an upload, and what there is to say of it."""

    published: Published
    notes: tuple[str, ...]
    seconds: float = 0.0
    """Since its publish began: all it read of the index, and of the rights of the uploader, is no older."""

    @property
    def lines(self) -> list[str]:
        """What the uploader is told."""
        there = (f"{each.file.filename} is in the index already." for each in self.published.unchanged)
        return [*self.published.warnings, *self.notes, *there]


@dataclass(frozen=True, slots=True)
class _Group:
    """What the members of a group have in common."""

    index: str
    uploader: Uploader


class _Upload:
    """One upload that passed its checks, with the form that owns the file. `begin` is called when its publish begins.

    The file is closed when its request has ended and no publish uses it: a number of a closed file is soon that of another one.
    """

    def __init__(self, given: Input, notes: tuple[str, ...], form: UploadForm) -> None:
        self.given = given
        self.notes = notes
        self.begin: Callable[[], None] = lambda: None
        self.came = self.began = elapsed()
        self._form = form
        self._uses = 1  # that of its request

    def hold(self) -> None:
        """A publish begins to use the file."""
        self._uses += 1

    def release(self) -> None:
        """A publish, or the request, has ended."""
        self._uses -= 1
        if not self._uses:
            self._form.close()


class UploadApi:
    """Takes uploads for the indexes of a repository. `limit` is in bytes a file; `strict`: a file worth a warning is refused.

    - An upload is published whole or not at all, and is answered only when that is known.
    - Nothing of a form is believed: name, version and digests must be those of the file.
    - At most `CHECKS` uploads are checked at the same time. One group of them is published at a time, as they would only meet
      again at the branch; who waits for GitHub's limits keeps nobody else waiting. One that is alone continues in its thread.
    - The file lies in `folder` meanwhile, under no name, and the disk keeps a floor of free room. On the disk of the store it
      gets its name there, and is not copied.
    - So many forms are read at the same time as there are `UploadSlots`, which bounds the memory that they hold.
    - What the uploader's token may write is looked at before a byte is stored, and again at the commit.
    - An upload to GitHub is made with the uploader's own token, if there is one.
    - `take` is for the event loop's thread; checks and publishing run in other threads.
    """

    def __init__(
        self,
        repository: Repository,
        limit: int,
        *,
        strict: bool = False,
        folder: Path | None = None,
        reserved: ReservedNames | None = None,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._own = repository.remembering()
        self._repositories = {repository.branch.index: self._own}
        self._rights = UploaderRights(repository.github, clock)
        self._limit = limit
        self._strict = strict
        self._folder = folder
        self._reserved = reserved or ReservedNames()
        self._slots = UploadSlots()
        self._checks = DaemonThreads("check", CHECKS)
        self._threads = DaemonThreads("upload", 1)  # GitHub may hang, and a server that is told to end ends all the same
        self._groups: UploadGroups[_Group, _Upload, Published] = UploadGroups(self._land, _Upload.hold)

    async def take(self, request: Request, index: str, uploader: Uploader, patience: QuotaWait) -> UploadResult:
        """Publish the file of a request to an index that is there, with the uploader's own token on GitHub.

        Raises WharfError: nothing is published.

        A pause for GitHub's limits in the middle leaves a draft, which the next try fills. A short pause is waited for here.
        """
        try:
            key = _Group(index, uploader)
            upload, published = await self._checked(key, request)
            try:
                if published is None:
                    published = await patience.ask(partial(self._publish, key, upload, patience))
                return UploadResult(published, upload.notes, elapsed() - upload.began)
            finally:
                upload.release()
        except OSError as error:  # the folder for temporary files, where the form lies
            raise StorageError(
                f"The upload cannot be kept for its checks: {error.strerror}.",
                disk_remedies.hint(error, "set TMPDIR to a folder with more room that can be written to"),
                told=UNWRITABLE,
            ) from error

    async def _checked(self, key: _Group, request: Request) -> tuple[_Upload, Published | None]:
        """The upload of a request, while there is room in memory and on the disk; and what came of it, if it was alone."""
        too_large = _too_large(self._limit)
        if (coding := request.headers.get("content-encoding", "identity").strip().lower()) != "identity":
            raise UsageError(f"The upload is encoded as {plain(coding, 50)!r}.", "Send it without a Content-Encoding.")
        announced = check_length(request, self._limit + FORM_LIMIT, too_large)
        with self._slots.one(key.uploader.name):
            body = pieces(request, self._limit + FORM_LIMIT, too_large)
            limits = UploadLimits(self._limit, too_large, self._folder, announced or 0)
            form = await upload_form_parser.parse(request.headers.get("content-type"), body, limits)
            if (action := request.query_params.get(":action")) is not None:
                form.fields.setdefault(":action", action)
            return await self._checks.run(partial(self._check_and_publish, key, form))

    def _check_and_publish(self, key: _Group, form: UploadForm) -> tuple[_Upload, Published | None]:
        """Check an upload, and publish it in the same thread, if nobody else does or waits: a way by the event loop costs time.

        Over GitHub it waits for limits first.
        """
        upload = self._check(form)
        if self._own.github is not None or not self._groups.enter():
            return upload, None
        try:
            try:
                (done,) = self._carry_out(key, [upload])
            finally:
                self._groups.leave()
            if isinstance(done, WharfError):
                raise done
        except BaseException:
            upload.release()
            raise
        return upload, done

    def _check(self, form: UploadForm) -> _Upload:
        """The file of a form, if the form says of it what is true; and what there is to say of the form."""
        with ExitStack() as stack:
            stack.callback(form.close)
            form.finish()
            content, filename, notes = check_form(form)
            content.begin_sync()
            with content.to_check() as file:
                digest = content.digest("sha256_digest"), content.size
                found = read_distribution.read(file, filename, limit=self._limit, digest=digest)
            content.settle()
            stack.pop_all()
        return _Upload(Input(filename, content.opened, content.size, found, sealed=True), notes, form)

    def _of(self, index: str) -> Repository:
        """The repository with that index in it."""
        if index not in self._repositories:
            self._repositories[index] = self._own.of_index(index)
        return self._repositories[index]

    async def _publish(self, key: _Group, upload: _Upload, patience: QuotaWait) -> Published:
        """Publish as soon as GitHub's limits have room for the whole of it. While it waits, others have their turns."""
        repository, token = self._of(key.index), key.uploader.token
        github = repository.github
        if github is None or await self._checks.run(partial(_has, repository, upload.given.filename)):
            return await self._groups.join(key, upload)
        room = (github if token is None else github.with_token(token)).reserve(patience.most)
        try:
            await patience.wait(room.seconds)
            upload.begin = room.give_back
            return await self._groups.join(key, upload)
        finally:
            room.give_back()

    async def _land(self, key: _Group, uploads: Sequence[_Upload]) -> Sequence[Published | WharfError]:
        """Publish a group, and keep its files until that has ended, whoever waits for it."""
        try:
            return await self._threads.run(partial(self._carry_out, key, uploads))
        finally:
            for each in uploads:
                each.release()

    def _carry_out(self, key: _Group, uploads: Sequence[_Upload]) -> Sequence[Published | WharfError]:
        repository, uploader = self._of(key.index), key.uploader
        with ExitStack() as stack:
            # The one who came first waits for no lock longer than alone, although others waited for it before.
            end = min(each.came for each in uploads) + file_lock.IN_REQUEST
            stack.enter_context(file_lock.patience(file_lock.Patience(end=end)))
            if uploader.token is not None:
                repository = stack.enter_context(repository.acting_as(uploader.token))
            check = self._rights.of(repository, uploader)
            for each in uploads:
                each.begin()
                each.began = elapsed()
            try:
                done = publish_group(
                    repository,
                    [
                        Member(inputs=[each.given], check=self._reserved.guard(check, key.index, each.given.filename))
                        for each in uploads
                    ],
                    # GitHub tells whose token it is when it takes the file.
                    actor=uploader.name if uploader.token is None else None,
                    create=repository.github is None,  # of a folder, the server looked at its start what is there
                    strict=self._strict,
                    limit=self._limit,
                )
            except (NotAllowedError, NotFoundError) as error:
                told = _told(error, repository, uploader)
                if told is error:
                    raise
                raise told from error
            return [_told(each, repository, uploader) if isinstance(each, WharfError) else each for each in done]


def _told(error: WharfError, repository: Repository, uploader: Uploader) -> WharfError:
    """What an uploader is told of an error: whose token GitHub refuses decides whose fault it is."""
    if not isinstance(error, (NotAllowedError, NotFoundError)) or isinstance(error, (NoIndexError, MayNotWriteError)):
        return error
    if uploader.token is not None:
        return NotAllowedError(error.message, error.hint)
    return error if repository.github is None else as_server_error(error)


def _has(repository: Repository, filename: str) -> bool:
    """Whether the index names such a file: then nothing is created, whatever comes of it."""
    with suppress(StorageError):  # the publish fetches again what is damaged here
        project = repository.branch.snapshot().project(Name.parse(filename).project)
        return project is not None and any(each.filename == filename for each in project.files)
    return False


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"The upload is larger than this server takes ({limit} bytes a file).", "`wharf serve --upload-limit` sets that."
    )
