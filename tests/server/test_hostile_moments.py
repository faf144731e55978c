"""Addresses of the past as nobody should write them, and a reader of thousands of moments: no fault, and bounded work."""

from __future__ import annotations

import gc
import socket
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.matrix import first
from tests.server.past import NOW, OPEN, put, serving, tip, wheel
from tests.server.running import running
from wharf.index.git import Git
from wharf.server.app import make_app
from wharf.server.past import held_views

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.repository.opening import Repository

REFUSED = {400, 403, 404, 405, 406, 414}
SHA = "0" * 64


def numbers(low: int, high: int, width: int) -> st.SearchStrategy[str]:
    """A number as it may stand in a time, also one that no calendar has, and in digits that are not ASCII."""
    plain = st.integers(low, high).map(lambda number: str(number).zfill(width))
    other = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
    return plain | plain.map(lambda text: text.translate(other))


DATES = st.tuples(numbers(0, 10000, 4), numbers(0, 13, 2), numbers(0, 32, 2)).map("-".join)
TIMES = st.tuples(numbers(0, 24, 2), numbers(0, 60, 2), numbers(0, 61, 2)).map(":".join)
ZONES = st.sampled_from(("Z", "", "z", "+00:00", "Z ", ".0Z", "Z@", "\n"))
MOMENTS = st.one_of(
    DATES,
    st.tuples(DATES, st.sampled_from("Tt _"), TIMES, ZONES).map("".join),
    st.text("0123456789abcdef", max_size=44),
    st.text("0123456789-:TZ@%/.~^{}*ABCDEF", max_size=40),
    st.text(max_size=12),
    st.text("0123456789a-", min_size=1, max_size=3).map(lambda text: text * 3000),
    st.sampled_from(
        ("HEAD", "main", "wharf/main", "--all", "-1", "..", "2026-01-10@2026-01-10", "@{1}", "9999-12-31", "0000-00-00")
    ),
)
INDEXES = st.sampled_from(("", "main", "nobody", "Main", "simple", "a@b", "..", "x" * 300, "2026-01-10", "-", "wharf/main"))
BELOW = st.sampled_from(
    (
        *(
            "/simple/",
            "/simple/demo/",
            "/simple/none/",
            "",
            "/",
            "//simple//demo",
            "/simple/demo/../../",
            "/legacy/",
            "/healthz",
        ),
        *(
            f"/files/{SHA}/demo-1.0-py3-none-any.whl",
            f"/files/demo/{SHA}/demo-1.0.tar.gz",
            "/files/",
            f"/files/{SHA}/..%2f..%2f",
        ),
        *("/@2026-01-10/simple/", "/simple/%00/", "/simple/demo/?format=x", "/simple/@/"),
    )
)
SPELLINGS = st.sampled_from(("-_.~@:/", "-_.~:", "-_.~@:/%", ""))
METHODS = st.sampled_from(("GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))


def status(url: str, method: str, path: str) -> int:
    """Of the answer to a request whose path is sent as it is."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode("latin-1"))
        with connection.makefile("rb") as answer:
            return int(answer.readline().split()[1])


def processes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The git processes that are started from now on."""
    started: list[str] = []

    def counted(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*words: Any, **more: Any) -> Any:
            started.append(str(words[1:]))
            return method(*words, **more)

        return call

    for name in ("start", "attempt"):
        monkeypatch.setattr(Git, name, counted(getattr(Git, name)))
    return started


@pytest.mark.slow
@pytest.mark.parametrize("examples", first(1, [60, 4000]))
def test_no_address_of_the_past_is_a_fault_or_costs_git(
    repository: Repository, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: int
) -> None:
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    commit = tip(store)
    started = processes(monkeypatch)
    with serving(repository) as client:
        url = str(client.base_url).rstrip("/")
        assert status(url, "GET", "/@2026-02-01/simple/demo/") == 200
        started.clear()
        seen: set[int] = set()

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(index=INDEXES, when=MOMENTS | st.just(commit) | st.just(commit[:9]), below=BELOW, safe=SPELLINGS, method=METHODS)
        def ask(index: str, when: str, below: str, safe: str, method: str) -> None:
            head = quote(f"/{index}@{when}", safe="/@" + safe, errors="surrogatepass")
            found = status(url, method, f"{head}{below}")
            assert found in {200, 301, *REFUSED}, (method, head, below)
            if method not in {"GET", "HEAD"} and not below.startswith(("//", "/simple/demo/..")):
                assert found in REFUSED, (method, head, below)
            seen.add(found)

        ask()
        assert {400, 405} <= seen
        assert len(started) <= 6, started
        assert client.get("/simple/demo/").status_code == 200


def _grow(store: Path, commits: int) -> None:
    """Commits of an hour each, of which each has a project more."""
    ref, parent = "refs/heads/wharf/main", tip(store)
    begin = int(NOW.timestamp()) - (commits + 10) * 3600
    lines = []
    for number in range(commits):
        source, name = "" if number else f"from {parent}\n", f"p{number}"
        lines.append(f"commit {ref}\ncommitter ada <> {begin + number * 3600} +0000\ndata 0\n{source}")
        lines.append(f"M 100644 inline projects/{name[:2]}/{name}/1.0/release.json\ndata 2\n{{}}\n")
    data = "".join(lines).encode()
    subprocess.run(["git", f"--git-dir={store / 'index.git'}", "fast-import", "--quiet", "--force"], input=data, check=True)


@pytest.mark.slow
def test_a_thousand_moments_of_one_reader_take_bounded_memory_and_few_processes(
    repository: Repository, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit has a list of its own, and each moment is asked for once."""
    put(repository, "2025-01-10T00:00:00Z", wheel(tmp_path))
    _grow(store, 250)
    started = processes(monkeypatch)
    app = make_app(repository, OPEN, now=lambda: NOW)
    memory = []
    with running(app) as url, httpx.Client(base_url=url, timeout=60) as client:
        assert client.get("/@2026-01-01/simple/").status_code == 200
        started.clear()
        for turn in range(4):
            for number in range(250):
                when = NOW - timedelta(hours=260 - number, minutes=-1 - turn)
                answer = client.get(f"/@{when:%Y-%m-%dT%H:%M:%SZ}/simple/")
                assert answer.status_code == 200
                assert answer.text.count("<a ") == number + 2
            gc.collect()
            memory.append(int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0)
        views = app._past._views
        assert len(views._held) <= held_views.MOMENTS
        assert sum(views._weights.values()) <= held_views.WEIGHT
    assert len(started) < 10, started
    assert (memory[-1] - memory[0]) * 4096 < 32 << 20, memory  # pages of memory
