"""What upload sessions answer: the JSON documents of PEP 694, and errors as problems (RFC 9457). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.assets.session_requests import API_VERSION, MECHANISM
from wharf.assets.upload_session_states import CANCELED, DONE, PENDING, PROCESSING
from wharf.operations.upload_session_batch import RefusedFilesError
from wharf.server.http.answer import uncached
from wharf.server.http.error_answers import told
from wharf.server.http.problem_answers import PAUSED, problem, problem_like, problem_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from wharf.assets.upload_session import SessionFile, UploadSession
    from wharf.errors import WharfError
    from wharf.model import Json
    from wharf.server.http.answer import Answer

MEDIA_TYPE: Final = "application/vnd.pypi.upload.v2+json"
"""Of all requests and answers but the bytes of files and problems."""
BATCH: Final = "_wharf_batch"
"""The link to which many files go in one request. It is our own: such keys begin with an underscore."""
COMMIT: Final = "_wharf_commit"
"""The commit of the index that a publish made, which is our own, too."""
ASK_AGAIN: Final = "1"
"""Seconds after which a client asks again how far something is."""

NO_STAGE_HERE: Final = (
    "This server shows no stage of the session: for that it needs its own GitHub token that may write (contents: write)."
)

META: Final[dict[str, Json]] = {"api-version": API_VERSION}


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of sessions, seen from where the client is: `base` is that of the index, without a slash at its end.

    `batches`: the server takes many files of a session in one request.
    """

    base: str
    batches: bool = False

    @property
    def root(self) -> str:
        """Where a session begins."""
        return f"{self.base}/-/upload/2.0/"

    def session(self, session: UploadSession) -> str:
        """A session, and what is below it."""
        return f"{self.root}{session.id}"

    def file(self, session: UploadSession, number: int, file: SessionFile | None = None) -> str:
        """The upload of a file. It follows from the token of the session, and does not tell it."""
        return f"{self.session(session)}/files/{session.key(number, file)}"

    def stage(self, session: UploadSession) -> str:
        """The index that shows the release before it is published. This is the one place that tells the token."""
        return f"{self.base}/-/stage/{session.token.reveal()}/simple/"


def session_answer(
    status: int, session: UploadSession, at: Addresses, headers: Iterable[tuple[str, str]] = (), *, staged: bool
) -> Answer:
    """A session as it is now. `staged`: this server shows its stage."""
    links: dict[str, Json] = {"session": at.session(session)}
    notices: list[Json] = [*session.notices]
    said: dict[str, Json] = {
        "meta": META,
        "links": links,
        "mechanisms": [MECHANISM],
        "expires-at": _moment(session.expires),
        "status": session.state,
        "name": session.project,
        "version": session.version,
        "files": {each.filename: _of_file(each, session, at) for each in session.files.values()},
    }
    if session.state not in DONE:
        for name, below in (("upload", "files"), ("publish", "publish"), ("extend", "extend")):
            links[name] = f"{at.session(session)}/{below}"
        if at.batches:
            links[BATCH] = f"{at.session(session)}/batch"
        if staged:
            links["stage"] = at.stage(session)
            said["session-token"] = session.token.reveal()
        else:
            notices.append(NO_STAGE_HERE)
    if notices:
        said["notices"] = notices
    if session.commit is not None:
        said[COMMIT] = session.commit
    more = (("retry-after", ASK_AGAIN),) if session.state == PROCESSING else ()
    return _document(status, said, (*headers, *more))


def file_answer(
    status: int, session: UploadSession, number: int, at: Addresses, headers: Iterable[tuple[str, str]] = ()
) -> Answer:
    """The upload of a file as it is now; one that was deleted is canceled."""
    file = session.numbered(number)
    address = at.file(session, number)
    state = CANCELED if file is None else file.state
    said: dict[str, Json] = {
        "meta": META,
        "links": {"file-upload-session": address, "complete": f"{address}/complete"},
        "status": state,
        "expires-at": _moment(session.expires),
        "mechanism": {"identifier": MECHANISM, "file_url": f"{address}/bytes"},
    }
    if file is not None and file.notices:
        said["notices"] = list(file.notices)
    more = (("retry-after", ASK_AGAIN),) if state in {PENDING, PROCESSING} else ()
    return _document(status, said, (*headers, *more))


def nothing() -> Answer:
    """204."""
    return uncached(204, b"", MEDIA_TYPE, ())


def refusal(error: WharfError, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """An error as a problem. Of several files that are refused, each is told by itself."""
    more = _more(error.code, told(error, paused_as=PAUSED, misses=True)[1])
    if isinstance(error, RefusedFilesError):
        more["errors"] = [{"source": name, "message": each.sentences} for name, each in error.errors.items()]
    return problem_of(error, misses=True, headers=headers, more=more)


def refusal_in_words(status: int, words: str, code: str | None = None, headers: Iterable[tuple[str, str]] = ()) -> Answer:
    """A refusal of the request itself."""
    return problem(status, words, code, headers=headers, more=_more("request", words))


def refusal_like(answer: Answer) -> Answer:
    """What the access of the server refuses."""
    return problem_like(answer, more=_more("access", answer.body.decode().strip()))


def _more(source: str, words: str) -> dict[str, Json]:
    return {"meta": META, "errors": [{"source": source, "message": words}]}


def _of_file(file: SessionFile, session: UploadSession, at: Addresses) -> Json:
    said: dict[str, Json] = {"status": file.state, "link": at.file(session, file.number, file), "size": file.size}
    if file.sha256 is not None:
        said["hashes"] = {"sha256": file.sha256}
    if file.notices:
        said["notices"] = list(file.notices)
    return said


def _document(status: int, said: dict[str, Json], headers: Iterable[tuple[str, str]]) -> Answer:
    return uncached(status, json.dumps(said).encode(), MEDIA_TYPE, headers)


def _moment(moment: datetime) -> str:
    return f"{moment.isoformat()[:19]}Z"
