"""`wharf init`: a repository and an index where there was none, and nothing twice."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.cli.test_main import document
from tests.makers import make_wheel
from tests.simulator import Hub
from wharf.cli.main import main
from wharf.operations.init import initialise
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator.state import Repo


class Run(Protocol):
    def __call__(self, *words: object, token: str | None = None, code: int = 0) -> tuple[str, str]: ...


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    with Hub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def run(hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `wharf …` with a token, checks the exit code and that no token is shown; stdout and stderr."""
    for name in ("WHARF_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "GITHUB_ACTIONS", "GITHUB_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)

    def run(*words: object, token: str | None = None, code: int = 0) -> tuple[str, str]:
        monkeypatch.setenv("WHARF_TOKEN", token or "")
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert left.value.code == code, err + out
        assert "Traceback" not in err
        assert not any(each in out + err for each in hub.tokens)
        return out, err

    return run


def branches(repo: Repo) -> list[str]:
    out = subprocess.run(
        ["git", f"--git-dir={repo.git_dir}", "for-each-ref", "--format=%(refname:short)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return out.stdout.split()


def made(hub: Hub, slug: str = "acme/pkgs") -> Repo:
    repo = hub.find(slug)
    assert repo is not None
    return repo


def wrong(said: tuple[str, str]) -> Any:
    return document(said[0])["error"]


@pytest.mark.slow
@pytest.mark.parametrize(("login", "path"), [("acme", "/user/repos"), ("ann", "/orgs/acme/repos")])
def test_a_missing_repository_is_made_with_a_first_commit_and_an_index(hub: Hub, run: Run, login: str, path: str) -> None:
    token = hub.token(login, {})
    said = document(run("init", f"{hub.url}/acme/pkgs", "--json", token=token)[0])
    repo = made(hub)
    assert repo.private
    assert repo.default_branch == "main"
    assert branches(repo) == ["main", "wharf/main"]
    assert (said["repository"], said["made"]) == (f"{hub.url}/acme/pkgs", ["repository", "index"])
    assert (said["private"], said["default_branch"], said["index"], said["warnings"]) == (True, "main", "main", [])
    assert said["next"] == [
        f"wharf publish --repo {hub.url}/acme/pkgs dist/*",
        f"wharf serve --repo {hub.url}/acme/pkgs",
    ]
    assert [call.path for call in hub.calls if call.method == "POST" and call.kind == "api"] == [f"/api/v3{path}"]


@pytest.mark.slow
def test_again_changes_nothing_and_says_so(hub: Hub, run: Run, tmp_path: Path) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/pkgs"
    out, _ = run("init", "--public", address, token=token)
    assert f"made the repository {address} (public: everybody can read it), with a first commit on main" in out
    assert "made the index 'main' (branch wharf/main)" in out
    before = branches(made(hub)), made(hub).pushed_at
    hub.calls.clear()
    out, _ = run("init", address, token=token)
    assert "Nothing was missing." in out
    assert f"  wharf serve --repo {address}\n" in out
    assert (branches(made(hub)), made(hub).pushed_at) == before
    assert all(call.method == "GET" or "upload-pack" in call.path for call in hub.calls)
    assert document(run("init", address, "--json")[0])["made"] == []  # what is all there needs no token to be told
    run("publish", make_wheel(tmp_path), "--repo", address, token=token)
    run("init", address, token=token)
    assert run("list", "--repo", address, token=token)[0] == "demo 1.0\n"
    said = document(run("init", address, "--index", "staging", "--json", token=token)[0])
    assert said["made"] == ["index"]
    assert said["next"][1].endswith("--index staging")
    assert branches(made(hub)) == ["main", "wharf/main", "wharf/staging", "demo-1.0"]


@pytest.mark.slow
@pytest.mark.parametrize("index", ["main", "staging"])
def test_the_two_lines_to_type_next_can_be_typed(
    hub: Hub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, index: str
) -> None:
    token, wheel = hub.token("acme", {}), make_wheel(tmp_path / "dist")
    monkeypatch.chdir(tmp_path)
    for where in (f"{hub.url}/acme/pkgs", "a store"):
        publish, serve = document(run("init", where, "--index", index, "--json", token=token)[0])["next"]
        wharf, *words, files = shlex.split(publish)
        assert (wharf, files) == ("wharf", "dist/*")
        run(*words, wheel, token=token)
        assert run("list", "--repo", where, "--index", index, token=token)[0] == "demo 1.0\n"
        assert shlex.split(serve)[1:] == ["serve", *words[1:]]
        run(*shlex.split(serve)[1:], "--help")


def test_an_empty_repository_gets_a_first_commit_before_the_index(hub: Hub, run: Run) -> None:
    repo = hub.create("acme/pkgs", auto_init=False)
    token = hub.token("ann", {"acme/pkgs": "write"}, kind="actions")
    out, _ = run("init", f"{hub.url}/acme/pkgs", token=token)
    assert "made a first commit on main" in out
    assert repo.default_branch == "main"
    assert branches(repo) == ["main", "wharf/main"]


@pytest.mark.slow
def test_somebody_else_makes_the_first_commit_at_the_same_moment(hub: Hub, run: Run) -> None:
    repo = hub.create("acme/pkgs", auto_init=False)
    token, address = hub.token("ann", {"acme/pkgs": "write"}), f"{hub.url}/acme/pkgs"
    hub.before("PUT .*/contents/", lambda: initialise_as(address, token))
    assert document(run("init", address, "--json", token=token)[0])["made"] == []
    assert branches(repo) == ["main", "wharf/main"]


def initialise_as(address: str, token: str) -> None:
    place = parse(address)
    assert place is not None
    cache = Path.home() / "another"
    with open_repository(Settings(place=place, cache=cache, data=cache), {"WHARF_TOKEN": token}, fetch="later") as repository:
        assert initialise(repository, private=None, actor="Bo").made[-1] == "index"


@pytest.mark.slow
def test_somebody_else_makes_the_repository_at_the_same_moment(hub: Hub, run: Run) -> None:
    token, address = hub.token("acme", {}), f"{hub.url}/acme/pkgs"
    hub.before("POST .*/user/repos", lambda: initialise_as(address, token))
    assert document(run("init", address, "--json", token=token)[0])["made"] == []


@pytest.mark.slow
def test_somebody_else_makes_the_index_at_the_same_moment(hub: Hub, run: Run) -> None:
    repo = hub.create("acme/pkgs")
    token, address = hub.token("ann", {"acme/pkgs": "write"}), f"{hub.url}/acme/pkgs"
    hub.before("POST .*git-receive-pack", lambda: initialise_as(address, token))
    assert document(run("init", address, "--json", token=token)[0])["made"] == []
    assert branches(repo) == ["main", "wharf/main"]


@pytest.mark.parametrize("status", ["409", "422"])
def test_what_github_refuses_is_told_in_its_words(hub: Hub, run: Run, status: str) -> None:
    repo, token = hub.create("acme/pkgs", auto_init=False), hub.token("acme", {"acme/pkgs": "admin"})
    hub.fault("POST .*/user/repos", status)
    assert wrong(run("init", f"{hub.url}/acme/other", "--json", token=token, code=8))["code"] == "rejected"
    hub.fault("PUT .*/contents/", status)
    error = wrong(run("init", f"{hub.url}/acme/pkgs", "--json", token=token, code=8))
    assert "takes no first commit" in error["message"]
    assert "Add a file" in error["hint"]
    assert branches(repo) == []


def test_a_lost_answer_to_the_making_is_looked_up(hub: Hub, run: Run) -> None:
    hub.fault("POST .*/user/repos", "lose")
    said = document(run("init", f"{hub.url}/acme/pkgs", "--json", token=hub.token("acme", {}))[0])
    assert said["made"] == ["repository", "index"]
    assert branches(made(hub)) == ["main", "wharf/main"]


def test_a_new_repository_that_shows_its_first_commit_late(hub: Hub, run: Run, tmp_path: Path) -> None:
    token, slept = hub.token("acme", {}), list[float]()
    hub.fault("GET .*/git/ref/heads/main", "404", times=2)
    place = parse(f"{hub.url}/acme/pkgs")
    assert place is not None
    settings = Settings(place=place, cache=tmp_path / "cache", data=tmp_path / "data")
    with open_repository(settings, {"WHARF_TOKEN": token}, fetch="later") as repository:
        done = initialise(repository, private=False, actor="Ada", sleep=slept.append)
    assert done.made == ("repository", "index")
    assert slept == [0.25, 0.5]
    assert not made(hub).private


@pytest.mark.slow
def test_visibility_is_not_changed_but_told(hub: Hub, run: Run) -> None:
    repo = hub.create("acme/pkgs", private=False)
    token = hub.token("acme", {"acme/pkgs": "admin"})
    out, err = run("init", "--private", f"{hub.url}/acme/pkgs", token=token)
    assert "is public, not private" in err
    assert "public: everybody can read it" in out
    assert not repo.private
    assert not run("init", f"{hub.url}/acme/pkgs", token=token)[1]


@pytest.mark.parametrize("default", [False, True])
def test_a_branch_named_wharf_is_in_the_way(hub: Hub, run: Run, default: bool) -> None:
    repo = hub.create("acme/pkgs")
    subprocess.run(["git", f"--git-dir={repo.git_dir}", "branch", "wharf", "main"], check=True)
    if default:
        (repo.git_dir / "HEAD").write_text("ref: refs/heads/wharf\n")
    error = wrong(run("init", f"{hub.url}/acme/pkgs", "--json", token=hub.token("acme", {"acme/pkgs": "admin"}), code=5))
    assert error["code"] == "conflict"
    assert f"{hub.url}/acme/pkgs/branches" in error["hint"]
    # GitHub deletes no default branch.
    assert (f"git push {hub.url}/acme/pkgs.git :wharf" in error["hint"]) is not default
    assert branches(repo) == ["main", "wharf"]


@pytest.mark.slow
def test_an_index_as_default_branch_is_told(hub: Hub, run: Run) -> None:
    repo = hub.create("acme/pkgs")
    token, address = hub.token("acme", {"acme/pkgs": "admin"}), f"{hub.url}/acme/pkgs"
    run("init", address, token=token)
    (repo.git_dir / "HEAD").write_text("ref: refs/heads/wharf/main\n")
    assert "wharf/main is the default branch" in run("init", address, token=token)[1]


@pytest.mark.slow
def test_without_a_token_nothing_is_made(hub: Hub, run: Run) -> None:
    hub.create("acme/public", private=False)
    hub.create("acme/empty", private=False, auto_init=False)
    for name in ("public", "empty", "missing"):
        error = wrong(run("init", f"{hub.url}/acme/{name}", "--json", code=6))
        assert "WHARF_TOKEN" in error["hint"]
        assert f"--hostname {hub.host}" in error["hint"]
        assert ("shows no repository" in error["message"]) is (name == "missing"), "it may be there, and private"
    assert all(call.method == "GET" or "upload-pack" in call.path for call in hub.calls)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["actions", "installation"])
def test_a_token_without_a_user_makes_an_index_but_no_repository(hub: Hub, run: Run, kind: str) -> None:
    repo = hub.create("acme/pkgs")
    token = hub.token("acme", {"acme/pkgs": "write"}, kind=kind)
    error = wrong(run("init", f"{hub.url}/acme/other", "--json", token=token, code=6))
    assert "Actions job" in error["message"]
    assert "with your own token" in error["hint"]
    run("init", f"{hub.url}/acme/pkgs", token=token)
    assert branches(repo) == ["main", "wharf/main"]


@pytest.mark.slow
def test_rights_that_are_missing_are_told(hub: Hub, run: Run) -> None:
    repo, address = hub.create("acme/pkgs"), f"{hub.url}/acme/pkgs"
    assert "wrong, expired or revoked" in wrong(run("init", address, "--json", token="ghp_wrong", code=6))["hint"]
    reader = hub.token("ann", {"acme/pkgs": "read"})
    assert wrong(run("init", address, "--json", token=reader, code=6))["code"] == "not-allowed"
    blind = hub.token("bo", {})
    assert "does not reach it" in wrong(run("init", address, "--json", token=blind, code=6))["message"]
    hub.fault("POST .*/orgs/acme/repos", "403")
    error = wrong(run("init", address, "--json", token=hub.token("bo", {}, kind="fine-grained"), code=6))
    assert f"shows no repository {address} to this token" in error["message"]
    assert "If it is there, give the token access to it" in error["hint"]
    hub.fault("POST .*/orgs/nobody/repos", "404")
    error = wrong(run("init", f"{hub.url}/nobody/pkgs", "--json", token=reader, code=6))
    assert "nobody must be ann or an organisation" in error["hint"]
    repo.archived = True
    error = wrong(run("init", address, "--json", token=hub.token("cy", {"acme/pkgs": "admin"}), code=6))
    assert "archived" in error["message"]
    assert branches(repo) == ["main"]


@pytest.mark.slow
def test_a_rule_that_protects_the_index_branch_is_told(hub: Hub, run: Run) -> None:
    repo = hub.create("acme/pkgs")
    repo.protected.add("wharf/main")
    error = wrong(run("init", f"{hub.url}/acme/pkgs", "--json", token=hub.token("ann", {"acme/pkgs": "write"}), code=6))
    assert "Exempt wharf/main" in error["hint"]
    assert branches(repo) == ["main"]


def test_a_folder_gets_store_and_index(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "a store"
    out, err = run("init", folder)
    assert f"made the index 'main' ({folder})" in out
    assert f"  wharf serve --repo '{folder}'\n" in out
    assert not err
    said = document(run("init", folder, "--json")[0])
    assert (said["made"], said["private"], said["default_branch"]) == ([], None, None)
    assert "neither private nor public" in run("init", folder, "--private")[1]
    assert document(run("list", "--repo", folder, "--json")[0]) == {"projects": []}
    run("init", folder, "--index", "staging")
    assert document(run("list", "--repo", folder, "--index", "staging", "--json")[0]) == {"projects": []}


@pytest.mark.slow
def test_without_an_address_it_is_the_configured_repository(
    hub: Hub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hub.token("acme", {})
    monkeypatch.setenv("WHARF_REPO", f"{hub.url}/acme/pkgs")
    run("init", token=token)
    assert branches(made(hub)) == ["main", "wharf/main"]
    monkeypatch.delenv("WHARF_REPO")
    work = tmp_path / "work"
    work.mkdir()
    (work / "pyproject.toml").write_text(f'[tool.wharf]\nrepo = "{hub.url}/acme/other"\n')
    monkeypatch.chdir(work)
    hub.calls.clear()
    assert "export WHARF_REPO=" in wrong(run("init", "--json", token=token, code=2))["hint"]
    assert not hub.calls
    run("init", f"{hub.url}/acme/other", token=token)  # typed by the person, it is trusted
    error = wrong(run("init", f"{hub.url}/acme/other", "--repo", work, "--json", token=token, code=2))
    assert "name one" in error["message"]


def test_what_a_token_of_wharfs_is_for_is_said_over_github(hub: Hub, run: Run, tmp_path: Path) -> None:
    token = hub.token("acme", {hub.create("acme/pkgs").slug: "write"})
    assert "--auth tokens" in run("token", "create", "ci", "--repo", f"{hub.url}/acme/pkgs", token=token)[1]
    assert "--auth tokens" not in run("token", "create", "ci", "--repo", tmp_path / "store")[1]


@pytest.mark.slow
def test_a_variable_that_is_for_other_hosts_is_mentioned(hub: Hub, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "--public", f"{hub.url}/acme/pkgs", token=hub.token("acme", {}))
    monkeypatch.setenv("GH_TOKEN", "ghp_of_another_host")
    for words in (("list",), ("doctor",)):
        out, err = run(*words, "--repo", f"{hub.url}/acme/pkgs")
        assert "GH_TOKEN is for other hosts" in out + err
        assert "ghp_of" not in out + err
    monkeypatch.setenv("GH_ENTERPRISE_TOKEN", hub.token("acme", {"acme/pkgs": "write"}))
    assert "GH_TOKEN" not in "".join(run("list", "--repo", f"{hub.url}/acme/pkgs"))


@pytest.mark.slow
def test_a_publish_makes_no_index_on_github_unless_it_is_told_to(hub: Hub, run: Run, tmp_path: Path) -> None:
    repo, token = hub.create("acme/pkgs"), hub.token("acme", {"acme/pkgs": "write"})
    address, wheel = f"{hub.url}/acme/pkgs", make_wheel(tmp_path)
    run("init", address, "--index", "staging", token=token)
    for words in ((), ("--dry-run",), ("--skip-existing",)):
        error = wrong(run("publish", *words, "--repo", address, "--index", "stagin", wheel, "--json", token=token, code=4))
        assert (error["code"], error["message"]) == ("no-index", f"There is no index 'stagin' in {address}.")
        assert "Did you mean staging?" in error["hint"]
        assert f"`wharf index create stagin --repo {address}` makes it, and so does" in error["hint"]
    for verb in ("list", "log"):
        error = wrong(run(verb, "--repo", address, "--index", "stagin", "--json", token=token, code=4))
        assert error["hint"] == f"Did you mean staging? `wharf index create stagin --repo {address}` makes it."
    assert (repo.releases, branches(repo)) == ([], ["main", "wharf/staging"])
    tried = document(run("publish", "--create", "--dry-run", "--repo", address, wheel, "--json", token=token)[0])
    assert (tried["commit"], tried["made"], branches(repo)) == (None, [], ["main", "wharf/staging"])
    said = document(run("publish", "--create", "--repo", address, wheel, "--json", token=token)[0])
    assert (said["repository"], said["index"], said["made"]) == (address, "main", ["index"])
    assert branches(repo)[:3] == ["main", "wharf/main", "wharf/staging"]
    again = document(run("publish", "--create", "--repo", address, wheel, "--json", token=token)[0])
    assert (again["commit"], again["made"]) == (said["commit"], [])


@pytest.mark.slow
def test_an_index_that_was_there_is_not_made_anew(hub: Hub, run: Run, tmp_path: Path) -> None:
    repo, token = hub.create("acme/pkgs"), hub.token("acme", {"acme/pkgs": "write"})
    address = f"{hub.url}/acme/pkgs"
    run("publish", "--create", "--repo", address, make_wheel(tmp_path), token=token)
    subprocess.run(["git", f"--git-dir={repo.git_dir}", "update-ref", "-d", "refs/heads/wharf/main"], check=True)
    for words in ((), ("--create",)):
        said = run("publish", *words, "--repo", address, make_wheel(tmp_path, "other"), "--json", token=token, code=8)
        assert "is gone, and was there: demo-1.0 was published to it" in wrong(said)["message"]
    assert branches(repo) == ["main", "demo-1.0"]  # and a tag
