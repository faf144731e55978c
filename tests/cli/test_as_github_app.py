# ruff: noqa: F811 - fixtures are arguments of their own name
"""All that wharf does on GitHub, done as a GitHub App: with tokens that end in the middle, and a key that nobody else sees."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import Run, document, run  # noqa: F401 - a fixture
from tests.github.test_remote_branch import git
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.server.over_github import World as Served
from tests.server.running import soon
from tests.simulator import Hub, apps
from tests.test_leaks import seen, started  # noqa: F401 - a fixture
from wharf.cli.child_process import environment
from wharf.cli.main import main
from wharf.github import clone, renewing_token
from wharf.repository.settings import resolve
from wharf.repository.settings_file import parse_settings_file
from wharf.secret import Secret
from wharf.server.refresh import refresher

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from tests.simulator import Repo


@dataclass
class World:
    """A repository on the simulator whose only user is an app that the environment names."""

    hub: Hub
    repo: Repo
    app: apps.App
    installed: apps.Installation
    root: Path

    def revoke(self) -> None:
        """What the app's tokens were known by is known no more."""
        for token in self.app.tokens():
            self.hub.revoke(token.secret)

    def revoke_before(self, *where: str) -> None:
        for each in where:
            self.hub.before(each, self.revoke)

    @property
    def issued(self) -> int:
        return len([call for call in self.hub.calls if "/access_tokens" in call.path and call.status == 201])


