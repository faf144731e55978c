"""Pull requests of the simulator, asked for by PyGithub, and merged for real in its bare repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from github import Auth, Github, GithubException

from tests.simulator import Hub, Repo, plumbing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as hub:
        yield hub


def branch(hub: Hub, repo: Repo, name: str, base: str, path: str, data: bytes) -> str:
    parent = plumbing.read_ref(repo.git_dir, f"refs/heads/{base}")
    assert parent is not None
    if plumbing.read_ref(repo.git_dir, f"refs/heads/{name}") is None:
        plumbing.update_ref(repo.git_dir, f"refs/heads/{name}", parent)
    return plumbing.commit_files(repo.git_dir, name, parent, f"change {path}", "ada", hub.clock.now(), additions=[(path, data)])


def asking(hub: Hub, right: str) -> httpx.Client:
    return httpx.Client(base_url=f"{hub.api}/repos/acme/pkgs", auth=("x", hub.token("ada", {"acme/pkgs": right})))


@pytest.mark.parametrize("method", ["merge", "squash"])
def test_a_pull_request_is_opened_found_and_merged(hub: Hub, method: str) -> None:
    repo = hub.create("acme/pkgs")
    token = hub.token("alice", {"acme/pkgs": "write"})
    client = Github(base_url=hub.api, auth=Auth.Token(token), retry=None, seconds_between_requests=0, seconds_between_writes=0)
    there = client.get_repo("acme/pkgs")
    head = branch(hub, repo, "proposal", "main", "new.txt", b"new\n")
    pull = there.create_pull(base="main", head="proposal", title="New", body="text")
    assert (pull.number, pull.state, pull.head.sha, pull.mergeable) == (1, "open", head, True)
    assert [each.number for each in there.get_pulls(state="open", head="acme:proposal", base="main")] == [1]
    assert [*there.get_pulls(state="open", head="acme:other")] == []
    assert [(each.filename, each.status) for each in pull.get_files()] == [("new.txt", "added")]
    with pytest.raises(GithubException, match="already exists for acme:proposal"):
        there.create_pull(base="main", head="proposal", title="New", body="text")
    pull.edit(title="Newer", state="closed")
    pull.edit(state="open")
    repo.protected.add("main")
    merged = pull.merge(merge_method=method)
    assert plumbing.read_ref(repo.git_dir, "refs/heads/main") == merged.sha
    parents = plumbing.git(repo.git_dir, "log", "-1", "--format=%P", merged.sha).decode().split()
    assert len(parents) == {"merge": 2, "squash": 1}[method]
    again = there.get_pull(1)
    assert (again.merged, again.state, again.merge_commit_sha, again.title) == (True, "closed", merged.sha, "Newer")
    with pytest.raises(GithubException) as caught:
        pull.merge()
    assert caught.value.status == 405
    client.close()


def test_a_conflict_is_not_merged(hub: Hub) -> None:
    repo = hub.create("acme/pkgs")
    branch(hub, repo, "proposal", "main", "new.txt", b"one\n")
    branch(hub, repo, "main", "main", "new.txt", b"two\n")
    with asking(hub, "write") as client:
        made = client.post("/pulls", json={"title": "New", "head": "proposal", "base": "main"})
        assert (made.status_code, made.json()["mergeable"], made.json()["mergeable_state"]) == (201, False, "dirty")
        assert client.put("/pulls/1/merge", json={}).status_code == 405


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"title": "x", "head": "gone", "base": "main"}, "head"),
        ({"title": "x", "head": "main", "base": "gone"}, "base"),
        ({"title": "", "head": "main", "base": "main"}, "title"),
        ({"title": "x", "head": "main", "base": "main"}, "No commits"),
        ({"title": "x", "head": "orphan", "base": "main"}, "no history"),
    ],
)
def test_what_cannot_be_is_refused(hub: Hub, asked: dict[str, str], what: str) -> None:
    repo = hub.create("acme/pkgs")
    plumbing.commit_files(repo.git_dir, "orphan", None, "x", "ada", hub.clock.now(), additions=[("a", b"a")])
    with asking(hub, "write") as client:
        answer = client.post("/pulls", json=asked)
    assert answer.status_code == 422
    assert what in answer.text
    with asking(hub, "read") as reader:
        assert reader.post("/pulls", json=asked).status_code == 404
        assert reader.get("/pulls/7").status_code == 404
