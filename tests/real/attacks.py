"""A repository whose names somebody wants, an upstream where he has them, and a server between that and the installers."""

from __future__ import annotations

import contextlib
import json
import select
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
from packaging.utils import canonicalize_name

from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_wheel
from tests.upstream import Upstream

from .programs import _SOURCE, Machine, Served

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OURS, THEIRS = "of the private index", "of the upstream"
JSON = "application/vnd.pypi.simple.v1+json"

_START, _STOP = 60, 60

# `wharf` as the command starts it, but it trusts no answer longer than it must, forgives a failure at once, and reads how far
# its clock is wrong, in seconds, from a file.
_IMPATIENT = """
import sys
from datetime import timedelta
from pathlib import Path
from wharf.system import clock
right, wrong = clock.utc_now, Path(sys.argv.pop(1))
clock.utc_now = lambda: right() + timedelta(seconds=float(wrong.read_text()))
from wharf.server.files import download_cache
from wharf.sources import http_freshness, upstream_pauses
http_freshness.SHORTEST = upstream_pauses.PAUSE = download_cache.GONE = download_cache.PAUSE = 0.0
from wharf.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass
class Site:
    """A store with its indexes, an upstream, and the servers of the store that were started."""

    machine: Machine
    upstream: Upstream
    store: Path
    owned: set[str] = field(default_factory=set)
    """Names of which the upstream may never hear."""
    hidden: set[str] = field(default_factory=set)
    """Files that nobody may get from the upstream, or through the server."""
    number: int = 0

    def publish(self, *names: str, index: str = "main", version: str = "1.0", **more: Any) -> None:
        """Publish wheels of ours; from now on the names are ours."""
        files = [make_wheel(self._folder(), name, version, content=OURS, **more) for name in names]
        words = ["--create"] if index != "main" else []
        self.machine.wharf(self.store, "publish", *files, "--index", index, *words)
        self.owned |= {canonicalize_name(name) for name in names}

    def offer(self, name: str, version: str, *, project: str | None = None, **more: Any) -> str:
        """A wheel of somebody else at the upstream; what it is called."""
        said = {key: more.pop(key) for key in ("upload_time", "yanked", "sha256", "size", "url") if key in more}
        wheel = make_wheel(self._folder(), name, version, content=THEIRS, **more)
        return self.upstream.add(wheel, project=project, **said).filename

    def configure(self, text: str, index: str = "main") -> None:
        """Give an index more settings than `[upstream]`, which is the upstream of this site."""
        upstream = f'[upstream]\nmode = "proxy"\nurl = "{self.upstream.simple}"\n'
        told = f"format = 1\n{text}\n{upstream}".encode()
        edit_by_hand(self.store, "wharf.toml", told, index=index, date=f"@{int(datetime.now(UTC).timestamp())} +0000")

    def tip(self, index: str = "main") -> str:
        """The newest commit of an index."""
        return git(self.store, "rev-parse", f"wharf/{index}")

    @contextlib.contextmanager
    def serving(self, *, home: Path | None = None, before: Sequence[str] = ()) -> Iterator[Served]:
        """`wharf serve` as a process, impatient as above; its cache is in `home`. `before` is a program that starts it."""
        with self.process(home=home, before=before) as (served, process):
            yield served
            process.terminate()
            assert process.wait(_STOP) == 0

    @contextlib.contextmanager
    def process(
        self, *, home: Path | None = None, before: Sequence[str] = ()
    ) -> Iterator[tuple[Served, subprocess.Popen[bytes]]]:
        """The same, with the process, which is killed at the end."""
        if not self.clock.exists():
            self.turn_clock()
        wharf = [sys.executable, "-P", "-c", _IMPATIENT, str(self.clock), "--repo", str(self.store)]
        words = [*before, *wharf, "serve", "--json", "--port", "0"]
        self.number += 1
        errors = self.machine.home / f"server-{self.number}.err"
        env = self.machine.environ(PYTHONPATH=_SOURCE, HOME=str(home or self.machine.home))
        with (
            errors.open("wb") as writing,
            subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=writing) as process,
        ):
            try:
                assert process.stdout
                ready, _, _ = select.select([process.stdout], [], [], _START)
                line = process.stdout.readline() if ready else b""
                assert line, errors.read_text()
                yield Served(json.loads(line)["url"]), process
            finally:
                process.kill()
        assert "Traceback" not in errors.read_text()

    def turn_clock(self, **time: float) -> None:
        """Let the clocks of all servers be wrong by so much. They see it within a second; none reads half a file."""
        new = self.clock.with_suffix(".new")
        new.write_text(str(timedelta(**time).total_seconds()), encoding="utf-8")
        new.replace(self.clock)

    @property
    def clock(self) -> Path:
        """The file that says how wrong they are."""
        return self.machine.home / "clock"

    def check(self) -> None:
        """The upstream heard of no name of ours, and gave no byte of a hidden file."""
        assert not self.upstream.names & self.owned
        files = {path.rpartition("/")[2].removesuffix(".metadata") for path in self.upstream.paths}
        assert not files & self.hidden

    def cache(self, home: Path | None = None) -> Path:
        """The folder of the server's cache."""
        return (home or self.machine.home) / ".cache" / "wharf"

    def _folder(self) -> Path:
        self.number += 1
        return self.machine.home / "files" / str(self.number)


@contextlib.contextmanager
def site(folder: Path) -> Iterator[Site]:
    """One with nothing in it, but the index `main`."""
    machine = Machine(folder / "home")
    with Upstream(host="127.0.0.1") as upstream:
        made = Site(machine, upstream, folder / "store")
        made.machine.wharf(made.store, "index", "create", "main")
        yield made


def page(address: str, project: str) -> Any:
    """A page, as JSON."""
    answer = httpx.get(f"{address}{project}/", headers={"Accept": JSON}, timeout=60, follow_redirects=True)
    assert answer.status_code == 200, answer.text
    return answer.json()


def files(address: str, project: str) -> dict[str, str]:
    """The absolute addresses of the files of a page, by their names."""
    return {
        each["filename"]: str(httpx.URL(f"{address}{project}/").join(each["url"])) for each in page(address, project)["files"]
    }


def ago(**time: float) -> str:
    """A moment in the past as pages write it."""
    return (datetime.now(UTC) - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
