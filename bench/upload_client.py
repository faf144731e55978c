"""What uploads wheels as twine does: forms that lie ready before the clock runs, on connections that stay open."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_BOUNDARY = "----------5ac6fd47a8b1"
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Target:
    """Where to upload to, and as whom."""

    url: str
    auth: tuple[str, str] | None

    @property
    def headers(self) -> dict[str, str]:
        """Those of each upload."""
        found = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
        if self.auth is not None:
            found["authorization"] = "Basic " + base64.b64encode(":".join(self.auth).encode()).decode()
        return found


def head_and_tail(path: Path, digests: dict[str, str]) -> tuple[bytes, bytes]:
    """A form around the bytes of a wheel, with the fields that matter to all servers."""
    name, version, *_ = path.name.split("-")
    fields = {
        ":action": "file_upload",
        "protocol_version": "1",
        "metadata_version": "2.1",
        "name": name,
        "version": version,
        "filetype": "bdist_wheel",
        "pyversion": "py3",
        **digests,
    }
    parts = [f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{said}\r\n' for key, said in fields.items()]
    file = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{path.name}"\r\n\r\n'
    return ("".join(parts) + file).encode(), f"\r\n--{_BOUNDARY}--\r\n".encode()


def form(path: Path) -> bytes:
    """The whole form of a small wheel, with its sha256."""
    data = path.read_bytes()
    head, tail = head_and_tail(path, {"sha256_digest": hashlib.sha256(data).hexdigest()})
    return head + data + tail


def upload(target: Target, forms: Sequence[bytes]) -> None:
    """Send forms one after the other."""
    parts = urlsplit(target.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        for each in forms:
            connection.request("POST", parts.path, body=each, headers=target.headers)
            _check(connection.getresponse())
    finally:
        connection.close()


def release(target: Target, index: str, wheels: Sequence[Path], clients: int) -> None:
    """Send wheels of one release by one upload session, several at a time, and publish it; `index` is the address.

    No `clients`: all of them in one request, as `wharf --server URL publish` does it.
    """
    project, version, *_ = wheels[0].name.split("-")
    with _Session(target) as first:
        session = first.ask(f"{index}/-/upload/2.0/", {"name": project, "version": version})
        if not clients:
            first.send(session["links"]["_wharf_batch"], _batch(wheels), "application/vnd.wharf.files.v1")
        with ThreadPoolExecutor(clients or 1) as pool:
            shares = [wheels[number::clients] for number in range(clients)]
            list(pool.map(lambda share: _send_files(target, session["links"]["upload"], share), shares))
        done = first.ask(session["links"]["publish"], {})
    if done["status"] != "published":
        raise RuntimeError(f"a release is {done['status']}")


def _batch(wheels: Sequence[Path]) -> bytes:
    """A line that announces wheels, and then their bytes."""
    data = [wheel.read_bytes() for wheel in wheels]
    files = [
        {"filename": wheel.name, "size": len(each), "hashes": {"sha256": hashlib.sha256(each).hexdigest()}}
        for wheel, each in zip(wheels, data, strict=True)
    ]
    return json.dumps({"meta": {"api-version": "2.0"}, "files": files}).encode() + b"\n" + b"".join(data)


def _send_files(target: Target, address: str, wheels: Sequence[Path]) -> None:
    with _Session(target) as connection:
        for wheel in wheels:
            data = wheel.read_bytes()
            hashes = {"sha256": hashlib.sha256(data).hexdigest()}
            said = {"filename": wheel.name, "size": len(data), "hashes": hashes, "mechanism": "http-post-bytes"}
            file = connection.ask(address, said)
            connection.ask(file["mechanism"]["file_url"], data)
            connection.ask(file["links"]["complete"], {})


class _Session:
    """A connection for requests of an upload session."""

    def __init__(self, target: Target) -> None:
        parts = urlsplit(target.url)
        self._headers = target.headers
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, url: str, said: dict[str, object] | bytes) -> dict[str, Any]:
        """The answer to a document, or to bytes."""
        if isinstance(said, bytes):
            return self.send(url, said, "application/octet-stream")
        body = json.dumps({"meta": {"api-version": "2.0"}, **said}).encode()
        return self.send(url, body, "application/vnd.pypi.upload.v2+json")

    def send(self, url: str, body: bytes, kind: str) -> dict[str, Any]:
        """The answer to a body."""
        headers = {**self._headers, "content-type": kind}
        self._connection.request("POST", urlsplit(url).path, body=body, headers=headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"a request of a session got {answer.status}: {data[:300].decode(errors='replace')}")
        found: dict[str, Any] = json.loads(data)
        return found


def upload_large(target: Target, path: Path, digests: dict[str, str]) -> None:
    """Send one large wheel, piece by piece."""
    head, tail = head_and_tail(path, digests)
    size = len(head) + path.stat().st_size + len(tail)
    parts = urlsplit(target.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)
    try:
        headers = {**target.headers, "content-length": str(size)}
        connection.request("POST", parts.path, body=_pieces(head, path, tail), headers=headers)
        _check(connection.getresponse())
    finally:
        connection.close()


def _pieces(head: bytes, path: Path, tail: bytes) -> Iterable[bytes]:
    yield head
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
    yield tail


def _check(answer: http.client.HTTPResponse) -> None:
    said = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"an upload got {answer.status}: {said[:300].decode(errors='replace')}")
