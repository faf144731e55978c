"""`POST /legacy/`: the upload API that twine and `uv publish` speak, carried out by the same operation as the command."""

from __future__ import annotations

import asyncio
import hashlib
import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, Protocol

from packaging.utils import canonicalize_name

from wharf.distribution import reading
from wharf.distribution.file_names import Name, plain
from wharf.errors import (
    UNWRITABLE,
    BusyError,
    InvalidDistributionError,
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    StorageError,
    TooLargeError,
    UsageError,
)
from wharf.model import version_of
from wharf.operations.publish import Published, publish
from wharf.operations.publish_inputs import Input
from wharf.server.access.borrowed_tokens import servers_own
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.request_body import check_length, pieces
from wharf.server.web import upload_form as forms
from wharf.server.web.upload_form import REMEDY, Form, Limits
from wharf.system import disk_remedies, owner_only_folder

if TYPE_CHECKING:
    from pathlib import Path

    from packaging.version import Version
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
"""Bytes that each of them may hold: what was read of the connection, and what is to be written to the disk."""
_DIGESTS = {"md5_digest": ("md5", 32), "sha256_digest": ("sha256", 64), "blake2_256_digest": ("blake2b", 64)}


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


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
    """Takes uploads for one repository. `limit` is in bytes a file; `strict`: a file that is worth a warning is refused.

    - An upload is published whole or not at all, and is answered only when that is known.
    - Nothing of a form is believed: name, version and digests must be those of the file.
    - At most `CHECKS` uploads are checked at the same time. One is published at a time, as they would only meet again at the
      branch; who waits for GitHub's limits keeps nobody else waiting.
    - The file lies in `folder` meanwhile, under no name, and the disk keeps a floor of free room.
    - All forms that are read hold at most `MEMORY` bytes of memory.
    - An upload to GitHub is made with the uploader's own token, if there is one.
    - `take` is for the event loop's thread; checks and publishing run in other threads.
    """

    def __init__(self, repository: Repository, limit: int, *, strict: bool = False, folder: Path | None = None) -> None:
        self._repository = repository
        self._limit = limit
        self._strict = strict
        self._folder = folder
        self._unfinished = 0
        self._checks = DaemonThreads("check", CHECKS)
        self._threads = DaemonThreads("upload", 1)  # GitHub may hang, and a server that is told to end ends all the same

    async def take(self, request: Request, uploader: Uploader, patience: QuotaWait) -> UploadResult:
        """Publish the file of a request, with the uploader's own token on GitHub. Raises WharfError: nothing is published.

        A pause of GitHub's in the middle leaves a draft, which the next try fills: that is made here, if the pause is short.
        """
        try:
            form = await self._parse(request)
            try:
                if (action := request.query_params.get(":action")) is not None:
                    form.fields.setdefault(":action", action)
                given, notes = await self._checks.run(partial(self._check, form))
                return UploadResult(await patience.ask(partial(self._publish, given, uploader, patience)), notes)
            finally:
                form.close()
        except OSError as error:  # the folder for temporary files, where the form lies
            raise StorageError(
                f"The upload cannot be kept for its checks: {error.strerror}.",
                disk_remedies.hint(error, "set TMPDIR to a folder with more room that can be written to"),
                told=UNWRITABLE,
            ) from error

    async def _parse(self, request: Request) -> Form:
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
                await asyncio.to_thread(forms.check_room, self._folder, announced or 0)
            body = pieces(request, self._limit + FORM_LIMIT, too_large)
            limits = Limits(self._limit, too_large, self._folder)
            return await forms.parse(request.headers.get("content-type"), body, limits)
        finally:
            self._unfinished -= 1

    async def _publish(self, given: Input, uploader: Uploader, patience: QuotaWait) -> Published:
        """Publish as soon as GitHub's limits have room for the whole of it. While it waits, others have their turns."""
        github = self._repository.github
        if github is None or await self._threads.run(partial(self._has, given.filename)):
            return await self._threads.run(partial(self._carry_out, given, uploader))
        room = (github if uploader.token is None else github.with_token(uploader.token)).reserve(patience.most)

        def begin() -> Published:
            room.give_back()
            return self._carry_out(given, uploader)

        try:
            await patience.wait(room.seconds)
            return await self._threads.run(begin)
        finally:
            room.give_back()

    def _has(self, filename: str) -> bool:
        """Whether the index names such a file: then nothing is created, whatever comes of it."""
        with suppress(StorageError):  # the publish brings anew what is damaged here
            project = self._repository.branch.snapshot().project(Name.parse(filename).project)
            return project is not None and any(each.filename == filename for each in project.files)
        return False

    def _check(self, form: Form) -> tuple[Input, tuple[str, ...]]:
        """The file of a form, if the form says of it what is true; and what there is to say of the form."""
        action, protocol = form.fields.get(":action", "file_upload"), form.fields.get("protocol_version", "1")
        if action != "file_upload" or protocol != "1":
            raise UsageError(
                f"The server takes no such form (:action={action[:50]!r}, protocol_version={protocol[:50]!r}).",
                "An upload says :action=file_upload and protocol_version=1.",
            )
        content, filename = form.content, form.filename
        if content is None or not filename:
            raise UsageError("The upload has no file in its field `content`.", REMEDY)
        name = Name.parse(filename)
        _check_name(form, name.project, name.version)
        notes = (*_dropped(form), *_check_digests(form, content, filename))
        found = reading.read(content, filename, limit=self._limit)
        return Input(filename, lambda: _again(content), form.size, found), notes

    def _carry_out(self, given: Input, uploader: Uploader) -> Published:
        with ExitStack() as stack:
            repository = self._repository
            if uploader.token is not None:
                repository = stack.enter_context(repository.acting_as(uploader.token))
            try:
                # GitHub tells whose token it is when it takes the file.
                actor = uploader.name if uploader.token is None else None
                return publish(repository, [given], actor=actor, create=False, strict=self._strict, limit=self._limit)
            except (NotAllowedError, NotFoundError) as error:
                if isinstance(error, NoIndexError):
                    raise
                if uploader.token is not None:
                    raise NotAllowedError(error.message, error.hint) from error
                if repository.github is None:
                    raise
                raise servers_own(error) from error


