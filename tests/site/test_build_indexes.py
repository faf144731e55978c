"""Static sites of several indexes: each shows its bases too, as the server does."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.server.over_github import JSON
from tests.server.test_server import serving
from tests.server.test_several_indexes import OPEN, edit, put, staged
from tests.site.test_build import run
from wharf.cli.main import main
from wharf.errors import StorageError
from wharf.operations.build import build, build_all
from wharf.operations.index_with_bases import read_as_shown

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository

__all__ = ["staged"]  # a fixture


def page(site: Path, project: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((site / "simple" / project / "index.v1_json").read_bytes())
    return found


def test_all_indexes_below_one_folder_show_what_the_server_shows(staged: Repository, tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = build_all(staged, site, with_files=True)
    assert {name: built.projects for name, built in done.items()} == {"main": 1, "staging": 2, "lone": 1}
    with serving(staged, OPEN) as client:
        for index, where in (("main", site), ("staging", site / "staging"), ("lone", site / "lone")):
            names = [each["name"] for each in client.get(f"/{index}/simple/", headers=JSON).json()["projects"]]
            assert sorted(path.name for path in (where / "simple").iterdir() if path.is_dir()) == names
            for name in names:
                shown = client.get(f"/{index}/simple/{name}/", headers=JSON).json()
                assert page(where, name)["files"] == shown["files"]
                for each in shown["files"]:
                    assert (where / "simple" / name / each["url"]).resolve().is_file()


@pytest.mark.parametrize(("address", "start"), [("", ""), ("https://x.example/pkg", "https://x.example/pkg/")])
def test_the_home_pages_lead_to_the_other_indexes(staged: Repository, tmp_path: Path, address: str, start: str) -> None:
    site = tmp_path / "site"
    build_all(staged, site, with_files=True, address=address)
    links = {
        where: set(re.findall(r'<li><a href="([^"]+)">', (site / where / "index.html").read_text()))
        for where in (".", "staging", "lone")
    }
    up = start or "../"
    assert links == {
        ".": {f"{start}staging/", f"{start}lone/"},
        "staging": {up, f"{up}lone/"},
        "lone": {up, f"{up}staging/"},
    }
    assert build_all(staged, site, with_files=True, address=address)["main"].written == 0
    build(staged, site, with_files=True, address=address)
    assert "Other indexes" not in (site / "index.html").read_text()


def test_a_commit_to_a_base_is_written_again_above_it_and_nothing_else_is(staged: Repository, tmp_path: Path) -> None:
    site, staging = tmp_path / "site", staged.of_index("staging")
    build(staging, site, with_files=True)
    put(staged, "main", make_wheel(tmp_path, "demo", "3.0"))
    assert build(staging, site, with_files=True).written == 1
    assert page(site, "demo")["versions"] == ["1.0", "2.0", "3.0"]
    assert build(staging, site, with_files=True).written == 0


def test_a_base_that_is_missing_leaves_the_site_as_it_was(staged: Repository, store: Path, tmp_path: Path) -> None:
    site, staging = tmp_path / "site", staged.of_index("staging")
    build(staging, site, with_files=True)
    edit(store, "staging", 'format = 1\nbases = ["gone"]\n')
    with pytest.raises(StorageError, match="'gone'"):
        build(staging, site, with_files=True)
    assert page(site, "demo")["versions"] == ["1.0", "2.0"]


def test_the_command_tells_of_each_site_and_of_those_of_indexes_that_are_gone(
    staged: Repository, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--repo", store, "--with-files", "--all-indexes", tmp_path / "site")
    code, document = run(capsys, *words)
    assert (code, document["projects"], sorted(document["indexes"])) == (0, 1, ["lone", "staging"])
    assert document["indexes"]["staging"]["site"] == str(tmp_path / "site" / "staging")
    shutil.copytree(tmp_path / "site" / "lone", tmp_path / "site" / "old")
    with pytest.raises(SystemExit):
        main(["build", *map(str, words)])
    assert f"{tmp_path / 'site' / 'old'} has the site of an index that is not there any more" in capsys.readouterr().err


@pytest.mark.slow
def test_a_site_obeys_the_policy_for_own_files(staged: Repository, store: Path, tmp_path: Path) -> None:
    site, staging = tmp_path / "site", staged.of_index("staging")
    assert build(staging, site, with_files=True).written == 2
    edit(store, "staging", "format = 1\nbases = ['main']\n[policy]\ndeny = ['demo==1.0']\nown = ['deny']\n")
    built = build(staging, site, with_files=True)
    assert (built.written, built.left_out) == (1, ())
    assert page(site, "demo")["versions"] == ["2.0"]
    assert sorted(path.name.partition("-py3")[0] for path in site.glob("files/*/*.whl")) == ["demo-2.0", "next-1.0"]
    assert not [*site.glob("files/*/demo-1.0*")]
    assert read_as_shown(staging, datetime.now(UTC)).overview() == {"demo": ("2.0",), "next": ("1.0",)}
    edit(store, "staging", "format = 1\nbases = ['main']\n[policy]\nallow = []\nown = ['allow']\n")
    assert build(staging, site, with_files=True).written == 2
    assert page(site, "demo")["files"] == page(site, "next")["files"] == []
    assert read_as_shown(staging, datetime.now(UTC)).overview() == {}
    edit(store, "staging", "format = 1\nbases = ['main']\n")
    build(staging, site, with_files=True)
    assert page(site, "demo")["versions"] == ["1.0", "2.0"]


def test_what_an_exception_let_through_leaves_the_site_after_its_day(staged: Repository, store: Path, tmp_path: Path) -> None:
    rules = "format = 1\n[policy]\ndeny = ['demo']\nown = ['deny']\n[[policy.exception]]\nnames = ['demo']\nuntil = {}\n"
    edit(store, "main", rules.format("2999-01-01"))
    build(staged, tmp_path / "site", with_files=True)
    assert page(tmp_path / "site", "demo")["versions"] == ["1.0"]
    assert build(staged, tmp_path / "site", with_files=True).written == 0
    edit(store, "main", rules.format("2020-01-01"))
    build(staged, tmp_path / "site", with_files=True)
    assert page(tmp_path / "site", "demo")["versions"] == []
