"""Attacks on the names of a repository through its upstream, by what pip, uv, poetry and PDM install.

Each attack is a requirement, and what may come of it. In the end it is asked what the upstream heard: nothing of a name that
the repository owns or reserves, and nothing of a hidden file.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.server.running import soon

from . import installers
from .attacks import OURS, THEIRS, Site, ago, files, site
from .installers import contents, installed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .installers import Installer
    from .programs import Machine

pytestmark = pytest.mark.real

installer, old_pip, programs = installers.installer, installers.old_pip, installers.programs

SETTINGS = """
reserved = ["acme-*", "later"]

[[route]]
names = ["nowhere-*"]
from = []
[[route]]
names = ["*"]
from = ["this", "upstream"]

[policy]
deny = ["evil==2.0", "banned", "bad-*"]
cooldown = "7d"
sdists = false
yanked = false
"""


@dataclass(frozen=True)
class Attack:
    """What is asked for at which index, and what is installed then, by version and by whose it is; nothing: it has to fail."""

    requirement: str
    installed: dict[str, tuple[str, str]] = field(default_factory=dict)
    index: str = "main"


ATTACKS = {
    "no attack: the upstream's": Attack("open", {"open": ("1.0", THEIRS)}),
    "a higher version": Attack("higher", {"higher": ("1.0", OURS)}),
    "a higher version by its number": Attack("higher==99.0"),
    "the same version": Attack("same==1.0", {"same": ("1.0", OURS)}),
    "a wheel more for our version": Attack("extra==1.0", {"extra": ("1.0", OURS)}),
    "another spelling": Attack("NOR.mal__ised", {"nor_mal_ised": ("1.0", OURS)}),
    "another spelling, higher version": Attack("Nor_Mal.Ised==99.0"),
    "a dependency of theirs on ours": Attack("carrier", {"carrier": ("1.0", THEIRS), "higher": ("1.0", OURS)}),
    "a dependency of theirs on a version that we do not have": Attack("strict-carrier"),
    "a dependency of ours on theirs": Attack("leaning", {"leaning": ("1.0", OURS), "open": ("1.0", THEIRS)}),
    "a typo of ours in the reserved names": Attack("acme-tooll"),
    "a reserved name in another spelling": Attack("ACME.__Tooll"),
    "reserved and not yet published": Attack("later"),
    "what only another index of ours has": Attack("elsewhere"),
    "removed from our index": Attack("gone"),
    "of a base": Attack("higher", {"higher": ("1.0", OURS)}, index="team"),
    "of a base, a higher version": Attack("higher>=2", index="team"),
    "the upstream of a base": Attack("open", index="team"),
    "a route to nowhere": Attack("nowhere-here"),
    "a denied version": Attack("evil", {"evil": ("1.0", THEIRS)}),
    "a denied version by its number": Attack("evil==2.0"),
    "a denied project": Attack("banned"),
    "a denied project in another spelling": Attack("BAD.thing"),
    "too young": Attack("young", {"young": ("1.0", THEIRS)}),
    "too young, by its number": Attack("young==2.0"),
    "of no time": Attack("timeless==2.0"),
    "yanked, by its number": Attack("retracted==2.0"),
    "a file of ours on a page of theirs": Attack("higher>=2", index="main"),
    "a dependency on a hidden version": Attack("wants-evil"),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("attacked")) as made:
        made.publish("higher", "same", "extra", "gone", "nor-mal_ised")
        made.publish("leaning", requires=["open"])
        made.publish("elsewhere", index="other")
        made.machine.wharf(made.store, "remove", "gone==1.0", "--yes")
        made.machine.wharf(made.store, "index", "create", "team", "--base", "main")
        made.owned |= {"acme-tooll", "later", "nowhere-here"}
        made.configure(SETTINGS)
        for name in (
            "higher",
            "nor-mal-ised",
            "gone",
            "elsewhere",
            "later",
            "acme-tooll",
            "nowhere-here",
            "banned",
            "bad-thing",
        ):
            made.offer(name, "99.0")
        for name in ("same", "extra", "open"):
            made.offer(name, "1.0")
        made.offer("extra", "1.0", build="7")
        made.offer("extra", "1.0", tag="cp311.cp312.cp313.cp314-none-any")
        made.offer("carrier", "1.0", requires=["Higher"])
        made.offer("strict-carrier", "1.0", requires=["higher>=2"])
        made.offer("wants-evil", "1.0", requires=["evil>=2"])
        made.offer("higher", "98.0", project="innocent")
        made.hidden = {
            made.offer("evil", "2.0"),
            made.offer("young", "2.0", upload_time=ago(days=6)),
            made.offer("timeless", "2.0", upload_time=None),
            made.offer("retracted", "2.0", yanked="broken"),
            *(file.filename for name in ("banned", "bad-thing") for file in made.upstream.projects[name].files),
            "higher-98.0-py3-none-any.whl",
        }
        for name in ("evil", "young", "timeless", "retracted"):
            made.offer(name, "1.0")
        yield made


@pytest.fixture(scope="module")
def address(attacked: Site) -> Iterator[str]:
    """Of the server, without index and `simple/`."""
    with attacked.serving() as served:
        yield served.url


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack(attacked: Site, address: str, machine: Machine, installer: Installer, name: str) -> None:
    attack = ATTACKS[name]
    ran = installer.install(machine, f"{address}/{attack.index}/simple/", attack.requirement, fails=not attack.installed)
    assert installed(machine) == {each: version for each, (version, _) in attack.installed.items()}, ran.text
    for each, (_, whose) in attack.installed.items():
        assert f"content = {whose!r}" in contents(machine, each)
    attacked.check()


@pytest.mark.parametrize(("tool", "when"), [("pip", "a moment"), ("uv", "a commit")])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_at_an_address_of_the_past(
    attacked: Site, address: str, machine: Machine, tool: str, when: str, name: str
) -> None:
    attack = ATTACKS[name]
    moment = attacked.tip(attack.index) if when == "a commit" else ago(seconds=0).partition(".")[0] + "Z"
    index = f"{address}/{attack.index}@{moment}/simple/"
    ran = installers.Installer(tool).install(machine, index, attack.requirement, fails=not attack.installed)
    assert installed(machine) == {each: version for each, (version, _) in attack.installed.items()}, ran.text
    for each, (_, whose) in attack.installed.items():
        assert f"content = {whose!r}" in contents(machine, each)
    attacked.check()


def test_all_at_once_on_who_has_an_old_pip(attacked: Site, address: str, machine: Machine, old_pip: Installer) -> None:
    """What can be installed together, in one command."""
    tried = [each for each in ATTACKS.values() if each.installed and each.index == "main"]
    wanted = {name: given for each in tried for name, given in each.installed.items()}
    index = f"{address}/main/simple/"
    ran = old_pip.install(machine, index, *(each.requirement for each in tried))
    assert installed(machine) == {name: version for name, (version, _) in wanted.items()}, ran.text
    for name, (_, whose) in wanted.items():
        assert f"content = {whose!r}" in contents(machine, name)
    for each in ATTACKS.values():
        if not each.installed and each.index == "main" and "==" in each.requirement:
            old_pip.install(machine, index, each.requirement, fails=True)
    attacked.check()


@pytest.mark.parametrize("when", ["now", "a moment", "a commit"])
def test_no_spelling_of_a_path_reaches_the_upstream(attacked: Site, address: str, when: str) -> None:
    start = f"{address}{_starts(attacked)[when]}"
    before = len(attacked.upstream.asked)
    for spelled in (
        "Higher",
        "higher",
        "h%69gher",
        "hi%67her",
        "higher%20",
        "./higher",
        "%2e/higher",
        "higher/",
        "HIGHER",
        "higher%00",
    ):
        for suffix in ("", "/", "/?format=application/vnd.pypi.simple.v1%2Bjson", "//", "/../higher/"):
            httpx.get(f"{start}/simple/{spelled}{suffix}", follow_redirects=True)
    for name in ("acme_tooll", "Acme.Tooll", "acme%2dtooll", "later", "LATER", "gone", "elsewhere"):
        httpx.get(f"{start}/simple/{name}/", follow_redirects=True)
    attacked.check()
    assert all("higher" not in path.lower() for path in attacked.upstream.paths[before:])


@pytest.mark.parametrize("when", ["now", "a moment", "a commit"])
def test_hidden_files_are_hidden_at_their_own_addresses(attacked: Site, address: str, when: str) -> None:
    start = f"{address}{_starts(attacked)[when]}"
    seen = {"now": {403}, "a moment": {403, 404}, "a commit": {403, 404}}[when]  # one of no time was not there before today
    for project, version in (("evil", "1.0"), ("young", "1.0"), ("timeless", "1.0")):
        shown = files(f"{start}/simple/", project)
        assert list(shown) == [f"{project}-{version}-py3-none-any.whl"]
        (where,) = shown.values()
        for file in attacked.upstream.projects[project].files:
            if file.filename not in attacked.hidden:
                continue
            assert file.sha256
            (good,) = [each for each in attacked.upstream.projects[project].files if each.filename in shown]
            hidden = where.replace(str(good.sha256), file.sha256).replace(good.filename, file.filename)
            for each in (hidden, f"{hidden}.metadata"):
                for method in ("GET", "HEAD"):
                    answer = httpx.request(method, each, headers={"Range": "bytes=0-10"})
                    assert answer.status_code in seen, (each, answer.text)
            assert "policy." in httpx.get(hidden).text or project == "timeless"
    attacked.check()


def _starts(attacked: Site) -> dict[str, str]:
    """Where addresses of the index begin."""
    moment = ago(seconds=0).partition(".")[0] + "Z"
    return {"now": "/main", "a moment": f"/@{moment}", "a commit": f"/main@{attacked.tip()}"}


# A world that changes


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("own")) as made:
        yield made
        made.check()


@pytest.mark.parametrize("name", ["uv", "poetry", "pdm"])
def test_a_lock_file_that_names_a_file_that_is_hidden_now(
    own: Site, machine: Machine, name: str, programs: dict[str, object]
) -> None:
    installer = installers.Installer(name, programs.get(name))  # type: ignore[arg-type]
    own.configure("")
    own.offer("evil", "1.0")
    bad = own.offer("evil", "2.0")
    with own.serving() as served:
        installer.write(machine, served.simple, "evil")
        installer.lock(machine)
        assert bad in installer.locked(machine).read_text()
        own.configure('[policy]\ndeny = ["evil==2.0"]')
        _until_hidden(served.simple, "evil", bad)
        own.upstream.asked.clear()
        own.hidden = {bad}
        installer.sync(machine, fails=True)
    assert installed(machine) == {}


def test_pip_with_hashes_or_the_address_of_a_hidden_file(own: Site, machine: Machine) -> None:
    own.configure("")
    bad = own.offer("evil", "2.0")
    with own.serving() as served:
        where = files(served.simple, "evil")[bad]
        own.configure('[policy]\ndeny = ["evil==2.0"]')
        _until_hidden(served.simple, "evil", bad)
        own.upstream.asked.clear()
        own.hidden = {bad}
        digest = own.upstream.projects["evil"].files[0].sha256
        pinned = machine.home / "requirements.txt"
        for line in (f"evil==2.0 --hash=sha256:{digest}", f"evil @ {where} --hash=sha256:{digest}"):
            pinned.write_text(f"{line}\n", encoding="utf-8")
            installers.Installer("pip").install(machine, served.simple, "-r", str(pinned), fails=True)
            assert installed(machine) == {}


def test_an_index_goes_away_and_its_names_stay(own: Site, machine: Machine, installer: Installer) -> None:
    own.publish("elsewhere", index="other")
    own.offer("elsewhere", "99.0")
    own.configure("")
    own.machine.wharf(own.store, "index", "remove", "other", "--yes")
    for _ in range(2):
        with own.serving() as served:
            installer.install(machine, served.simple, "elsewhere", fails=True)
    assert installed(machine) == {}


def test_a_private_project_is_removed_while_it_is_served(own: Site, machine: Machine, installer: Installer) -> None:
    own.publish("ours")
    own.offer("ours", "99.0")
    own.configure("")
    with own.serving() as served:
        installer.install(machine, served.simple, "ours")
        own.machine.wharf(own.store, "remove", "ours==1.0", "--yes")
        _until_hidden(served.simple, "ours", "ours-1.0-py3-none-any.whl")
        installer.install(machine, served.simple, "ours", fails=True)


def test_a_name_becomes_ours_after_the_upstream_had_it(own: Site, machine: Machine, installer: Installer) -> None:
    own.offer("shared", "99.0")
    own.configure("")
    with own.serving() as served:
        installer.install(machine, served.simple, "shared")
        where = files(served.simple, "shared")["shared-99.0-py3-none-any.whl"]
        assert contents(machine, "shared").endswith(f"content = {THEIRS!r}\n")
        own.publish("shared")
        _until_hidden(served.simple, "shared", "shared-99.0-py3-none-any.whl")
        own.upstream.asked.clear()
        assert httpx.get(where).status_code in {403, 404}, "also the file that lies in the cache"
        installer.install(machine, served.simple, "shared")
    assert contents(machine, "shared").endswith(f"content = {OURS!r}\n")


def test_a_page_grows_by_a_file_with_an_old_time_and_a_lost_cache_shows_no_young_one(own: Site, machine: Machine) -> None:
    own.configure('[policy]\ncooldown = "7d"')
    own.offer("lib", "1.0", upload_time=ago(days=400))
    young = own.offer("lib", "3.0", upload_time=ago(days=1))
    own.hidden = {young}
    own.upstream.cache_control = "max-age=0"
    with own.serving() as served:
        assert list(files(served.simple, "lib")) == ["lib-1.0-py3-none-any.whl"]
        own.offer("lib", "2.0", upload_time=ago(days=300))
        installers.Installer("pip").install(machine, served.simple, "lib==2.0", fails=True)
    with own.serving() as served:
        installers.Installer("uv").install(machine, served.simple, "lib==2.0", fails=True)
        assert list(files(served.simple, "lib")) == ["lib-1.0-py3-none-any.whl"]
    shutil.rmtree(own.cache())
    with own.serving() as served:
        assert list(files(served.simple, "lib")) == ["lib-1.0-py3-none-any.whl", "lib-2.0-py3-none-any.whl"]


def test_clocks_that_are_set_forward_and_back_show_no_young_file_afterwards(own: Site) -> None:
    own.configure('[policy]\ncooldown = "7d"')
    own.offer("lib", "1.0", upload_time=ago(days=400))
    young = own.offer("lib", "2.0", upload_time=ago(days=1))
    timeless = own.offer("lib", "3.0", upload_time=None)
    own.turn_clock(days=30)
    with own.serving() as served:
        shown = files(served.simple, "lib")
        assert young in shown, "it is old by that clock"
        assert timeless not in shown
        assert httpx.get(shown[young]).status_code == 200
        own.turn_clock(days=0)
        _until_hidden(served.simple, "lib", young)
        soon(lambda: httpx.get(shown[young]).status_code == 403)  # its answer was ready for as long as its page was
        for wrong in (-1, -300, 0):
            own.turn_clock(days=wrong)
            assert list(files(served.simple, "lib")) == ["lib-1.0-py3-none-any.whl"]
            assert httpx.get(shown[young]).status_code == 403
    for wrong in (-1, 0, 3):
        own.turn_clock(days=wrong)
        with own.serving() as served:
            assert list(files(served.simple, "lib")) == ["lib-1.0-py3-none-any.whl"]
            assert httpx.get(f"{served.url}{httpx.URL(shown[young]).path}").status_code == 403


def _until_hidden(address: str, project: str, filename: str) -> None:
    """A commit, or a clock that was set, is seen within a second on a machine that has nothing else to do."""
    soon(lambda: filename not in files(address, project))
