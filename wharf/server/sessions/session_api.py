"""`/-/upload/2.0/`: the upload API of PEP 694 (a draft), request by request."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.assets.session_requests import check_document, read_file, read_release, read_seconds, release_asked
from wharf.assets.session_store import LiveSessionError
from wharf.assets.upload_session_states import PUBLISHED
from wharf.errors import InvalidDistributionError, NotFoundError, QuotaError, WharfError
from wharf.operations.upload_session_files import (
    KeptDistributions,
    announce_file,
    check_bytes,
    check_receiving,
    complete_file,
    delete_file,
    drop_files,
    keep_bytes,
    note_bad_bytes,
)
from wharf.operations.upload_session_publish import SessionPublish, publish_session
from wharf.operations.upload_session_verbs import begin_session, cancel_session, extend_session, find_live
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.answer import Answer
from wharf.server.sessions import incoming_batch, session_answers
from wharf.server.sessions.batch_api import BatchApi
from wharf.server.sessions.incoming_bytes import IncomingBytes, write_whole
from wharf.server.sessions.session_answers import MEDIA_TYPE, Addresses, file_answer, refusal, refusal_in_words, session_answer
from wharf.server.sessions.session_call import Call, media_type, takes
from wharf.server.sessions.waiting_client import WaitingClient
from wharf.server.web.answer_response import AnswerResponse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.operations.upload_session_files import Digests
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.sessions.session_work import SessionWork, Work

log = logging.getLogger("wharf")

ANSWER_WITHIN: Final = 40.0
"""Seconds after which a publish that still runs is answered with 202: proxies give up after a minute."""
CHECKS: Final = 8
"""Files that are checked and given to the store at the same time: over GitHub, most of them are on their way there."""
PUBLISHES: Final = 8
"""Sessions that are published at the same time."""

_FORM = "multipart/form-data"


class SessionApi:
    """Answers all requests about upload sessions. `limit` is in bytes a file; `strict`: a file worth a warning is refused.

    - Every request is of somebody who may upload: that is looked at before anything else, and said before anything else.
    - A publish that takes longer than a client waits goes on, and the session tells what came of it.
    - All methods are for the event loop's thread.
    """

    def __init__(
        self, work: SessionWork, index: str, root_path: str, refusals: RefusalLog | None, *, limit: int, strict: bool
    ) -> None:
        self._work = work
        self._index = index
        self._root = root_path
        self._refusals = refusals
        self._limit = limit
        self._strict = strict
        self._kept = KeptDistributions()
        self._incoming = IncomingBytes()
        self._checks = DaemonThreads("session-check", CHECKS)
        self._batches = BatchApi(self._incoming, self._checks, self._kept, limit=limit, strict=strict)
        self._publishes = DaemonThreads("session-publish", PUBLISHES)
        self._under_way: set[asyncio.Task[UploadSession | None]] = set()

    async def answer(self, request: Request) -> Response:
        """The answer to one request."""
        index = request.path_params.get("index", self._index)
        try:
            found = await self._answer(request, index)
        except WharfError as error:
            found = self._refused(request, error)
        return AnswerResponse(found)

    async def _answer(self, request: Request, index: str) -> Answer:
        patience = self._work.patience()
        uploader = await self._work.uploader(request, index, patience)
        if isinstance(uploader, Answer):
            self._tell(request, uploader.status, uploader.reason.decode())
            return session_answers.refusal_like(uploader)
        parts = request.path_params.get("rest", "").split("/")
        methods = self._methods(parts)
        if methods is None:
            return refusal_in_words(404, "Upload sessions have no such address.")
        handle = methods.get(request.method)
        if handle is None:
            allowed = ", ".join(methods)
            return refusal_in_words(405, f"Only {allowed} is answered here.", headers=(("allow", allowed),))
        host = request.headers.get("host", "")
        below = f"/{index}" if "index" in request.path_params else ""
        at = Addresses(f"{request.scope['scheme']}://{host}{self._root}{below}", self._work.takes_batches)
        if media_type(request) == _FORM:
            return refusal_in_words(415, f"This takes no form. Uploads of twine and `uv publish` go to {at.base}/legacy/.")
        if not takes(request.headers.get("accept", "")):
            return refusal_in_words(406, f"The client does not take the format that the server has: {MEDIA_TYPE}.")
        kind = {"bytes": None, "batch": incoming_batch.MEDIA_TYPE}.get(parts[-1], MEDIA_TYPE)
        if request.method == "POST" and kind is not None and media_type(request) != kind:
            return refusal_in_words(415, f"The Content-Type of the request must be {kind}.")
        if request.headers.get("content-encoding", "identity") != "identity":
            return refusal_in_words(415, "The body of the request must not be compressed.")
        return await handle(Call(request, index, at, uploader, self._work, patience))

    def _methods(self, parts: list[str]) -> dict[str, Callable[[Call], Awaitable[Answer]]] | None:
        """What can be done at an address, by method."""
        match parts:
            case [""]:
                return {"POST": self._begin, "GET": self._find}
            case [id_] | [id_, ""]:
                return {"GET": partial(self._status, id_), "DELETE": partial(self._cancel, id_)}
            case [id_, "publish"]:
                return {"POST": partial(self._publish, id_)}
            case [id_, "extend"]:
                return {"POST": partial(self._extend, id_)}
            case [id_, "files"]:
                return {"POST": partial(self._announce, id_)}
            case [id_, "batch"] if self._work.takes_batches:
                return {"POST": partial(self._batches.take, id_)}
            case [id_, "files", key]:
                return {"GET": partial(self._file_status, id_, key), "DELETE": partial(self._delete, id_, key)}
            case [id_, "files", key, "bytes"]:
                return {"POST": partial(self._receive, id_, key)}
            case [id_, "files", key, "complete"]:
                return {"POST": partial(self._complete, id_, key)}
        return None

    async def _begin(self, call: Call) -> Answer:
        asked = read_release(await call.body())

        def begin(work: Work) -> UploadSession:
            work.may_write(asked.project)
            snapshot, creator = work.snapshot(), call.uploader.name
            return begin_session(work.store, work.index, asked, snapshot, creator=creator, now=work.now())

        try:
            return await call.tell(201, begin, at=True)
        except LiveSessionError as error:
            return refusal(error, (("location", call.at.session(error.session)),))

    async def _find(self, call: Call) -> Answer:
        query = call.request.query_params
        asked = release_asked(query.get("name", ""), query.get("version", ""))

        def find(work: Work) -> UploadSession:
            work.may_write(asked.project)
            return find_live(work.store, work.index, asked, work.now())

        return await call.tell(200, find, at=True)

    async def _status(self, id_: str, call: Call) -> Answer:
        session, staged = await call.ask(lambda work: work.session(id_, newest=True))
        if session.state == PUBLISHED:  # whoever waited for the end of a publish installs the release next
            await self._work.refresh()
        return session_answer(200, session, call.at, staged=staged)

    async def _extend(self, id_: str, call: Call) -> Answer:
        body = await call.body()
        return await call.tell(200, lambda work: extend_session(work.store, work.session(id_).id, read_seconds(body)))

    async def _cancel(self, id_: str, call: Call) -> Answer:
        await call.do(lambda work: cancel_session(work.store, work.session(id_).id, work.now()))
        self._kept.forget(id_)
        return session_answers.nothing()

    async def _publish(self, id_: str, call: Call) -> Answer:
        body = await call.body()
        waiting = WaitingClient()
        carry_out = partial(self._work.carry_out, call.index, call.uploader, partial(self._carry_out, id_, call, body, waiting))
        task = asyncio.create_task(call.patience.ask(partial(self._publishes.run, carry_out), waiting.still))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        await asyncio.wait({task}, timeout=ANSWER_WITHIN)
        if not task.done() and waiting.leave():
            task.add_done_callback(partial(_log_later, id_))
            session = None
        else:
            session = await task
        if session is None:
            call.patience.spend(ANSWER_WITHIN)
            return await call.tell(202, lambda work: work.session(id_, newest=True), at=True)
        await self._work.refresh()
        return session_answer(201, session, call.at, (("location", call.at.session(session)),), staged=False)

    def _carry_out(self, id_: str, call: Call, body: bytes, waiting: WaitingClient, work: Work) -> UploadSession | None:
        work.session(id_)
        check_document(body)
        how = SessionPublish(
            actor=call.uploader.name if call.uploader.token is None else None,  # GitHub tells whose token it is
            strict=self._strict,
            limit=self._limit,
            check=work.check,
            kept=self._kept,
            heard=waiting.decide,
            now=work.now,
            reserve=partial(self._work.reserved.held, work.index),
        )
        return publish_session(work.repository, work.store, id_, how)

    async def _announce(self, id_: str, call: Call) -> Answer:
        body = await call.body()
        taken: list[tuple[UploadSession, SessionFile, list[SessionFile]]] = []

        def announce(work: Work) -> None:
            session = work.session(id_)  # who may not write learns nothing, also by what is wrong with the body
            if not taken:  # otherwise GitHub's limits stopped what comes after it
                taken.append(announce_file(work.store, session, read_file(body), work.snapshot(), self._limit))
            drop_files(work.store, id_, taken[0][2])

        await call.do(announce)
        session, file, _ = taken[0]
        return file_answer(202, session, file.number, call.at, (("location", call.at.file(session, file.number)),))

    async def _receive(self, id_: str, key: str, call: Call) -> Answer:
        def begin(work: Work) -> tuple[SessionFile, Path]:
            session, number = self._upload(id_, key, work)
            return check_receiving(session, number), work.store.scratch(id_)

        first, whole = await self._incoming.first(call.request, call.uploader.name)
        if whole:
            finish = partial(self._take_whole, id_, begin, first)
            session, file = await call.check(self._checks, finish)
            return file_answer(200, session, file.number, call.at)
        file, path = await call.do(begin)
        try:
            digests = await self._incoming.take(call.request, call.uploader.name, file, path, first)
            check = partial(self._check_and_keep, id_, file, path, digests)
            session = await call.check(self._checks, check)
        finally:
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return file_answer(200, session, file.number, call.at)

    def _take_whole(
        self, id_: str, begin: Callable[[Work], tuple[SessionFile, Path]], body: bytes, work: Work
    ) -> tuple[UploadSession, SessionFile]:
        """In a thread: all that there is to do for a file of which the bytes are there."""
        file, path = begin(work)
        try:
            return self._check_and_keep(id_, file, path, write_whole(body, file, path), work), file
        finally:
            path.unlink(missing_ok=True)

    def _check_and_keep(self, id_: str, file: SessionFile, path: Path, digests: Digests, work: Work) -> UploadSession:
        """In a thread. Looks at the rights once more: one may have been taken away while the bytes came."""
        work.session(id_)
        try:
            found = check_bytes(path, file, digests, limit=self._limit, strict=self._strict)
        except InvalidDistributionError as error:
            note_bad_bytes(work.store, id_, file, error.sentences)
            raise
        session = keep_bytes(work.store, id_, file, path, found)
        self._kept.keep(id_, file.number, found)
        return session

    async def _complete(self, id_: str, key: str, call: Call) -> Answer:
        body = await call.body()
        numbers: list[int] = []

        def complete(work: Work) -> UploadSession:
            _, number = self._upload(id_, key, work)
            check_document(body)
            numbers.append(number)
            return complete_file(work.store, id_, number)[0]

        session = await call.do(complete)
        return file_answer(201, session, numbers[-1], call.at, (("location", call.at.file(session, numbers[-1])),))

    async def _file_status(self, id_: str, key: str, call: Call) -> Answer:
        session, number = await call.do(partial(self._upload, id_, key))
        return file_answer(200, session, number, call.at)

    async def _delete(self, id_: str, key: str, call: Call) -> Answer:
        deleted: list[SessionFile] = []

        def delete(work: Work) -> None:
            deleted.extend(delete_file(work.store, id_, self._upload(id_, key, work)[1]))
            drop_files(work.store, id_, deleted)  # asked again, it still knows them

        await call.do(delete)
        return session_answers.nothing()

    def _upload(self, id_: str, key: str, work: Work) -> tuple[UploadSession, int]:
        """A session that the client may write, and the number of the upload that an address names. Raises NotFoundError."""
        session = work.session(id_)
        number = session.number_of(key)
        if number is None:  # perhaps another server was told of it a moment ago
            session = work.session(id_, newest=True)
            number = session.number_of(key)
        if number is None:
            raise NotFoundError("The session has no such upload of a file.", "Begin one.")
        return session, number

    def _refused(self, request: Request, error: WharfError) -> Answer:
        answer = refusal(error)
        if isinstance(error, QuotaError) or answer.status >= 500:
            log.warning("%s upload session: %s", request.method, error.message)
        else:
            self._tell(request, answer.status, error.sentences)
        return answer

    def _tell(self, request: Request, status: int, sentence: str) -> None:
        """Tell the operator of a request that is refused."""
        if self._refusals is not None and status in {401, 403}:
            authorization = request.headers.get("authorization")
            who = None if authorization is None else self._work.access.name_of(authorization.encode("latin-1"))
            self._refusals.refused(request.scope, status, sentence, who)


def _log_later(id_: str, task: asyncio.Task[UploadSession | None]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.warning("The upload session %s was not published: %s", id_, error)
