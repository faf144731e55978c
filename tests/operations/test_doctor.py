"""`wharf doctor`: says what is wrong and what to do, and never fails itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_main import commands, document
from tests.index.test_branch import edit_by_hand
from tests.makers import make_wheel
from tests.operations.test_init import Run, hub, run
from tests.simulator.state import Asset
from wharf.cli.main import main
from wharf.github.request_turns import Waiting
from wharf.operations.doctor import diagnose
from wharf.repository.listed_upstreams import ListedUpstream
from wharf.repository.settings import Settings
from wharf.repository_address import parse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulator import Hub
    from tests.simulator.state import Repo

__all__ = ["hub", "run"]  # fixtures

Findings = dict[str, list[dict[str, str]]]


@pytest.fixture
def repo(hub: Hub, run: Run) -> Repo:
    """A repository with an index; what made it is forgotten."""
    repo = hub.create("acme/pkgs")
    run("init", address(hub), token=hub.token("maker", {"acme/pkgs": "admin"}))
    hub.calls.clear()
    return repo


def address(hub: Hub) -> str:
    return f"{hub.url}/acme/pkgs"


def examined(run: Run, hub: Hub | None, *words: object, token: str | None = None, ok: bool = True) -> Findings:
    """What is found, by its word. Every request that was made read only."""
    where = ["--repo", address(hub)] if hub else []
    said = document(run("doctor", *where, *words, "--json", token=token, code=0 if ok else 8)[0])
    assert set(said) == {"ok", "findings"}
    assert said["ok"] is ok
    found: Findings = {}
    for each in said["findings"]:
        assert set(each) == {"what", "state", "detail", "hint"}
        assert each["state"] in {"ok", "warning", "problem"}
        assert each["detail"]
        assert each["hint"] or each["state"] == "ok", each
        found.setdefault(each["what"], []).append(each)
    assert any(each["state"] == "problem" for each in said["findings"]) is not ok
    if hub:
        assert all(call.method == "GET" or call.path.endswith("git-upload-pack") for call in hub.calls)
    return found


def not_ok(found: Findings) -> dict[str, str]:
    return {each["what"]: each["state"] for some in found.values() for each in some if each["state"] != "ok"}


def one(found: Findings, what: str) -> dict[str, str]:
    (only,) = found[what]
    return only


@pytest.mark.slow
def test_a_sound_repository(hub: Hub, run: Run, repo: Repo, tmp_path: Path) -> None:
    token = hub.token("ann", {"acme/pkgs": "write"})
    run("publish", make_wheel(tmp_path), "--repo", address(hub), token=token)
    hub.calls.clear()
    found = examined(run, hub, token=token)
    assert not not_ok(found)
    assert one(found, "address")["detail"] == f"{address(hub)}, named by the option --repo; index 'main'"
    assert one(found, "token")["detail"] == "a personal access token (classic), from WHARF_TOKEN"
    assert "of 5000 requests are left until" in one(found, "quota")["detail"]
    assert one(found, "repository")["detail"] == f"{address(hub)} is private"
    assert one(found, "reading")["detail"] == "its contents may be read"
    assert "branch wharf/main, commit " in one(found, "index")["detail"]
    assert "its scopes suffice" in one(found, "writing")["detail"]
    assert one(found, "releases")["detail"] == "of the newest 1, demo-1.0 has most files: 1 of at most 1000"
    assert "not immutable" in one(found, "immutable")["detail"]
    assert "git fetched wharf/main" in one(found, "fetch")["detail"]
    assert one(found, "git")["detail"].startswith("git version ")
    assert "seconds ago" in found["cache"][0]["detail"]
    assert "GB are free" in found["cache"][1]["detail"]
    assert {"clock", "size"} <= found.keys()
    assert hub.count("api") <= 6


def test_people_read_a_line_a_fact_and_what_to_do(hub: Hub, run: Run, repo: Repo) -> None:
    out, err = run("doctor", "--repo", address(hub), "--index", "stagin", token=hub.token("ann", {"acme/pkgs": "write"}))
    lines = out.splitlines()
    assert not err
    assert lines[0].startswith("ok       address ")
    at = next(number for number, line in enumerate(lines) if line.startswith("warning  index "))
    assert "there is no index 'stagin' yet (there are: main)" in lines[at]
    assert f"Did you mean main? `wharf index create stagin --repo {address(hub)}`" in lines[at + 1]
    assert lines[-1] == "no problem(s), 1 warning(s)"
    (repo.git_dir / "HEAD").write_text("ref: refs/heads/wharf/main\n")
    out, _ = run("doctor", "--repo", address(hub), token="ghp_wrong", code=8)
    assert out.splitlines()[-1] == "1 problem(s), no warning(s)"


@pytest.mark.slow
def test_no_token(hub: Hub, run: Run, repo: Repo) -> None:
    found = examined(run, hub, ok=False)
    assert not_ok(found) == {"token": "warning", "repository": "problem"}
    assert f"gh auth login --hostname {hub.host}" in one(found, "token")["hint"]
    assert "set WHARF_TOKEN" in one(found, "repository")["hint"]
    repo.private = False
    found = examined(run, hub)
    assert not_ok(found) == {"token": "warning", "writing": "warning"}
    assert one(found, "reading")["detail"] == "everybody may read its contents"
    assert "of 60 requests" in one(found, "quota")["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("token", ["ghp_wrong", "no-token-of-any-kind"])
def test_a_wrong_token(hub: Hub, run: Run, repo: Repo, token: str) -> None:
    found = examined(run, hub, token=token, ok=False)
    assert not_ok(found) == {"token": "problem"}
    assert "wrong, expired or revoked" in found["token"][-1]["hint"]
    assert token not in str(found)


def test_a_token_that_cannot_be_one(hub: Hub, run: Run, repo: Repo) -> None:
    for token in ("two words", "a\x01b", "\u00e9"):
        found = examined(run, hub, token=token, ok=False)
        assert not_ok(found) == {"token": "problem"}
        assert token not in str(found)


def test_a_missing_repository_and_one_that_the_token_does_not_reach(hub: Hub, run: Run) -> None:
    found = examined(run, hub, token=hub.token("ann", {}), ok=False)
    assert not_ok(found) == {"repository": "problem"}
    assert f"wharf init {address(hub)}" in one(found, "repository")["hint"]
    assert "give the token access" in one(found, "repository")["hint"]


@pytest.mark.slow
def test_what_a_token_may_do(hub: Hub, run: Run, repo: Repo) -> None:
    reader = examined(run, hub, token=hub.token("ann", {"acme/pkgs": "read"}))
    assert not_ok(reader) == {"writing": "warning"}
    fine = examined(run, hub, token=hub.token("bo", {"acme/pkgs": "write"}, kind="fine-grained"))
    assert "only a write shows" in one(fine, "writing")["detail"]
    actions = examined(run, hub, token=hub.token("cy", {"acme/pkgs": "write"}, kind="actions"))
    assert not not_ok(actions)
    assert "permissions: contents: write" in one(actions, "writing")["hint"]
    assert "of 1000 requests" in one(actions, "quota")["detail"]
    blind = hub.token("di", {"acme/pkgs": "write"}, kind="fine-grained", contents=False)
    found = examined(run, hub, token=blind, ok=False)
    assert not_ok(found) == {"reading": "problem"}
    assert "contents: read" in one(found, "reading")["hint"]
    hub.fault("GET .*/git/ref/heads/", "404", times=2)
    found = examined(run, hub, token=hub.token("ed", {"acme/pkgs": "write"}), ok=False)
    assert not_ok(found) == {"reading": "problem"}
    assert "GitHub shows no branch main" in one(found, "reading")["detail"]
    assert not {"fetch", "releases"} & found.keys()


@pytest.mark.slow
def test_scopes_that_do_not_suffice(hub: Hub, run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.simulator import rest

    whole = rest._charged

    def scoped(*words: Any, **more: Any) -> Any:
        answer = whole(*words, **more)
        answer.headers["x-oauth-scopes"] = "gist, public_repo"
        return answer

    monkeypatch.setattr(rest, "_charged", scoped)
    token = hub.token("ann", {"acme/pkgs": "write"})
    found = examined(run, hub, token=token)
    assert not_ok(found) == {"writing": "warning"}
    assert "(gist, public_repo)" in one(found, "writing")["detail"]
    repo.private = False
    assert not not_ok(examined(run, hub, token=token))


def test_the_index(hub: Hub, run: Run) -> None:
    token = hub.token("ann", {"acme/pkgs": "write"})
    repo = hub.create("acme/pkgs", auto_init=False)
    found = examined(run, hub, token=token, ok=False)
    assert "is empty" in one(found, "index")["detail"]
    assert f"wharf init {address(hub)}" in one(found, "index")["hint"]
    repo.delete()
    repo = hub.create("acme/pkgs")
    found = examined(run, hub, token=token)
    assert not_ok(found) == {"index": "warning"}
    assert "(there are: none)" in one(found, "index")["detail"]
    subprocess.run(["git", f"--git-dir={repo.git_dir}", "branch", "wharf", "main"], check=True)
    found = examined(run, hub, token=token, ok=False)
    assert not_ok(found) == {"index": "problem"}
    assert f"git push {address(hub)}.git :wharf" in one(found, "index")["hint"]
    (repo.git_dir / "HEAD").write_text("ref: refs/heads/wharf\n")
    found = examined(run, hub, token=token, ok=False)
    assert "Rename it" in one(found, "index")["hint"]
    assert "delete" not in one(found, "index")["hint"], "nobody can delete the default branch"


@pytest.mark.slow
def test_an_index_whose_settings_cannot_be_read(hub: Hub, run: Run, repo: Repo, tmp_path: Path) -> None:
    token = hub.token("ann", {"acme/pkgs": "write"})
    run("publish", make_wheel(tmp_path), "--repo", address(hub), token=token)
    (tmp_path / "index.git").symlink_to(repo.git_dir)
    hub.calls.clear()
    edit_by_hand(tmp_path, "wharf.toml", b"format = 1\n[[[\n")
    found = examined(run, hub, token=token, ok=False)
    assert not_ok(found) == {"index": "problem"}
    assert "wharf.toml on the index branch is not TOML" in found["index"][-1]["detail"]
    folder = tmp_path / "store"
    run("publish", make_wheel(tmp_path), "--repo", folder)
    edit_by_hand(folder, "wharf.toml", b"format = 7\n")
    found = examined(run, None, "--repo", folder, ok=False)
    assert not_ok(found) == {"index": "problem"}


@pytest.mark.slow
def test_who_walks_past_the_rights_of_an_index(hub: Hub, run: Run, repo: Repo, tmp_path: Path) -> None:
    token = hub.token("ann", {"acme/pkgs": "write"})
    run("publish", make_wheel(tmp_path), "--repo", address(hub), token=token)
    (tmp_path / "index.git").symlink_to(repo.git_dir)
    upload = b'format = 1\n[upload]\n"*" = ["ann"]\n'
    edit_by_hand(tmp_path, "wharf.toml", upload)
    hub.calls.clear()
    found = examined(run, hub, token=token)
    assert not_ok(found) == {"rights": "warning"}
    assert "whoever may push to wharf/main with git walks past it" in one(found, "rights")["detail"]
    repo.protected.add("wharf/main")
    hub.calls.clear()
    found = examined(run, hub, token=token)
    assert not_ok(found) == {}
    assert "a ruleset restricts who may push to wharf/main" in one(found, "rights")["detail"]
    folder = tmp_path / "store"
    run("publish", make_wheel(tmp_path), "--repo", folder)
    assert "rights" not in examined(run, None, "--repo", folder)
    edit_by_hand(folder, "wharf.toml", upload)
    assert "which is about GitHub tokens" in one(examined(run, None, "--repo", folder), "rights")["detail"]


@pytest.mark.slow
def test_what_is_said_to_make_an_index_makes_that_one(hub: Hub, run: Run, tmp_path: Path) -> None:
    token = hub.token("ann", {"acme/pkgs": "write"})
    hub.create("acme/pkgs", auto_init=False)
    run("init", tmp_path / "a store")
    for where, words, before in (
        (address(hub), [], "problem"),
        (address(hub), ["--index", "staging"], "warning"),
        (tmp_path / "another store", [], "ok"),
        (tmp_path / "a store", ["--index", "staging"], "warning"),
    ):
        found = examined(run, None, "--repo", where, *words, token=token, ok=before != "problem")
        assert one(found, "index")["state"] == before
        run(*commands(one(found, "index")["hint"])[0], token=token)
        assert "commit " in one(examined(run, None, "--repo", where, *words, token=token), "index")["detail"]


@pytest.mark.slow
def test_the_repository_itself(hub: Hub, run: Run, repo: Repo) -> None:
    token = hub.token("ann", {"acme/pkgs": "admin"})
    repo.archived = repo.immutable = True
    repo.size = 9_000_000
    (repo.git_dir / "HEAD").write_text("ref: refs/heads/wharf/main\n")
    release = {
        "id": 7,
        "tag_name": "big-1.0",
        "target_commitish": "main",
        "author": "ann",
        "created_at": "2026-01-01T00:00:00Z",
    }
    path = repo.git_dir / "HEAD"
    assets = [
        Asset(
            id=number,
            name=f"{number}.whl",
            label=None,
            state="uploaded",
            size=1,
            digest=None,
            data=path,
            content_type="x/y",
            uploader="ann",
            created_at="2026-01-01T00:00:00Z",
        )
        for number in range(950)
    ]
    from tests.simulator.state import Release

    repo.releases.append(Release(**release, draft=False, published_at="2026-01-01T00:00:00Z", assets=assets))  # type: ignore[arg-type]
    found = examined(run, hub, token=token, ok=False)
    assert not_ok(found) == {"archived": "problem", "default-branch": "warning", "size": "warning", "releases": "warning"}
    assert "big-1.0 has most files: 950 of at most 1000" in one(found, "releases")["detail"]
    assert "no published file can be deleted" in one(found, "immutable")["detail"]
    assert "9.00 GB of at most 10 GB" in one(found, "size")["detail"]


@pytest.mark.slow
def test_a_renamed_repository(hub: Hub, run: Run, repo: Repo) -> None:
    repo.rename("acme/packages")
    found = examined(run, hub, token=hub.token("ann", {"acme/packages": "write"}))
    assert not_ok(found) == {"name": "warning"}
    assert f"called {hub.url}/acme/packages now" in one(found, "name")["detail"]


@pytest.mark.slow
def test_the_quota(hub: Hub, run: Run, repo: Repo) -> None:
    token = hub.token("ann", {"acme/pkgs": "write"})
    hub.limits.primary = 100
    key = hub.limits.key(hub.tokens[token], "core")
    hub.limits.charge(key, 91)
    found = examined(run, hub, token=token)
    assert not_ok(found) == {"quota": "warning"}
    hub.limits.charge(key, 100)
    found = examined(run, hub, token=token, ok=False)
    assert not_ok(found) == {"quota": "problem"}
    assert one(found, "quota")["hint"] == "Wait until then."


def test_a_limit_that_asks_for_a_pause_is_told_and_not_waited_for(hub: Hub, run: Run, repo: Repo) -> None:
    hub.fault("GET .*/rate_limit", "secondary:600")
    found = examined(run, hub, token=hub.token("ann", {"acme/pkgs": "write"}), ok=False)
    assert not_ok(found) == {"github": "problem"}
    assert "secondary limit" in one(found, "github")["detail"]


@pytest.mark.slow
def test_a_server_without_limits(hub: Hub, run: Run, repo: Repo) -> None:
    hub.fault("GET .*/rate_limit", "404")
    assert "reports no limit" in one(examined(run, hub, token=hub.token("ann", {"acme/pkgs": "write"})), "quota")["detail"]


def test_github_that_is_down(hub: Hub, repo: Repo, tmp_path: Path) -> None:
    hub.down = True
    slept: list[float] = []
    place = parse(address(hub))
    assert place is not None
    found = diagnose(
        Settings(place=place, cache=tmp_path / "cache"),
        {**os.environ, "WHARF_TOKEN": hub.token("ann", {})},
        Waiting(at_most=0, sleep=slept.append),
    )
    assert not found.ok
    (wrong,) = [each for each in found.findings if each.state != "ok"]
    assert (wrong.what, wrong.state) == ("github", "problem")
    assert "does not answer" in wrong.detail
    assert slept


@pytest.mark.slow
@pytest.mark.parametrize("status", ["500", "503"])
def test_github_that_fails_half_way(hub: Hub, repo: Repo, tmp_path: Path, status: str) -> None:
    place = parse(address(hub))
    assert place is not None
    token = hub.token("ann", {"acme/pkgs": "write"})
    for where, what in (
        (r"/pkgs$", "github"),
        (r"/git/ref/", "github"),
        (r"/releases$", "releases"),
        (r"/immutable", "immutable"),
    ):
        hub.fault(f"GET .*{where}", status, times=4)
        settings = Settings(place=place, cache=tmp_path / "cache")
        found = diagnose(settings, {**os.environ, "WHARF_TOKEN": token}, Waiting(at_most=0, sleep=lambda _seconds: None))
        assert [each.what for each in found.findings if each.state == "problem"] == [what]


def test_a_host_that_only_a_file_here_names(
    hub: Hub, run: Run, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "pyproject.toml").write_text(f'[tool.wharf]\nrepo = "{address(hub)}"\n')
    monkeypatch.chdir(work)
    found = examined(run, None, token=hub.token("ann", {"acme/pkgs": "write"}), ok=False)
    assert not_ok(found) == {"token": "problem"}
    assert f"export WHARF_REPO={address(hub)}" in one(found, "token")["hint"]
    assert f"[tool.wharf] in {work}" in one(found, "address")["detail"]
    assert not hub.calls


@pytest.mark.slow
def test_a_clock_that_is_wrong(hub: Hub, run: Run, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.simulator import server

    date = "Sat, 01 Jan 2050 00:00:00 GMT"
    handlers = [each for each in vars(server).values() if isinstance(each, type) and hasattr(each, "date_time_string")]
    for each in handlers:
        monkeypatch.setattr(each, "date_time_string", lambda *_words: date)
    found = examined(run, hub, token=hub.token("ann", {"acme/pkgs": "write"}))
    assert not_ok(found) == {"clock": "warning"}
    assert "s behind GitHub's" in one(found, "clock")["detail"]


def test_git_that_is_missing_or_old(hub: Hub, run: Run, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token, tools = hub.token("ann", {"acme/pkgs": "write"}), tmp_path / "bin"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools))
    found = examined(run, hub, token=token, ok=False)
    assert not_ok(found) == {"git": "problem", "fetch": "problem"}
    assert "Install git" in one(found, "git")["hint"]
    (tools / "git").write_text("#!/bin/sh\necho git version 2.29.9\n")
    (tools / "git").chmod(0o755)
    found = examined(run, None, "--repo", tmp_path / "store", ok=False)
    assert not_ok(found) == {"git": "problem"}
    assert "git version 2.29.9 is too old" in one(found, "git")["detail"]


def test_a_cache_that_cannot_be_used(hub: Hub, run: Run, repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file))
    found = examined(run, hub, token=hub.token("ann", {"acme/pkgs": "write"}), ok=False)
    assert not_ok(found) == {"fetch": "problem", "cache": "problem"}
    assert f"{file} is not a folder" in found["cache"][-1]["detail"]
    assert "nothing of the index 'main' yet" in found["cache"][0]["detail"]


def test_a_disk_that_is_nearly_full(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage._replace(free=5_000_000))
    found = examined(run, None, "--repo", tmp_path / "store")
    assert not_ok(found) == {"folder": "warning"}


def test_a_disk_that_does_not_say_how_large_it_is(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _path: usage._replace(total=0, used=0, free=0))
    found = examined(run, None, "--repo", tmp_path / "store")
    assert not_ok(found) == {}
    assert "does not say how much is free" in one(found, "folder")["detail"]


def test_a_disk_that_fails(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_path: object) -> None:
        raise OSError(5, "Input/output error", str(tmp_path))

    monkeypatch.setattr("shutil.disk_usage", fails)
    found = examined(run, None, "--repo", tmp_path / "store", ok=False)
    assert one(found, "folder")["detail"] == f"{tmp_path}: Input/output error."


def test_a_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "store"
    found = examined(run, None, "--repo", folder)
    assert not folder.exists()
    assert f"there is no store in {folder} yet" in one(found, "index")["detail"]
    assert "token" not in found
    run("init", folder)
    assert "at commit" in one(examined(run, None, "--repo", folder), "index")["detail"]
    found = examined(run, None, "--repo", folder, "--index", "stagin")
    assert "(there are: main)" in one(found, "index")["detail"]
    assert f"`wharf index create stagin --repo {folder}` makes it." in one(found, "index")["hint"]
    shutil.rmtree(folder / "index.git")
    (folder / "assets" / ("0" * 64)).mkdir()
    (folder / "assets" / ("0" * 64) / "demo-1.0.tar.gz").write_bytes(b"")
    found = examined(run, None, "--repo", folder, ok=False)
    assert "the index is lost" in found["folder"][0]["detail"]
    monkeypatch.setattr("os.access", lambda *_words: False)
    assert "cannot be written to" in examined(run, None, "--repo", folder, ok=False)["folder"][-1]["detail"]
    found = examined(run, None, "--repo", folder / "assets" / ("0" * 64) / "demo-1.0.tar.gz", ok=False)
    assert "is not a folder" in one(found, "folder")["detail"]


def test_an_error_of_the_settings_is_told_as_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["doctor", "--repo", "git@github.com:acme/pkgs.git"])
    assert left.value.code == 2
    assert "https://github.com/acme/pkgs" in capsys.readouterr().err


def test_listed_upstreams_are_named_and_so_is_what_they_lack(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2hunter2")
    password.chmod(0o644)
    upstreams = (
        ListedUpstream(url="https://a.example/", source="config.toml", username="ada", password_env="A_PASSWORD"),
        ListedUpstream(url="https://b.example/", source="config.toml", username="bob", password_file=password),
        ListedUpstream(url="https://c.example/", source="config.toml", ca_file=tmp_path / "ca.pem", proxy="http://proxy:3128"),
    )
    settings = Settings(place=tmp_path / "store", upstreams=upstreams)
    found = [each for each in diagnose(settings, {}).findings if each.what == "upstream"]
    told = [(each.state, each.detail.partition(": ")[0]) for each in found]
    assert told == [
        ("warning", "The password for https://a.example/ is missing"),
        ("ok", "config.toml lists https://b.example/"),
        ("warning", f"others on this machine can read the password in {password}"),
        ("ok", "config.toml lists https://c.example/"),
        ("warning", "the ca-file of https://c.example/ is not there"),
    ]
    password.chmod(0o600)
    (tmp_path / "ca.pem").touch()
    found = [each for each in diagnose(settings, {"A_PASSWORD": "hunter2hunter2"}).findings if each.what == "upstream"]
    assert [each.state for each in found] == ["ok"] * 3
    assert found[0].detail == "config.toml lists https://a.example/: as ada, with the password in A_PASSWORD"
    assert "hunter2" not in str(found)
