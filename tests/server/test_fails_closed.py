"""What an index owns or reserves stays with it when its branch or store goes away: no client is sent elsewhere for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_run_command import ASK, Desk, desk, far
from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_wheel
from tests.matrix import first
from tests.server.running import soon
from tests.server.test_claimed_names import BIN, ELSEWHERE, public
from tests.server.test_server import LIMIT, serving
from wharf.errors import NoIndexError, NotFoundError
from wharf.index.wharf_toml import NEW
from wharf.operations.build import build
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.server.refresh import refresher
from wharf.server.rules import Rules
from wharf.server.startup_check import check_at_startup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import httpx

    from tests.server.over_github import World
    from tests.upstream import Upstream
    from wharf.repository.opening import Repository

__all__ = ["desk", "far", "public"]  # fixtures

REF = "refs/heads/wharf/main"
OWNED = ("demo", "gone", "acme-next", "secret")
RESERVED = b'format = 1\nreserved = ["acme-*", "secret"]\n'


def _empty(store: Path) -> None:
    for path in store.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _replaced(store: Path) -> None:
    shutil.move(store / "index.git", store / "away.git")
    subprocess.run(["git", "init", "--quiet", "--bare", store / "index.git"], check=True)


def _packed_and_lost(store: Path) -> None:
    git(store, "pack-refs", "--all")
    (store / "index.git" / "packed-refs").unlink()


def _without_its_settings(store: Path) -> None:
    commit = git(store, *WHO, "commit-tree", f"{REF}:projects", "-p", REF, "-m", "moved a folder up")
    git(store, "update-ref", REF, commit)


WHO = ("-c", "user.name=Hand", "-c", "user.email=hand@example.org")
WAYS: dict[str, Callable[[Path], object]] = {
    "moved away": lambda store: shutil.move(store / "index.git", store / "away.git"),
    "not mounted": lambda store: shutil.move(store, store.with_name("unmounted")),
    "emptied": _empty,
    "an empty repository": _replaced,
    "deleted": lambda store: git(store, "update-ref", "-d", REF),
    "packed and lost": _packed_and_lost,
    "cut off": lambda store: (store / "index.git" / REF).write_text("0123"),
    "pointing nowhere": lambda store: (store / "index.git" / REF).write_text("1" * 40 + "\n"),
    "of another format": lambda store: edit_by_hand(store, "wharf.toml", b"format = 99\n"),
    "without its settings": _without_its_settings,
}


@pytest.fixture
def owning(repository: Repository, tmp_path: Path, store: Path) -> Repository:
    """An index with the project demo, and gone, whose one release was removed, that reserves two more names."""
    publish(repository, [Input.of(make_wheel(tmp_path, name)) for name in ("demo", "gone")], actor="ada")
    remove(repository, "gone", "1.0", None, reason="", actor="ada")
    edit_by_hand(store, "wharf.toml", RESERVED)
    return repository


def rules(*, passes_on: bool = True) -> Rules:
    return Rules(open_reading=True, upload_limit=LIMIT, public_index=ELSEWHERE if passes_on else None)


def statuses(client: httpx.Client, *names: str) -> list[int]:
    return [client.get(f"/simple/{name}/").status_code for name in names]


def stale(client: httpx.Client) -> bool:
    answer = client.get("/healthz")
    return (answer.status_code, answer.json()["status"]) == (200, "stale")


@pytest.mark.slow
@pytest.mark.parametrize("passes_on", first(1, [True, False]), ids=["passes on", "passes nothing on"])
@pytest.mark.parametrize("way", first(5, WAYS))
def test_what_a_commit_owned_that_was_shown_stays_owned(owning: Repository, store: Path, way: str, passes_on: bool) -> None:
    with serving(owning, rules(passes_on=passes_on)) as client:
        assert statuses(client, *OWNED, "six") == [200] * 4 + [302 if passes_on else 404]
        WAYS[way](store)
        soon(lambda: stale(client))
        assert set(statuses(client, *OWNED)) <= {200, 503}, "after 404 uv asks the next index"
        assert statuses(client, "demo", "six") == [200, 302 if passes_on else 404]


def test_an_unreadable_state_of_a_project_is_no_reason_to_pass_its_name_on(owning: Repository, store: Path) -> None:
    with serving(owning, rules()) as client:
        edit_by_hand(store, "projects/de/demo/project.json", b"{ not a state")
        soon(lambda: "quarantined" in client.get("/simple/demo/").text)
        assert statuses(client, *OWNED, "six") == [*[200] * 4, 302]


@pytest.mark.parametrize("way", ["moved away", "deleted", "an empty repository"])
def test_what_comes_back_is_shown_again_and_uploads_begin_no_new_index(
    owning: Repository, store: Path, tmp_path: Path, way: str
) -> None:
    tip = git(store, "rev-parse", REF)
    token = owning.tokens.create("ci", "publish").reveal()
    wheel = make_wheel(tmp_path, "late")
    form = {"data": {":action": "file_upload", "protocol_version": "1"}, "files": {"content": (wheel.name, wheel.read_bytes())}}
    with serving(owning, rules()) as client:
        assert statuses(client, "late") == [302]
        WAYS[way](store)
        answer = client.post("/legacy/", auth=("x", token), **form)  # type: ignore[arg-type]
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        if way == "deleted":
            git(store, "update-ref", REF, tip)
        else:
            shutil.rmtree(store / "index.git", ignore_errors=True)
            shutil.move(store / "away.git", store / "index.git")
        soon(lambda: client.get("/healthz").json()["status"] == "ok")
        assert client.post("/legacy/", auth=("x", token), **form).status_code == 200  # type: ignore[arg-type]
        assert statuses(client, *OWNED, "late", "six") == [*[200] * 5, 302]


@pytest.mark.parametrize("parents", ["none", "the tip"])
def test_a_branch_that_is_written_anew_takes_no_name_back(
    owning: Repository, store: Path, parents: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A reservation ends by a commit on top of the one that made it; a project's name never does."""
    with serving(owning, rules()) as client:
        blob = git(store, "hash-object", "-w", "--stdin", data=NEW)
        tree = git(store, "mktree", data=f"100644 blob {blob}\twharf.toml\n".encode())
        on = () if parents == "none" else ("-p", REF)
        git(store, "update-ref", REF, git(store, *WHO, "commit-tree", tree, *on, "-m", "anew"))
        soon(lambda: "lacks projects that it had: demo, gone." in caplog.text)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")
        assert statuses(client, "demo", "gone") == [200, 200]
        assert client.get("/simple/demo/", headers={"Accept": "application/vnd.pypi.simple.v1+json"}).json()["files"] == []
        freed = 302 if parents == "the tip" else 200
        assert statuses(client, "acme-next", "secret", "six") == [freed, freed, 302]


