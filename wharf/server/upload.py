"""`POST /legacy/`: the upload API that twine and `uv publish` speak, carried out by the same operation as the command."""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import ExitStack
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, BinaryIO

from packaging.utils import canonicalize_name
from python_multipart.exceptions import FormParserError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from wharf import distribution
from wharf.distribution.names import Name, plain
from wharf.errors import (
    InvalidDistributionError,
    NoIndexError,
    NotAllowedError,
    NotFoundError,
    TooLargeError,
    UnwritableError,
    UsageError,
)
from wharf.model import version_of
from wharf.operations.publish import Input, Published, publish
from wharf.server.lending import servers_own
from wharf.server.outside import Outside

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from packaging.version import Version
    from starlette.datastructures import FormData
    from starlette.requests import Request

    from wharf.repository import Repository
    from wharf.server.access import Uploader
    from wharf.server.patience import Patience

# It warns of every odd byte of a form; what matters of that is in our answer.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

FORM_LIMIT = 32 << 20
"""Bytes that the fields of a form may have beside the file: descriptions and attestations are the large ones."""
CHECKS = 4
"""Uploads that are checked at the same time."""
_FIELDS = 10_000
_FIELD_LIMIT = 8 << 20
_DIGESTS = {"md5_digest": "md5", "sha256_digest": "sha256", "blake2_256_digest": "blake2b"}
_REMEDY = "Upload with twine or `uv publish`, and build the file again if it persists."


class Uploads:
    """Takes uploads for one repository: several are checked side by side, so that none waits for the check of another one.

    They are published one at a time, as they would only meet again at the branch. `limit` is in bytes a file; `strict`: a file
    that is worth a warning is refused.
    """

    def __init__(self, repository: Repository, limit: int, *, strict: bool = False) -> None:
        self._repository = repository
        self._limit = limit
        self._strict = strict
        self._checks = Outside("check", CHECKS)
        self._outside = Outside("upload", 1)  # GitHub may hang, and a server that is told to end ends all the same

    async def take(self, request: Request, uploader: Uploader, patience: Patience) -> Published:
        """Publish the file of a request, with the uploader's own token on GitHub. Raises WharfError: nothing is published.

        A pause of GitHub's in the middle leaves a draft, which the next try fills: that is made here, if the pause is short.
        """
        _check_length(request, self._limit)
        try:
            form = await _parse(request, self._limit + FORM_LIMIT)
            try:
                given = await self._checks.run(partial(self._check, form))
                return await patience.through(partial(self._publish, given, uploader, patience))
            finally:
                await form.close()
        except OSError as error:  # the folder for temporary files, where the form lies
            raise UnwritableError(
                f"The upload cannot be kept for its checks: {error.strerror}.",
                "Free some room, or set TMPDIR to where there is.",
            ) from error

    async def _publish(self, given: Input, uploader: Uploader, patience: Patience) -> Published:
        """Publish as soon as GitHub's limits have room for the whole of it. While it waits, others have their turns."""
        github = self._repository.github
        if github is None:
            return await self._outside.run(partial(self._carry_out, given, uploader))
        room = (github if uploader.token is None else github.with_token(uploader.token)).reserve(patience.most)

        def begin() -> Published:
            room.give_back()
            return self._carry_out(given, uploader)

        try:
            await patience.wait(room.seconds)
            return await self._outside.run(begin)
        finally:
            room.give_back()

    def _check(self, form: FormData) -> Input:
        """The file of a form, if the form says of it what is true."""
        content = form.get("content")
        if form.get(":action") != "file_upload" or form.get("protocol_version", "1") != "1":
            raise UsageError("The form is no upload: it must say :action=file_upload and protocol_version=1.", _REMEDY)
        if not isinstance(content, UploadFile) or not content.filename:
            raise UsageError("The upload has no file in its field `content`.", _REMEDY)
        name = Name.parse(content.filename)
        if content.size is not None and content.size > self._limit:
            raise _too_large(self._limit)
        _check_name(form, name.project, name.version)
        _check_digests(form, content.file, content.filename)
        found = distribution.read(content.file, content.filename, limit=self._limit)
        return Input(content.filename, lambda: _again(content.file), content.size, found)

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


def _check_length(request: Request, limit: int) -> None:
    """Refuse by the announced length, before a byte of the body is taken."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit + FORM_LIMIT:
        raise _too_large(limit)


async def _parse(request: Request, limit: int) -> FormData:
    async def bounded(stream: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
        seen = 0
        async for chunk in stream:
            seen += len(chunk)
            if seen > limit:
                raise _too_large(limit - FORM_LIMIT)
            yield chunk

    try:
        parser = MultiPartParser(
            request.headers, bounded(request.stream()), max_files=1, max_fields=_FIELDS, max_part_size=_FIELD_LIMIT
        )
        return await parser.parse()
    except (MultiPartException, FormParserError, ClientDisconnect, KeyError, UnicodeError) as error:
        why = str(error).rstrip(".")
        raise UsageError(f"The body is not a form with a file (multipart/form-data): {why}.", _REMEDY) from error


def _check_name(form: FormData, project: str, version: Version) -> None:
    """Name and version, where the form gives them, must be those of the file."""
    name, declared = form.get("name"), form.get("version")
    if isinstance(name, str) and canonicalize_name(name) != project:
        raise InvalidDistributionError(f"The form says name={plain(name)!r}, the file is of {project}.", _REMEDY)
    if isinstance(declared, str) and (parsed := version_of(declared)) != version:
        why = "which is none" if parsed is None else f"the file is {version}"
        raise InvalidDistributionError(f"The form says version={plain(declared)!r}, {why}.", _REMEDY)


def _check_digests(form: FormData, file: BinaryIO, filename: str) -> None:
    """Every digest that the form declares must be that of the bytes."""
    declared = {field: value for field in _DIGESTS if isinstance(value := form.get(field), str) and value}
    found = {}
    for field in declared:
        size = {"digest_size": 32} if field == "blake2_256_digest" else {}
        # md5 is what old clients declare; here it tells a broken transfer, and guards nothing.
        found[field] = hashlib.new(_DIGESTS[field], usedforsecurity=False, **size)  # type: ignore[arg-type]
    while chunk := file.read(1 << 20) if found else b"":
        for each in found.values():
            each.update(chunk)
    file.seek(0)
    for field, value in declared.items():
        if found[field].hexdigest() != value.lower():
            raise InvalidDistributionError(
                f"{filename!r} arrived with another {field} than declared.", "Upload it again; it was damaged on the way."
            )


def _again(file: BinaryIO) -> BinaryIO:
    """The form's file from its beginning, to be closed without closing the form's."""
    if isinstance(file, SpooledTemporaryFile):
        file.rollover()
    again = os.fdopen(os.dup(file.fileno()), "rb")
    again.seek(0)
    return again


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(
        f"The upload is larger than this server takes ({limit} bytes a file).", "`wharf serve --upload-limit` sets that."
    )
