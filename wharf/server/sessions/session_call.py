"""One request about upload sessions, of somebody who may upload to the index."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from wharf.errors import TooLargeError
from wharf.server.http.request_body import check_length, pieces
from wharf.server.sessions.session_answers import MEDIA_TYPE, Addresses, session_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from wharf.assets.upload_session import UploadSession
    from wharf.server.access.access_protocol import Uploader
    from wharf.server.daemon_threads import DaemonThreads
    from wharf.server.http.answer import Answer
    from wharf.server.sessions.session_work import SessionWork, Work
    from wharf.server.web.quota_wait import QuotaWait

T = TypeVar("T")

BODY_LIMIT: Final = 64 << 10
"""Bytes of a JSON document of a client."""
_ANY = frozenset({"*/*", "application/*", MEDIA_TYPE, "application/vnd.pypi.upload.latest+json"})


@dataclass(frozen=True, slots=True)
class Call:
    """A request of somebody who may upload to the index."""

    request: Request
    index: str
    at: Addresses
    uploader: Uploader
    work: SessionWork
    patience: QuotaWait

    async def body(self) -> bytes:
        """The JSON document of it. Raises WharfError."""
        too_large = TooLargeError(
            f"The JSON document has more than {BODY_LIMIT >> 10} KiB.", "Send what the documentation shows."
        )
        check_length(self.request, BODY_LIMIT, too_large)
        return b"".join([piece async for piece in pieces(self.request, BODY_LIMIT, too_large)])

    async def do(self, question: Callable[[Work], T]) -> T:
        """What a question gives, in another thread. A short pause for GitHub's limits is waited for, and it is asked again."""
        return await self.patience.ask(partial(self.work.run, self.index, self.uploader, question))

    async def check(self, threads: DaemonThreads, question: Callable[[Work], T]) -> T:
        """The same in one of these threads."""
        return await self.patience.ask(partial(threads.run, partial(self.work.carry_out, self.index, self.uploader, question)))

    async def ask(self, question: Callable[[Work], UploadSession]) -> tuple[UploadSession, bool]:
        """The session that a question gives, in another thread, and whether this server shows its stage."""

        def asked(work: Work) -> tuple[UploadSession, bool]:
            session = question(work)
            return session, self.work.shows(session)

        return await self.do(asked)

    async def tell(self, status: int, question: Callable[[Work], UploadSession], *, at: bool = False) -> Answer:
        """The answer with the session that a question gives. `at`: it tells its address in a header, too."""
        session, staged = await self.ask(question)
        told = (("location", self.at.session(session)),) if at else ()
        return session_answer(status, session, self.at, told, staged=staged)


def takes(accept: str) -> bool:
    """Whether a client takes what the server has; one that says nothing does."""
    asked = [each.partition(";") for each in accept[:2000].lower().split(",")]
    return not accept.strip() or any(kind.strip() in _ANY and rest.strip() != "q=0" for kind, _, rest in asked)


def media_type(request: Request) -> str:
    """That of the body."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