def test_without_a_commit_nothing_is_passed_on_until_there_is_one(repository: Repository, tmp_path: Path) -> None:
    with serving(repository, rules()) as client:
        for path in ("/simple/", "/simple/demo/", "/simple/six/", f"/files/{'0' * 64}/six-1.0-py3-none-any.whl"):
            answer = client.get(path)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert client.get("/healthz").status_code == 503
        publish(repository, [Input.of(make_wheel(tmp_path))], actor="ada")
        soon(lambda: client.get("/healthz").json() == {"status": "ok"})
        assert statuses(client, "demo", "six") == [200, 302]


@pytest.mark.slow
def test_files_without_an_index_are_no_empty_index(owning: Repository, store: Path) -> None:
    """As after a restart. A new store has no files, and another index of a store may be empty."""
    tip = git(store, "rev-parse", REF)
    git(store, "update-ref", "-d", REF)
    with serving(owning, rules(passes_on=False)) as client:
        assert statuses(client, *OWNED, "six") == [503] * 5
        assert client.get("/healthz").status_code == 503
        git(store, "update-ref", REF, tip)
        soon(lambda: statuses(client, *OWNED, "six") == [*[200] * 4, 404])
    with open_repository(Settings(place=store, index="staging")) as staging, serving(staging, rules(passes_on=False)) as client:
        assert client.get("/simple/").status_code == 200
        assert statuses(client, "demo", "six") == [200, 404], "a name of main belongs to the repository"