@pytest.fixture
def world(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Tokens of the app may be refused at any age: GitHub has known them long enough."""
    monkeypatch.setattr(renewing_token, "SETTLING", 0.0)
    monkeypatch.setattr(renewing_token, "SOONEST", 0.0)
    monkeypatch.setattr(clone, "PAUSE", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Hub(tmp_path / "hub") as hub:
        repo = hub.create("acme/pkgs")
        app = hub.app()
        key = tmp_path / "app.pem"
        key.write_text(app.pem)
        key.chmod(0o600)
        for name, value in (
            ("WHARF_REPO", f"{hub.url}/acme/pkgs"), ("WHARF_APP_ID", str(app.id)), ("WHARF_APP_KEY", str(key)),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        installed = app.install("acme", "acme/pkgs")
        run("init", f"{hub.url}/acme/pkgs")
        hub.calls.clear()
        yield World(hub, repo, app, installed, tmp_path)


def log_of(repo: Repo, form: str) -> str:
    return git(repo.git_dir, "log", "-1", f"--format={form}", "wharf/main").strip()


@pytest.mark.slow
def test_a_release_costs_two_requests_more_and_names_the_bot(world: World, run: Run) -> None:
    run("publish", make_wheel(world.root / "dist"), make_sdist(world.root / "dist"))
    assert world.issued == 1
    assert len([call for call in world.hub.calls if call.kind in {"api", "upload"}]) == 7
    assert log_of(world.repo, "%an") == "wharf-bot[bot]"
    assert "Wharf-Actor: wharf-bot[bot]" in log_of(world.repo, "%B")
    assert run("list").split()[0] == "demo"


UPLOAD, PATCH, DRAFT = "POST /api/uploads", "PATCH /api/v3/repos/acme/pkgs/releases/", "POST /api/v3/repos/acme/pkgs/releases$"
FETCH, PUSH = r"GET /acme/pkgs\.git/.*", r"POST /acme/pkgs\.git/git-receive-pack"


@pytest.mark.slow
@pytest.mark.parametrize("where", first(1, [UPLOAD, DRAFT, PATCH, FETCH, PUSH]))
def test_a_token_that_ends_in_the_middle_of_a_publish_is_renewed(where: str, world: World, run: Run) -> None:
    wheels = [make_wheel(world.root / "dist", version=f"1.{number}") for number in range(4)]
    world.revoke_before(where)
    said = document(run("publish", "--json", *wheels))
    assert len(said["published"]) == 4
    assert world.issued == 2
    assert git(world.repo.git_dir, "rev-list", "--count", "wharf/main").strip() == "2"
    assert [len(release.assets) for release in world.repo.releases] == [1] * 4
    run("verify")


@pytest.mark.slow
def test_every_step_of_a_publish_survives_the_end_of_the_token(world: World, run: Run) -> None:
    world.revoke_before(FETCH, DRAFT, UPLOAD, PATCH, PUSH)
    run("publish", make_wheel(world.root / "dist"), make_sdist(world.root / "dist"))
    assert world.issued >= 4
    assert json.loads(run("show", "demo", "--json"))["files"]


@pytest.mark.slow
def test_a_commit_by_the_api_survives_it_too(world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.wharf]\ncommit = "api"\n')
    world.revoke_before("POST /api/graphql")
    run("publish", make_wheel(tmp_path / "dist"))
    assert world.issued == 2
    assert run("list").split()[0] == "demo"


@pytest.mark.slow
def test_an_app_in_the_person_s_own_file(world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "config"
    (folder / "wharf").mkdir(parents=True)
    (folder / "wharf" / "config.toml").write_text(
        f'repo = "{world.hub.url}/acme/pkgs"\n[app]\nid = {world.app.id}\nkey = "../../app.pem"\n'
    )
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    for name in ("WHARF_REPO", "WHARF_APP_ID", "WHARF_APP_KEY"):
        monkeypatch.delenv(name)
    run("publish", make_wheel(tmp_path / "dist"))
    assert world.issued == 1


@pytest.mark.slow
def test_wharf_token_wins_and_the_app_is_not_asked(world: World, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHARF_TOKEN", world.hub.token("ann", {"acme/pkgs": "read"}))
    run("list")
    assert world.issued == 0


@pytest.mark.slow
def test_the_files_of_another_repository_are_read_with_the_same_token(world: World, run: Run) -> None:
    """A record may name one that the person's own file lists."""
    world.hub.create("acme/other")
    assert world.installed.repositories is not None
    world.installed.repositories.add("acme/other")
    folder = world.root / "config" / "wharf"
    folder.mkdir(parents=True)
    (folder / "config.toml").write_text('repositories = ["acme/other"]\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CONFIG_HOME", str(folder.parent))
        run("list")
    assert world.app.tokens()[-1].rights == {"acme/pkgs": "write", "acme/other": "write"}


# doctor


def findings(run: Run, code: int = 0) -> dict[str, dict[str, str]]:
    return {each["what"]: each for each in json.loads(run("doctor", "--json", code=code))["findings"]}


@pytest.mark.slow
def test_doctor_tells_which_app_which_installation_which_rights_and_when_the_token_ends(world: World, run: Run) -> None:
    found = findings(run)
    assert found["token"]["detail"] == f"a GitHub App's, from the app {world.app.id} (WHARF_APP_ID)"
    assert found["app"]["detail"].startswith(
        f"wharf-bot, installation {world.installed.id} on acme (selected repositories); "
        "granted contents: write, metadata: read; the token ends at "
    )
    assert found["writing"] == {
        "what": "writing", "state": "ok", "detail": "the app may write: it has contents: write", "hint": ""
    }  # fmt: skip
    world.installed.permissions = {"contents": "read"}
    assert findings(run)["writing"]["state"] == "warning"


@pytest.mark.slow
def test_doctor_tells_what_is_wrong(world: World, run: Run) -> None:
    world.installed.suspend()
    found = findings(run, code=8)
    assert found["token"]["state"] == "problem"
    assert "is suspended" in found["token"]["detail"]
    assert "quota" not in found, "without a token nothing else is asked"
    (world.root / "app.pem").chmod(0o644)
    said = json.loads(run("doctor", "--json", code=8))["findings"]
    assert any("chmod 600" in each["hint"] for each in said)
    (world.root / "app.pem").write_text("nothing")
    assert "private key" in findings(run, code=8)["token"]["detail"]


# The documents


def block(test: str) -> str:
    """The block of docs/github.md that names a test of this file."""
    page = (Path(__file__).parents[2] / "docs" / "github.md").read_text(encoding="utf-8")
    return page.split(f"<!-- run by: tests/cli/test_as_github_app.py::{test} -->")[1].split("```")[1].partition("\n")[2]


@pytest.mark.slow
def test_what_docs_github_md_says_to_type(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHARF_REPO", "WHARF_APP_ID", "WHARF_APP_KEY"):
        monkeypatch.delenv(name)
    text = block("test_what_docs_github_md_says_to_type")
    for there, here in (
        ("acme/packages", f"{world.hub.url}/acme/pkgs"), ("=12345", f"={world.app.id}"),
        ("/etc/wharf/app.pem", str(world.root / "app.pem")),
    ):  # fmt: skip
        assert text.count(there) == 1
        text = text.replace(there, here)
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-ec", text], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wharf-bot, installation" in done.stdout


def test_what_docs_github_md_says_to_write(tmp_path: Path) -> None:
    data = block("test_what_docs_github_md_says_to_write").encode()
    config = parse_settings_file(data, tmp_path / "config.toml", own=True)
    assert config is not None
    app = resolve({}, {}, [config], data=tmp_path, cache=tmp_path).app
    assert app is not None
    assert (app.id, app.folder / app.key, app.host) == ("12345", tmp_path / "app.pem", "github.com")


# The server


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, apps.App]]:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.05)
    monkeypatch.setattr(refresher, "ASK_AT_LEAST", 0.05)
    monkeypatch.setattr(renewing_token, "NO_TOKEN_PAUSE", 0.05)
    monkeypatch.setattr(renewing_token, "SETTLING", 0.0)
    monkeypatch.setattr(renewing_token, "SOONEST", 0.0)
    monkeypatch.setattr(clone, "PAUSE", 0.0)
    with Hub(tmp_path / "hub") as hub:
        world = Served(hub, hub.create("acme/pkgs"), tmp_path)
        with world.stack:
            world.put(world.wheel())
            app = hub.app()
            app.install("acme", everywhere=True)
            (tmp_path / "app.pem").write_text(app.pem)
            monkeypatch.setenv("WHARF_APP_ID", str(app.id))
            hub.calls.clear()
            yield world, app


