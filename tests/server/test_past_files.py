"""Files at addresses of the past: they are what they were, and are sent by what holds today."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import edit_by_hand
from tests.server.past import NOW, date, links, put, serving, tip, versions, wheel
from tests.server.running import soon
from tests.server.test_claimed_names import BIN
from tests.server.test_several_indexes import edit
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.yank import set_yanked

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

AT = "/@2026-03-01/simple/demo/"
WHEEL = "demo-1.0-py3-none-any.whl"


@pytest.fixture
def client(repository: Repository, tmp_path: Path) -> Iterator[httpx.Client]:
    """demo 1.0 since 2026-01-10, demo 2.0 since 2026-02-20."""
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    put(repository, "2026-02-20T00:00:00Z", wheel(tmp_path, version="2.0"))
    with serving(repository) as client:
        yield client


def take_away(repository: Repository, verb: str, version: str = "1.0", reason: str = "too old") -> None:
    """What another verb than `remove` does: the file leaves the index, and its bytes stay."""
    repository.branch.commit(RemoveFiles.of("demo", version), CommitMessage(verb=verb, actor="robot", reason=reason))


@pytest.mark.slow
def test_a_file_that_was_removed_is_gone_with_commit_actor_and_reason(
    client: httpx.Client, repository: Repository, store: Path, tmp_path: Path
) -> None:
    old, _ = links(client, AT)
    assert client.get(old).status_code == 200
    remove(repository, "demo", "1.0", None, reason="it leaks <b>keys</b> of all", actor="eve")
    soon(lambda: client.get(old).status_code == 410)
    assert versions(client, AT) == ["1.0", "2.0"]  # the page stays as it was
    for path in (old, f"{old}.metadata"):
        gone = client.get(path)
        assert gone.status_code == 410
        for said in (WHEEL, tip(store)[:12], "removed by eve", "it leaks <b>keys</b> of all"):
            assert said in gone.text
            assert said in gone.reason_phrase
        assert gone.headers["content-type"] == "text/plain; charset=utf-8"
        assert gone.headers["cache-control"] == "no-store"
    assert client.head(old).status_code == 410
    publish(repository, [Input.of(wheel(tmp_path))], actor="ada")  # the same bytes may come back
    soon(lambda: client.get(old).status_code == 200)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["prune", "restore"])
def test_a_file_that_left_otherwise_is_sent_while_its_bytes_are_there(
    client: httpx.Client, repository: Repository, store: Path, verb: str
) -> None:
    old, kept = links(client, AT)
    content = client.get(old).content
    take_away(repository, verb)
    soon(lambda: versions(client, "/simple/demo/") == ["2.0"])
    for _ in range(2):
        assert client.get(old).content == content
        assert client.get(f"{old}.metadata").status_code == 200
    next((store / "assets").rglob(WHEEL)).unlink()
    for path in (old, f"{old}.metadata"):
        gone = client.get(path)
        assert gone.status_code == 410
        assert f"by robot in commit {tip(store)[:12]}: too old" in gone.text
    assert client.get(kept).status_code == 200


def test_the_last_removal_counts(client: httpx.Client, repository: Repository, tmp_path: Path) -> None:
    old, _ = links(client, AT)
    remove(repository, "demo", "1.0", None, reason="by mistake", actor="eve")
    publish(repository, [Input.of(wheel(tmp_path))], actor="ada")
    take_away(repository, "prune")
    soon(lambda: versions(client, "/simple/demo/") == ["2.0"])
    assert client.get(old).status_code == 200


@pytest.mark.slow
def test_a_project_that_is_quarantined_today_sends_nothing(client: httpx.Client, store: Path) -> None:
    old, _ = links(client, AT)
    status = json.dumps({"project-status": {"status": "quarantined", "reason": "malware"}}).encode()
    edit_by_hand(store, "projects/de/demo/project.json", status, date="2026-05-01T00:00:00Z")
    soon(lambda: client.get(old).status_code == 403)
    for path in (old, f"{old}.metadata"):
        refused = client.get(path)
        assert refused.status_code == 403
        assert "demo is quarantined today: malware" in refused.reason_phrase
    assert versions(client, AT) == ["1.0", "2.0"]
    assert client.get(AT.replace("2026-03-01", "2026-05-02")).text.count("<a ") == 0  # it was quarantined then
    edit_by_hand(store, "projects/de/demo/project.json", b"{}", date="2026-05-03T00:00:00Z")
    soon(lambda: client.get(old).status_code == 200)


@pytest.mark.slow
def test_a_policy_of_today_hides_a_file_of_then(client: httpx.Client, repository: Repository, store: Path) -> None:
    old, _ = links(client, AT)
    edit(store, "main", "format = 1\n[policy]\ndeny = ['demo==1.0']\nown = ['deny']\n")
    soon(lambda: client.get(old).status_code == 403)
    refused = client.get(f"{old}.metadata")
    assert refused.status_code == 403
    assert '"demo==1.0" is denied (policy.deny)' in refused.reason_phrase
    assert versions(client, AT) == ["1.0", "2.0"]
    take_away(repository, "prune")  # also where the index does not have it any more
    soon(lambda: versions(client, "/simple/demo/") == ["2.0"])
    assert client.get(old).status_code == 403


@pytest.mark.slow
def test_a_policy_of_then_hides_on_the_page_of_then(repository: Repository, store: Path, tmp_path: Path) -> None:
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    with serving(repository) as client:
        [path] = links(client, "/simple/demo/")
        edit(store, "main", "format = 1\n[policy]\ndeny = ['demo==1.0']\nown = ['deny']\n")
        date(store, "2026-02-01T00:00:00Z")
        edit(store, "main", "format = 1\n")
        date(store, "2026-03-01T00:00:00Z")
        soon(lambda: versions(client, "/simple/demo/") == ["1.0"])
        assert versions(client, "/@2026-02-10/simple/demo/") == []
        assert client.get(f"/@2026-02-10{path}").status_code == 403
        assert client.get(f"/@2026-01-20{path}").status_code == client.get(f"/@2026-03-02{path}").status_code == 200


def test_an_exception_ends_by_the_clock_of_then_on_the_page_and_by_that_of_now_at_the_file(
    repository: Repository, store: Path, tmp_path: Path
) -> None:
    put(repository, "2026-01-10T00:00:00Z", wheel(tmp_path))
    rules = "[policy]\ndeny = ['demo==1.0']\nown = ['deny']\n[[policy.exception]]\nnames = ['demo']\nuntil = 2026-06-02\n"
    edit(store, "main", f"format = 1\n{rules}")
    date(store, "2026-02-01T00:00:00Z")
    at = [NOW]
    with serving(repository, at) as client:
        [path] = links(client, AT)
        assert [client.get(path).status_code for _ in range(2)] == [200, 200]
        at[0] = NOW + timedelta(days=2)
        soon(lambda: client.get(path).status_code == 403)
        assert versions(client, AT) == ["1.0"]
        assert versions(client, "/@2026-06-02/simple/demo/") == []


def test_a_yank_of_today_changes_nothing_of_then(client: httpx.Client, repository: Repository) -> None:
    old, _ = links(client, AT)
    set_yanked(repository, "demo", "1.0", None, reason="broken", actor="ada")
    soon(lambda: "broken" in client.get("/simple/demo/").text)
    assert "broken" not in client.get(AT).text
    assert client.get(old).status_code == 200


@pytest.mark.slow
def test_pip_and_uv_install_what_was_and_name_a_file_that_is_gone(
    client: httpx.Client, repository: Repository, tmp_path: Path
) -> None:
    index = f"{client.base_url}/@2026-01-20/simple/"
    installs: dict[str, list[str | Path]] = {
        "pip": [BIN / "pip", "--isolated", "--disable-pip-version-check", "install", "--no-cache-dir", "--index-url", index],
        "uv": [BIN / "uv", "pip", "install", "--no-cache", "--no-config", "--python", sys.executable, "--default-index", index],
    }
    for name, words in installs.items():
        done = subprocess.run([*words, "--target", tmp_path / name, "demo"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name / "demo-1.0.dist-info").is_dir()
    old, _ = links(client, AT)
    remove(repository, "demo", "1.0", None, reason="it leaks keys", actor="eve")
    soon(lambda: client.get(old).status_code == 410)
    for name, words in installs.items():
        done = subprocess.run([*words, "--target", tmp_path / f"{name}2", "demo"], capture_output=True, text=True, check=False)
        assert done.returncode != 0
        assert WHEEL in done.stderr
        assert "removed by eve" in done.stderr, done.stderr
