"""Bad input and bad weather, as a person at the command line sees them: the thing, the cause and the remedy; nothing is lost,
nothing half visible, and what a hint says to type works.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.progress import Progress

from tests.cli.test_main import commands, document
from tests.index.test_branch import edit_by_hand
from tests.makers import make_wheel
from tests.matrix import first
from tests.operations.test_init import Run, hub, run
from tests.server.over_github import JSON, World, _quick
from tests.server.over_github import address as link_to
from tests.server.running import soon
from tests.simulator import Hub
from tests.simulator.template import Template, keep
from tests.small_disk import fill, small_disk
from wharf.cli import output, progress_bars
from wharf.cli import progress as cli_progress
from wharf.cli.state import State
from wharf.github import clone, quota, quota_by_token, request_turns
from wharf.server.refresh import refresher

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator.state import Repo

__all__ = ["_quick", "hub", "run"]  # fixtures

MOMENTS = ["POST .*git-receive-pack", "POST .*/releases$", "POST .*/assets", "PATCH .*/releases/"]
HOUR = 3600.0
_begun: dict[Path, Template] = {}
"""The first place of this process, as it was when it had begun: the others are copies of it."""


@dataclass
class Place:
    """A repository with demo 1.0 in its index, who may write to it, and demo 2.0 to publish."""

    hub: Hub
    run: Run
    repo: Repo
    root: Path

    def __post_init__(self) -> None:
        self.alice = self.hub.token("alice", {"acme/pkgs": "write"})
        self.bob = self.hub.token("bob", {"acme/pkgs": "read"})
        self.first = make_wheel(self.root / "dist")
        self.second = make_wheel(self.root / "dist", version="2.0")
        (self.root / "index.git").symlink_to(self.repo.git_dir)

    def begin(self) -> None:
        """Make the index, with demo 1.0 in it."""
        self.run("init", "--repo", self.address, token=self.alice)
        self.said("publish", self.first)

    @property
    def address(self) -> str:
        return f"{self.hub.url}/acme/pkgs"

    @property
    def verbs(self) -> dict[str, tuple[object, ...]]:
        """One use of each verb that is done in a moment."""
        return {
            "list": (),
            "show": ("demo",),
            "log": (),
            "verify": (),
            "build": ("--with-files", self.root / "site"),
            "publish": (self.second,),
            "yank": ("demo==1.0",),
            "remove": ("demo==1.0", "--yes"),
            "init": (),
        }

    def said(self, *words: object, token: str | None = None, code: int = 0) -> Any:
        """What is said with --json."""
        return document(self.run(*words, "--json", "--repo", self.address, token=token or self.alice, code=code)[0])

    def refused(self, *words: object, code: int, token: str | None = None) -> dict[str, str]:
        """The error of a command: with --json one document, without it the same in words, and nothing else."""
        told = self.said(*words, token=token, code=code)
        assert set(told) == {"error"}
        error: dict[str, str] = told["error"]
        assert set(error) == {"code", "message", "hint"}
        assert error["message"]
        assert error["hint"]
        out, err = self.run(*words, "--repo", self.address, token=token or self.alice, code=code)
        assert out == ""
        assert err.endswith(f"\nhint: {error['hint']}\n")
        assert f"error: {error['message'][:50]}" in err  # the rest may name a time, or a commit that git made
        return error

    def state(self) -> tuple[str, list[tuple[str, bool, int]]]:
        """What is at GitHub: the index's tip, and each release with whether it is a draft and how many files it has."""
        tip = (self.repo.git_dir / "refs/heads/wharf/main").read_text().strip()
        return tip, sorted((each.tag_name, each.draft, len(each.assets)) for each in self.repo.releases)


