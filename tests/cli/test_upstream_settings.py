"""`wharf index settings` and `check` about upstreams, as people and scripts see it, in a folder and on GitHub."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from platformdirs import user_config_path

from tests.cli.test_index_command import Run, asked, git_dir, run
from tests.matrix import first
from tests.operations.test_index_check import move, tree

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["git_dir", "run"]  # fixtures

HOSTILE = b"""format = 1
[upstream]
mode = "proxy"
url = "http://169.254.169.254/latest/"
[upstreams.gpu]
url = "https://gpu.example.com/whl/"
"""


def is_on_github(git_dir: Path) -> bool:
    return git_dir.name != "index.git"


def written(git_dir: Path) -> str:
    command = ["git", f"--git-dir={git_dir}", "show", "wharf/main:wharf.toml"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


@pytest.mark.slow
def test_upstreams_are_turned_on_and_routed_by_single_settings(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    before = run("index", "settings", "main", "--explain")[0]
    assert "no upstream is asked" in before
    routes = '[{names = ["torch", "nvidia-*"], from = ["this", "gpu"]}, {names = ["secret-*"], from = []}]'
    changes = ("upstream.mode=proxy", "upstreams.gpu.url=https://gpu.example.com/whl", f"route={routes}", "policy.deny=big")
    done = asked(run, "settings", "main", *(word for change in changes for word in ("--set", change)))
    assert done["changed"]
    assert done["settings"]["upstream"] == {"mode": "proxy"}
    assert done["settings"]["upstreams"] == {"gpu": {"url": "https://gpu.example.com/whl"}}
    assert done["settings"]["route"][1] == {"names": ["secret-*"], "from": []}
    assert done["settings"]["policy"] == {"deny": ["big"]}
    assert "[[route]]" in written(git_dir)
    told = run("index", "settings", "main", "--explain")[0]
    for line in (
        "What an upstream has passes through the server (proxy).",
        "upstream is the public index.",
        "gpu is https://gpu.example.com/whl/.",
        "torch, nvidia-*: this index with its bases, then gpu (the first that has the name gives all of it).",
        "secret-*: nowhere.",
        "Other names: this index with its bases, then upstream (the first that has the name gives all of it).",
    ):
        assert line in told.splitlines()
    _, err = run("index", "settings", "main", "--set", "upstream.mode=redirect", code=2)
    assert "a redirect cannot keep that" in err
    _, err = run("index", "settings", "main", "--set", "upstreams.gpu=", code=2)
    assert "no [upstreams.gpu]" in err
    taken = asked(
        run, "settings", "main", *(word for key in ("route", "upstreams.gpu", "policy") for word in ("--set", f"{key}="))
    )
    assert (taken["settings"]["route"], taken["settings"]["upstreams"], taken["settings"]["policy"]) == ([], {}, {})


@pytest.mark.parametrize("git_dir", ["folder"], indirect=True)
def test_each_rule_of_a_policy_is_said_in_words(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    policy = b"""[policy]
deny = ["big", "evil==1.2"]
allow = ["requests", "a*"]
status = ["quarantined", "archived"]
yanked = false
sdists = false
size = "500MB"
newest = "2026-11-20"
cooldown = "7d"
own = ["deny", "yanked"]
[[policy.exception]]
names = ["requests==2.99.*"]
rules = ["cooldown"]
until = "2026-12-24"
reason = "a security fix"
[[policy.exception]]
names = ["acme-*"]
"""
    move(git_dir, tree(git_dir, {"wharf.toml": b"format = 1\n" + policy}))
    told = run("index", "settings", "main", "--explain")[0].splitlines()
    for line in (
        "policy.deny hides what matches big, evil==1.2.",
        "policy.allow hides everything but requests, a*.",
        "policy.status hides all files of projects that are archived or quarantined.",
        "policy.yanked hides yanked files.",
        "policy.sdists hides sdists.",
        "policy.size hides files of more than 500,000,000 bytes.",
        "policy.newest hides files that are newer than 2026-11-20.",
        "policy.cooldown hides files that are younger than 7 days.",
        "For the files of this repository too: deny, yanked. The other rules are for upstreams.",
        "Exception from cooldown for requests==2.99.* until 2026-12-24: a security fix",
        "Exception from all rules for acme-*.",
    ):
        assert line in told
    move(git_dir, tree(git_dir, {"wharf.toml": b"format = 1\npolicy.allow = []\n"}))
    told = run("index", "settings", "main", "--explain")[0].splitlines()
    assert "policy.allow hides everything." in told
    assert "These rules are for files of upstreams, and not for those of this repository." in told


@pytest.mark.slow
@pytest.mark.parametrize("git_dir", first(1, ["github", "folder"]), indirect=True)
def test_an_address_that_does_not_count_is_refused_on_github_unless_the_person_lists_it(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    change = ("index", "settings", "main", "--set", "upstream.url=https://nas.local:8443/simple/")
    if not is_on_github(git_dir):
        run(*change)
        assert "on GitHub" not in run("index", "settings", "main", "--explain")[0]
        run("index", "settings", "main", "--set", "upstream.url=/srv/wheels")
        return
    before = written(git_dir)
    _, err = run(*change, code=2)
    assert "upstream.url cannot be https://nas.local:8443/simple/" in err
    assert '[upstreams."https://nas.local:8443/simple/"]' in err
    run("index", "settings", "main", "--set", "upstreams.a.url=/srv/wheels", code=2)
    assert written(git_dir) == before
    mine = user_config_path("wharf", appauthor=False)
    mine.mkdir(parents=True)
    (mine / "config.toml").write_text('[upstreams."https://NAS.local:8443/simple"]\n')
    run(*change)
    assert "upstream is https://nas.local:8443/simple/." in run("index", "settings", "main", "--explain")[0]
    (mine / "config.toml").unlink()
    assert "it counts only with" in run("index", "settings", "main", "--explain")[0]
    run("index", "settings", "main", "--set", "upstream.mode=proxy")  # what others put there does not stop other changes


@pytest.mark.slow
@pytest.mark.parametrize("git_dir", first(1, ["github", "folder"]), indirect=True)
def test_a_check_tells_addresses_that_do_not_count(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    commit = tree(git_dir, {"wharf.toml": HOSTILE})
    move(git_dir, commit)
    whole = asked(run, "check")
    ranged = asked(run, "check", "wharf/main~1..wharf/main")
    for checked in (whole, ranged):
        told = [each["message"] for each in checked["findings"] if each["level"] == "warning"]
        assert checked["ok"]
        if is_on_github(git_dir):
            (one,) = told
            assert one.startswith("upstream.url is http://169.254.169.254/latest/: on GitHub it counts only with")
        else:
            assert told == []
    rights = [each["message"] for each in ranged["findings"] if each["level"] == "rights"]
    assert [each.partition(" ")[0] for each in rights] == ["'upstream'", "'upstreams'"]


@pytest.mark.parametrize("git_dir", ["folder"], indirect=True)
def test_an_address_in_a_wharf_toml_is_shown_without_what_it_may_not_have(run: Run, git_dir: Path) -> None:
    run("index", "create", "main")
    _, err = run("index", "settings", "main", "--set", "upstream.url=https://bob:hunter2@example.com/", code=2)
    assert "hunter2" not in err
    move(git_dir, tree(git_dir, {"wharf.toml": b'format = 1\nupstream.url = "https://bob:hunter2@example.com/"\n'}))
    out, err = run("index", "settings", "main", code=8)
    assert "hunter2" not in out + err