def test_a_site_is_not_emptied_because_its_index_is_gone(owning: Repository, store: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    build(owning, site, with_files=True)
    git(store, "update-ref", "-d", REF)
    with pytest.raises(NotFoundError, match="is not touched"):
        build(owning, site, with_files=True)
    assert (site / "simple" / "demo").is_dir()


# At the start


@pytest.mark.slow
@pytest.mark.parametrize("verb", first(1, [["run"], ["serve", "--port", "0"]]), ids=["run", "serve"])
def test_where_there_is_no_index_it_does_not_begin_to_pass_names_on(tmp_path: Path, verb: list[str]) -> None:
    command = ["--", "echo", "run"] if verb == ["run"] else []
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}

    def said(*words: object) -> str:
        line = [sys.executable, "-m", "wharf", *verb, "--fall-through", *map(str, words), *command]
        done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (4, "")
        return done.stderr

    assert "There is no store in" in said("--repo", tmp_path / "misspelt")
    assert not (tmp_path / "misspelt").exists()
    err = said()  # the default store, which is made where it is not there
    assert "cannot know which names must not be passed on" in err
    assert "wharf publish --repo" in err
    assert "wharf init" in err


# GitHub


@pytest.mark.slow
def test_a_branch_that_is_gone_at_github_is_shown_as_it_was_to_all_who_may_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    edit_by_hand(world.root, "wharf.toml", RESERVED)
    carol, eve = world.hub.token("carol", {"acme/pkgs": "read"}), world.hub.token("eve", {})
    blind = world.hub.token("blind", {"acme/pkgs": "read"}, kind="fine-grained", contents=False)
    with world.serving(public_index=ELSEWHERE) as client:
        soon(lambda: statuses(client, "demo", "acme-next", "six") == [200, 200, 302])
        tip = git(world.root, "rev-parse", REF)
        git(world.root, "update-ref", "-d", REF)
        soon(lambda: stale(client))
        world.hub.clock.forward(61)
        for token in (world.bob, carol):
            client.auth = ("x", token)
            assert statuses(client, "demo", "acme-next", "six") == [200, 200, 302]
        for token in (eve, blind):
            client.auth = ("x", token)
            assert statuses(client, "demo", "acme-next", "six") == [403] * 3
        git(world.root, "update-ref", REF, tip)
        client.auth = ("x", world.bob)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")


