"""Attacks on the names of a repository through its addresses of the past, by what pip and uv install from them."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.index.test_branch import edit_by_hand, git

from .attacks import OURS, THEIRS, Site, ago, files, site
from .installers import Installer, contents, installed
from .programs import _SOURCE, command, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .programs import Machine

pytestmark = pytest.mark.real


@pytest.fixture(params=["pip", "uv"])
def tool(request: pytest.FixtureRequest) -> Installer:
    return Installer(request.param)


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("own")) as made:
        made.configure("")
        yield made
        made.check()


def now() -> str:
    """This moment, as addresses have it."""
    return ago(seconds=0).partition(".")[0] + "Z"


def test_two_dates_give_two_versions_of_what_the_upstream_has(own: Site, machine: Machine, tool: Installer) -> None:
    for version, year in (("1.0", 2024), ("2.0", 2025), ("3.0", 2026)):
        own.offer("lib", version, upload_time=f"{year}-01-02T00:00:00Z")
    with own.serving() as served:
        for when, version in (
            ("2024-06-01", "1.0"),
            ("2025-01-02", "2.0"),
            ("2025-01-01T23:59:59Z", "1.0"),
            (own.tip(), "3.0"),
        ):
            tool.install(machine, f"{served.url}/main@{when}/simple/", "lib")
            assert installed(machine) == {"lib": version}
        for wanted in ("lib==3.0", "lib>1"):
            tool.install(machine, f"{served.url}/@2024-06-01/simple/", wanted, fails=True)
        (where,) = files(f"{served.url}/@2024-06-01/simple/", "lib").values()
        young = own.upstream.projects["lib"].files[2]
        good = own.upstream.projects["lib"].files[0]
        there = where.replace(str(good.sha256), str(young.sha256)).replace(good.filename, young.filename)
        assert httpx.get(there).status_code == 404
        assert httpx.get(there.replace("@2024-06-01/", "")).status_code == 200


def test_a_name_before_it_was_ours(own: Site, machine: Machine, tool: Installer) -> None:
    own.offer("ours", "99.0")
    before = own.tip()
    own.publish("ours")
    with own.serving() as served:
        for start in (f"/main@{before}", "/main@2025-01-01", "/@2025-01-01"):
            for wanted in ("ours", "ours==99.0"):
                tool.install(machine, f"{served.url}{start}/simple/", wanted, fails=True)
        tool.install(machine, f"{served.url}/main@{own.tip()}/simple/", "ours")
    assert f"content = {OURS!r}" in contents(machine, "ours")


def test_a_name_after_it_was_removed(own: Site, machine: Machine, tool: Installer) -> None:
    own.offer("ours", "99.0")
    own.publish("ours")
    there = own.tip()
    own.machine.wharf(own.store, "remove", "ours==1.0", "--yes")
    with own.serving() as served:
        for when in (there, own.tip(), now()):
            tool.install(machine, f"{served.url}/main@{when}/simple/", "ours", fails=True)
            assert installed(machine) == {}


def test_a_name_that_was_reserved_then(own: Site, machine: Machine, tool: Installer) -> None:
    own.offer("acme-tool", "99.0")
    own.configure('reserved = ["acme-*"]')
    then = own.tip()
    own.configure("")
    with own.serving() as served:
        tool.install(machine, f"{served.url}/main@{then}/simple/", "acme-tool", fails=True)
        assert own.upstream.paths == []
        tool.install(machine, f"{served.url}/main@{own.tip()}/simple/", "acme-tool")
        tool.install(machine, f"{served.url}/main@{then}/simple/", "acme-tool", fails=True)
    assert installed(machine) == {}


def test_a_name_that_is_reserved_now(own: Site, machine: Machine, tool: Installer) -> None:
    own.offer("acme-tool", "99.0")
    then = own.tip()
    own.configure('reserved = ["acme-*"]')
    own.owned.add("acme-tool")
    with own.serving() as served:
        for start in (f"/main@{then}", "/@2025-01-01"):
            tool.install(machine, f"{served.url}{start}/simple/", "acme-tool", fails=True)


def test_a_name_of_an_index_that_was_removed_since(own: Site, machine: Machine, tool: Installer) -> None:
    own.offer("elsewhere", "99.0")
    own.offer("free", "1.0")
    own.publish("elsewhere", index="other")
    there = own.tip("other")
    own.machine.wharf(own.store, "index", "remove", "other", "--yes")
    with own.serving() as served:
        for start in (f"/main@{own.tip()}", f"/@{now()}", "/@2025-01-01"):
            tool.install(machine, f"{served.url}{start}/simple/", "elsewhere", fails=True)
        tool.install(machine, f"{served.url}/other@{there}/simple/", "free", fails=True)
    assert own.upstream.paths == [], "an index that is not there has no upstream"


def test_a_rewritten_branch_passes_nothing_on(own: Site, machine: Machine, tool: Installer) -> None:
    own.offer("free", "1.0")
    own.publish("ours")
    old = git(own.store, "rev-parse", "wharf/main~1")
    with own.serving() as served:
        tool.install(machine, f"{served.url}/main@{own.tip()}/simple/", "free")
        git(own.store, "update-ref", "refs/heads/wharf/main", old)
        own.upstream.asked.clear()
        for when in (old, now()):
            tool.install(machine, f"{served.url}/main@{when}/simple/", "free", fails=True)
    assert own.upstream.paths == []


def test_a_commit_that_was_never_the_tip_sends_no_client_on(own: Site, machine: Machine) -> None:
    own.publish("ours")
    own.offer("ours", "99.0")
    tree = git(own.store, "rev-parse", "wharf/main^{tree}")
    fork = git(own.store, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-p", "wharf/main", "-m", "x")
    with own.serving() as served:
        for commit in (fork, "1" * 40):
            first = f"{served.url}/main@{commit}/simple/"
            python = machine.home / ".venv" / "bin" / "python"
            Installer("uv").install(machine, first, "ours", fails=True)
            words = ("pip", "install", "--python", python, "--index", first, "--default-index", own.upstream.simple)
            machine.uv(*words, "ours", fails=True)
    assert installed(machine) == {}


def test_what_one_date_gave_is_given_again_whatever_comes(own: Site, machine: Machine) -> None:
    """A lock file of uv."""
    uv = Installer("uv")
    own.offer("lib", "1.0")
    own.publish("ours", requires=["lib"])
    index = f"{own.tip()}"
    with own.serving() as served:
        address = f"{served.url}/main@{index}/simple/"
        uv.write(machine, address, "ours")
        uv.lock(machine)
        before = uv.locked(machine).read_text()
        own.offer("lib", "2.0", upload_time=ago(seconds=-3600))
        own.publish("ours", version="2.0")
        uv.locked(machine).unlink()
        uv.lock(machine)
        assert uv.locked(machine).read_text() == before
        uv.sync(machine)
    assert installed(machine) == {"lib": "1.0", "ours": "1.0"}
    assert f"content = {THEIRS!r}" in contents(machine, "lib")


@pytest.mark.parametrize("mode", ["proxy", "--fall-through"])
def test_a_command_gets_what_the_upstream_had(own: Site, machine: Machine, mode: str) -> None:
    own.offer("lib", "1.0")
    own.offer("lib", "2.0", upload_time=ago(seconds=-3600))
    own.offer("ours", "99.0")
    before = own.tip()
    own.publish("ours")
    words: list[str] = []
    if mode == "--fall-through":
        edit_by_hand(own.store, "wharf.toml", b"format = 1\n", date=f"@{int(time.time())} +0000")
        words = ["--fall-through", "--public-index", own.upstream.simple]
    python = machine.home / ".venv" / "bin" / "python"
    machine.run(sys.executable, "-m", "venv", "--without-pip", machine.home / ".venv")
    uv = [script("uv"), "--no-cache", "pip", "install", "--python", python]
    run = [*command(own.store), "run", *words, "--at", before, "--", *uv]
    machine.run(*run, "lib", PYTHONPATH=_SOURCE)
    assert installed(machine) == {"lib": "1.0"}
    machine.run(*run, "ours", fails=True, PYTHONPATH=_SOURCE)
    assert installed(machine) == {"lib": "1.0"}
