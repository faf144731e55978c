"""Upstreams where the index is on GitHub: which addresses of the branch count, and who gets the credentials."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.server.over_github import JSON, World
from tests.server.past import tip
from tests.server.running import soon
from tests.upstream import Upstream
from wharf.index.wharf_toml_change import parse_setting
from wharf.operations import manage_indexes
from wharf.operations.index_settings import set_settings
from wharf.repository.listed_upstreams import ListedUpstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream() as upstream:
        upstream.add(make_wheel(tmp_path / "there", "other"))
        yield upstream


def settle(world: World, url: str) -> None:
    """What alice may write on the branch, whatever the server's operator thinks of it."""
    with world.open(world.alice, "hers") as hers:
        settings = (parse_setting("upstream.mode=proxy"), parse_setting(f"upstream.url={url}"))
        set_settings(hers, settings, "alice", listed=[url])


@pytest.mark.slow
def test_an_address_in_the_operators_network_is_not_asked_because_a_branch_names_it(world: World, upstream: Upstream) -> None:
    world.put(world.wheel())
    settle(world, upstream.simple)
    with world.serving() as client:
        soon(lambda: client.get("/simple/other/").status_code == 503)
        assert "does not ask the upstream" in client.get("/simple/other/").text
        assert client.get("/simple/demo/").status_code == 200
    assert upstream.asked == []


@pytest.mark.slow
def test_the_operator_lists_it_with_credentials_that_go_nowhere_else(
    world: World, upstream: Upstream, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.put(world.wheel())
    settle(world, upstream.simple)
    monkeypatch.setenv("MIRROR_PASSWORD", "geheim")
    listed = ListedUpstream(url=upstream.simple, source="config.toml", username="wharf", password_env="MIRROR_PASSWORD")
    with Upstream(host="127.0.0.1") as elsewhere, world.serving(upstreams=(listed,)) as client:
        file = upstream.projects["other"].files[0]
        soon(lambda: client.get("/simple/other/", headers=JSON).status_code == 200)
        assert client.get(f"/files/other/{file.sha256}/{file.filename}").content == file.path.read_bytes()
        basic = f"Basic {base64.b64encode(b'wharf:geheim').decode()}"
        assert {each.headers["Authorization"] for each in upstream.asked} == {basic}
        assert not any(world.bob in str(each.headers) for each in upstream.asked)
        moved = upstream.add(make_wheel(tmp_path / "there", "moved"))
        elsewhere.projects = upstream.projects
        moved.url = f"{elsewhere.url}/root/packages/{moved.filename}"  # http to another host is not followed
        page = client.get("/simple/moved/", headers=JSON).json()
        assert (page["files"], [each["rule"] for each in page["_hidden"]]) == ([], ["left-out"])
        assert elsewhere.asked == []


@pytest.mark.slow
def test_a_password_that_is_missing_is_told_to_the_operator_alone(
    world: World, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    world.put(world.wheel())
    settle(world, upstream.simple)
    listed = ListedUpstream(url=upstream.simple, source="config.toml", username="wharf", password_env="NO_SUCH_PASSWORD")
    with world.serving(upstreams=(listed,)) as client:
        soon(lambda: client.get("/simple/other/").status_code == 503)
        assert "NO_SUCH" not in client.get("/simple/other/").text
    assert "NO_SUCH_PASSWORD" in caplog.text
    assert upstream.asked == []


@pytest.mark.slow
def test_a_name_that_an_index_reserved_which_was_removed_since_stays_at_that_moment(
    world: World, upstream: Upstream, tmp_path: Path
) -> None:
    upstream.add(make_wheel(tmp_path / "there", "secret-x"))
    settle(world, upstream.simple)
    with world.open(world.alice, "first") as hers:
        manage_indexes.create(hers.of_index("other"), (), "alice")
        set_settings(hers.of_index("other"), (parse_setting('reserved=["secret-*"]'),), "alice")
    world.hub.clock.forward(100)
    world.put(world.wheel(version="2.0"))
    then = tip(world.root)
    world.hub.clock.forward(100)
    with world.open(world.alice, "second") as hers:
        set_settings(hers.of_index("other"), (parse_setting("reserved="),), "alice")
        manage_indexes.remove(hers.of_index("other"))
    world.hub.clock.forward(100)
    world.put(world.wheel(version="3.0"))
    world.forget()
    listed = ListedUpstream(url=upstream.simple, source="config.toml")
    with world.serving(upstreams=(listed,)) as client:
        where = f"/main@{then}/simple/secret-x/"
        soon(lambda: client.get(where, headers=JSON).status_code == 200)
        assert client.get(where, headers=JSON).json()["files"] == []
        assert upstream.asked == []
        assert len(client.get(f"/main@{tip(world.root)}/simple/secret-x/", headers=JSON).json()["files"]) == 1
        assert client.get(where, headers=JSON).json()["files"] == []
