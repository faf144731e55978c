"""Tokens: where they are found, and that each goes only to the host it belongs to."""

from __future__ import annotations

import json
import os
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.server.running import soon
from wharf.errors import NotAllowedError, UsageError
from wharf.repository import credentials
from wharf.repository.settings import Settings, resolve
from wharf.repository.settings_file import SettingsFile, parse_settings_file
from wharf.repository_address import Address
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

GITHUB, GHE = "https://github.com", "https://ghe.example.org"
PROGRAM = """#!{python}
import json, os, sys
said = {{"argv": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), "stdin": sys.stdin.read()}}
said["session"] = os.getsid(0) == os.getpid()
said["terminal"] = os.path.exists("/dev/tty") and not os.system("exec 2>/dev/null; : </dev/tty")
with open({log!r}, "a") as file:
    file.write(json.dumps(said) + "\\n")
sys.stdout.buffer.write({answer!r})
sys.exit({code})
"""


@dataclass
class Programs:
    """A folder for PATH, in which `gh` and git's credential helper are what a test wants them to be."""

    root: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"PATH": str(self.root), "HOME": str(self.root)}

    def add(self, name: str, answer: bytes, code: int = 0) -> None:
        path = self.root / name
        text = PROGRAM.format(python=sys.executable, log=f"{path}.log", answer=answer, code=code)
        path.write_text(text)
        path.chmod(0o755)

    def helper(self, answer: bytes, name: str = "git-credential-fake") -> None:
        """git's own configuration names it."""
        self.add(name, answer)
        (self.root / ".gitconfig").write_text(f"[credential]\n\thelper = {self.root / name}\n")

    def asked(self, name: str) -> list[dict[str, object]]:
        log = self.root / f"{name}.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """Neither `gh` nor a helper knows anything, until a test says so."""
    monkeypatch.setattr(credentials, "_PATIENCE", 60)  # a busy machine may need longer than a person waits
    (tmp_path / "bin").mkdir()
    made = Programs(tmp_path / "bin")
    (made.root / "git").symlink_to(shutil.which("git") or "")
    made.add("gh", b"", 1)
    return made


def at(repo: str, *, environ: Mapping[str, str] | None = None, config: str = "", user: str = "") -> Settings:
    """The settings for the option --repo, or with a pyproject.toml and a config.toml."""
    files = [
        (config and f"[tool.wharf]\n{config}", Path("/src/pyproject.toml"), False),
        (user, Path("/home/config.toml"), True),
    ]
    configs = [parse_settings_file(text.encode(), path, own=mine) for text, path, mine in files if text]
    options = {"repo": repo} if repo else {}
    found: list[SettingsFile] = [each for each in configs if each is not None]
    return resolve(options, environ or {}, found, data=Path("/data"), cache=Path("/cache"))


def found(settings: Settings, environ: Mapping[str, str]) -> tuple[str, str] | None:
    credential = credentials.find(settings, environ)
    if credential is None:
        return None
    assert isinstance(credential.token, Secret)
    return credential.token.reveal(), credential.source


def test_a_folder_needs_no_token_and_nobody_is_asked(programs: Programs) -> None:
    assert found(at("/srv/store"), {**programs.environ, "WHARF_TOKEN": "t"}) is None
    assert programs.asked("gh") == []


def test_variables_go_before_programs_in_their_order(programs: Programs) -> None:
    programs.add("gh", b"from-gh\n")
    variables = {"WHARF_TOKEN": "wharf", "GH_TOKEN": "gh", "GITHUB_TOKEN": "github"}
    for name, value in list(variables.items()):
        assert found(at(f"{GITHUB}/a/b"), programs.environ | variables) == (value, name)
        variables[name] = ""
    assert programs.asked("gh") == []
    assert found(at(f"{GITHUB}/a/b"), programs.environ | variables) == ("from-gh", "gh auth token --hostname github.com")


JOB = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "job/repo"}


@pytest.mark.parametrize(
    ("host", "environ", "expected"),
    [
        (GITHUB, {"GH_TOKEN": "t"}, "GH_TOKEN"),
        (GITHUB, {"GITHUB_TOKEN": "t"}, "GITHUB_TOKEN"),
        (GITHUB, {**JOB, "GITHUB_TOKEN": "t"}, "GITHUB_TOKEN"),
        (GITHUB, {**JOB, "GITHUB_SERVER_URL": GITHUB, "GITHUB_TOKEN": "t"}, "GITHUB_TOKEN"),
        (GITHUB, {"GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t"}, "GITHUB_TOKEN"),
        (GHE, {"GH_TOKEN": "t", "GITHUB_TOKEN": "t"}, None),
        (GHE, {"GH_ENTERPRISE_TOKEN": "t", "GITHUB_ENTERPRISE_TOKEN": "x", "GH_TOKEN": "x"}, "GH_ENTERPRISE_TOKEN"),
        (GHE, {"GITHUB_ENTERPRISE_TOKEN": "t"}, "GITHUB_ENTERPRISE_TOKEN"),
        (GHE, {"GH_ENTERPRISE_TOKEN": "t", "GH_HOST": "ghe.example.org"}, "GH_ENTERPRISE_TOKEN"),
        (GHE, {"GH_ENTERPRISE_TOKEN": "t", "GH_HOST": "other.example.org"}, None),
        (GHE, {**JOB, "GITHUB_SERVER_URL": GITHUB, "GH_ENTERPRISE_TOKEN": "t"}, "GH_ENTERPRISE_TOKEN"),
        (GITHUB, {"GH_ENTERPRISE_TOKEN": "t", "GITHUB_ENTERPRISE_TOKEN": "t"}, None),
        ("https://acme.ghe.com", {"GH_ENTERPRISE_TOKEN": "t", "GH_TOKEN": "t"}, None),
        ("https://acme.ghe.com", {"GH_HOST": "acme.ghe.com", "GH_TOKEN": "t"}, "GH_TOKEN"),
        (GHE, {"GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t"}, None),
        (GHE, {**JOB, "GITHUB_SERVER_URL": GITHUB, "GITHUB_TOKEN": "t"}, None),
        (GHE, {**JOB, "GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t"}, "GITHUB_TOKEN"),
        (GHE, {**JOB, "GITHUB_SERVER_URL": "https://GHE.example.org:443/", "GH_TOKEN": "t"}, "GH_TOKEN"),
        (f"{GHE}:8443", {**JOB, "GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t"}, None),
        ("https://other.example.org", {**JOB, "GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t"}, None),
        (GITHUB, {**JOB, "GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t", "GH_TOKEN": "t"}, None),
        (GHE, {"WHARF_TOKEN": "t", "GH_TOKEN": "x"}, "WHARF_TOKEN"),
    ],
)
def test_which_variable_goes_to_which_host(
    programs: Programs, host: str, environ: dict[str, str], expected: str | None
) -> None:
    assert found(at(f"{host}/a/b"), programs.environ | environ) == (expected and ("t", expected))


@pytest.mark.parametrize(
    ("host", "environ", "told"),
    [
        (GHE, {"GH_TOKEN": "t"}, "GH_TOKEN is for other hosts; for this one it is GH_ENTERPRISE_TOKEN or WHARF_TOKEN"),
        (GITHUB, {"GH_ENTERPRISE_TOKEN": "t"}, "GH_ENTERPRISE_TOKEN is for other hosts"),
        (GITHUB, {**JOB, "GITHUB_SERVER_URL": GHE, "GH_TOKEN": "t", "GITHUB_TOKEN": "t"}, "GH_TOKEN and GITHUB_TOKEN are for"),
        (GITHUB, {"GH_TOKEN": "t"}, ""),
        (GHE, {"GH_ENTERPRISE_TOKEN": "t"}, ""),
    ],
)
def test_a_variable_that_is_passed_over_is_told(host: str, environ: dict[str, str], told: str) -> None:
    place = at(f"{host}/a/b").place
    assert isinstance(place, Address)
    said = credentials.tokens_left_out(place, environ)
    assert said.startswith(told)
    assert bool(said) is bool(told)


def test_the_job_s_own_repository_gets_the_job_s_token(programs: Programs) -> None:
    environ = {**JOB, "GITHUB_SERVER_URL": GHE, "GITHUB_TOKEN": "t"}
    settings = at("", environ=environ)
    assert str(settings.place) == f"{GHE}/job/repo"
    assert found(settings, programs.environ | environ) == ("t", "GITHUB_TOKEN")


@pytest.mark.parametrize("user", ["", 'repo = "https://other.example.org/a/b"'])
@pytest.mark.parametrize("variables", [{}, {"WHARF_TOKEN": "hunter2"}, {"GH_TOKEN": "hunter2"}])
def test_a_host_that_only_a_file_here_names_gets_no_token(programs: Programs, variables: dict[str, str], user: str) -> None:
    programs.add("gh", b"hunter2\n")
    programs.helper(b"username=ada\npassword=hunter2\n")
    with pytest.raises(UsageError, match=r"/src/pyproject\.toml names a repository on ghe\.example\.org") as caught:
        found(at("", config=f'repo = "{GHE}/a/b"', user=user), programs.environ | variables)
    assert caught.value.hint.endswith(f"export WHARF_REPO={GHE}/a/b")
    assert caught.value.exit_code == 2
    assert programs.asked("gh") == programs.asked("git-credential-fake") == []
    assert found(at("", environ={"WHARF_REPO": f"{GHE}/a/b"}), programs.environ) == (
        "hunter2",
        "gh auth token --hostname ghe.example.org",
    )


def test_wharf_token_goes_to_hosts_that_the_person_names(programs: Programs) -> None:
    environ = {**programs.environ, "WHARF_TOKEN": "t"}
    expected = ("t", "WHARF_TOKEN")
    assert found(at(f"{GHE}/a/b"), environ) == expected
    assert found(at("", environ={"WHARF_REPO": f"{GHE}/a/b"}), environ) == expected
    assert found(at("", user=f'repo = "{GHE}/a/b"'), environ) == expected
    assert found(at("", config=f'repo = "{GHE}/a/b"', user=f'repo = "{GHE}/c/d"'), environ) == expected
    assert found(at("", config='repo = "a/b"'), environ) == expected


# Tokens of another host, which those who are asked must not see: they would answer with them.
SECRETS = {"GH_HOST": "other.example.org", "GH_ENTERPRISE_TOKEN": "s3", "GITHUB_ENTERPRISE_TOKEN": "s4"}
SECRETS |= {"GIT_ASKPASS": "/evil", "GIT_CONFIG_COUNT": "0"}


def test_gh_is_asked_for_exactly_that_host_and_cannot_answer_from_its_environment(programs: Programs) -> None:
    programs.add("gh", b"gho_good\n")
    environ = programs.environ | SECRETS | {"GH_TOKEN": "s1", "GITHUB_TOKEN": "s2", "KEPT": "x", "GIT_DIR": "/evil/.git"}
    assert found(at(f"{GHE}:8443/a/b"), environ) == ("gho_good", "gh auth token --hostname ghe.example.org:8443")
    (asked,) = programs.asked("gh")
    assert asked["argv"] == ["auth", "token", "--hostname", "ghe.example.org:8443"]
    env = asked["env"]
    assert isinstance(env, dict)
    assert not {"GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "WHARF_TOKEN", "GIT_DIR"} & set(
        env
    )
    assert not {"s1", "s2", "s3", "s4", "/evil"} & set(env.values())
    assert (env["GH_PROMPT_DISABLED"], env["KEPT"]) == ("1", "x")
    assert (asked["stdin"], asked["session"], asked["cwd"]) == ("", True, "/")


def test_git_s_helper_is_asked_for_exactly_that_host_and_may_not_ask(programs: Programs) -> None:
    programs.helper(b"protocol=https\nhost=ghe.example.org\nusername=ada\npassword=gho_good\n")
    environ = programs.environ | SECRETS | {"GH_TOKEN": "s1", "SSH_ASKPASS": "/evil", "DISPLAY": ":0"}
    assert found(at(f"{GHE}/a/b"), environ) == ("gho_good", "git's credential helper")
    (asked,) = programs.asked("git-credential-fake")
    assert asked["argv"] == ["get"]
    assert set(str(asked["stdin"]).splitlines()) >= {"protocol=https", "host=ghe.example.org"}
    assert "path=" not in str(asked["stdin"])
    env = asked["env"]
    assert isinstance(env, dict)
    assert not {"s1", "s2", "s3", "s4", "/evil"} & set(env.values())
    assert (env["GIT_TERMINAL_PROMPT"], env["GCM_INTERACTIVE"], env["GIT_ASKPASS"]) == ("0", "never", "")
    assert (asked["terminal"], asked["cwd"]) == (False, "/")


def test_nobody_is_asked_where_no_program_knows(programs: Programs, tmp_path: Path) -> None:
    ask = tmp_path / "ask"
    ask.write_text(f"#!/bin/sh\n: > {tmp_path}/asked\necho x\n")
    ask.chmod(0o755)
    (programs.root / ".gitconfig").write_text(f"[core]\n\taskPass = {ask}\n")
    environ = programs.environ | {"GIT_ASKPASS": str(ask), "SSH_ASKPASS": str(ask)}
    assert found(at("a/b"), environ) is None
    assert not (tmp_path / "asked").exists()


def test_the_working_tree_has_no_say_in_where_a_token_comes_from(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.add("evil", b"username=ada\npassword=evil\n")
    tree = tmp_path / "tree"
    (tree / ".git" / "objects").mkdir(parents=True)
    (tree / ".git" / "refs").mkdir()
    (tree / ".git" / "HEAD").write_text("ref: refs/heads/main\n")
    (tree / ".git" / "config").write_text(f"[credential]\n\thelper = {programs.root / 'evil'}\n")
    monkeypatch.chdir(tree)
    for more in ({}, {"GIT_DIR": str(tree / ".git"), "GIT_CONFIG_GLOBAL": str(tree / ".git" / "config")}):
        assert found(at("a/b"), programs.environ | more) is None
    assert programs.asked("evil") == []


def test_a_helper_that_answers_for_another_host_is_not_believed(programs: Programs) -> None:
    programs.helper(b"host=evil.example.org\nusername=ada\npassword=x\n")
    assert found(at(f"{GHE}/a/b"), programs.environ) is None


@pytest.mark.parametrize("answer", [b"", b"username=ada\n", b"username=ada\npassword=\n", b"nonsense\n"])
def test_a_helper_that_knows_nothing_is_no_error(programs: Programs, answer: bytes) -> None:
    programs.helper(answer)
    assert found(at("a/b"), programs.environ) is None


@pytest.mark.slow
def test_a_program_that_is_missing_broken_or_too_slow_is_passed_over(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    gh = programs.root / "gh"
    gh.write_text("no program")
    assert found(at("a/b"), programs.environ) is None
    gh.write_bytes(b"\x7fELF")
    assert found(at("a/b"), programs.environ) is None
    gh.chmod(0o644)
    assert found(at("a/b"), programs.environ) is None
    gh.unlink()
    assert found(at("a/b"), programs.environ) is None
    gh.write_text("#!/bin/sh\nexec /bin/sleep 5\n")
    gh.chmod(0o755)
    monkeypatch.setattr(credentials, "_PATIENCE", 0.3)
    assert found(at("a/b"), programs.environ) is None
    assert found(at("a/b"), {"PATH": "/nonexistent"}) is None


@pytest.mark.slow
def test_a_helper_that_hangs_is_ended_with_git(programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    programs.helper(b"")
    (programs.root / "git-credential-fake").write_text(
        f"#!/bin/sh\nexec 9>{pipe}\necho here >&9\n/bin/sleep 60\necho still here >&9\n"
    )
    said = b""
    with open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reading:

        def closed() -> bool:
            """Whether nobody has the other side any more."""
            nonlocal said
            part = reading.read(100)
            said += part or b""
            return part == b""

        for patience in (0.5, 5, 50):  # the helper may not have begun before that
            monkeypatch.setattr(credentials, "_PATIENCE", patience)
            assert found(at("a/b"), programs.environ) is None
            soon(closed)
            if said:
                break
    assert said == b"here\n"


def test_gh_that_fails_is_not_believed(programs: Programs) -> None:
    programs.add("gh", b"no oauth token", 1)
    assert found(at("a/b"), programs.environ) is None


@pytest.mark.parametrize(
    "bad", ["a b", "hunter2\nx: y", "hunter2\x00", "hunter2\x1b[0m", "hunter2\x7f", "hünter2", "hunter2\x85x", "\t \n"]
)
def test_a_token_that_can_be_none_is_told_and_not_shown(programs: Programs, bad: str) -> None:
    with pytest.raises(NotAllowedError, match="WHARF_TOKEN") as caught:
        credentials.find(at("a/b"), {**programs.environ, "WHARF_TOKEN": bad})
    text = "".join(traceback.format_exception(caught.value)) + caught.value.hint
    assert "hunter2" not in text
    assert "hünter2" not in text


def test_blanks_around_a_token_are_not_of_it(programs: Programs) -> None:
    assert found(at("a/b"), {**programs.environ, "WHARF_TOKEN": " ghp_x\r\n"}) == ("ghp_x", "WHARF_TOKEN")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"hunter2 x\n", b"hunter2\xff\n", b"hunter2\x0cx\n"])
def test_what_a_program_gives_is_looked_at_as_closely(programs: Programs, answer: bytes) -> None:
    programs.add("gh", answer)
    with pytest.raises(NotAllowedError, match="gh auth token") as caught:
        credentials.find(at("a/b"), programs.environ)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))
    programs.add("gh", b"", 1)
    programs.helper(b"username=ada\npassword=" + answer)
    with pytest.raises(NotAllowedError, match="git's credential helper"):
        credentials.find(at("a/b"), programs.environ)


def test_a_credential_does_not_show_its_token() -> None:
    credential = credentials.find(at("a/b"), {"WHARF_TOKEN": "hunter2"})
    assert "hunter2" not in f"{credential} {credential!r}"
    assert os.environ.get("WHARF_TOKEN") is None


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gh") is None, reason="there is no gh here")
def test_the_real_gh_and_git_s_real_store_give_what_they_have_for_that_host_only(tmp_path: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GH_TOKEN": "wrong", "GITHUB_TOKEN": "wrong"}
    (tmp_path / ".config" / "gh").mkdir(parents=True)
    (tmp_path / ".config" / "gh" / "hosts.yml").write_text("ghe.example.org:\n    oauth_token: gho_x\n    user: ada\n")
    (tmp_path / ".gitconfig").write_text("[credential]\n\thelper = store\n")
    (tmp_path / ".git-credentials").write_text("https://ada:ghp_y@other.example.org:8443\n")
    assert found(at(f"{GHE}/a/b"), environ) == ("gho_x", "gh auth token --hostname ghe.example.org")
    assert found(at("https://other.example.org:8443/a/b"), environ) == ("ghp_y", "git's credential helper")
    assert found(at("https://other.example.org/a/b"), environ) is None
    environ |= {"GH_TOKEN": "", "GITHUB_TOKEN": ""}
    assert found(at("a/b"), environ) is None
