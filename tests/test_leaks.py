"""Tokens, GitHub's long ones too, are in no message, wherever they were typed, and not around what git and others start."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_main import Run, run
from tests.index.test_branch import git
from tests.makers import make_wheel
from tests.matrix import first
from tests.simulator import Hub
from wharf.cli.child_process import environment
from wharf.cli.main import main
from wharf.errors import UsageError
from wharf.index import branch, pack_merging
from wharf.repository_address import parse
from wharf.secret import Secret, for_log, holds_token, without_tokens
from wharf.system import owner_only_folder

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["run"]  # the fixture

LONG = "ghs_" + "eyJhbGciOi-_." * 39 + "J9aB1"
"""As those of apps and of Actions jobs are."""
CLASSIC = "ghp_" + "aB3" * 12
FINE = "github_pat_" + "aB3_" * 20
OURS = "wharf_" + "aB3-_" * 8 + "aB3"
OLD = "0123456789abcdef" * 2 + "01234567"
PLAIN = "Zx9.plain-word_1"
TOKENS = {"long": LONG, "classic": CLASSIC, "fine": FINE, "ours": OURS, "old": OLD, "plain": PLAIN}

ADDRESSES = [
    "https://{}@github.com/o/n", "https://ada:{}@github.com/o/n", "https://{}:x-oauth-basic@github.com/o/n", "https://github.com/o/n@{}",
    "https://github.com/o/n@{}/", "https://github.com/{}@o/n", "https://github.com/o/n?token={}", "https://github.com/o/n#{}",
    "https://{}%40github.com/o/n", "https://ada:{}/x@github.com/o/n", "https://github.com:{}@x/o/n", "http://example.org/o/n@{}",
    "ssh://git:{}@github.com/o/n", "git+https://{}@github.com/o/n", "{}@github.com:o/n", "{}:x@github.com/o/n", "owner/name@{}",
    "https:/{}@github.com/o/n", "//{}@github.com/o/n", "github.com/o/n@{}",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("form", ADDRESSES)
def test_no_address_repeats_a_token(form: str, kind: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(form.format(TOKENS[kind]))
    said = caught.value.message + caught.value.hint
    assert TOKENS[kind] not in said
    assert TOKENS[kind][6:] not in said


@pytest.mark.parametrize("kind", ["long", "classic", "fine", "ours", "old"])
@pytest.mark.parametrize("form", ["{}", "./{}", "https://github.com/{}/n", "https://github.com/o/n/{}", "o/{}", "/srv/{}/x"])
def test_what_looks_like_a_token_is_no_part_of_an_address(form: str, kind: str) -> None:
    with pytest.raises(UsageError, match="holds a user name or a token"):
        parse(form.format(TOKENS[kind]))


WORDS: list[list[str]] = [
    ["list", "--repo", "{}"], ["publish", "{}"], ["init", "{}"], ["init", "--workflow", "{}"], ["setup", "pip", "--url", "{}"],
    ["setup", "uv", "--write", "--url", "{}"], ["run", "--fall-through", "--public-index", "{}", "--", "true"], ["{}"],
    ["list", "{}"],
    ["serve", "--host", "{}"], ["serve", "--allowed-host", "{}"], ["serve", "--trusted-proxy", "{}"], ["show", "{}"], ["--{}"],
    ["yank", "{}==1.0"], ["token", "create", "{}"], ["--index", "{}", "list"], ["list", "--max-wait", "{}"],
    ["doctor", "--repo", "{}"],
    ["build", "--address", "{}", "out"],
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words))
def test_no_message_repeats_a_token_wherever_it_was_typed(
    words: list[str], run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for json_too in ([], ["--json"]):
        for form in (
            "https://{}@github.com/o/n",
            "https://github.com/o/n@{}",
            "owner/name@{}",
            "https://pkg.example.org/?t={}",
        ):
            for token in (LONG, CLASSIC, PLAIN):
                with pytest.raises(SystemExit) as left:
                    main([*json_too, *(word.replace("{}", form.format(token)) for word in words)])
                out, err = capsys.readouterr()
                assert left.value.code
                assert token not in out + err
                assert token[8:] not in out + err
    assert not any("@" in path.name for path in tmp_path.rglob("*")), "no folder has the name of a token"


@pytest.mark.parametrize("token", [LONG, CLASSIC, FINE, OURS])
def test_a_token_is_known_by_its_looks(token: str) -> None:
    for text in (
        token,
        f"'{token}'",
        f"({token})",
        f"x {token} y",
        f"Authorization: Bearer {token}",
        f"https://{token}@x.example/",
        f"a{token}",
        f"%0A{token}",
    ):
        assert holds_token(text)
        assert token[10:] not in without_tokens(text)
        assert token[10:] not in for_log(text)


@pytest.mark.parametrize(
    "text",
    [
        "wharf_index-0.1.0-py3-none-any.whl: not a wheel",
        "ghs_tools-1.0-cp313-cp313-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "gho_st-1.0.tar.gz", "https://github.com/acme/pkgs/releases", "actions/checkout@v4", "acme/pkgs",
        "pywharf_client_tools-1.0-cp313-cp313-manylinux_2_17_x86_64.whl", "monkeyJungle-1.0-py3-none-any.whl",
        "Basic authentication", "ada@example.org", "a/b/c@d/e",
    ],
)  # fmt: skip
def test_nothing_else_is_hidden(text: str) -> None:
    assert without_tokens(text) == text
    assert for_log(f"a{text}") == f"a{text}"


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjE3MDAwMDAwMDB9.aGVsbG8td29ybGQtaGVsbG8td29ybGQ_"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + f"{'aB3/+' * 12}\n" * 20 + "-----END RSA PRIVATE KEY-----\n"


def test_a_jwt_and_a_private_key_are_known_by_their_looks() -> None:
    for text in (PEM, PEM.replace("\n", "\\n"), PEM.replace("\n", " "), f"x {PEM} y", PEM[:300]):
        assert holds_token(text)
        assert "aB3/+aB3" not in without_tokens(text)
    assert without_tokens(f"a {PEM}b") == "a ***\nb"
    assert holds_token(JWT)
    for show in (without_tokens, for_log):
        assert JWT[30:] not in show(f"Authorization: Bearer {JWT} {JWT}")


@pytest.mark.slow
@pytest.mark.parametrize("kind", first(1, ["installation", "fine-grained"]))
def test_no_verb_shows_or_keeps_a_token(
    kind: str, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Hub(tmp_path / "hub") as hub:
        token = hub.token("ann", {"acme/pkgs": "write"}, kind=kind)
        hub.create("acme/pkgs")
        monkeypatch.setenv("WHARF_REPO", f"{hub.url}/acme/pkgs")
        monkeypatch.setenv("WHARF_TOKEN", token)
        said = ""
        for words in (
            ["init", f"{hub.url}/acme/pkgs"], ["publish", str(make_wheel(tmp_path / "dist"))], ["list"], ["show", "demo"],
            ["log"], ["yank", "demo==1.0"], ["verify"], ["doctor"], ["build", "--with-files", str(tmp_path / "site")],
            ["setup", "pip"], ["list", "--repo", f"{hub.url}/acme/nothing"], ["remove", "demo==9"],
        ):  # fmt: skip
            for more in ([], ["--json"]):
                with pytest.raises(SystemExit):
                    main([*words, "-v", *more])
                said += "".join(capsys.readouterr())
        for name in ("cache", "data", "site"):
            for path in (each for each in (tmp_path / name).rglob("*") if each.is_file()):
                assert token.encode() not in path.read_bytes(), path
    assert "WHARF_TOKEN" in said, "it is named by where it was found"
    assert not [at for at in range(12, len(token) - 24, 24) if token[at : at + 24] in said], "no part of it either"


# What is started


SECRETS = {
    "WHARF_WEBHOOK_SECRET": "hook-of-the-server-1", "GH_TOKEN": CLASSIC, "GITHUB_TOKEN": FINE,
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": LONG,
    "AWS_SECRET_ACCESS_KEY": "key-of-something-else", "TWINE_PASSWORD": "word-of-twine-1234",
}  # fmt: skip


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git on the PATH that notes how it is started, and then is git."""
    log, folder = tmp_path / "seen.jsonl", tmp_path / "bin"
    folder.mkdir()
    program = folder / "git"
    program.write_text(
        f"#!{sys.executable} -I\nimport json, os, sys\n"
        f"with open({str(log)!r}, 'a') as log:\n    log.write(json.dumps([sys.argv[1:], dict(os.environ)]) + '\\n')\n"
        f"os.execv({shutil.which('git')!r}, ['git', *sys.argv[1:]])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return log


def started(log: Path) -> list[tuple[list[str], dict[str, str]]]:
    """By wharf, which asks nothing of a terminal: the simulator has gits of its own."""
    found = [json.loads(line) for line in log.read_text().splitlines()]
    return [(words, environ) for words, environ in found if environ.get("GIT_TERMINAL_PROMPT") == "0"]


@pytest.mark.slow
def test_git_sees_no_secret_that_it_does_not_need(
    run: Run, tmp_path: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Hub(tmp_path / "hub") as hub:
        token = hub.token("ann", {"acme/pkgs": "write"})
        hub.create("acme/pkgs")
        monkeypatch.setenv("WHARF_REPO", f"{hub.url}/acme/pkgs")
        for name, value in (SECRETS | {"WHARF_TOKEN": token}).items():
            monkeypatch.setenv(name, value)
        run("init", f"{hub.url}/acme/pkgs")
        run("publish", make_wheel(tmp_path / "dist"))
        run("log")
    assert {"fetch", "push", "cat-file", "log"} <= {word for words, _ in started(seen) for word in words}
    for words, environ in started(seen):
        for value in (*SECRETS.values(), token):
            assert value not in json.dumps([words, environ])


def test_a_command_of_run_sees_no_secret_of_a_server() -> None:
    found = environment(SECRETS | {"WHARF_TOKEN": LONG}, 1, Secret("x" * 20))
    assert "WHARF_WEBHOOK_SECRET" not in found
    assert found["WHARF_TOKEN"] == LONG, "it is the person's, as the command is (docs/run.md)"


PROGRAMS = """
[core]
\tfsmonitor = touch {}-fsmonitor
\talternateRefsCommand = touch {}-alternates
\tsshCommand = touch {}-ssh
\tpager = touch {}-pager
\thooksPath = {0}.hooks
[gpg]
\tprogram = touch {}-gpg
[log]
\tshowSignature = true
[diff]
\texternal = touch {}-diff
[credential]
\thelper = !touch {}-helper
[uploadpack]
\tpackObjectsHook = touch {}-pack
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    first(
        1,
        [
            PROGRAMS,
            "[gc]\n\trecentObjectsHook = touch {}-gc; echo",
            '[hook "evil"]\n\tevent = reference-transaction\n\tcommand = touch {}-evil',
            "[include]\n\tpath = {0}.more",
            '[hook "reference-transaction"]\n\tevent = reference-transaction\n\tcommand = touch {}-transaction',
        ],
    ),
)
def test_a_store_starts_no_program(config: str, run: Run, tmp_path: Path, store: Path, seen: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(branch, "_GC_SHARE", 1.0)
    monkeypatch.setattr(pack_merging, "MOST_PACKS", 0)
    monkeypatch.setattr(pack_merging, "MOST_MERGED", 0)
    mark = tmp_path / "started"
    (tmp_path / "started.more").write_text(f"[gc]\n\trecentObjectsHook = touch {mark}-gc; echo\n")
    hook = tmp_path / "started.hooks" / "reference-transaction"
    hook.parent.mkdir()
    hook.write_text(f"#!/bin/sh\ntouch {mark}-hook\n")
    hook.chmod(0o755)
    run("publish", make_wheel(tmp_path / "dist"))
    while pack_merging.at_work(store / "index.git"):  # what it starts is not meant below
        pass
    git(store, "pack-refs", "--all")  # or wharf moves the ref itself
    with (store / "index.git" / "config").open("a") as file:
        file.write(config.replace("{0}", str(mark)).replace("{}", str(mark)) + "\n[gc]\n\tauto = 1\n\tautoDetach = false\n")
    seen.unlink()
    run("publish", make_wheel(tmp_path / "dist", version="2.0"))
    run("yank", "demo==1.0")
    run("log")
    run("verify", "--repair")
    while pack_merging.at_work(store / "index.git"):
        pass
    assert [each.name for each in tmp_path.glob("started-*")] == []
    listed = [words for words, _ in started(seen)]
    if "recentObjectsHook" in config or "include" in config or "[hook" in config:
        assert not any({"gc", "repack"} & {*words} for words in listed), "git 2.42 would start it"
    else:
        assert any("repack" in words for words in listed)
    if "evil" in config:
        environ = next(environ for words, environ in started(seen) if "update-ref" in words)
        assert "hook.evil.enabled" in environ.values(), "git 2.54 would start it"


# Folders


@pytest.mark.parametrize("umask", [0, 0o002, 0o077])
def test_nobody_else_can_write_above_a_private_folder(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        owner_only_folder.make(tmp_path / "a" / "b" / "c")
        owner_only_folder.make(tmp_path / "a" / "b" / "c")
    finally:
        os.umask(before)
    assert {stat.S_IMODE((tmp_path / each).stat().st_mode) for each in ("a", "a/b", "a/b/c")} == {0o700}


@pytest.mark.slow
def test_a_clone_and_all_above_it_is_the_person_s_alone(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    with Hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("WHARF_TOKEN", hub.token("ann", {"acme/pkgs": "write"}))
        hub.create("acme/pkgs")
        before = os.umask(0)
        try:
            run("init", f"{hub.url}/acme/pkgs")
        finally:
            os.umask(before)
    clone = next((tmp_path / "home").rglob("*.git"))
    for folder in [each for each in clone.parents if tmp_path / "home" in (each, *each.parents)]:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
