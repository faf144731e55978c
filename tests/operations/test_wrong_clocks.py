"""Publishers whose clocks are wrong by a year: their commits have the time of the store, and no moment of the past changes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.simulator import Hub
from wharf.cli.main import main
from wharf.index import store_clock
from wharf.index.branch import Branch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.index.commit_line import CommitLine

HOUR, YEAR = 3600, 365 * 86400
WRONG = """
import datetime, sys, time
real, ahead = time.time, int(sys.argv[1])
time.time = lambda: real() + ahead
class Wrong(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(time.time(), tz)
datetime.datetime = Wrong
from wharf.cli.main import main
main(sys.argv[2:])
"""


class Place:
    """An index in a folder or on GitHub, whose first commit is an hour old."""

    def __init__(self, root: Path, hub: Hub | None) -> None:
        self._root, self._hub = root, hub
        self.address = str(root / "store") if hub is None else f"{hub.url}/{hub.create('acme/pkgs').slug}"
        token = "" if hub is None else hub.token("alice", {"acme/pkgs": "write"})
        self.environ = {**os.environ, "WHARF_REPO": self.address, "WHARF_TOKEN": token, "XDG_CACHE_HOME": str(root / "cache")}
        self.environ |= {"XDG_DATA_HOME": str(root / "data"), "XDG_CONFIG_HOME": str(root / "config")}
        self.began = int(time.time())

    def begin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("WHARF_REPO", "WHARF_TOKEN", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            monkeypatch.setenv(name, self.environ[name])
        with monkeypatch.context() as patch:
            if self._hub is None:
                patch.setattr(store_clock, "now", lambda _folder: self.began - HOUR)
            else:
                self._hub.clock.ahead = -HOUR
            with pytest.raises(SystemExit) as left:
                main(["publish", str(make_wheel(self._root, version="1.0")), "--create"])
        assert left.value.code == 0
        if self._hub is not None:
            self._hub.clock.ahead = 0

    def wharf(self, ahead: int, *words: object) -> None:
        """`wharf …` in a process whose clock is ahead of the right one by so many seconds."""
        line = [sys.executable, "-c", WRONG, str(ahead), *map(str, words)]
        done = subprocess.run(line, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def uploads(self, *versions: str) -> list[float]:
        """When the files of these versions were uploaded, by their records."""
        with Branch(self._git_dir, "main") as branch:
            found = [branch.snapshot().release("demo", version) for version in versions]
        return [file.upload_time.timestamp() for release in found if release for file in release.files]

    @property
    def _git_dir(self) -> Path:
        return self._root / "store" / "index.git" if self._hub is None else self._hub.repos["acme/pkgs"].git_dir

    def line(self) -> tuple[CommitLine, list[int]]:
        """The commits of the index, and the time that each of them says."""
        command = ["git", f"--git-dir={self._git_dir}", "log", "--reverse", "--format=%ct", "wharf/main"]
        times = subprocess.run(command, capture_output=True, check=True).stdout.split()
        with Branch(self._git_dir, "main") as branch:
            return branch.line(), list(map(int, times))


@pytest.fixture(params=["folder", "github"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "folder":
        yield Place(tmp_path, None)
    else:
        with Hub(tmp_path / "hub") as hub:
            yield Place(tmp_path, hub)


def test_a_clock_that_is_wrong_by_a_year_dates_no_commit(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.begin(monkeypatch)
    before, _ = place.line()
    moments = [place.began + each for each in (-2 * YEAR, -YEAR, -HOUR - 60, -HOUR // 2, -60)]
    shown = [before.at(each) for each in moments]
    assert shown[-2:] == [before.tip] * 2
    assert shown[:-2] == [None] * 3
    place.wharf(YEAR, "publish", make_wheel(tmp_path, version="2.0"))
    place.wharf(-YEAR, "publish", make_wheel(tmp_path, version="3.0"))
    place.wharf(YEAR, "yank", "demo==2.0")
    place.wharf(-YEAR, "index", "settings", "main", "--set", "metadata-assets=false")
    after, times = place.line()
    assert [after.at(each) for each in moments] == shown
    assert len(times) == len(before) + 4
    assert all(place.began - 2 <= each <= time.time() for each in times[len(before) :]), times
    uploads = place.uploads("2.0", "3.0")
    assert all(place.began - 2 <= each <= time.time() + 2 for each in uploads), uploads
    place.wharf(YEAR, "remove", "demo==3.*", "--older-than", "30d", "--yes")
    assert place.uploads("3.0") == uploads[1:]


def test_without_an_answer_github_is_asked_for_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of GitHub Actions knows who set it off, and would send nothing but a push."""
    with Hub(tmp_path / "hub") as hub:
        place = Place(tmp_path, hub)
        place.begin(monkeypatch)
        job = {"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": hub.url, "GITHUB_REPOSITORY": "acme/demo", "GITHUB_ACTOR": "eve"}
        place.environ |= {**job, "GITHUB_ACTOR_ID": "42", "GITHUB_RUN_ID": "7"}
        hub.calls.clear()
        place.wharf(-YEAR, "yank", "demo==1.0")
        assert [call.path for call in hub.calls if call.kind == "api"] == ["/api/v3/rate_limit"]
        _, times = place.line()
        assert place.began - 2 <= times[-1] <= time.time()
