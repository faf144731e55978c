"""Downloads and uploads through `wharf serve` over a repository on GitHub: calls, and time within GitHub's limits."""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import load
import servers
from figures import Row, Target, alone, compared, interleaved
from github_hub import environment, simulator
from github_publish import by_command
from wheels import make_wheels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from github_hub import Steering
    from plan import Plan

_SLUG = "acme/pkgs"
_FILES, _CLIENTS, _DOWNLOADS = 50, 16, 1000
_ROUNDS = 7
_VERSIONS = 35
_IDENTITY = {"accept-encoding": "identity"}


def run(plan: Plan) -> list[Row]:
    """1,000 downloads of 50 files by 16 clients; then a redirect against a page that lies ready, with wrk."""
    with simulator(plan.folder / "gh-serve") as hub:
        address = hub.create(_SLUG)
        token = hub.token(_SLUG)
        env = environment(plan.folder / "gh-serve-home", address, token)
        names = _publish(plan.folder / "gh-serve-files", env)
        auth = {"authorization": f"Basic {base64.b64encode(f'x:{token}'.encode()).decode()}"}
        with _serving(env) as (url, number):
            links = [_link(url, name, auth) for name in names]
            hub.clear()
            begin = time.perf_counter()
            with ThreadPoolExecutor(_CLIENTS) as pool:
                list(pool.map(lambda number: _download(links, auth, number), range(_CLIENTS)))
            seconds, calls, memory = time.perf_counter() - begin, hub.calls(), _memory(number)
            rows = _speed(plan, f"{url}/simple/{names[0]}/", links[0], auth)
    what = "1,000 downloads of 50 files"
    return [
        alone("gh-serve", f"{what}: asset calls", "", [calls.assets], Target(bound=_FILES)),
        alone("gh-serve", f"{what}: REST calls in all", "", [calls.rest], None),
        alone("gh-serve", f"{what}, 16 clients", "s", [seconds], Target(bound=60)),
        alone("gh-serve", f"{what}: memory of the server", "MB", [memory], Target(bound=75)),
        *rows,
    ]


def run_uploads(plan: Plan) -> list[Row]:
    """35 new versions by one `uv publish`, within GitHub's limits: more than it takes of one user in a minute.

    The calls of the server's own start are not counted. `wharf publish` of the same files is counted in another repository.
    """
    with simulator(plan.folder / "gh-uploads") as hub:
        address = hub.create(_SLUG)
        server, client = hub.token(_SLUG), hub.token(_SLUG)
        env = environment(plan.folder / "gh-uploads-home", address, server)
        sent = {"UV_PUBLISH_USERNAME": "x", "UV_PUBLISH_PASSWORD": client}
        subprocess.run([*servers.WHARF, "init"], check=True, stdout=subprocess.DEVNULL, env=env, timeout=60)
        wheels = make_wheels(plan.folder / "gh-uploads-files", 1, _VERSIONS)
        with _serving(env) as (url, number):
            _settle(hub)
            hub.enforce(limits=True)
            hub.clear()
            words = ["publish", "-q", "--no-config", "--publish-url", f"{url}/legacy/"]
            begin = time.perf_counter()
            done = subprocess.run(
                ["uv", *words, *map(str, wheels)], env=env | sent, check=False, capture_output=True, timeout=300
            )
            seconds, calls, memory = time.perf_counter() - begin, hub.calls(), _memory(number)
        if done.returncode:
            raise RuntimeError(f"uv publish failed: {done.stderr.decode()}")
        hub.enforce(limits=False)
        command = by_command(hub, plan.folder / "gh-uploads-command", f"{_SLUG}-command", wheels)
    what = f"{_VERSIONS} versions by uv publish"
    samples = {"uv publish": [float(calls.rest)], f"wharf publish, and {_VERSIONS}": [float(command.rest + _VERSIONS)]}
    return [
        *compared("gh-uploads", f"{what}: REST calls", "", samples, Target(bound=1, ratio=True)),
        alone("gh-uploads", f"{what}: git fetches", "", [calls.fetches], None),
        alone("gh-uploads", f"{what}: answers 403 and 429", "", [calls.refused], Target(bound=0)),
        alone("gh-uploads", f"{what}: git pushes", "", [calls.pushes], Target(bound=_VERSIONS)),
        alone("gh-uploads", what, "s", [seconds], Target(bound=75)),
        alone("gh-uploads", f"{what}: memory of the server", "MB", [memory], Target(bound=95)),
    ]


def _settle(hub: Steering) -> None:
    """Wait until a server that has just started has asked what it asks at its start."""
    before = -1
    while (now := hub.calls().rest) != before:
        before = now
        time.sleep(2)


def _speed(plan: Plan, page: str, link: str, auth: Mapping[str, str]) -> list[Row]:
    seconds = 1 if plan.quick else 2
    sides = {
        "redirect": lambda: load.wrk(link, {**_IDENTITY, **auth}, seconds).requests,
        "cached page": lambda: load.wrk(page, {"accept": load.ACCEPT, **_IDENTITY, **auth}, seconds).requests,
    }
    samples = interleaved(plan.rounds(_ROUNDS), sides)
    return compared("gh-serve", "redirect to a file", "/s", samples, Target(bound=0.6, at_least=True, ratio=True))


def _publish(folder: Path, env: Mapping[str, str]) -> list[str]:
    """The names of 50 projects of one small wheel."""
    wheels = make_wheels(folder, _FILES)
    for half in (wheels[::2], wheels[1::2]):  # with one command it would wait: GitHub takes 80 new contents a minute
        command = [*servers.WHARF, "publish", "--create", "--json", *map(str, half)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=env, timeout=600)
    return [wheel.name.partition("-")[0].replace("_", "-") for wheel in wheels]


def _link(url: str, project: str, auth: Mapping[str, str]) -> str:
    """The address of a project's only file, as the page tells it."""
    page = f"{url}/simple/{project}/"
    reply = load.ask(page, {"accept": load.ACCEPT, **_IDENTITY, **auth})
    return str(httpx.URL(page).join(json.loads(reply.body)["files"][0]["url"]))


def _download(links: Sequence[str], auth: Mapping[str, str], client: int) -> None:
    """A client's share of the downloads, every client from the first file on, as many installs of the same job begin."""
    with httpx.Client(headers={**_IDENTITY, **auth}, timeout=60) as session:
        for number in range(client, _DOWNLOADS, _CLIENTS):
            answer = session.get(links[number // _CLIENTS % len(links)])
            if answer.status_code != 302:
                raise RuntimeError(f"a download got {answer.status_code}")


def _memory(number: int) -> float:
    """What a process has in memory, in MB (`VmRSS`)."""
    lines = Path(f"/proc/{number}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


@contextlib.contextmanager
def _serving(env: Mapping[str, str]) -> Iterator[tuple[str, int]]:
    """The address of `wharf serve` in an environment, and the number of its process."""
    command = [*servers.WHARF, "serve", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as process:
        try:
            line = process.stdout.readline() if process.stdout else b""
            if not line:
                raise RuntimeError("wharf serve did not start")
            yield json.loads(line)["url"], process.pid
        finally:
            process.terminate()
            process.wait(15)
