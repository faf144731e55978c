"""`/-/stage/TOKEN/`: a release before it is published, as the pages and files of an index, for whoever knows the address.

It has the files of one session and nothing else: a name that it does not have is 404, and never looked for elsewhere.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from wharf.assets.upload_session_states import COMPLETED
from wharf.errors import NotFoundError, WharfError
from wharf.model import File, Project, Release
from wharf.pages import document, page_format
from wharf.secret import Secret
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http import answer, error_answers
from wharf.server.http.answer import Answer
from wharf.server.page_requests import NO_FORMAT, format_asked, project_asked
from wharf.server.web.answer_response import AnswerResponse

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import BinaryIO

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from wharf.assets.session_store import SessionStore
    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.model import Json

NO_STAGE: Final = answer.text(404, "There is no such stage: it was published or canceled, or it ended, or never was.")
"""The same for every token that shows nothing."""

_NOT_HERE = answer.text(404, "The stage has the files of one release, and not this. The rest is in the index.")

_NO_METHOD = answer.text(405, "Only GET and HEAD are answered here.", (("allow", "GET, HEAD"),))
_CHUNK = 256 << 10


class Stage:
    """The stages of one server. `sessions` gives the store; all methods are for the event loop's thread."""

    def __init__(self, sessions: Callable[[], SessionStore], now: Callable[[], datetime]) -> None:
        self._sessions = sessions
        self._now = now
        self._store: SessionStore | None = None
        self._threads = DaemonThreads("stage", 8)

    async def answer(self, request: Request) -> Response:
        """A page or a file of a stage."""
        token, _, below = request.path_params["rest"].partition("/")
        try:
            session = await self._threads.run(partial(self._session, Secret(token)))
            if session is None:
                return AnswerResponse(NO_STAGE)
            if request.method not in {"GET", "HEAD"}:
                return AnswerResponse(_NO_METHOD)
            if below.startswith("files/"):
                return await self._file(request, session, below.removeprefix("files/"))
            return AnswerResponse(_page(request, session, f"/{below}"))
        except NotFoundError:
            return AnswerResponse(NO_STAGE)
        except WharfError as error:
            return AnswerResponse(error_answers.failure(error))

    def _session(self, token: Secret) -> UploadSession | None:
        """The session that a token shows."""
        if self._store is None:
            self._store = self._sessions()
        session = self._store.by_token(token)
        return session if session is not None and session.live and not session.is_over(self._now()) else None

    async def _file(self, request: Request, session: UploadSession, path: str) -> Response:
        sha256, _, filename = path.partition("/")
        file = session.files.get(filename)
        store = self._store
        if file is None or file.state != COMPLETED or file.sha256 != sha256 or store is None:
            return AnswerResponse(_NOT_HERE)
        if request.method == "HEAD":
            return AnswerResponse(Answer(200, _headers(file)))
        return _Streamed(file, await self._threads.run(partial(_opened, store, session, file)))


class _Streamed(Response):
    """The bytes of a file, as they are read."""

    def __init__(self, file: SessionFile, source: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._source = source

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them. A file that is shorter than it should be is cut off, which the client sees."""
        with contextlib.closing(self._source):
            await send(Answer(200, _headers(self._file)).start)
            left = self._file.size
            while left and (data := await asyncio.to_thread(self._source.read, min(_CHUNK, left))):
                left -= len(data)
                await send({"type": "http.response.body", "body": data, "more_body": left > 0})


def _opened(store: SessionStore, session: UploadSession, file: SessionFile) -> BinaryIO:
    with store.opener(session.id) as opener:
        return opener(file)


def _page(request: Request, session: UploadSession, path: str) -> Answer:
    """The list with one project, or its page."""
    query = request.scope["query_string"]
    form = format_asked(request.headers.get("accept", "").encode("latin-1"), query)
    if form is None:
        return NO_FORMAT
    if path != "/simple" and not path.startswith("/simple/"):
        return _NOT_HERE
    name = project_asked(path, query, above="")
    if isinstance(name, Answer):
        return name if name.status in {301} else _NOT_HERE
    if name not in {"", session.project}:
        return _NOT_HERE
    value: dict[str, Json] = document.projects([session.project]) if name == "" else document.project(_project(session))
    page = answer.uncached_page(page_format.render(value, form), form.content_type)
    return Answer(200, (*page.headers, (b"referrer-policy", b"no-referrer")), page.body)  # its address is the secret


def _project(session: UploadSession) -> Project:
    """The project as it will be with the files that are completed, and without those that the index has."""
    files = [
        File(
            filename=each.filename,
            sha256=each.sha256,
            size=each.size,
            upload_time=session.created,
            requires_python=each.requires_python,
        )
        for each in session.files.values()
        if each.state == COMPLETED and each.sha256 is not None
    ]
    release = Release(
        project=session.project, version=session.version, files=tuple(sorted(files, key=lambda each: each.filename))
    )
    return Project(name=session.project, releases=(release,))


def _headers(file: SessionFile) -> answer.Headers:
    return (
        (b"content-type", b"application/octet-stream"),
        (b"content-length", str(file.size).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    )
