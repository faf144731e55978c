"""Upload sessions of a server (PEP 694, the draft of 2026-07-29), as their client: one release, staged file by file.

Every step can be done again. A session that is there already is taken up, with the files that it has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlencode

from wharf.errors import ConflictError, NotFoundError, StorageError
from wharf.repository.server_problems import error_of
from wharf.repository.server_session_forms import FileAnswer, SessionAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pydantic import BaseModel

    from wharf.repository.server_client import ServerAnswer, ServerClient
    from wharf.repository.server_index import ServerIndex

MEDIA_TYPE: Final = "application/vnd.pypi.upload.v2+json"
MECHANISM: Final = "http-post-bytes"
BATCH_TYPE: Final = "application/vnd.wharf.files.v1"
BATCH: Final = "_wharf_batch"
COMMIT: Final = "_wharf_commit"
PENDING, COMPLETED = "pending", "completed"

_META: Final = {"meta": {"api-version": "2.0"}}
_TRIES = 3  # sessions that end while they are taken up
_LONGEST_PAUSE = 30  # seconds between two looks at a session that is being published


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file of a session: its state, its address, and the sha256 that was announced for it, if the server tells it."""

    state: str
    link: str
    sha256: str | None
    size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSession:
    """A session as the server shows it. `stage` is an address that shows the release to whoever has it.

    `fresh`: it was made by the request that asked for it. `batch` is where many files go at once, if the server has that.
    """

    url: str
    upload: str
    publish: str
    state: str
    files: Mapping[str, StagedFile]
    stage: str | None = None
    expires: str = ""
    notices: tuple[str, ...] = ()
    commit: str | None = None
    fresh: bool = False
    batch: str | None = None


