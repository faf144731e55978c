"""A client of upload sessions (PEP 694), as a test drives one: each step by itself, and nothing that checks an answer."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from tests.server.running import running
from wharf.server.app import make_app
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

MEDIA_TYPE = "application/vnd.pypi.upload.v2+json"
META = {"meta": {"api-version": "2.0"}}
BATCH_TYPE = "application/vnd.wharf.files.v1"
LIMIT = 1 << 20


class SessionClient:
    """`auth` is sent with each request, unless one says otherwise; `base` is the path of the index."""

    def __init__(self, http: httpx.Client, auth: tuple[str | bytes, str | bytes], base: str = "") -> None:
        self.http = http
        self.auth = auth
        self.base = base

    def post(self, url: str, document: object = None, **more: Any) -> httpx.Response:
        """Send a document; without one, the shortest."""
        headers = {"Content-Type": MEDIA_TYPE, **more.pop("headers", {})}
        return self.http.post(url, json=META if document is None else document, headers=headers, auth=self.auth, **more)

    def get(self, url: str) -> httpx.Response:
        return self.http.get(url, auth=self.auth)

    def delete(self, url: str) -> httpx.Response:
        return self.http.delete(url, auth=self.auth)

    def begin(self, name: str = "demo", version: str = "1.0") -> httpx.Response:
        return self.post(f"{self.base}/-/upload/2.0/", {**META, "name": name, "version": version})

    def announce(self, session: dict[str, Any], path: Path, **more: object) -> httpx.Response:
        data = path.read_bytes()
        said = {"filename": path.name, "size": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}}
        return self.post(session["links"]["upload"], {**META, **said, "mechanism": "http-post-bytes", **more})

    def send(self, file: dict[str, Any], data: bytes) -> httpx.Response:
        headers = {"Content-Type": "application/octet-stream"}
        return self.http.post(file["mechanism"]["file_url"], content=data, headers=headers, auth=self.auth)

    def batch(self, session: dict[str, Any], *paths: Path, **more: Any) -> httpx.Response:
        """All files in one request."""
        return self.send_batch(session, batch_of(*paths), **more)

    def send_batch(self, session: dict[str, Any], body: Any, **more: Any) -> httpx.Response:
        headers = {"Content-Type": BATCH_TYPE}
        return self.http.post(session["links"]["_wharf_batch"], content=body, headers=headers, auth=self.auth, **more)

    def complete(self, file: dict[str, Any]) -> httpx.Response:
        return self.post(file["links"]["complete"])

    def upload(self, session: dict[str, Any], path: Path) -> dict[str, Any]:
        """All that one file needs."""
        file: dict[str, Any] = self.announce(session, path).raise_for_status().json()
        self.send(file, path.read_bytes()).raise_for_status()
        done: dict[str, Any] = self.complete(file).raise_for_status().json()
        return done

    def staged(self, *paths: Path, name: str = "demo", version: str = "1.0") -> dict[str, Any]:
        """A session that has these files, completed."""
        session: dict[str, Any] = self.begin(name, version).raise_for_status().json()
        for path in paths:
            self.upload(session, path)
        return session

    def publish(self, session: dict[str, Any]) -> httpx.Response:
        return self.post(session["links"]["publish"])

    def status(self, session: dict[str, Any]) -> str:
        return str(self.get(session["links"]["session"]).raise_for_status().json()["status"])


def said_of(path: Path, **changed: object) -> dict[str, object]:
    """What a batch says of one file."""
    data = path.read_bytes()
    return {"filename": path.name, "size": len(data), "hashes": {"sha256": hashlib.sha256(data).hexdigest()}, **changed}


def batch_of(*paths: Path, said: list[dict[str, object]] | None = None) -> bytes:
    """The body of a batch; `said` are the announcements, if they are not to be those of the files."""
    files = [said_of(each) for each in paths] if said is None else said
    return json.dumps({**META, "files": files}).encode() + b"\n" + b"".join(each.read_bytes() for each in paths)


@contextmanager
def sessions(repository: Repository, **rules: Any) -> Iterator[SessionClient]:
    """A server over a repository, and a client with a token that may publish."""
    names = {token.name for token in repository.tokens.all()}
    secret = repository.tokens.create(f"ci{len(names)}", "publish").reveal()
    app = make_app(repository, Rules(**{"open_reading": True, "upload_limit": LIMIT, **rules}))
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as http:
        yield SessionClient(http, ("__token__", secret))


def path_of(url: str) -> str:
    return urlsplit(url).path
