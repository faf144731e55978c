"""Fifty indexes on one server: what they cost more than one, and what a commit to one of them costs the others."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import load
import seed
import servers
from figures import Row, Target, alone, compared, interleaved

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from plan import Plan

_PROJECTS, _VERSIONS, _INDEXES = 1000, 10, 50
_ROUNDS = 7
_ASKED = 10  # indexes that are asked for pages, besides the first one
_PATIENCE = 30.0  # seconds until a commit has to be seen
HEADERS = {"accept": load.ACCEPT, "accept-encoding": "identity"}
"""What is sent with every question here."""

COUNTING = """
import sys
from pathlib import Path
from wharf.pages import page_format
render, made = page_format.render, Path(sys.argv.pop(1)).open("a", buffering=1)
def counted(document, *words, **named):
    made.write(str(document.get("name", "")) + "\\n")
    return render(document, *words, **named)
page_format.render = counted
from wharf.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
"""The server as the command starts it, with a line in a file for each page that is made: the file, then its own words."""


def run(plan: Plan) -> list[Row]:
    """All of it over 10,000 releases."""
    one = seed.store(plan.stores, _PROJECTS, _VERSIONS)
    many, names = seed.indexes(plan.stores, _PROJECTS, _VERSIONS, _INDEXES)
    return [
        *_start(plan, one, many),
        *_memory(one, many, names),
        *_merged(plan, many, names[0]),
        *_commit(plan, many, names),
    ]


def _start(plan: Plan, one: Path, many: Path) -> list[Row]:
    """From the start of the process to the first page of `main`."""

    def started(store: Path) -> float:
        begin = time.perf_counter()
        with serving(servers.WHARF, store) as (url, _):
            load.ask(f"{url}/simple/{seed.project(0)}/", HEADERS)
            return time.perf_counter() - begin

    samples = interleaved(plan.rounds(5), {"50 indexes": lambda: started(many), "one index": lambda: started(one)})
    return compared("indexes", "first answer, 50 indexes", "s", samples)


def _memory(one: Path, many: Path, names: Sequence[str]) -> list[Row]:
    """Both servers give all pages of `main`; the one with many indexes also the list and the pages of each index itself."""

    def held(store: Path, indexes: Sequence[str]) -> float:
        with serving(servers.WHARF, store) as (url, process):
            read(url, ["/simple/", *(f"/simple/{seed.project(number)}/" for number in range(_PROJECTS))])
            read(url, [path for at, name in enumerate(indexes) for path in own_pages(at, name)])
            return sum(servers.resident(process.pid))

    samples = interleaved(1, {"50 indexes": lambda: held(many, names), "one index": lambda: held(one, ())})
    return compared("indexes", "memory with git, 50 indexes, their pages read", "MB", samples, Target(bound=1.3, ratio=True))


def own_pages(at: int, index: str) -> list[str]:
    """The list of an index, and the pages of the projects that it has versions of."""
    numbers = range(at * seed.PROJECTS_OF_EACH, (at + 1) * seed.PROJECTS_OF_EACH)
    return [f"/{index}/simple/", *(f"/{index}/simple/{seed.project(number % _PROJECTS)}/" for number in numbers)]


def _merged(plan: Plan, store: Path, index: str) -> list[Row]:
    """A page of two indexes, and the page of one index with as many files; each whole, and as 304."""
    path = f"simple/{seed.project(0)}/"
    rows = []
    with servers.wharf(store) as url:
        pages = {"merged": f"{url}/{index}/{path}", "plain": f"{url}/{path}"}
        etags = {name: load.ask(address, HEADERS).header("etag") for name, address in pages.items()}
        if etags["merged"] == etags["plain"]:
            raise RuntimeError("the page is not merged")
        for what, again in (("merged page", False), ("merged page, 304", True)):
            sides = {
                name: lambda name=name, again=again: (
                    load.wrk(
                        pages[name], {**HEADERS, **({"if-none-match": etags[name]} if again else {})}, 1 if plan.quick else 2
                    ).requests
                )
                for name in pages
            }
            samples = interleaved(plan.close_rounds(_ROUNDS), sides)
            rows += compared("indexes", what, "/s", samples, Target(bound=0.95, at_least=True, ratio=True))
    return rows


def _commit(plan: Plan, store: Path, names: Sequence[str]) -> list[Row]:
    """Pages of other indexes that are made again after a commit to one, and how long it takes until that one shows it."""
    changed, others = names[0], names[1 : _ASKED + 1]
    project = seed.project(1)
    asked = [f"/{name}/simple/{seed.project(number)}/" for name in others for number in range(_PROJECTS // _ASKED)]
    made = plan.folder / "made"
    again, seconds = [], []
    with serving([sys.executable, "-P", "-c", COUNTING, str(made)], store) as (url, _):
        page = f"{url}/{changed}/simple/{project}/"
        for number in range(plan.rounds(5)):
            read(url, asked)
            etag = load.ask(page, HEADERS).header("etag")
            seed.add_release(store, changed, project, f"2.{time.time_ns()}.{number}")
            begin = time.perf_counter()
            while load.ask(page, HEADERS).header("etag") == etag:
                if time.perf_counter() - begin > _PATIENCE:
                    raise RuntimeError("the server does not see a commit")
            seconds.append(time.perf_counter() - begin)
            before = lines(made)
            read(url, asked)
            again.append(lines(made) - before)
    what = f"after a commit to one index: of {len(asked):,} pages of others"
    return [
        alone("indexes", f"{what}, made again", "", [max(again)], Target(bound=0)),
        alone("indexes", "from a commit to its page", "s", seconds, Target(bound=1)),
    ]


def lines(file: Path) -> float:
    """How many lines a file has."""
    return float(len(file.read_text().splitlines()))


def read(url: str, paths: Sequence[str]) -> None:
    """Ask for some pages on one connection. Raises RuntimeError for an answer that is not 200."""
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)) as connection:
        for path in paths:
            connection.request("GET", path, headers=HEADERS)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise RuntimeError(f"{path} is answered with {response.status}")


@contextlib.contextmanager
def serving(command: Sequence[str], store: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of `wharf serve` as this command starts it, and its process."""
    words = [*command, "serve", "--repo", str(store), "--port", "0", "--json"]
    with servers.started(words, subprocess.PIPE) as process:
        line = process.stdout.readline() if process.stdout else b""
        if not line:
            raise RuntimeError("wharf serve did not start")
        yield json.loads(line)["url"], process
