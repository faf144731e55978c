"""`wharf why` and `wharf cache clear`: the way of a name in words, and what is kept of upstreams."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_sdist, make_wheel
from tests.server.test_several_indexes import edit, put
from tests.upstream import Fault, Upstream
from wharf.cli.main import main
from wharf.sources import http_freshness

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

    Run = Callable[..., str]

POLICY = """[policy]
cooldown = "7d"
deny = ["big", "other==1.0"]
[[policy.exception]]
names = ["other==3.*"]
rules = ["cooldown"]
until = "2999-01-01"
reason = "a fix"
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def run(store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `wharf …` on the store, and gives what it prints."""
    monkeypatch.setenv("WHARF_REPO", str(store))

    def run(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main([*words])
        out, err = capsys.readouterr()
        assert left.value.code == 0, err + out
        return out

    return run


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    folder = tmp_path / "upstream"
    folder.mkdir()
    with Upstream() as upstream:
        for version, time in (("1.0", "2020"), ("2.0", "2020"), ("3.0", "2998"), ("4.0", "2998")):
            upstream.add(make_wheel(folder, "other", version), upload_time=f"{time}-01-01T00:00:00Z")
        upstream.add(make_wheel(folder, "demo", "99.0"))
        yield upstream


@pytest.fixture
def settled(repository: Repository, store: Path, upstream: Upstream, tmp_path: Path) -> Repository:
    """main has demo 1.0, reserves acme-*, and gets all else but secret-* from the upstream."""
    put(repository, "main", make_wheel(tmp_path, "demo"))
    settle(store, upstream, POLICY)
    return repository


def settle(store: Path, upstream: Upstream, more: str = "", *, mode: str = 'mode = "proxy"') -> None:
    gpu = upstream.simple.replace("simple", "gpu")
    edit(
        store,
        "main",
        f"""format = 1
reserved = ["acme-*"]
[upstream]
{mode}
url = "{upstream.simple}"
[upstreams.gpu]
url = "{gpu}"
[[route]]
names = ["secret-*"]
from = []
[[route]]
names = ["other", "torch"]
from = ["this", "gpu", "upstream"]
{more}""",
    )


def why(run: Run, *words: str) -> list[str]:
    return run("why", *words).splitlines()


def why_json(run: Run, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("why", "--json", *words))
    return found


def test_the_way_of_a_name_to_an_upstream_and_what_is_hidden_there(run: Run, settled: Repository, upstream: Upstream) -> None:
    lines = why(run, "Other")
    assert lines[:4] == [
        "other, by the index main:",
        "- name: no index of this repository owns or reserves it",
        "- route[2]: this, then gpu, then upstream",
        "1. this: the index main has no project other",
    ]
    assert lines[4] == f"2. gpu: {upstream.simple.replace('simple', 'gpu')} has no project other"
    assert lines[5] == f"3. upstream: {upstream.simple} has 4 files"
    assert lines[6] == '   policy.deny hides other-1.0-py3-none-any.whl: "other==1.0" is denied'
    assert lines[7].startswith(
        "   policy.cooldown hides other-4.0-py3-none-any.whl: it is younger than 7 days, until 2998-01-08"
    )
    assert lines[8] == "- exception: policy.cooldown not for other==3.*, until 2999-01-01 00:00 UTC (a fix)"
    assert lines[9:] == ["An installer gets: 2 files of upstream, newest version first: 3.0, 2.0"]
    found = why_json(run, "other")
    assert (found["route"], found["from"], found["outcome"]) == (2, ["this", "gpu", "upstream"], "upstream")
    assert found["places"][2]["versions"] == ["2.0", "3.0"]
    assert [(each["rule"], each["until"] and each["until"][:10]) for each in found["places"][2]["hidden"]] == [
        ("policy.deny", None),
        ("policy.cooldown", "2998-01-08"),
    ]


@pytest.mark.slow
def test_one_version(run: Run, settled: Repository) -> None:
    assert why(run, "other==1.0.0")[-2:] == [
        "- exception: policy.cooldown not for other==3.*, until 2999-01-01 00:00 UTC (a fix)",
        "An installer gets: no file of version 1.0.0",
    ]
    assert why(run, "other==2.0")[-1] == "An installer gets: 1 file of upstream, newest version first: 2.0"
    assert why_json(run, "other==7.0")["places"][2]["hidden"] == []


def test_a_hidden_file_is_of_its_version_whatever_kind_of_sdist_it_is(
    run: Run, settled: Repository, upstream: Upstream, tmp_path: Path
) -> None:
    old = tmp_path / "upstream" / "old-name-1.0.tar.bz2"
    old.write_bytes(b"x")
    upstream.add(old, project="old-name", upload_time="2998-01-01T00:00:00Z")
    assert [each["filename"] for each in why_json(run, "old_name==1")["places"][-1]["hidden"]] == [old.name]
    assert why_json(run, "old_name==2")["places"][-1]["hidden"] == []


@pytest.mark.slow
def test_of_many_files_that_a_rule_hides_some_are_named(
    run: Run, settled: Repository, store: Path, upstream: Upstream, tmp_path: Path
) -> None:
    for minor in range(9):
        upstream.add(make_wheel(tmp_path, "many", f"1.{minor}"), upload_time=f"299{minor}-01-01T00:00:00Z")
    settle(store, upstream, '[policy]\ncooldown = "7d"\n')
    hidden = [line for line in why(run, "many") if "policy.cooldown" in line]
    assert len(hidden) == 6
    assert hidden[-1] == "   policy.cooldown hides 4 more files: `wharf why many==VERSION` or --json names them"
    assert len(why_json(run, "many")["places"][1]["hidden"]) == 9
    assert "many-1.8-py3-none-any.whl" in "".join(why(run, "many==1.8"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said", "gets"),
    [
        ("demo", "the index main owns it. It is looked for in no upstream", "1 file of this, newest version first: 1.0"),
        ("acme-x", "the index main reserves it. It is", "an empty page: the name belongs to this repository"),
        ("next", "the index staging owns it. It is", "an empty page: the name belongs to this repository"),
        ("gone", "the removed index old owns it. It is", "an empty page: the name belongs to this repository"),
        ("secret-x", "no index of this", "an empty page: the route of the name leads nowhere"),
        ("none", "no index of this", "404: no place of the route has the project"),
    ],
)
def test_whose_a_name_is(
    run: Run, settled: Repository, upstream: Upstream, tmp_path: Path, name: str, said: str, gets: str
) -> None:
    put(settled, "staging", make_wheel(tmp_path, "next"))
    put(settled, "old", make_wheel(tmp_path, "gone"))
    run("index", "remove", "old", "--yes")
    lines = why(run, name)
    assert lines[1].startswith(f"- name: {said}")
    assert lines[-1] == f"An installer gets: {gets}"
    assert name == "none" or upstream.asked == []


def test_an_own_project_with_rules_for_own_files(run: Run, settled: Repository, store: Path, upstream: Upstream) -> None:
    settle(store, upstream, "[policy]\ndeny = ['demo']\nown = ['deny']\n")
    assert why(run, "demo")[2:] == [
        "1. this: the index main has 1 file",
        '   policy.deny hides demo-1.0-py3-none-any.whl: "demo" is denied',
        "An installer gets: a page without files",
    ]


def test_without_a_mode_and_with_redirects(run: Run, settled: Repository, store: Path, upstream: Upstream) -> None:
    settle(store, upstream, mode="")
    assert why(run, "other")[-1].startswith("An installer gets: 404: `upstream.mode` is not set")
    settle(store, upstream, mode='mode = "redirect"')
    lines = why(run, "flask")
    assert lines[-2] == f"2. upstream: {upstream.simple}, which the client asks itself"
    assert lines[-1] == f"An installer gets: a redirect to {upstream.simple}flask/"
    assert upstream.asked == []


@pytest.mark.slow
def test_an_index_that_cannot_be_read_and_an_upstream_that_is_away(
    run: Run, settled: Repository, store: Path, upstream: Upstream
) -> None:
    upstream.faults["*"] = Fault(status=503)
    lines = why(run, "other")
    assert "cannot be asked" in lines[-3]
    assert lines[-1] == "An installer gets: an error: what comes after a place that cannot be asked is not asked"
    edit(store, "broken", "format = 2\n")
    lines = why(run, "other")
    assert lines[1].startswith("- name: an index that cannot be read may own it (broken: ")
    assert lines[-1] == "An installer gets: an error (503), until every index can be read"


@pytest.mark.slow
def test_what_is_kept_is_shown_while_the_upstream_is_away(
    run: Run, settled: Repository, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.cache_control = "max-age=0"
    monkeypatch.setattr(http_freshness, "SHORTEST", 0.0)
    upstream.add(make_sdist(tmp_path / "upstream", "plain", "2.0"), upload_time="2020-01-01T00:00:00Z")
    assert why(run, "plain")[-2] == f"2. upstream: {upstream.simple} has 1 file"
    upstream.down()
    lines = why(run, "plain==2.0")
    assert "has 1 file of version 2.0 (it is away, and this is of " in lines[-2]
    assert lines[-1] == "An installer gets: 1 file of upstream, newest version first: 2.0"


# The cache.


def kept(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


def fill(cache: Path, folder: Path) -> None:
    """Two more upstreams, files, a part that a server writes, and what is not of wharf."""
    for name in ("files", "0" * 16 + "/metadata", "0" * 16 + "/digests", "notes"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "files" / ("a" * 64)).write_bytes(b"12345")
    (folder / "files" / f"{'b' * 64}.1234.part").write_bytes(b"1")
    (folder / "0000000000000000" / "metadata" / ("c" * 64)).write_bytes(b"1")
    (folder / "0000000000000000" / "digests" / ("e" * 64)).write_bytes(b"1")
    (folder / "notes" / "other").write_text("mine")


@pytest.mark.slow
def test_all_of_the_cache_is_deleted_and_nothing_else(run: Run, settled: Repository, cache: Path) -> None:
    assert json.loads(run("cache", "clear", "--json"))["pages"] == 0
    why(run, "other")
    folder = next(cache.rglob("pages")).parents[1]
    fill(cache, folder)
    (folder / "files" / ("d" * 64)).symlink_to(folder / "notes" / "other")
    (cache / "elsewhere" / "pages").mkdir(parents=True)
    (cache / "elsewhere" / "pages" / "mine").write_text("mine")
    (folder / ("f" * 16)).symlink_to(cache / "elsewhere")
    found = json.loads(run("cache", "clear", "--json"))
    assert (found["folder"], found["pages"], found["files"]) == (str(folder), 1, 2)
    assert found["bytes"] > 6
    assert kept(cache) == sorted(["other", "mine", f"{'b' * 64}.1234.part", "d" * 64])
    assert why(run, "other")[-1] == "An installer gets: 2 files of upstream, newest version first: 3.0, 2.0"


def test_only_a_name_is_asked_for_where_only_a_name_is_taken(
    run: Run, settled: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["cache", "clear", "demo==1.0"])
    assert "hint: Write a name as in my-project.\n" in capsys.readouterr().err


def test_what_is_kept_of_one_project_is_deleted(run: Run, settled: Repository, cache: Path, upstream: Upstream) -> None:
    why(run, "other")
    folder = next(cache.rglob("pages")).parents[1]
    fill(cache, folder)
    there = upstream.projects["other"].files[0].sha256
    assert there is not None
    (folder / "files" / there).write_bytes(b"x")
    out = run("cache", "clear", "Other")
    assert out.startswith("deleted 1 page and 1 file of upstreams, ")
    assert "a" * 64 in kept(cache)
    assert there not in kept(cache)
    assert not [*folder.glob("*/pages/other")]
    assert json.loads(run("cache", "clear", "other", "--json"))["pages"] == 0