def as_app(served: tuple[Served, apps.App]) -> dict[str, str]:
    world, app = served
    return {"WHARF_APP_ID": str(app.id), "WHARF_APP_KEY": str(world.root / "app.pem")}


def shows(client: httpx.Client, name: str) -> bool:
    return name in client.get("/simple/demo/").text


@pytest.mark.slow
def test_a_server_goes_on_through_the_end_of_its_tokens(served: tuple[Served, apps.App]) -> None:
    world, app = served
    with world.serving(environ=as_app(served)) as client:
        assert client.get("/simple/demo/").status_code == 200
        for number in range(1, 4):
            for token in app.tokens():
                world.hub.revoke(token.secret)
            world.put(world.wheel("demo", f"2.{number}"))
            soon(partial(shows, client, f"demo-2.{number}"))
        soon(lambda: client.get("/healthz").json()["status"] == "ok")  # which it tells a moment after it shows


@pytest.mark.slow
def test_a_server_begins_with_what_it_fetched_last_while_github_is_away(served: tuple[Served, apps.App]) -> None:
    world, _ = served
    with world.serving(environ=as_app(served)) as client:
        assert client.get("/simple/demo/").status_code == 200
    world.hub.down = True
    with world.serving(environ=as_app(served), wait=False) as client:
        soon(lambda: client.get("/healthz").json()["status"] == "stale")
        world.hub.down = False
        soon(lambda: client.get("/healthz").json()["status"] == "ok")
        assert client.get("/simple/demo/").status_code == 200


@pytest.mark.slow
def test_an_app_that_is_removed_while_serving_leaves_the_index_as_it_was(
    served: tuple[Served, apps.App], caplog: pytest.LogCaptureFixture
) -> None:
    world, app = served
    with world.serving(environ=as_app(served)) as client:
        assert client.get("/simple/demo/").status_code == 200
        app.installations[0].remove()
        soon(lambda: client.get("/healthz").json()["status"] != "ok")
        assert client.get("/simple/demo/").status_code == 200
        soon(lambda: any("is not installed on" in each.getMessage() for each in caplog.records))
        for secret in (app.pem.splitlines()[3], "ghs_", "eyJ"):
            assert secret not in caplog.text
        app.install("acme", everywhere=True)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")


# The key


@pytest.mark.slow
def test_the_key_and_the_jwt_reach_no_other_program(
    world: World, run: Run, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHARF_APP_KEY", world.app.pem)
    run("publish", make_wheel(world.root / "dist"))
    run("log")
    assert {"fetch", "push"} <= {word for words, _ in started(seen) for word in words}
    body = world.app.pem.splitlines()[3]
    tokens = [token.secret for token in world.app.tokens()]
    for words, environ in started(seen):
        text = json.dumps([words, environ])
        assert body not in text
        assert "eyJ" not in text
        assert not [token for token in tokens if token in text], "the token is there in another form, for that git alone"


@pytest.mark.slow
def test_a_command_of_run_gets_neither_the_app_nor_its_key(world: World) -> None:
    found = environment({**os.environ, "WHARF_TOKEN": "x"}, 1, Secret("x" * 20))
    assert not [name for name in found if name.startswith("WHARF_APP")]
    assert found["WHARF_TOKEN"] == "x"


@pytest.mark.slow
def test_no_verb_shows_or_keeps_the_key_or_a_token(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHARF_APP_KEY", world.app.pem)
    said = ""

    def go(*words: str) -> None:
        nonlocal said
        with pytest.raises(SystemExit):
            main([*words, "-v"])
        said += "".join(capsys.readouterr())

    go("publish", str(make_wheel(world.root / "dist")))
    for words in (["log"], ["doctor", "--json"], ["yank", "demo==1.0"], ["list", "--repo", f"{world.hub.url}/a/b"]):
        go(*words)
    world.hub.clock.forward(-300)
    go("list")
    monkeypatch.setenv("WHARF_APP_ID", "99999")
    go("doctor")
    monkeypatch.setenv("WHARF_APP_KEY", world.hub.app("another").pem[:-100])
    go("list")
    assert "clock is" in said
    secrets = [*world.app.pem.splitlines()[1:-1], *(token.secret[20:60] for token in world.app.tokens()), "eyJ"]
    assert not [each for each in secrets if each in said]
    kept = [path for name in ("cache", "data") for path in (world.root / name).rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        assert not [each for each in secrets[:-1] if each.encode() in path.read_bytes()], path
