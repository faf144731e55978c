"""`POST /legacy/`: the upload API that twine and `uv publish` speak, carried out by the same operation as the command."""

from __future__ import annotations

import asyncio
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from wharf.distribution import read_distribution
from wharf.distribution.file_names import Name, plain
from wharf.errors import (
    UNWRITABLE,
    BusyError,
    MayNotWriteError,
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    StorageError,
    TooLargeError,
    UsageError,
)
from wharf.operations.publish import Published, publish
from wharf.operations.publish_inputs import Input
from wharf.server.access.borrowed_tokens import as_server_error
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.request_body import check_length, pieces
from wharf.server.web import upload_form_parser
from wharf.server.web.upload_checks import check_form
from wharf.server.web.upload_form import UploadForm, UploadLimits, check_room
from wharf.server.web.uploader_rights import UploaderRights
from wharf.system import disk_remedies, owner_only_folder
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.requests import Request

    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Uploader
    from wharf.server.web.quota_wait import QuotaWait

FORM_LIMIT = 32 << 20
"""Bytes that the fields of a form may have beside the file: descriptions and attestations are the large ones."""
CHECKS = 4
"""Uploads that are checked at the same time."""
MEMORY = 128 << 20
"""Bytes of memory that all uploads may hold which have not come to their end."""
EACH = 1 << 20
"""Bytes that each of them may hold: what was read of the connection, and what is not on the disk yet."""


@dataclass(frozen=True, slots=True)
class UploadResult:
    """What came of an upload, and what there is to say of it."""

    published: Published
    notes: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """What the uploader is told."""
        there = (f"{each.file.filename} is in the index already." for each in self.published.unchanged)
        return [*self.published.warnings, *self.notes, *there]


class UploadApi:
    """Takes uploads for the indexes of a repository. `limit` is in bytes a file; `strict`: a file worth a warning is refused.

    - An upload is published whole or not at all, and is answered only when that is known.
    - Nothing of a form is believed: name, version and digests must be those of the file.
    - At most `CHECKS` uploads are checked at the same time. One is published at a time, as they would only meet again at the
      branch; who waits for GitHub's limits keeps nobody else waiting.
    - The file lies in `folder` meanwhile, under no name, and the disk keeps a floor of free room.
    - All forms that are read hold at most `MEMORY` bytes of memory.
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
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self._own = repository
        self._repositories = {repository.branch.index: repository}
        self._rights = UploaderRights(repository.github, clock)
        self._limit = limit
        self._strict = strict
        self._folder = folder
        self._unfinished = 0
        self._checks = DaemonThreads("check", CHECKS)
        self._threads = DaemonThreads("upload", 1)  # GitHub may hang, and a server that is told to end ends all the same

    async def take(self, request: Request, index: str, uploader: Uploader, patience: QuotaWait) -> UploadResult:
        """Publish the file of a request to an index that is there, with the uploader's own token on GitHub.

        Raises WharfError: nothing is published.

        A pause for GitHub's limits in the middle leaves a draft, which the next try fills. A short pause is waited for here.
        """
        try:
            form = await self._parse(request)
            try:
                if (action := request.query_params.get(":action")) is not None:
                    form.fields.setdefault(":action", action)
                given, notes = await self._checks.run(partial(self._check, form))
                return UploadResult(
                    await patience.ask(partial(self._publish, self._of(index), given, uploader, patience)), notes
                )
            finally:
                form.close()
        except OSError as error:  # the folder for temporary files, where the form lies
            raise StorageError(
                f"The upload cannot be kept for its checks: {error.strerror}.",
                disk_remedies.hint(error, "set TMPDIR to a folder with more room that can be written to"),
                told=UNWRITABLE,
            ) from error

    async def _parse(self, request: Request) -> UploadForm:
        """The form, while there is room for it in memory and on the disk."""
        too_large = _too_large(self._limit)
        if (coding := request.headers.get("content-encoding", "identity").strip().lower()) != "identity":
            raise UsageError(f"The upload is encoded as {plain(coding, 50)!r}.", "Send it without a Content-Encoding.")
        announced = check_length(request, self._limit + FORM_LIMIT, too_large)
        if (self._unfinished + 1) * EACH > MEMORY:
            raise BusyError("Too many uploads are under way.", "Try again in a moment.")
        self._unfinished += 1
        try:
            if self._folder is not None:
                await asyncio.to_thread(owner_only_folder.make, self._folder)
                await asyncio.to_thread(check_room, self._folder, announced or 0)
            body = pieces(request, self._limit + FORM_LIMIT, too_large)
            limits = UploadLimits(self._limit, too_large, self._folder)
            return await upload_form_parser.parse(request.headers.get("content-type"), body, limits)
        finally:
            self._unfinished -= 1

    def _of(self, index: str) -> Repository:
        """The repository with that index in it."""
        if index not in self._repositories:
            self._repositories[index] = self._own.of_index(index)
        return self._repositories[index]

    async def _publish(self, repository: Repository, given: Input, uploader: Uploader, patience: QuotaWait) -> Published:
        """Publish as soon as GitHub's limits have room for the whole of it. While it waits, others have their turns."""
        github = repository.github
        if github is None or await self._threads.run(partial(_has, repository, given.filename)):
            return await self._threads.run(partial(self._carry_out, repository, given, uploader))
        room = (github if uploader.token is None else github.with_token(uploader.token)).reserve(patience.most)

        def begin() -> Published:
            room.give_back()
            return self._carry_out(repository, given, uploader)

        try:
            await patience.wait(room.seconds)
            return await self._threads.run(begin)
        finally:
            room.give_back()

    def _check(self, form: UploadForm) -> tuple[Input, tuple[str, ...]]:
        """The file of a form, if the form says of it what is true; and what there is to say of the form."""
        content, filename, notes = check_form(form)
        found = read_distribution.read(content, filename, limit=self._limit)
        return Input(filename, lambda: _again(content), form.size, found), notes

    def _carry_out(self, repository: Repository, given: Input, uploader: Uploader) -> Published:
        with ExitStack() as stack:
            if uploader.token is not None:
                repository = stack.enter_context(repository.acting_as(uploader.token))
            try:
                # GitHub tells whose token it is when it takes the file.
                actor = uploader.name if uploader.token is None else None
                return publish(
                    repository,
                    [given],
                    actor=actor,
                    create=repository.github is None,  # of a folder, the server looked at its start what is there
                    strict=self._strict,
                    limit=self._limit,
                    check=self._rights.of(repository, uploader),
                )
            except (NotAllowedError, NotFoundError) as error:
                if isinstance(error, (NoIndexError, MayNotWriteError)):
                    raise
                if uploader.token is not None:
                    raise NotAllowedError(error.message, error.hint) from error
                if repository.github is None:
                    raise
                raise as_server_error(error) from error


def _has(repository: Repository, filename: str) -> bool:
    """Whether the index names such a file: then nothing is created, whatever comes of it."""
    with suppress(StorageError):  # the publish fetches again what is damaged here
        project = repository.branch.snapshot().project(Name.parse(filename).project)
        return project is not None and any(each.filename == filename for each in project.files)
    return False


def _again(file: BinaryIO) -> BinaryIO:
    """The form's file from its beginning, to be closed without closing the form's."""
    file.seek(0, os.SEEK_END)  # both share one place: with bytes read ahead, closing would go back from wherever that is
    again = os.fdopen(os.dup(file.fileno()), "rb")
    again.seek(0)
    return again


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"The upload is larger than this server takes ({limit} bytes a file).", "`wharf serve --upload-limit` sets that."
    )