@pytest.fixture
def place(hub: Hub, run: Run, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    base, home = tmp_path_factory.getbasetemp(), Path(os.environ["HOME"])
    if base in _begun:
        return Place(hub, run, _begun[base].copy(hub, home), tmp_path)
    place = Place(hub, run, hub.create("acme/pkgs"), tmp_path)
    place.begin()
    _begun[base] = keep(hub, place.repo, home, (".cache",), base / "begun")
    return place


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses before something that failed is tried again take no time."""
    monkeypatch.setattr(request_turns.Turns, "pause", lambda _self, _seconds: None)
    monkeypatch.setattr(clone, "PAUSE", 0.0)


@pytest.fixture
def skipping(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits take no time: the clocks are moved instead."""
    made = request_turns.Turns.__init__

    def make(self: request_turns.Turns, waiting: request_turns.Waiting, tally: quota_by_token.Tally | None = None) -> None:
        waiting = dataclasses.replace(waiting, clock=lambda: hub.clock.ahead, sleep=hub.clock.forward)
        made(self, waiting, tally)

    monkeypatch.setattr(request_turns.Turns, "__init__", make)


@pytest.mark.slow
def test_all_verbs_of_a_release_s_life(place: Place) -> None:
    shown = place.said("show", "demo")
    assert shown["versions"] == ["1.0"]
    assert len(place.said("yank", "demo==1.0", "--reason", "loses data")["changed"]) == 1
    assert place.said("show", "demo")["files"][0]["yanked"] == "loses data"
    assert len(place.said("unyank", "demo==1.0")["changed"]) == 1
    assert place.said("show", "demo") == shown
    assert len(place.said("publish", place.second)["published"]) == 1
    assert [each["filename"] for each in place.said("remove", "demo==1.0", "--yes")["removed"]] == [place.first.name]
    assert [each for each in place.state()[1] if each[2]] == [("demo-2.0", False, 1)]
    assert [(each["verb"], *(one["version"] for one in each["releases"])) for each in place.said("log")["entries"]] == [
        ("remove", "1.0"), ("publish", "2.0"), ("unyank", "1.0"), ("yank", "1.0"), ("publish", "1.0"), ("begin",),
    ]  # fmt: skip
    assert place.said("verify") == {"ok": True, "files": 1, "problems": [], "leftovers": []}


@pytest.mark.slow
def test_what_an_immutable_release_keeps_is_told(place: Place) -> None:
    place.repo.immutable = True
    place.said("publish", place.second)
    said = place.said("remove", "demo==2.0", "--yes")
    assert [each["filename"] for each in said["kept"]] == [place.second.name]
    assert place.said("list")["projects"] == [{"name": "demo", "versions": ["1.0"]}]
    assert ("demo-2.0", False, 1) in place.state()[1]
    place.said("publish", make_wheel(place.root / "dist", version="3.0"))
    _, err = place.run("remove", "demo==3.0", "--yes", "--repo", place.address, token=place.alice)
    assert "The bytes of 1 file(s) are still stored: " in err
    assert "immutable" in err


@pytest.mark.slow
def test_a_file_that_github_takes_from_nobody_is_refused_before_anything_is_sent(place: Place) -> None:
    huge = place.root / "huge-1.0-py3-none-any.whl"
    with huge.open("wb") as file:
        file.truncate(2 << 30)  # of which the disk keeps nothing
    before = place.state()
    place.hub.calls.clear()
    error = place.refused("publish", huge, place.second, code=3)
    assert error["code"] == "too-large"
    assert huge.name in error["message"]
    assert place.state() == before
    assert not [call for call in place.hub.calls if call.kind == "upload"]


# Tokens


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_a_wrong_token_is_told_by_every_verb(place: Place) -> None:
    before = place.state()
    for verb, words in place.verbs.items():
        error = place.refused(verb, *words, token="ghp_" + "0" * 36, code=6)
        assert error["code"] == "not-allowed", verb
        assert f"does not know the token for the repository {place.address}" in error["message"]
        assert "wrong, expired or revoked" in error["hint"]
        assert ["doctor", "--repo", place.address] in commands(error["hint"])
    assert place.state() == before


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_a_token_without_the_right_to_write_reads_and_is_told_what_it_needs(place: Place) -> None:
    before = place.state()
    for verb, words in place.verbs.items():
        if verb in {"publish", "yank", "remove"}:
            error = place.refused(verb, *words, token=place.bob, code=6)
            assert place.address in error["message"]
            assert "contents: write" in error["hint"]
        else:
            place.said(verb, *words, token=place.bob)
    assert place.state() == before


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("moment", first(1, MOMENTS))
def test_a_token_that_expires_in_mid_publish_leaves_nothing_half_visible(place: Place, moment: str) -> None:
    tip, _ = place.state()
    place.hub.before(moment, lambda: place.hub.revoke(place.alice))
    out, err = place.run("publish", "--repo", place.address, place.second, token=place.alice, code=6)
    assert not out
    assert "error: " in err
    assert "hint: " in err
    assert place.state()[0] == tip
    assert place.said("list", token=place.bob)["projects"] == [{"name": "demo", "versions": ["1.0"]}]
    place.alice = place.hub.token("alice", {"acme/pkgs": "write"})
    assert len(place.said("publish", place.second)["published"]) == 1
    assert place.state()[1] == [("demo-1.0", False, 1), ("demo-2.0", False, 1)]
    assert place.said("verify") == {"ok": True, "files": 2, "problems": [], "leftovers": []}


# The repository


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_a_repository_that_was_renamed_is_worked_on_and_its_new_name_told(place: Place) -> None:
    old = place.address
    place.repo.rename("acme/packages")
    for verb, words in place.verbs.items():
        _, err = place.run(verb, *words, "--repo", old, token=place.alice)
        assert err.count(f"{old} is called {place.hub.url}/acme/packages now") == 1, verb
    assert place.said("verify")["ok"]


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_a_repository_that_is_gone_is_told_by_every_verb_and_can_be_made_again(place: Place) -> None:
    place.repo.delete()
    for verb, words in place.verbs.items():
        if verb != "init":
            error = place.refused(verb, *words, code=4)
            assert error["code"] == "not-found"
            assert place.address in error["message"]
            assert "wharf init" in error["hint"]
    owner = place.hub.token("acme", {})
    place.said("init", token=owner)
    assert place.said("list", token=owner) == {"projects": []}


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_an_archived_repository_is_read_and_takes_no_changes(place: Place) -> None:
    before = place.state()
    place.repo.archived = True
    for verb, words in place.verbs.items():
        if verb in {"publish", "yank", "remove"}:
            error = place.refused(verb, *words, code=6)
            assert "archived" in error["message"]
            assert "unarchive it" in error["hint"].lower()
        else:
            place.said(verb, *words)
    assert place.state() == before


@pytest.mark.slow
def test_an_empty_repository_is_told_and_what_the_hint_says_helps(hub: Hub, run: Run, tmp_path: Path) -> None:
    repo, token = hub.create("acme/empty", auto_init=False), hub.token("ann", {"acme/empty": "write"})
    address, wheel = f"{hub.url}/acme/empty", make_wheel(tmp_path)
    for words, code in ((("list",), 4), (("verify",), 4), (("publish", wheel), 4)):
        error = document(run(*words, "--json", "--repo", address, token=token, code=code)[0])["error"]
        assert commands(error["hint"]) == [["init", address]]
    run(*commands(error["hint"])[0], token=token)
    run("publish", wheel, "--repo", address, token=token)
    assert repo.default_branch == "main"


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_a_branch_that_is_protected_is_told_and_the_same_command_goes_on_later(place: Place) -> None:
    tip, _ = place.state()
    place.repo.protected.add("wharf/main")
    for words in (("publish", place.second), ("yank", "demo==1.0"), ("remove", "demo==1.0", "--yes")):
        error = place.refused(*words, code=6)
        assert "Protected branch update failed for refs/heads/wharf/main" in error["message"]
        assert "Exempt wharf/main" in error["hint"]
    assert place.state()[0] == tip
    assert place.said("list", token=place.bob)["projects"] == [{"name": "demo", "versions": ["1.0"]}]
    place.repo.protected.clear()
    assert len(place.said("publish", place.second)["published"]) == 1
    assert place.state()[1] == [("demo-1.0", False, 1), ("demo-2.0", False, 1)]


@pytest.mark.slow
def test_a_record_that_a_hand_broke_is_named_and_left_out_and_the_rest_is_there(place: Place) -> None:
    path = "projects/de/demo/1.0/release.json"
    place.said("publish", place.second)
    edit_by_hand(place.root, path, b'{"files": [')
    shown, err = place.run("show", "demo", "--repo", place.address, token=place.bob)
    assert place.second.name in shown
    assert place.first.name not in shown
    assert f"left out: {path}" in err
    site = place.root / "site"
    _, err = place.run("build", "--with-files", site, "--repo", place.address, token=place.bob, code=7)
    assert f"left out: {path}" in err
    assert place.second.name in (site / "simple/demo/index.html").read_text()
    assert place.first.name not in (site / "simple/demo/index.html").read_text()
    found = place.said("verify", code=8)
    assert [(each["kind"], each["path"]) for each in found["problems"]] == [("broken-record", path)]
    for words in (("yank", "demo==1.0"), ("remove", "demo==1.0", "--yes"), ("publish", place.first)):
        error = place.refused(*words, code=8)
        assert error["code"] == "broken-record"
        assert path in error["message"]
        assert "Fix or revert" in error["hint"]
    third = make_wheel(place.root / "dist", version="3.0")
    assert len(place.said("publish", third)["published"]) == 1
    place.said("verify", "--repair", code=8)
    assert ("demo-1.0", False, 1) in place.state()[1], "whose files those are shows when the record is mended"


# This machine


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """A cache folder on a disk that is full or not, as it is told: a small one of its own, where one can be had.

    Where none can, as in most containers, git says what it says on a full disk, as soon as it is to write.
    """
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    ballast, tools = cache / "ballast", tmp_path / "tools"
    with small_disk(cache, "256k") as mounted:

        def fill_or_free(full: bool) -> None:
            if not mounted:
                _in_the_words_of_git(tools, monkeypatch, full=full)
            elif full:
                fill(ballast)
            else:
                ballast.unlink()

        yield fill_or_free


def _in_the_words_of_git(tools: Path, monkeypatch: pytest.MonkeyPatch, *, full: bool) -> None:
    real = shutil.which("git")
    tools.mkdir(exist_ok=True)
    words = {
        " init ": "error: unable to write symref for HEAD: No space left on device",
        " fetch ": "fatal: write error: No space left on device\nfatal: index-pack failed",
    }
    cases = "".join(f'*"{word}"*) echo "{said}" >&2; exit 128;;\n' for word, said in words.items())
    (tools / "git").write_text(f'#!/bin/sh\ncase " $* " in\n{cases}esac\nexec {real} "$@"\n')
    (tools / "git").chmod(0o755)
    path = os.environ["PATH"].removeprefix(f"{tools}:")
    monkeypatch.setenv("PATH", f"{tools}:{path}" if full else path)


@pytest.mark.slow
def test_a_full_disk_is_told_and_what_was_fetched_is_read_on(place: Place, full_disk: Callable[[bool], None]) -> None:
    def told(*words: object) -> None:
        error = place.refused(*words, code=8)
        assert "The disk is full at " in error["message"], error
        assert str(place.root / "cache") in error["message"]
        assert "Free some room" in error["hint"]

    full_disk(True)
    for words in (("list",), ("publish", place.second), ("verify",)):  # into a cache that has nothing yet
        told(*words)
    full_disk(False)
    place.said("list")
    elsewhere = {**os.environ, "XDG_CACHE_HOME": str(place.root / "another"), "WHARF_TOKEN": place.alice}
    third = make_wheel(place.root / "dist", "third", files={"data": os.urandom(1000)})
    command = [sys.executable, "-m", "wharf", "publish", "--repo", place.address, str(third)]
    subprocess.run(command, env=elsewhere, check=True, capture_output=True)
    before = place.state()
    full_disk(True)
    out, err = place.run("list", "--repo", place.address, token=place.alice)
    assert out == "demo 1.0\n"
    assert "The disk is full" in err
    assert "as it was fetched last" in err
    told("publish", place.second)
    assert place.state() == before
    full_disk(False)
    place.said("list")
    full_disk(True)  # there is nothing to fetch, and no room for the commit
    told("publish", place.second)
    assert place.state()[0] == before[0]
    full_disk(False)
    assert len(place.said("publish", place.second)["published"]) == 1
    assert place.said("verify")["ok"]


@pytest.mark.slow
def test_a_server_whose_disk_is_full_serves_what_it_has(
    place: Place, full_disk: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    elsewhere = {**os.environ, "XDG_CACHE_HOME": str(place.root / "another"), "WHARF_TOKEN": place.alice}
    command = [sys.executable, "-m", "wharf", "publish", "--repo", place.address, str(place.second)]
    world = World(place.hub, place.repo, place.root)
    (place.root / "server").mkdir()
    (place.root / "server/cache").symlink_to(place.root / "cache")
    with world.stack, world.serving() as client:
        page = client.get("/simple/demo/", headers=JSON)
        full_disk(True)
        subprocess.run(command, env=elsewhere, check=True, capture_output=True)
        soon(lambda: client.get("/healthz").json()["status"] == "stale")
        assert client.get("/simple/demo/", headers=JSON).json() == page.json()
        assert client.get(link_to(place.first)).status_code == 302
        full_disk(False)
        soon(lambda: "2.0" in client.get("/simple/demo/", headers=JSON).json()["versions"])
        soon(lambda: client.get("/healthz").json()["status"] == "ok")


@pytest.mark.slow
@pytest.mark.parametrize("ahead", [-50 * HOUR, 50 * HOUR])
def test_a_clock_that_is_wrong_is_told_and_deletes_and_delays_nothing(place: Place, ahead: float) -> None:
    place.hub.clock.ahead = ahead
    place.hub.before("PATCH .*/releases/", lambda: place.hub.revoke(place.alice))
    place.run("publish", "--repo", place.address, place.second, token=place.alice, code=6)
    place.alice = place.hub.token("alice", {"acme/pkgs": "write"})
    (draft,) = [each for each in place.state()[1] if each[1]]
    place.said("verify", "--repair")
    assert draft in place.state()[1], "it is some seconds old, whatever this machine takes the time for"
    (clock,) = [each for each in place.said("doctor")["findings"] if each["what"] == "clock"]
    assert clock["state"] == "warning"
    assert f"{'ahead of' if ahead < 0 else 'behind'} GitHub's" in clock["detail"]
    place.hub.fault("POST .*/releases$", "403")
    assert len(place.said("publish", place.second)["published"]) == 1


# GitHub


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_github_that_is_down_is_told_and_what_was_fetched_is_read_on(place: Place) -> None:
    for verb in ("list", "show", "log"):
        place.said(verb, *place.verbs[verb])
    before = place.state()
    place.hub.down = True
    for verb, words in place.verbs.items():
        if verb in {"list", "show", "log"}:
            out, err = place.run(verb, *words, "--repo", place.address, token=place.alice)
            assert "demo" in out
            assert err.count("This is the index as it was fetched last.") == 1
        else:
            error = place.refused(verb, *words, code=8)
            assert place.hub.host in error["message"]
            assert "Check the network, and whether GitHub is up." in error["hint"]
    place.hub.down = False
    assert place.state() == before
    assert len(place.said("publish", place.second)["published"]) == 1


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("moment", first(1, MOMENTS))
def test_github_that_goes_down_in_mid_publish_leaves_nothing_half_visible(place: Place, moment: str) -> None:
    place.hub.before(moment, lambda: setattr(place.hub, "down", True))
    place.hub.fault(moment, "drop")
    place.run("publish", "--repo", place.address, place.second, token=place.alice, code=8)
    place.hub.down = False
    assert place.said("list", token=place.bob)["projects"] == [{"name": "demo", "versions": ["1.0"]}], place.state()
    assert len(place.said("publish", place.second)["published"]) == 1
    assert place.state()[1] == [("demo-1.0", False, 1), ("demo-2.0", False, 1)]
    assert place.said("verify") == {"ok": True, "files": 2, "problems": [], "leftovers": []}


@pytest.mark.slow
def test_installs_go_on_for_an_hour_without_github(tmp_path: Path) -> None:
    with Hub(tmp_path / "hub") as hub:
        world = World(hub, hub.create("acme/pkgs"), tmp_path)
        with world.stack:
            seen, unseen = world.wheel(), world.wheel("unseen")
            world.put(seen, unseen)
            with world.serving(stream=True) as client:
                page, file = client.get("/simple/demo/", headers=JSON), client.get(link_to(seen))
                assert file.content == seen.read_bytes()
                hub.down = hub.storage_down = True
                for _ in range(6):
                    hub.clock.forward(9.5 * 60)
                    assert client.get("/simple/demo/", headers=JSON).json() == page.json()
                    assert client.get("/simple/", headers=JSON).status_code == 200
                    assert client.get(link_to(seen)).content == seen.read_bytes()
                    assert client.get(link_to(seen) + ".metadata").status_code == 200
                    lost = client.get(link_to(unseen))
                    assert (lost.status_code, int(lost.headers["retry-after"]) > 0) == (503, True)
                hub.down = hub.storage_down = False

                def comes() -> bool:
                    hub.clock.forward(10)
                    return client.get(link_to(unseen)).content == unseen.read_bytes()

                soon(comes)


@pytest.mark.slow
@pytest.mark.usefixtures("hurried")
def test_a_signed_host_that_is_down_leaves_no_half_of_a_site(place: Place) -> None:
    site = place.root / "site"
    place.hub.storage_down = True
    error = place.refused("build", "--with-files", site, code=8)
    assert "GitHub's storage" in error["message"]
    assert not list(site.rglob("*.html"))
    place.hub.storage_down = False
    place.said("build", "--with-files", site)
    assert (site / "simple/demo/index.html").exists()
    asked = [call for call in place.hub.calls if call.kind == "storage"]
    assert asked
    assert not any("authorization" in call.headers for call in asked)


# Waits


@pytest.mark.slow
@pytest.mark.usefixtures("skipping")
@pytest.mark.parametrize("json", [False, True])
def test_a_wait_is_told_with_its_reason_and_its_end(place: Place, json: bool) -> None:
    place.hub.fault("POST .*/releases$", "secondary:90")
    started = time.time()
    words = ("--json",) if json else ()
    out, err = place.run("publish", *words, "--repo", place.address, place.second, token=place.alice)
    assert out.count("\n") == (1 if json else 2)
    told = re.fullmatch(r"waiting (\d+) s, until (\d\d:\d\d:\d\d): GitHub asks for a pause \(a secondary limit\)\n", err)
    assert told
    assert 90 <= int(told[1]) <= 92
    ends = {output.clock(started + int(told[1]) + late) for late in range(int(time.time() - started) + 2)}
    assert told[2] in ends


@pytest.mark.slow
@pytest.mark.usefixtures("skipping")
def test_a_wait_beyond_the_allowed_one_ends_the_command_which_goes_on_later(place: Place) -> None:
    place.hub.fault("POST .*/assets", "secondary:90", times=2)
    error = place.refused("publish", "--max-wait", "60", place.second, code=8)
    assert error["code"] == "quota"
    assert re.search(r"continues at \d\d:\d\d:\d\d", error["message"])
    assert "--max-wait" in error["hint"]
    assert place.said("list")["projects"] == [{"name": "demo", "versions": ["1.0"]}]
    place.hub.clock.forward(90)
    assert len(place.said("publish", "--max-wait", "60", place.second)["published"]) == 1
    assert place.state()[1] == [("demo-1.0", False, 1), ("demo-2.0", False, 1)]


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--dry-run",), ("--dry-run", "--json")])
def test_a_plan_that_github_s_limits_make_long_says_so_before_it_begins(
    place: Place, tmp_path: Path, words: tuple[str, ...]
) -> None:
    many = [make_wheel(tmp_path, "many", f"1.{number}") for number in range(27)]
    run = partial(place.run, "publish", *words, "--repo", place.address, token=place.alice)
    _, err = run(*many[:26])
    assert err == "", "78 contents fit into a minute"
    _, err = run(*many)
    assert err == "This creates 81 contents at GitHub, which takes 80 a minute and 500 an hour: about 1 min.\n"
    _, err = run("--max-wait", "30", *many)
    assert "--max-wait 100 lets it finish in one go" in err
    assert not place.hub.count("upload") > 1


@pytest.mark.parametrize(
    ("contents", "seconds"), [(0, 0), (80, 0), (81, 61), (160, 61), (500, 366), (501, 3601), (600, 3662), (1001, 7202)]
)
def test_how_long_contents_take(contents: int, seconds: float) -> None:
    assert quota.duration(contents) == seconds


# What is seen in a terminal


class Screen(io.TextIOWrapper):
    """A terminal as far as the bars need one, over bytes as a real one: what is on it at last, line by line."""

    def __init__(self) -> None:
        self._bytes = io.BytesIO()
        super().__init__(self._bytes, encoding="utf-8", newline="\n", write_through=True)

    def isatty(self) -> bool:
        return True

    @property
    def drawn(self) -> str:
        return self._bytes.getvalue().decode()

    @property
    def lines(self) -> list[str]:
        lines, row, column = [""], 0, 0
        for part in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|[^\x1b]", self.drawn):
            if part == "\n":
                row, column = row + 1, 0  # a terminal is told \r\n
                lines += [""] * (row + 1 - len(lines))
            elif part == "\r":
                column = 0
            elif part.startswith("\x1b"):
                row -= int(part[2:-1] or 1) if part.endswith("A") else 0
                lines[row] = "" if part.endswith("2K") else lines[row]
            else:
                lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + 1 :]
                column += 1
        return [line.rstrip() for line in lines if line.strip()]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """To be put in the place of stderr by the test itself, which has another one than its fixtures."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return Screen()


def test_a_wait_is_seen_above_the_bars_and_stays(screen: Screen) -> None:
    state = State()
    with contextlib.redirect_stderr(screen), cli_progress.transfer(state, {"a.whl": 1000, "b.whl": 1000}) as progress:
        progress.read("a.whl", 1000)
        progress.sent("a.whl", 500)
        state.waiting("GitHub takes 80 new contents a minute", 59.0)
        state.warn("acme/old is called acme/new now")
        progress.sent("a.whl", 500)
        progress.sent("b.whl", 100)
    for bar in ("checking", "sending all", "a.whl", "b.whl"):
        assert f"{bar} " in screen.drawn
    wait, warning = screen.lines  # the bars are gone
    assert re.fullmatch(r"waiting 59 s, until \d\d:\d\d:\d\d: GitHub takes 80 new contents a minute", wait)
    assert warning == "warning: acme/old is called acme/new now"


def test_the_estimate_is_no_sooner_than_the_wait_under_way_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    state, now = State(), time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    shown = Progress(disable=True)
    shown.add_task("files", total=100, completed=99)
    state.waiting("GitHub takes 500 new contents an hour", 3000.0)
    assert progress_bars.Left(state).render(shown.tasks[0]).plain == "0:50:00"


@pytest.mark.parametrize(
    ("done", "total", "elapsed", "wait", "seconds"),
    [
        (0, 100, 5.0, 0.0, None),
        (0, 100, 5.0, 40.0, 40.0),
        (50, None, 5.0, 0.0, None),
        (25, 100, 10.0, -7.0, 30.0),
        (25, 100, 10.0, 60.0, 60.0),
        (25, 100, 70.0, 0.0, 210.0),
        (100, 100, 10.0, 60.0, 0.0),
    ],
)
def test_the_time_left_goes_by_the_average_with_its_waits(
    done: float, total: float | None, elapsed: float, wait: float, seconds: float | None
) -> None:
    assert progress_bars.left(done, total, elapsed, wait) == seconds


def test_what_goes_before_the_total_is_known_is_not_in_the_estimate(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("rich.console.monotonic", lambda: now)
    for shown in (
        lambda state: cli_progress.counting(state, "pages"),
        lambda state: cli_progress.progress(state, "verifying"),
    ):
        with contextlib.redirect_stderr(screen), shown(State()) as counts:
            total, advance = counts[0] if isinstance(counts, list) else counts
            now += 500  # a fetch
            total(100)
            now += 10
            advance(10)
    assert screen.drawn.count("0:01:30") >= 2


def test_long_names_leave_room_for_the_figures(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = [f"a_project_with_a_long_name-12.34.5-cp312-cp312-manylinux_2_17_{each}.whl" for each in ("x86_64", "aarch64")]
    with contextlib.redirect_stderr(screen), cli_progress.transfer(State(), dict.fromkeys(names, 30_000_000)) as progress:
        for name in names:
            progress.sent(name, 3_000_000)
    lines = [re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", line).strip() for line in screen.drawn.splitlines()]
    assert any(re.search(r"^a_proj\S*_x86_64\.whl .*/30\.0 MB .*(\d:\d\d|-:--)$", line) for line in lines), lines


def test_nobody_who_does_not_watch_is_shown_bars(monkeypatch: pytest.MonkeyPatch, screen: Screen) -> None:
    assert not State().shows
    with contextlib.redirect_stderr(screen):
        assert State().shows
        assert not State(json=True).shows
        monkeypatch.setenv("TERM", "dumb")
        assert not State().shows
