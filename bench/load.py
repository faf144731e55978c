"""Load on a server: wrk for requests a second, and single questions by plain HTTP."""

from __future__ import annotations

import http.client
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
"""What pip sends."""

_UNITS = {"B": 1e-6, "KB": 1e-3, "MB": 1.0, "GB": 1e3}


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk measured."""

    requests: float
    """Requests a second."""
    megabytes: float
    """Megabytes a second."""


def wrk(url: str, headers: Mapping[str, str], seconds: float, connections: int = 16) -> Load:
    """Ask for one address as often as one thread of wrk can, keep-alive. Raises RuntimeError if any answer was an error."""
    words = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}", "--timeout", "30s", *words, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{url} did not always answer:\n{done.stdout}")
    requests = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    transfer = re.search(r"Transfer/sec:\s+([\d.]+)([KMG]?B)", done.stdout)
    if requests is None or transfer is None:
        raise RuntimeError(f"wrk said something else than usual:\n{done.stdout}")
    return Load(float(requests[1]), float(transfer[1]) * _UNITS[transfer[2]])


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer as it came over the wire: names of headers in lower case, the body as it was encoded."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, or an empty string."""
        return dict(self.headers).get(name, "")


def ask(url: str, headers: Mapping[str, str] | None = None) -> Reply:
    """GET one address on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("GET", parts.path, headers=dict(headers or {}))
        response = connection.getresponse()
        return Reply(response.status, [(name.lower(), value) for name, value in response.getheaders()], response.read())
    finally:
        connection.close()


class Reader:
    """Asks for one address again and again, on one connection. A context manager."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        self._path, self._headers = parts.path, dict(headers)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._connection.close()

    def read(self) -> None:
        """Ask once. Raises RuntimeError for another answer than 200."""
        self._connection.request("GET", self._path, headers=self._headers)
        answer = self._connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self._path} got {answer.status}")
