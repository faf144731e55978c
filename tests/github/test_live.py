"""A package's whole life, on the simulator and, for whoever has a repository to spare, on GitHub itself (docs/testing.md)."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import secrets
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import make_wheel
from tests.simulator import Hub
from tests.simulator.rest_releases import mangled
from wharf.assets.upload_session import SessionFile, new_session
from wharf.assets.upload_session_states import COMPLETED, PROCESSING
from wharf.errors import GraphQLError, NotFoundError, RejectedError
from wharf.github.release_store import Releases
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import resolve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.github.api import GitHub

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
        pytest.param(("simulated", "api"), marks=pytest.mark.slow),
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
        stack.callback(_clean, opened)
        yield opened


def _clean(repository: Repository) -> None:
    """Leave nothing behind, as far as GitHub allows it."""
    github, releases = repository.github, repository.assets
    assert github is not None
    assert isinstance(releases, Releases)
    github.call("DELETE", f"{{repo}}/git/{repository.branch.ref}", allow=(404, 422))
    for each in list(github.rest.releases()):
        if each.tag.startswith("wharf-live-"):
            github.call("DELETE", f"{{repo}}/releases/{each.id}", allow=(404, 422))
            github.call("DELETE", f"{{repo}}/git/refs/tags/{each.tag}", allow=(404, 422))


def _github(repository: Repository) -> GitHub:
    assert repository.github is not None
    return repository.github


def _object(github: GitHub, method: str, path: str, body: Any = None) -> dict[str, Any]:
    data = github.call(method, f"{{repo}}{path}", body=body).data
    assert isinstance(data, dict)
    return data


def _default_tip(github: GitHub) -> str:
    branch = _object(github, "GET", "")["default_branch"]
    return str(_object(github, "GET", f"/git/ref/heads/{branch}")["object"]["sha"])


def _status(address: str, **headers: str) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.slow
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
    assert [entry.verb for entry in repository.branch.history()] == ["remove", "yank", "publish", "begin"]


def test_a_draft_is_filled_unseen_and_appears_whole(repository: Repository) -> None:
    """What wharf relies on when it publishes; where this fails on GitHub, GitHub has changed."""
    github, tag, data = _github(repository), f"wharf-live-{secrets.token_hex(4)}", secrets.token_bytes(5000)
    tip = _default_tip(github)
    draft = _object(github, "POST", "/releases", {"tag_name": tag, "target_commitish": tip, "draft": True, "body": "a mark"})
    path = f"/releases/{draft['id']}"
    assert [each.id for each in github.rest.releases(1)] == [draft["id"]]
    for unseen in (f"/releases/tags/{tag}", f"/git/ref/tags/{tag}"):
        with pytest.raises(NotFoundError):
            _object(github, "GET", unseen)

    def upload(name: str) -> dict[str, Any]:
        sent = github.upload(draft["upload_url"], name, io.BytesIO(data), len(data)).data
        assert isinstance(sent, dict)
        return sent

    odd = f"{tag}-1!2.0+local~1 (2).whl"
    asset = upload(odd)
    assert asset["name"] == mangled(odd)
    assert (asset["state"], asset["size"], asset["digest"]) == ("uploaded", 5000, f"sha256:{hashlib.sha256(data).hexdigest()}")
    with pytest.raises(RejectedError) as refused:
        upload(odd)
    assert refused.value.says("already_exists")

    done = _object(github, "PATCH", path, {"draft": False, "make_latest": "false"})
    assert (done["draft"], done["tag_name"], done["assets"][0]["digest"]) == (False, tag, asset["digest"])
    assert _object(github, "GET", f"/git/ref/tags/{tag}")["object"]["sha"] == tip
    assert _object(github, "GET", f"/releases/tags/{tag}")["id"] == draft["id"]
    assert done["created_at"] == _object(github, "GET", f"/git/commits/{tip}")["committer"]["date"], "its commit's date"
    with pytest.raises(RejectedError) as taken:
        _object(github, "POST", "/releases", {"tag_name": tag})
    assert taken.value.says("already_exists")


def test_a_signed_address_is_enough_and_takes_no_token(repository: Repository) -> None:
    github, tag = _github(repository), f"wharf-live-{secrets.token_hex(4)}"
    draft = _object(github, "POST", "/releases", {"tag_name": tag, "draft": True})
    made = github.upload(draft["upload_url"], "a.whl", io.BytesIO(b"x"), 1).data
    assert isinstance(made, dict)
    assert isinstance(made["id"], int)
    with github.asset(made["id"]) as address:
        assert isinstance(address, str)
    assert _status(address) == 200
    assert _status(address, Range="bytes=0-0") == 206
    assert _status(address, Authorization="Bearer x") in {400, 401, 403}, "who sends a token along gets nothing"


def test_asking_again_for_what_did_not_change_is_free(repository: Repository) -> None:
    github = _github(repository)
    branch = _object(github, "GET", "")["default_branch"]
    first = github.call("GET", f"{{repo}}/git/ref/heads/{branch}")
    again = github.call("GET", f"{{repo}}/git/ref/heads/{branch}", etag=first.headers["etag"])
    assert again.status == 304
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]


@pytest.mark.slow
def test_a_commit_by_the_api_is_signed_and_only_on_the_tip_that_was_meant(repository: Repository, tmp_path: Path) -> None:
    github, name = _github(repository), f"wharf-live-{secrets.token_hex(4)}"
    done = publish(repository, [Input.of(make_wheel(tmp_path, name, "1.0"))], actor="live")
    assert done.commit is not None
    mutation = "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }"
    file = {"path": "of-a-test", "contents": "eA=="}
    wanted: dict[str, Any] = {
        "branch": {"repositoryNameWithOwner": github.address.slug, "branchName": f"wharf/{repository.branch.index}"},
        "message": {"headline": "a test"},
        "fileChanges": {"additions": [file]},
    }
    with pytest.raises(GraphQLError) as stale:
        github.graphql(mutation, {"input": {**wanted, "expectedHeadOid": _default_tip(github)}})
    assert "STALE_DATA" in stale.value.types
    made: Any = github.graphql(mutation, {"input": {**wanted, "expectedHeadOid": done.commit}})
    commit = _object(github, "GET", f"/git/commits/{made['createCommitOnBranch']['commit']['oid']}")
    assert commit["verification"]["verified"]
    assert [each["sha"] for each in commit["parents"]] == [done.commit]


@pytest.mark.slow
def test_two_who_publish_at_once_lose_nothing(repository: Repository, tmp_path: Path) -> None:
    name, source = f"wharf-live-{secrets.token_hex(4)}", _github(repository).token
    assert source is not None
    wheels = [make_wheel(tmp_path, name, version) for version in ("1.0", "2.0")]

    def one(number: int) -> None:
        place = {"repo": _github(repository).address.web, "index": repository.branch.index}
        found = resolve(place, {}, (), data=tmp_path / f"data{number}", cache=tmp_path / f"cache{number}")
        with open_repository(found, {"WHARF_TOKEN": source.reveal()}) as opened:
            publish(opened, [Input.of(wheels[number])], actor="live")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(2)))
    repository.branch.fetch()
    assert verify(repository).files == 2


@pytest.mark.slow
def test_an_upload_session_is_a_draft_until_it_is_published(repository: Repository, tmp_path: Path) -> None:
    """What GitHub does with the text of a draft, and where it lists one."""
    name, store = f"wharf-live-{secrets.token_hex(4)}", repository.sessions
    wheel, now = make_wheel(tmp_path, name, "1.0"), datetime.now(UTC)
    repository.branch.begin("live")
    session = store.create(new_session(index=repository.branch.index, project=name, version="1.0", creator="live", now=now))
    assert store.get(session.id, newest=True) == session
    assert session.id in {each.id for each in store.all()}
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    file = SessionFile(number=0, filename=wheel.name, size=wheel.stat().st_size, hashes={"sha256": sha256})
    store.update(session.id, lambda each: each.with_file(file))
    scratch = store.scratch(session.id)
    scratch.write_bytes(wheel.read_bytes())
    store.keep(session.id, [(file, scratch, sha256)])
    found = store.get(session.id, newest=True)
    assert found is not None
    assert (found.files[wheel.name].state, found.token) == (COMPLETED, session.token)
    with store.opener(session.id) as opener, opener(found.files[wheel.name]) as opened:
        assert opened.read() == wheel.read_bytes()
    with store.publishing(session.id) as mine:
        assert mine
        store.ready(store.update(session.id, lambda each: dataclasses.replace(each, state=PROCESSING)))
        done = publish(repository, [Input.of(wheel)], actor="live")
    assert [each.file.location["release"] for each in done.published] == [int(session.id[:16], 16)]
    assert session.id not in {each.id for each in store.all()}