def _check_name(form: Form, project: str, version: Version) -> None:
    """Name and version, where the form gives them, must be those of the file."""
    name, declared = form.fields.get("name"), form.fields.get("version")
    if name is not None and canonicalize_name(name) != project:
        raise InvalidDistributionError(f"The form says name={plain(name)!r}, the file is of {project}.", REMEDY)
    if declared is not None and (parsed := version_of(declared)) != version:
        why = "which is not a version" if parsed is None else f"the file is {version}"
        raise InvalidDistributionError(f"The form says version={plain(declared)!r}, {why}.", REMEDY)


def _dropped(form: Form) -> list[str]:
    """What the uploader sent beside the file, and is not kept."""
    lines = {
        "gpg_signature": "The signature {!r} was dropped: signatures by GPG are not kept.",
        "attestations": "The attestations were dropped: they are not kept.",
    }
    return [lines.get(name, f"The field {name!r} was dropped.").format(filename) for name, filename in form.dropped.items()]


def _check_digests(form: Form, file: BinaryIO, filename: str) -> list[str]:
    """Every digest that the form declares must be that of the bytes. One of another length says nothing: it is passed over."""
    declared = {field: value for field in _DIGESTS if (value := form.fields.get(field))}
    digits = {field: _DIGESTS[field][1] for field in declared}
    odd = {field for field, value in declared.items() if len(value) != digits[field]}
    found = {field: _hash(field) for field in declared if field not in odd}
    while chunk := file.read(1 << 20) if found else b"":
        for each in found.values():
            each.update(chunk)
    file.seek(0)
    for field, digest in found.items():
        if digest.hexdigest() != declared[field].lower():
            raise InvalidDistributionError(
                f"{filename!r} arrived with another {field} than declared.", "Upload it again; it was damaged on the way."
            )
    return [f"{each} was ignored: it has {len(declared[each])} digits instead of {digits[each]}." for each in sorted(odd)]


def _hash(field: str) -> _Digest:
    if field == "blake2_256_digest":
        return hashlib.blake2b(digest_size=32)
    # md5 is what old clients declare; here it tells a broken transfer, and guards nothing.
    return hashlib.new(_DIGESTS[field][0], usedforsecurity=False)


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