@pytest.mark.slow
@pytest.mark.parametrize("token", ["", None], ids=["with a token", "borrowing one"])
@pytest.mark.parametrize("passes_on", first(1, [True, False]), ids=["passes on", "passes nothing on"])
def test_a_server_that_saw_no_index_at_github_is_out_of_order_for_all_who_may_read(
    world: World, monkeypatch: pytest.MonkeyPatch, token: str | None, passes_on: bool
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    world.forget()
    tip = git(world.root, "rev-parse", REF)
    git(world.root, "update-ref", "-d", REF)
    with world.serving(token, wait=False, public_index=ELSEWHERE if passes_on else None) as client:
        soon(lambda: statuses(client, "demo", "six") == [503, 503])
        soon(lambda: client.get("/healthz").status_code == 503)
        assert client.get("/simple/six/", auth=("x", world.hub.token("eve", {}))).status_code == 403
        git(world.root, "update-ref", REF, tip)
        soon(lambda: statuses(client, "demo", "six") == [200, 302 if passes_on else 404])
        assert client.get("/healthz").status_code == 200


@pytest.mark.slow
def test_a_run_over_a_branch_that_is_gone_shows_what_was_fetched_and_then_nothing(world: World, far: Desk) -> None:
    words = ("--fall-through", "--public-index", "http://127.0.0.1:9/simple/")
    code = ASK + "print(ask('demo/')[0])\ntry: print(ask('six/'))\nexcept OSError: print('sent on')"
    assert far.python(code, *words) == ("200\nsent on\n", "")
    git(world.root, "update-ref", "-d", REF)
    out, err = far.python(code, *words)
    assert out == "200\nsent on\n"
    assert err.count("\n") == 1
    assert "There is no index 'main' in" in err
    out, err = far.run(*words, "--", "echo", "run", code=4)
    assert (out, "There is no index" in err) == ("", True)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ("no right", "403"),
        pytest.param("revoked", "401", marks=pytest.mark.slow),
        pytest.param("branch gone", "503", marks=pytest.mark.slow),
        pytest.param("github away", "503", marks=pytest.mark.slow),
        ("reserved", "no versions of acme-next"),
    ],
)
def test_uv_never_goes_on_to_the_next_index(world: World, public: Upstream, trouble: str, said: str) -> None:
    """It does so after 404, whatever that was meant to say."""
    project, token = "demo", world.bob
    public.add(make_wheel(world.root / "public", "acme-next", "99.0"))
    if trouble == "no right":
        token = world.hub.token("eve", {})
    elif trouble == "revoked":
        world.hub.revoke(token)
    elif trouble == "branch gone":
        git(world.root, "update-ref", "-d", REF)
    elif trouble == "github away":
        world.hub.down = True
    else:
        project = "acme-next"
        edit_by_hand(world.root, "wharf.toml", RESERVED)
    with world.serving(wait=trouble == "reserved") as client:
        environ = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(world.root),
            "NO_PROXY": "*",
            "UV_HTTP_RETRIES": "0",
            "UV_INDEX": f"corp={client.base_url}/simple/",
            "UV_DEFAULT_INDEX": public.simple,
            "UV_INDEX_CORP_USERNAME": "x",
            "UV_INDEX_CORP_PASSWORD": token,
        }
        command = [str(BIN / "uv"), "pip", "install", "--no-cache", "--no-config", "--target", str(world.root / "target")]
        done = subprocess.run(
            [*command, "--python", sys.executable, project], env=environ, capture_output=True, text=True, timeout=60
        )
    assert (done.returncode != 0, said in done.stderr) == (True, True), done.stderr
    assert public.paths == []


@pytest.mark.slow
@pytest.mark.parametrize("passes_on", [True, False], ids=["passes on", "passes nothing on"])
def test_a_server_over_github_says_at_its_start_that_there_is_no_index(world: World, passes_on: bool) -> None:
    world.forget()
    git(world.root, "update-ref", "-d", REF)
    warnings: list[str] = []
    with world.open(world.robot) as repository:
        if passes_on:
            with pytest.raises(NotFoundError) as caught:
                check_at_startup(repository, borrows=False, passes_on=True, warn=warnings.append)
            assert "wharf init" in caught.value.hint
        else:
            check_at_startup(repository, borrows=False, passes_on=False, warn=warnings.append)
            assert "Until then pages are 503." in warnings[0]
    world.hub.down = True
    with world.open(world.robot) as repository:  # it was not seen that there is none
        check_at_startup(repository, borrows=False, passes_on=passes_on, warn=warnings.append)
        assert "There is no index to serve until it does." in warnings[-1]


@pytest.mark.parametrize("passes_on", [True, False], ids=["passes on", "passes nothing on"])
def test_a_server_over_github_does_not_start_for_a_misspelt_index(world: World, passes_on: bool) -> None:
    with world.open(world.robot, index="mian") as repository, pytest.raises(NoIndexError) as caught:
        check_at_startup(repository, borrows=False, passes_on=passes_on, warn=lambda _text: None)
    assert caught.value.hint.startswith("Did you mean main? `wharf index create mian --repo ")
