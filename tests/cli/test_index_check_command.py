"""`wharf index check` as people, scripts and jobs see it, on a folder and over GitHub."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import document
from tests.cli.test_main import run as at_store
from tests.makers import core_metadata, make_wheel
from tests.operations.test_index_check import RECORD, TOML, edited, move, tree
from tests.operations.test_init import hub, run
from tests.upstream import Fault, Upstream
from tests.upstream_pages import Project
from wharf.cli.main import main
from wharf.sources.upstream_page import JSON

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.test_main import Run as AtStore
    from tests.operations.test_init import Run
    from tests.simulator import Hub

__all__ = ["at_store", "hub", "run"]  # fixtures

HOSTILE = "](http:evil.example) <img src=x> @octocat `x` **b** | ~~s~~ #1"


@pytest.fixture
def filled(at_store: AtStore, store: Path, tmp_path: Path) -> Path:
    """The git folder of a store with one release."""
    at_store("publish", make_wheel(tmp_path, requires=["absent>=1"]))
    return store / "index.git"


def test_a_sound_index_is_checked_in_a_line(at_store: AtStore, filled: Path, store: Path) -> None:
    out = at_store("index", "check")
    assert out.splitlines()[0].startswith("1 project(s) are required that no index here has; --against-public-index")
    assert re.fullmatch(
        rf"index 'main' of {re.escape(str(store))}: commit [0-9a-f]{{40}}: 1 release\(s\) checked, "
        r"no error\(s\), no change\(s\) of rights, no warning\(s\)",
        out.splitlines()[1],
    )
    said = document(at_store("index", "check", "--json"))
    assert said == {
        "repository": str(store),
        "index": "main",
        "commit": said["commit"],
        "since": None,
        "ok": True,
        "releases": 1,
        "findings": [],
        "counts": {"error": 0, "rights": 0, "warning": 0},
        "elsewhere": 1,
    }


@pytest.mark.slow
def test_errors_are_exit_code_8_and_rights_alone_are_not(at_store: AtStore, filled: Path) -> None:
    rights = tree(filled, {TOML: b'format = 1\nreserved = ["acme-*"]\n'})
    out = at_store("index", "check", f"wharf/main..{rights}")
    assert out.splitlines()[0] == "rights wharf.toml: 'reserved' changes: which names are never looked for elsewhere."
    broken = tree(filled, {RECORD: None})
    said = document(at_store("index", "check", f"wharf/main..{broken}", "--json", code=8))
    assert (said["ok"], said["commit"], said["counts"]["error"]) == (False, broken, 2)
    assert {each["level"] for each in said["findings"]} == {"error"}
    assert document(at_store("index", "check", "nowhere..", "--json", code=4))["error"]["code"] == "not-found"
    assert document(at_store("index", "check", "nowhere", "--json", code=2))["error"]["code"] == "usage"


@pytest.mark.slow
def test_a_range_tells_the_index_that_is_checked(
    at_store: AtStore, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_store("index", "create", "staging", "--base", "main")
    at_store("publish", make_wheel(tmp_path, "other"), "--index", "staging")
    words = ("index", "check", "--json")
    for span in ("wharf/staging~1..wharf/staging", "refs/heads/wharf/staging^...", "..wharf/staging"):
        said = document(at_store(*words, span))
        assert (said["index"], said["ok"]) == ("staging", True), span
    assert document(at_store(*words, "wharf/main..wharf/main"))["index"] == "main"
    error = document(at_store(*words, "wharf/main..wharf/staging", code=2))["error"]
    assert (error["message"], "--index main" in error["hint"]) == ("This range is of several indexes: main, staging.", True)
    for name in ("staging", "wharf/staging"):
        error = document(at_store(*words, name, code=2))["error"]
        assert "`wharf index check --index staging`" in error["hint"]
    monkeypatch.setenv("WHARF_INDEX", "main")
    assert document(at_store(*words, "wharf/staging..wharf/staging", code=8))["index"] == "main"


def test_the_summary_shows_hostile_text_as_text(at_store: AtStore, filled: Path, tmp_path: Path) -> None:
    """Only the markup of wharf itself is left: everything else is letters, digits, blanks and entities."""
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    commit = tree(filled, {f"projects/{HOSTILE}": b"", "a\tb\x1b[31m": b"", TOML: f"format = 1\n'{HOSTILE}' = 1\n".encode()})
    at_store("index", "check", f"wharf/main..{commit}", "--summary", summary, code=8)
    text = summary.read_text()
    assert text.startswith("before\n### Index main: errors\n")
    for line in text.splitlines():
        if line.startswith("- "):
            found = re.fullmatch(r"- <code>([A-Za-z0-9 &#;]*)</code> ([A-Za-z0-9 &#;]*)", line)
            assert found, line
            assert not re.search(r"&(?!#\d+;)|(?<!&)#", line)
    assert "#### Errors" in text
    assert "#### Warnings" in text


@pytest.mark.slow
def test_many_findings_are_counted_and_the_summary_stays_small(at_store: AtStore, filled: Path, tmp_path: Path) -> None:
    commit = tree(filled, {f"projects/{number:04}{'~' * 240}": b"" for number in range(1100)})
    summary = tmp_path / "summary.md"
    said = document(at_store("index", "check", f"wharf/main..{commit}", "--json", "--summary", summary, code=8))
    assert said["counts"]["error"] == 1100
    assert len(said["findings"]) == 1000
    assert summary.stat().st_size < 1 << 20
    assert "- and 1000 more" in summary.read_text()


@pytest.fixture
def public() -> Iterator[Upstream]:
    with Upstream() as upstream:
        upstream.projects |= {"demo": Project("Demo"), "other": Project("other")}
        yield upstream


def test_one_request_for_the_whole_list_compares_names(
    at_store: AtStore, filled: Path, public: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("index", "check", "--json", "--against-public-index")
    said = document(at_store(*words, "--public-index", public.simple))
    assert [each["message"].split(",")[0] for each in said["findings"]] == [
        "The public index has a project of this name",
        "It requires absent",
    ]
    (asked,) = public.asked
    assert asked.path == "/root/simple/"
    assert "demo" not in str(asked.headers).lower()
    monkeypatch.setenv("WHARF_PUBLIC_INDEX", public.simple)
    assert document(at_store(*words)) == said
    document(at_store("index", "check", "--json"))
    assert len(public.asked) == 2, "not without being asked to"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (JSON, b"{"),
        (JSON, b"[]"),
        (JSON, b'{"projects": []}'),
        (JSON, b'{"projects": [{"name": 1}]}'),
        (JSON, b'{"projects": {"name": "demo"}}'),
        (JSON, b"[" * 100_000),
        ("text/html", b"<a href='/demo/'>demo</a>"),
        (JSON, None),
    ],
)
def test_a_list_that_is_none_is_an_error_and_no_answer(
    at_store: AtStore, filled: Path, public: Upstream, kind: str, body: bytes | None
) -> None:
    public.faults["/root/simple/"] = Fault(kind=kind, body=body)
    address = public.simple if body is not None else f"{public.simple}elsewhere/"
    words = ("index", "check", "--json", "--against-public-index", "--public-index", address)
    error = document(at_store(*words, code=8))["error"]
    assert "gave no list of all projects" in error["message"]


def test_a_list_without_an_end_is_not_read(
    at_store: AtStore, filled: Path, public: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.sources.public_names.LARGEST_LIST", 1 << 20)
    public.faults["/root/simple/"] = Fault(body=b" " * (2 << 20))
    words = ("index", "check", "--json", "--against-public-index", "--public-index", public.simple)
    assert document(at_store(*words, code=8))["error"]["code"] == "answer-too-large"


@pytest.mark.slow
def test_a_pull_request_on_github_is_fetched_and_checked_with_read_rights(hub: Hub, run: Run, tmp_path: Path) -> None:
    writer, address = hub.token("ann", {"acme/pkgs": "write"}), f"{hub.url}/acme/pkgs"
    repo = hub.create("acme/pkgs")
    run("publish", "--create", make_wheel(tmp_path), "--repo", address, token=writer)
    changed = edited(repo.git_dir, RECORD, ('"size":', '"size":1'))
    metadata = core_metadata("other", "1.0").encode()
    files = {RECORD: changed, "projects/ot/other/1.0/x.metadata": metadata}
    request = tree(repo.git_dir, files)
    move(repo.git_dir, request, "refs/pull/7/head")
    run("publish", make_wheel(tmp_path, "later"), "--repo", address, token=writer)  # the index moves meanwhile
    reader = hub.token("bob", {"acme/pkgs": "read"})
    hub.calls.clear()
    for word in ("refs/pull/7/head", request):
        out, _ = run("index", "check", f"wharf/main...{word}", "--repo", address, "--json", token=reader, code=8)
        said = document(out)
        assert said["commit"] == request
        assert said["counts"] == {"error": 2, "rights": 0, "warning": 0}
        assert [each["path"] for each in said["findings"]] == [RECORD, "projects/ot/other/1.0/x.metadata"]
    assert all(call.method == "GET" or call.path.endswith("git-upload-pack") for call in hub.calls)


@pytest.mark.slow
def test_the_index_on_github_and_its_commits_are_checked(hub: Hub, run: Run, tmp_path: Path) -> None:
    writer, address = hub.token("ann", {"acme/pkgs": "write"}), f"{hub.url}/acme/pkgs"
    hub.create("acme/pkgs")
    run("publish", "--create", make_wheel(tmp_path), "--repo", address, token=writer)
    run("publish", make_wheel(tmp_path, "later"), "--repo", address, token=writer)
    reader = hub.token("bob", {"acme/pkgs": "read"})
    said = document(run("index", "check", "--repo", address, "--json", token=reader)[0])
    assert (said["ok"], said["releases"], said["since"]) == (True, 2, None)
    said = document(run("index", "check", "wharf/main~1..", "--repo", address, "--json", token=reader)[0])
    assert (said["ok"], said["releases"]) == (True, 1)
    out, _ = run("index", "check", "wharf/main..refs/pull/8/head", "--repo", address, "--json", token=reader, code=4)
    assert "refs/pull/8/head" in document(out)["error"]["message"]
    out, _ = run("index", "check", f"wharf/main..{'1' * 40}", "--repo", address, "--json", token=reader, code=4)
    assert document(out)["error"]["code"] == "not-found"


def test_help_tells_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["index", "check", "--help"])
    assert "Exit code 8 if there are errors" in capsys.readouterr().out
