"""Many files of a session in one request, which PEP 694 does not have."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from wharf.operations.upload_session_batch import keep_batch
from wharf.server.sessions.incoming_batch import IncomingBatch, body_of, head_of, written
from wharf.server.sessions.session_answers import session_answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wharf.assets.upload_session import UploadSession
    from wharf.operations.upload_session_files import KeptDistributions
    from wharf.server.daemon_threads import DaemonThreads
    from wharf.server.http.answer import Answer
    from wharf.server.sessions.incoming_bytes import IncomingBytes
    from wharf.server.sessions.session_call import Call
    from wharf.server.sessions.session_work import Work


class BatchApi:
    """Takes the files of a request, all or none. `limit` is in bytes a file; `strict`: a file worth a warning is refused.

    A batch is one of the files that `incoming` lets come at the same time, and holds as little memory as one.
    """

    def __init__(
        self, incoming: IncomingBytes, checks: DaemonThreads, kept: KeptDistributions, *, limit: int, strict: bool
    ) -> None:
        self._incoming = incoming
        self._checks = checks
        self._kept = kept
        self._limit = limit
        self._strict = strict

    async def take(self, id_: str, call: Call) -> Answer:
        """The session with the files. Raises WharfError, and then it has none of them."""
        with self._incoming.slots.one(call.uploader.name):
            body = body_of(call.request)
            head, is_whole = await head_of(body)
            if is_whole:
                question = partial(self._take_whole, id_, head)
                session, staged = await self._checks.run(partial(call.work.carry_out, call.index, call.uploader, question))
            else:
                session, staged = await self._take_long(id_, call, head, body)
        return session_answer(200, session, call.at, staged=staged)

    async def _take_long(self, id_: str, call: Call, head: bytes, body: AsyncIterator[bytes]) -> tuple[UploadSession, bool]:
        batch = await call.do(partial(self._begin, id_, head))
        try:
            await written(batch, body)
            finish = partial(self._finish, id_, batch)
            return await self._checks.run(partial(call.work.carry_out, call.index, call.uploader, finish))
        except BaseException:
            await asyncio.to_thread(batch.delete)
            raise

    def _take_whole(self, id_: str, body: bytes, work: Work) -> tuple[UploadSession, bool]:
        """In a thread: all that there is to do for files of which the bytes are there."""
        batch = self._begin(id_, body, work)
        try:
            batch.write_all()
            return self._finish(id_, batch, work)
        except BaseException:
            batch.delete()
            raise

    def _begin(self, id_: str, head: bytes, work: Work) -> IncomingBatch:
        return IncomingBatch.begin(work, work.session(id_), head, self._limit)

    def _finish(self, id_: str, batch: IncomingBatch, work: Work) -> tuple[UploadSession, bool]:
        """In a thread. Looks at the rights once more: one may have been taken away while the bytes came."""
        work.session(id_)
        session, found = keep_batch(work.store, id_, batch.end(), limit=self._limit, strict=self._strict)
        for number, each in found.items():
            self._kept.keep(id_, number, each)
        return session, True  # a folder shows all stages
