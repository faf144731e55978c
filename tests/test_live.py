"""A package's whole life, on the simulator and, for whoever has a repository to spare, on GitHub itself (docs/testing.md)."""

from __future__ import annotations

import os
import secrets
import urllib.request
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from makers import make_wheel
from simulator import Hub

from wharf.operations.publish import Input, publish
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.releases import Releases
from wharf.repository import Repository, open_repository
from wharf.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The suite takes the person's tokens out of the environment: these were there before.
REPO, TOKEN = os.environ.get("WHARF_LIVE_REPO", ""), os.environ.get("WHARF_TOKEN", "")


def _where(kind: str, folder: Path, stack: ExitStack) -> tuple[str, str]:
    """A repository, and a token for it."""
    if kind == "live":
        if not REPO or not TOKEN:
            pytest.skip("WHARF_LIVE_REPO and WHARF_TOKEN name no repository to spare")
        return REPO, TOKEN
    hub = stack.enter_context(Hub(folder / "hub"))
    hub.create("acme/pkgs")
    return f"{hub.url}/acme/pkgs", hub.token("alice", {"acme/pkgs": "write"})


@pytest.fixture(
    params=[
        ("simulated", "git"),
        ("simulated", "api"),
        pytest.param(("live", "git"), marks=pytest.mark.live),
        pytest.param(("live", "api"), marks=pytest.mark.live),
    ],
    ids="-".join,
)
def repository(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Repository]:
    kind, way = request.param
    with ExitStack() as stack:
        repo, token = _where(kind, tmp_path, stack)
        options = {"repo": repo, "index": f"live-{secrets.token_hex(4)}", "commit": way}
        found = resolve(options, {}, (), data=tmp_path / "data", cache=tmp_path / "cache")
        opened = stack.enter_context(open_repository(found, {"WHARF_TOKEN": token}))
        yield opened
        _clean(opened)


def _clean(repository: Repository) -> None:
    """Leave nothing behind, as far as GitHub allows it."""
    github, releases = repository.github, repository.assets
    assert github is not None
    assert isinstance(releases, Releases)
    github.call("DELETE", f"{{repo}}/git/{repository.branch.ref}", allow=(404, 422))
    for each in list(releases.all()):
        if each.tag.startswith("wharf-live-"):
            github.call("DELETE", f"{{repo}}/releases/{each.id}", allow=(404, 422))
            github.call("DELETE", f"{{repo}}/git/refs/tags/{each.tag}", allow=(404, 422))


def test_publish_yank_verify_download_and_remove(repository: Repository, tmp_path: Path) -> None:
    name = f"wharf-live-{secrets.token_hex(4)}"
    files = [make_wheel(tmp_path, name, "1.0"), make_wheel(tmp_path, name, "1!2.0+local.1")]
    done = publish(repository, [Input.of(path) for path in files], actor="live")
    assert done.commit is not None
    assert len(done.published) == 2
    assert publish(repository, [Input.of(path) for path in files], actor="live").commit is None
    assert verify(repository).ok
    assert set_yanked(repository, name, "1.0", None, reason="a test", actor="live").commit is not None
    assert repository.github is not None
    for named, path in zip(sorted(done.published, key=lambda each: each.file.filename), sorted(files), strict=True):
        asset = named.file.location["asset"]
        assert isinstance(asset, int)
        with repository.github.asset(asset) as address:
            assert isinstance(address, str)
        with urllib.request.urlopen(address) as answer:
            assert answer.read() == path.read_bytes()
    assert [each.version for each in remove(repository, name, "1.0", None, reason="", actor="live").removed] == ["1.0"]
    assert [entry.verb for entry in repository.branch.history()] == ["remove", "yank", "publish", "publish", "begin"]