class ServerFile(Protocol):
    """What is said of a file that is going to be sent."""

    @property
    def filename(self) -> str:
        """Its name."""
        ...

    @property
    def size(self) -> int:
        """Its bytes."""
        ...

    @property
    def sha256(self) -> str:
        """Their digest."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """Where the bytes of a file go, where it is completed, and where it is deleted."""

    bytes_to: str
    complete: str
    link: str


@dataclass(frozen=True, slots=True)
class ServerSessions:
    """The sessions of one index. Safe to use from several threads."""

    index: ServerIndex
    client: ServerClient = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "client", self.index.client)

    def begin(self, project: str, version: str) -> ServerSession:
        """A new session of a release, or the one that is there. Raises WharfError."""
        wanted = {**_META, "name": project, "version": version}
        for _ in range(_TRIES):
            answer = self._call("POST", self.index.uploads, wanted, form=SessionAnswer, takes=(409,))
            if answer.status != 409:
                return replace(self._session(answer), fresh=True)
            location = answer.headers.get("location")
            if location is None:
                raise error_of(409, answer.document, self.client.address.host)
            found = self.read(self._linked(location))
            if found is not None and found.state not in {"published", "canceled"}:
                return found
        raise ConflictError(
            f"Upload sessions of {project} {version} begin and end at this moment.", "Run the same command again."
        )

    def find(self, project: str, version: str) -> ServerSession | None:
        """The session of a release; None if it has none. Nothing is begun for that, but over an older server."""
        query = urlencode({"name": project, "version": version})
        answer = self._call("GET", f"{self.index.uploads}?{query}", form=SessionAnswer, takes=(404, 405))
        if answer.status == 405:  # it finds a session only for who begins one
            session = self.begin(project, version)
            if session.fresh:
                self.cancel(session)
            return None if session.fresh else session
        if answer.status == 404 and answer.document.get("code") != "not-found":
            raise error_of(404, answer.document, self.client.address.host)
        return None if answer.status == 404 else self._session(answer)

    def read(self, url: str) -> ServerSession | None:
        """A session as it is now; None if it is not there any more."""
        answer = self._call("GET", url, form=SessionAnswer, takes=(404, 410))
        return None if answer.status in {404, 410} else self._session(answer, url)

    def announce(self, session: ServerSession, filename: str, size: int, sha256: str) -> Upload:
        """Say that a file comes. Raises ConflictError if the name is taken, in the index or in the session."""
        document = {**_META, "filename": filename, "size": size, "hashes": {"sha256": sha256}, "mechanism": MECHANISM}
        answer = self._call("POST", session.upload, document, form=FileAnswer, repeat=False).document
        links, mechanism = _table(answer, "links"), _table(answer, "mechanism")
        return Upload(
            self._linked(mechanism.get("file_url")),
            self._linked(links.get("complete")),
            self._linked(links.get("file-upload-session")),
        )

    def send(self, upload: Upload, size: int, pieces: Callable[[], Iterator[bytes]]) -> None:
        """Send the bytes of a file, and have the server check them. Raises WharfError."""
        self.client.send(upload.bytes_to, size, pieces)
        answer = self._call("POST", upload.complete, _META, form=FileAnswer)
        waited = False
        while answer.document.get("status") == "processing":
            self._pause(answer, "the server checks a file", tell=not waited)
            waited = True
            answer = self._call("GET", upload.link, form=FileAnswer)
        if answer.document.get("status") not in {COMPLETED, None}:
            raise StorageError(f"The server says of a file that it sent: {_notices(answer.document)}", "Send it again.")

    def send_batch(self, session: ServerSession, files: Sequence[ServerFile], pieces: Callable[[], Iterator[bytes]]) -> None:
        """Send files of which `pieces` are the bytes, one after the other: all are taken, or none. Raises WharfError."""
        said = [{"filename": each.filename, "size": each.size, "hashes": {"sha256": each.sha256}} for each in files]
        head = json.dumps({**_META, "files": said}).encode() + b"\n"
        size = len(head) + sum(each.size for each in files)

        def body() -> Iterator[bytes]:
            yield head
            yield from pieces()

        self.client.send(session.batch or "", size, body, BATCH_TYPE)

    def delete(self, link: str) -> None:
        """Take a file out of its session, complete or not; one that is gone is no error."""
        self._call("DELETE", link, takes=(404, 410))

    def cancel(self, session: ServerSession) -> None:
        """End a session without publishing it; one that is gone is no error."""
        self._call("DELETE", session.url, takes=(404, 410))

    def publish(self, session: ServerSession) -> ServerSession:
        """Publish the release; the session as it is then. Raises WharfError, and then nothing of it is published."""
        answer = self._call("POST", session.publish, _META, form=SessionAnswer, takes=(404, 410))
        if answer.status in {404, 410}:
            raise NotFoundError("The upload session is gone.", "Run the same command again.")
        waited = False
        while (found := self._session(answer, session.url)).state == "processing":
            self._pause(answer, "the server publishes the release", tell=not waited)
            waited = True
            answer = self._call("GET", session.url, form=SessionAnswer)
        if found.state != "published":
            raise StorageError(
                f"The server did not publish the release: {' '.join(found.notices) or found.state}",
                "The files are still staged: the same command tries again.",
            )
        return found

    def _call(
        self,
        method: str,
        url: str,
        document: Mapping[str, object] | None = None,
        *,
        form: type[BaseModel] | None = None,
        takes: tuple[int, ...] = (),
        repeat: bool = True,
    ) -> ServerAnswer:
        return self.client.call(method, url, document, form=form, media_type=MEDIA_TYPE, takes=takes, repeat=repeat)

    def _pause(self, answer: ServerAnswer, reason: str, *, tell: bool) -> None:
        text = answer.headers.get("retry-after", "")
        seconds = min(int(text), _LONGEST_PAUSE) if text.isascii() and text.isdecimal() and len(text) < 7 else 1
        self.client.pause(reason, float(seconds), tell=tell)

    def _session(self, answer: ServerAnswer, url: str | None = None) -> ServerSession:
        found = answer.document
        links, files, stage = _table(found, "links"), _table(found, "files"), _table(found, "links").get("stage")
        commit = found.get(COMMIT)
        return ServerSession(
            url=url or self._linked(links.get("session") or answer.headers.get("location")),
            upload=self._linked(links.get("upload")) if "upload" in links else "",
            publish=self._linked(links.get("publish")) if "publish" in links else "",
            state=str(found.get("status")),
            files={name: self._file(entry) for name, entry in files.items() if isinstance(entry, dict)},
            stage=self.client.address.linked(stage) if isinstance(stage, str) else None,
            expires=str(found.get("expires-at", "")),
            notices=tuple(str(each) for each in found.get("notices") or ()),
            commit=commit if isinstance(commit, str) else None,
            batch=self._linked(links[BATCH]) if BATCH in links else None,
        )

    def _file(self, entry: Mapping[str, Any]) -> StagedFile:
        hashes, size = entry.get("hashes"), entry.get("size")
        sha256 = hashes.get("sha256") if isinstance(hashes, dict) else None
        return StagedFile(
            str(entry.get("status")),
            self._linked(entry.get("link")),
            sha256 if isinstance(sha256, str) else None,
            size if isinstance(size, int) else None,
        )

    def _linked(self, link: object) -> str:
        """A link of the server, on its own origin. Raises StorageError: a token goes nowhere else."""
        found = self.client.address.linked(link) if isinstance(link, str) else None
        if found is None:
            raise StorageError(
                f"{self.client.address.host} gives an address for uploads that is on another host.",
                "Behind a proxy, `wharf serve` needs the header Host as the client sent it, or --trusted-proxy.",
            )
        return found


def _table(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key)
    return found if isinstance(found, dict) else {}


def _notices(document: Mapping[str, Any]) -> str:
    found = document.get("notices")
    return " ".join(str(each) for each in found) if isinstance(found, list) and found else str(document.get("status"))
