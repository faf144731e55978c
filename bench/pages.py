"""Pages and files of one server process, against the same answer from a bare ASGI application, and nginx."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import load
import seed
import servers
from figures import Row, Target, compared, interleaved
from wheels import make_wheel

from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from plan import Plan

_ROUNDS = 7
_AT_LEAST = Target(bound=0.8, at_least=True, ratio=True)
_SMALL, _LARGE = "small-wheel", "large-wheel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One answer to ask for again and again. A small number of `connections` is for large files."""

    what: str
    path: str
    headers: dict[str, str]
    megabytes: bool = False
    connections: int = 16
    target: Target | None = None


def run(plan: Plan) -> list[Row]:
    """All cases, one after the other."""
    store = plan.folder / "pages"
    wheels = _prepare(store, plan.folder)
    with servers.wharf(store) as url:
        cases = [*_page_cases(url), *_file_cases(wheels)]
        return [row for number, case in enumerate(cases) for row in _measure(plan, number, case, url)]


def _prepare(store: Path, folder: Path) -> dict[str, str]:
    """A project of 5 and one of 1,000 files, and two published wheels: their addresses by project."""
    seed.add_project(store, "five", 5)
    seed.add_project(store, "thousand", 1000)
    contents = {_SMALL: secrets.token_bytes(5000), _LARGE: secrets.token_bytes(50_000_000)}
    paths = [make_wheel(folder, name, content=content) for name, content in contents.items()]
    inputs = [Input(path.name, lambda path=path: path.open("rb")) for path in paths]  # type: ignore[misc]  # a default
    with open_repository(Settings(place=store)) as repository:
        done = publish(repository, inputs, actor="bench")
    return {each.project: f"/files/{each.file.sha256}/{each.file.filename}" for each in done.published}


def _page_cases(url: str) -> list[Case]:
    cases = []
    for name, files in (("five", "5 files"), ("thousand", "1,000 files")):
        path = f"/simple/{name}/"
        for encoding in ("identity", "gzip"):
            headers = {"accept": load.ACCEPT, "accept-encoding": encoding}
            etag = load.ask(url + path, headers).header("etag")
            cases.append(Case(what=f"JSON page, {files}, {encoding}", path=path, headers=headers, target=_AT_LEAST))
        again = {**headers, "if-none-match": etag}
        cases.append(Case(what=f"304 for the page of {files}", path=path, headers=again, target=_AT_LEAST))
    return cases


def _file_cases(wheels: dict[str, str]) -> list[Case]:
    headers = {"accept-encoding": "identity"}
    return [
        Case(what="small wheel", path=wheels[_SMALL], headers=headers),
        Case(what="50 MB wheel", path=wheels[_LARGE], headers=headers, megabytes=True, connections=4),
    ]


def _measure(plan: Plan, number: int, case: Case, url: str) -> list[Row]:
    reply = load.ask(url + case.path, case.headers)
    seconds = 1 if plan.quick else 2
    folder = plan.folder / f"case-{number}"

    def loaded(address: str, headers: dict[str, str]) -> Callable[[], float]:
        def measure() -> float:
            found = load.wrk(address, headers, seconds, case.connections)
            return found.megabytes if case.megabytes else found.requests

        return measure

    with ExitStack() as stack:
        sides = {"wharf": loaded(url + case.path, case.headers)}
        rival = stack.enter_context(servers.bare(reply, folder / "bare"))
        sides["bare ASGI"] = loaded(rival + case.path, case.headers)
        if plan.has("nginx"):
            ready = folder / "files/ready"
            ready.parent.mkdir(parents=True)
            ready.write_bytes(reply.body or load.ask(url + case.path, {**case.headers, "if-none-match": '""'}).body)
            address = stack.enter_context(servers.nginx(ready.parent, folder / "nginx")) + "/ready"
            headers = {"if-none-match": load.ask(address).header("etag")} if reply.status == 304 else {}
            sides["nginx"] = loaded(address, headers)
        rounds = plan.close_rounds(_ROUNDS) if case.target is not None else plan.rounds(_ROUNDS)
        samples = interleaved(rounds, sides)
    return compared("pages", case.what, "MB/s" if case.megabytes else "/s", samples, case.target)
