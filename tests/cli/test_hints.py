"""A hint is the remedy for what really went wrong: the same failure of a verb has another one on another disk, net or clock."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests import traced_disk
from tests.cli.test_main import document
from tests.cli.test_main import run as at_store
from tests.index.test_branch import git
from tests.makers import make_wheel
from tests.operations.test_init import hub, run
from wharf.github import replies
from wharf.repository import server_problems
from wharf.system import disk_remedies
from wharf.transport import lost_connection

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.test_main import Run as AtStore
    from tests.operations.test_init import Run
    from tests.simulator import Hub

__all__ = ["at_store", "hub", "run"]  # fixtures


@pytest.mark.slow
@pytest.mark.parametrize(
    ("step", "said", "remedy"),
    [
        ("update-ref", "fatal: insufficient permission for adding an object to repository database objects", "who owns it"),
        ("update-ref", "fatal: sha1 file write error: No space left on device", "Free some room"),
        ("update-ref", "error: file write error: Disk quota exceeded", "quota"),
        ("update-ref", "fatal: unable to open pack: Too many open files", "ulimit -n"),
        ("update-ref", "fatal: cannot lock ref 'x': Unable to create 'x.lock': Read-only file system", "mounted read-only"),
        ("update-ref", "fatal: cannot lock ref 'x': Unable to create 'x.lock': Permission denied", "who owns it"),
        ("update-ref", "fatal: prepare: cannot update ref 'x': couldn't write 'x.lock'", "free some room"),
        ("update-ref", "fatal: object 1234 is corrupt", "fsck"),
    ],
)
def test_what_git_could_not_do_has_its_own_remedy(
    at_store: AtStore, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, step: str, said: str, remedy: str
) -> None:
    at_store("publish", make_wheel(tmp_path))
    git(store, "pack-refs", "--all")  # or wharf moves the ref itself
    program = tmp_path / "bin" / "git"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\ncase "$*" in *" {step} "*) read -r _; echo "{said}" >&2; exit 128;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    for words in (("yank", "demo==1.0"), ("publish", make_wheel(tmp_path, "other"))):
        error = document(at_store(*words, "--json", code=8))["error"]
        assert remedy in error["hint"]
        assert ("fsck" in error["hint"]) is (remedy == "fsck")


@pytest.mark.parametrize(
    ("number", "message", "remedy"),
    [
        (errno.ENOSPC, "The disk is full", "Free some room"),
        (errno.EDQUOT, "The disk is full", "quota"),
        (errno.EROFS, "cannot be written to", "mounted read-only"),
        (errno.EACCES, "cannot be written to", "who owns it"),
    ],
)
def test_objects_that_cannot_be_written_have_the_remedy_of_the_disk_and_leave_nothing(
    at_store: AtStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str, remedy: str
) -> None:
    at_store("publish", make_wheel(tmp_path))
    packs = tmp_path / "store" / "index.git" / "objects" / "pack"
    before = sorted(packs.iterdir())

    def fail(folder: Path) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("wharf.index.small_pack.sync", fail)
    error = document(at_store("yank", "demo==1.0", "--json", code=8))["error"]
    assert message in error["message"]
    assert str(packs.parent.parent) in error["message"]
    assert remedy in error["hint"]
    assert not [path for path in packs.iterdir() if path not in before and path.name.startswith("tmp_")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "error", "place", "remedy"),
    [
        ("flock", "ENOLCK", "store/lock ", "use a local disk"),
        ("flock", "ENOSYS", "store/lock ", "use a local disk"),
        ("fsync", "EINVAL", "store ", "use a local disk"),
        ("renameat", "EXDEV", "store/assets/", "on several file systems"),
    ],
)
def test_what_a_file_system_cannot_do_is_said_of_the_place(
    tmp_path: Path, call: str, error: str, place: str, remedy: str
) -> None:
    traced_disk.need()
    command = [sys.executable, "-m", "wharf", "--repo", str(tmp_path / "store"), "publish", str(make_wheel(tmp_path)), "--json"]
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}"]
    done = subprocess.run([*trace, *command], capture_output=True)
    said = json.loads(done.stdout)["error"]
    assert (done.returncode, said["code"]) == (8, "storage")
    assert f"{tmp_path}/{place}" in said["message"]
    assert remedy in said["hint"]
    assert "owner" not in said["hint"]


@pytest.mark.parametrize(
    "number",
    [
        *(errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EMFILE),
        *(errno.ENOLCK, errno.EINVAL, errno.EXDEV, errno.ENAMETOOLONG, errno.ESTALE, 999),
    ],
)
def test_a_hint_about_a_disk_is_one_sentence(number: int) -> None:
    for elsewhere in ("", "name another one with --repo"):
        hint = disk_remedies.hint(OSError(number, "x"), elsewhere)
        assert hint.endswith(".")
        assert hint[0].isupper()
        assert elsewhere[1:] in hint


@pytest.mark.slow
def test_a_cache_that_cannot_be_used_says_how_it_gets_another_place(
    hub: Hub, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = hub.token("acme", {hub.create("acme/pkgs").slug: "write"})
    run("init", f"{hub.url}/acme/pkgs", token=token)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    error = document(run("list", "--repo", f"{hub.url}/acme/pkgs", "--json", token=token, code=8)[0])["error"]
    assert "`export XDG_CACHE_HOME=FOLDER`" in error["hint"]
    found = document(run("doctor", "--repo", f"{hub.url}/acme/pkgs", "--json", token=token, code=8)[0])["findings"]
    assert any("XDG_CACHE_HOME" in each["hint"] for each in found if each["state"] == "problem")


def test_doctor_sends_nobody_to_doctor(hub: Hub, run: Run) -> None:
    hub.create("acme/pkgs")
    address = f"{hub.url}/acme/pkgs"
    bad, weak = "ghp_of_nobody_at_all", hub.token("eve", {"acme/pkgs": "read"}, contents=False)
    error = document(run("list", "--repo", address, "--json", token=bad, code=6)[0])["error"]
    assert "`wharf doctor --repo" in error["hint"]
    found = document(run("doctor", "--repo", address, "--json", token=hub.token("ann", {"acme/pkgs": "write"}))[0])["findings"]
    (index,) = [each for each in found if each["what"] == "index"]
    assert index["hint"] == f"`wharf init {address}` makes it.", "on GitHub a publish makes none"
    for token in (bad, weak):
        found = document(run("doctor", "--repo", address, "--json", token=token, code=8)[0])["findings"]
        assert not any("doctor" in each["hint"] for each in found)


def test_what_is_misspelt_is_met_with_what_may_be_meant(at_store: AtStore, tmp_path: Path) -> None:
    at_store("publish", make_wheel(tmp_path, "my-project"))
    for words, code, meant in (
        (("pubish", "x"), 2, "publish"),
        (("upload", "x"), 2, "publish"),
        (("delete", "x"), 2, "remove"),
        (("token", "creat"), 2, "create"),
        (("show", "my-projct"), 4, "my-project"),
        (("show", "my_Project_"), 2, ""),
        (("yank", "myproject==1.0"), 4, "my-project"),
        (("remove", "my-projects==1.0", "--yes"), 4, "my-project"),
        (("log", "my-projekt"), 4, "my-project"),
        (("show", "something-else"), 4, ""),
    ):
        error = document(at_store(*words, "--json", code=code))["error"]
        told = f"{error['message']} {error['hint']}"
        assert ("Did you mean" in told) is bool(meant), told
        assert meant in told


@pytest.mark.parametrize(
    ("said", "at_github", "at_server"),
    [
        ("fatal: unable to access 'x': Could not resolve host: githib.example.com", "spelling", "address right"),
        ("[Errno -3] Temporary failure in name resolution", "spelling", "address right"),
        ("fatal: unable to access 'x': Could not resolve proxy: proxy.example.com", "git's http.proxy", "NO_PROXY"),
        ("fatal: unable to access 'x': CONNECT tunnel failed, response 407", "git's http.proxy", "NO_PROXY"),
        ("fatal: unable to access 'x': Received HTTP code 407 from proxy after CONNECT", "git's http.proxy", "NO_PROXY"),
        ("the proxy lets nothing through ([Errno -2] Name or service not known)", "git's http.proxy", "NO_PROXY"),
        ("server certificate verification failed. CAfile: none", "http.sslCAInfo", "SSL_CERT_FILE"),
        ("certificate verify failed: certificate is not yet valid", "clock", "clock"),
        ("certificate verify failed: certificate has expired", "clock", "clock"),
        ("Connection refused", "whether GitHub is up", "does the server run"),
        ("fatal: unable to access 'https://g/a/proxy.git/': Could not resolve host: g.example", "spelling", "address right"),
        ("Could not resolve host: proxy.example.com", "spelling", "address right"),
        ("Failed to connect to proxy.example port 443", "whether GitHub is up", "does the server run"),
        ("certificate verify failed: certificate is not valid for 'a-proxy.example'", "http.sslCAInfo", "SSL_CERT_FILE"),
        ("certificate-proxy.example:443 does not answer", "whether GitHub is up", "does the server run"),
    ],
)
def test_a_net_that_fails_has_its_own_remedy(said: str, at_github: str, at_server: str) -> None:
    assert at_github in replies.away(said)
    assert at_server in server_problems.unreachable_hint(said)


@pytest.mark.parametrize("cause", lost_connection.Cause)
def test_each_cause_has_a_remedy(cause: lost_connection.Cause, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked, hint in ((replies, replies.away), (server_problems, server_problems.unreachable_hint)):
        monkeypatch.setattr(asked, "cause_of", lambda _said: cause)
        assert hint("whatever").endswith(".")


@pytest.mark.parametrize(
    ("said", "lasting"),
    [
        ("certificate verify failed: Hostname mismatch", True),
        ("Certificate has expired", True),
        ("the proxy lets nothing through (Tunnel connection failed: 407 Proxy Authentication Required)", True),
        ("the proxy lets nothing through (Tunnel connection failed: 503 Busy)", False),
        ("Connection refused", False),
        ("certificates.example does not answer", False),
    ],
)
def test_what_is_the_same_at_the_next_try_is_known(said: str, lasting: bool) -> None:
    assert lost_connection.is_lasting(said) is lasting
