# ruff: noqa: F811 - fixtures are arguments of their own name
"""The clone in the cache folder: what bad weather does to it, and what git is told and takes along."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.github.test_remote_branch import WHY, _at_once, clone, git, hub, number, repo, token  # noqa: F401 - fixtures
from tests.index.test_change import WHEEL, A, B, add, new
from tests.matrix import first
from wharf.errors import LockedError, NotAllowedError, RecordError, StorageError
from wharf.github import clone as clones
from wharf.index.branch import Branch
from wharf.index.git import Git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulator import Hub, Repo
    from wharf.github.clone import Depth
    from wharf.github.push_or_api import CommitWay


# Bad weather.


@pytest.mark.slow
def test_a_clone_is_kept_when_github_is_down(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    hub.down = True
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        with pytest.raises(StorageError, match="git fetch from"):
            branch.fetch()
        assert branch.snapshot().project("demo").files[0].filename == WHEEL  # type: ignore[union-attr]
        assert branch.snapshot().metadata("demo", "1.0", WHEEL) == b"Name: demo\n"
        with pytest.raises(StorageError):
            branch.commit(number(1), WHY)
    hub.down = False
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.commit(number(1), WHY)
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2


@pytest.mark.slow
def test_the_history_is_kept_when_github_is_down(hub: Hub, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        known = [entry.commit for entry in branch.history()]
        hub.down = True
        assert [entry.commit for entry in branch.history()] == known
        hub.down = False
        branch.commit(number(1), WHY)
        hub.down = True
        with pytest.raises(StorageError):
            list(branch.history())  # an older one than the index that is shown


@pytest.mark.slow
@pytest.mark.parametrize("fault", first(2, ["drop", "503", "500", "short"]))
def test_a_passing_failure_of_git_passes(hub: Hub, repo: Repo, token: str, tmp_path: Path, fault: str) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        hub.fault(r"GET .*info/refs", fault)
        branch.fetch()
        hub.fault(r"POST .*git-receive-pack", "drop" if fault == "short" else fault)
        branch.commit(add(new()), WHY)
        hub.fault(r"POST .*git-upload-pack", fault)
        with branch.sibling("main") as again:
            again.fetch()
    with clone(hub, tmp_path / "b", token) as branch:
        hub.fault(r"POST .*git-upload-pack", fault, after=1)
        branch.fetch()
        assert branch.snapshot().names() == ("demo",)
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 1


def test_who_waited_long_for_a_failure_does_not_try_again(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "TRYING", 0.0)
    with clone(hub, tmp_path / "a", token) as branch:
        hub.fault("GET /acme/pkgs.git", "503")
        with pytest.raises(StorageError, match="git fetch"):
            branch.fetch()
        branch.fetch()


@pytest.mark.slow
def test_a_commit_that_github_stumbled_over_is_known_for_ours(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, way="api") as branch:
        branch.fetch()
        branch.begin("ada")
        hub.fault(r"POST .*graphql$", "internal")
        assert branch.commit(number(1), WHY).commit == branch.tip()
        hub.fault(r"POST .*graphql$", "502", times=30)
        with pytest.raises(StorageError, match="Committing to") as caught:
            branch.commit(number(2), WHY)
        assert "again" in caught.value.hint
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "api"])
@pytest.mark.parametrize("first", [True, False])
def test_a_commit_whose_answer_was_lost_is_known_for_ours(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay, *, first: bool
) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        if not first:
            branch.commit(number(1), WHY)
        hub.fault(r"POST .*(git-receive-pack|graphql|git/refs)$", "lose")
        done = branch.commit(add(new()), WHY)
        assert done.commit == branch.tip() == git(repo.git_dir, "rev-parse", "wharf/main").strip()
        assert [named.project for named in done.outcome.changed] == ["demo"]
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 2 - first


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "api"])
def test_a_lost_answer_and_a_rival_are_told_apart(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch, clone(hub, tmp_path / "b", token) as rival:
        branch.fetch()
        branch.begin("ada")
        rival.fetch()
        hub.before(r"POST .*(git-receive-pack|graphql)$", lambda: rival.commit(number(1), WHY))
        hub.fault(r"POST .*(git-receive-pack|graphql)$", "drop", after=1 if way == "git" else 0)
        done = branch.commit(add(new()), WHY)
        assert done.commit == branch.tip()
        assert branch.snapshot().names() == ("demo", "p1")
    assert len(git(repo.git_dir, "rev-list", "wharf/main").split()) == 3


def _every(folder: Path, suffix: str) -> list[Path]:
    found = [path for path in folder.rglob(f"*{suffix}") if path.is_file()]
    for path in found:
        path.chmod(0o644)
    return found


def _remove(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.unlink()


def _empty(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.write_bytes(b"")


def _garble(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.write_bytes(b"\x5a" * path.stat().st_size)


def _halve(folder: Path, suffix: str) -> None:
    for path in _every(folder, suffix):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "depth"),
    first(2, [
        (partial(_remove, suffix=".pack"), "trees"), (partial(_empty, suffix=".pack"), "whole"),
        (partial(_garble, suffix=".pack"), "trees"), (partial(_halve, suffix=".pack"), "whole"),
        (partial(_remove, suffix=".idx"), "trees"), (partial(_garble, suffix=".idx"), "whole"),
        (partial(_remove, suffix="heads/wharf/main"), "whole"), (partial(_empty, suffix="heads/wharf/main"), "trees"),
        (partial(_garble, suffix="heads/wharf/main"), "whole"), (partial(_remove, suffix="HEAD"), "trees"),
        (partial(_empty, suffix="HEAD"), "whole"), (partial(_garble, suffix="config"), "trees"),
        (partial(_remove, suffix="shallow"), "trees"), (partial(_garble, suffix="shallow"), "whole"),
        (lambda folder: shutil.rmtree(folder / "objects"), "trees"),
        (lambda folder: shutil.rmtree(folder / "objects" / "pack"), "whole"),
        (lambda folder: shutil.rmtree(folder / "refs"), "whole"),
        (lambda folder: (folder / "shallow.lock").touch(), "trees"),
        (lambda folder: (folder / "refs/heads/wharf/main.lock").touch(), "trees"),
    ]),
)  # fmt: skip
def test_a_damaged_clone_is_fetched_again(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, damage: Callable[[Path], None], depth: Depth
) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new(), *number(1).files), WHY)
    with clone(hub, tmp_path / "b", token, depth=depth) as branch:
        branch.fetch()
        assert branch.snapshot().project("demo")
    damage(tmp_path / "b" / f"{depth}.git")
    with clone(hub, tmp_path / "b", token, depth=depth) as branch:
        branch.fetch()
        assert branch.snapshot().project("demo")
        assert branch.snapshot().metadata("p1", "1.0", "p1-1.0.tar.gz") == b"Name: demo\n"
        branch.commit(number(2), WHY)
        assert branch.snapshot().names() == ("demo", "p1", "p2")


def _lose(git_dir: Path, scratch: Path, name: str) -> None:
    """Take one object out of a repository."""
    lost = git(git_dir, "rev-parse", name).strip()
    for pack in git_dir.rglob("*.pack"):
        aside = pack.rename(scratch / pack.name)
        pack.with_suffix(".idx").unlink()
        git(git_dir, "unpack-objects", "-q", data=aside.read_bytes())
    (git_dir / "objects" / lost[:2] / lost[2:]).unlink()


@pytest.mark.slow
def test_a_folder_that_a_clone_lost_is_brought_when_it_is_read(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new(), *number(1).files), WHY)
    _lose(tmp_path / "a" / "trees.git", tmp_path, "wharf/main:projects/de/demo/1.0")
    with clone(hub, tmp_path / "a", token) as branch:
        assert branch.snapshot().project("demo").files  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_damaged_clone_is_not_thrown_away_while_github_is_down(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token, depth="whole") as branch:
        branch.fetch()
        branch.commit(add(new(), *number(1).files), WHY)
    _lose(tmp_path / "a" / "whole.git", tmp_path, "wharf/main:projects/de/demo/1.0/release.json")
    hub.down = True
    with clone(hub, tmp_path / "a", token, depth="whole") as branch, clone(hub, tmp_path / "a", token, depth="whole") as other:
        for _ in range(2):
            snapshot = branch.snapshot()
            assert [isinstance(each, RecordError) for each in snapshot.records("demo") or ()] == [True]
            assert snapshot.project("p1").files  # type: ignore[union-attr]
            with pytest.raises(StorageError):
                branch.fetch()
        hub.down = False
        other.fetch()
        assert branch.snapshot().project("demo").files  # type: ignore[union-attr]


NOT_OUR_REF = f"fatal: remote error: upload-pack: not our ref {'1' * 40}"
NO_REF = "fatal: couldn't find remote ref refs/heads/wharf/*"


def _refuse(monkeypatch: pytest.MonkeyPatch, said: str, times: int) -> list[None]:
    """Have git fail that often to fetch, with these words. The list gets shorter with each time."""
    attempt, left = Git.attempt, [None] * times
    monkeypatch.setattr(clones, "PAUSE", 0.0)

    def refused(self: Git, *words: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
        if "fetch" not in words or not left:
            return attempt(self, *words, stdin=stdin)
        left.pop()
        return 128, b"", said

    monkeypatch.setattr(Git, "attempt", refused)
    return left


@pytest.mark.slow
@pytest.mark.parametrize("said", [NOT_OUR_REF, NO_REF])
def test_a_fetch_of_all_that_brings_nothing_is_an_error_and_marks_nothing(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    with clone(hub, tmp_path / "b", token, depth="whole") as branch:
        left = _refuse(monkeypatch, said, clones.TRIES)
        with pytest.raises(StorageError, match="git fetch from"):
            branch.fetch()
        assert (left, branch.has_every_index) == ([], False), "it is tried again, and given up"
        branch.fetch()
        assert (branch.has_every_index, branch.snapshot().names()) == (True, ("demo",))
        tip = branch.tip()
        branch.distrust()
        left.extend([None] * clones.TRIES)
        with pytest.raises(StorageError, match="git fetch from"):
            branch.fetch()
        assert (branch.tip(), branch.snapshot().names()) == (tip, ("demo",)), "the old clone is kept"
        left.append(None)
        branch.fetch()
        assert (left, branch.tip()) == ([], tip), "what passes is no error"
    with clone(hub, tmp_path / "a", token) as branch:
        left.extend([None] * clones.TRIES)
        with pytest.raises(StorageError, match="git fetch from"):
            branch.indexes()
        assert (branch.has_every_index, branch.tip()) == (False, tip)


@pytest.mark.slow
def test_a_branch_that_moves_during_a_fetch_is_not_taken_for_deleted(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        tip = branch.commit(add(new()), WHY).commit
        left = _refuse(monkeypatch, NOT_OUR_REF, clones.TRIES)
        with pytest.raises(StorageError, match="not our ref"):
            branch.fetch()
        assert (left, branch.tip()) == ([], tip)
        assert branch.commit_of("1" * 40) is None, "of a commit it says that there is none"


@pytest.mark.slow
def test_what_happens_to_the_branch_itself_is_followed(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch, clone(hub, tmp_path / "b", token) as other:
        branch.fetch()
        first = branch.commit(add(new()), WHY).commit
        other.fetch()
        branch.commit(number(1), WHY)
        branch.commit(number(2), WHY)
        other.fetch()
        assert other.snapshot().names() == ("demo", "p1", "p2")
        git(repo.git_dir, "update-ref", "refs/heads/wharf/main", str(first))
        other.fetch()
        assert other.snapshot().names() == ("demo",)
        git(repo.git_dir, "update-ref", "-d", "refs/heads/wharf/main")
        other.fetch()
        assert other.tip() is None
        assert other.indexes() == []
        assert other.commit(number(3), WHY).commit
        branch.fetch()
        assert branch.snapshot().names() == ("p3",)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["git", "api"])
def test_a_branch_that_somebody_takes_back_meanwhile(hub: Hub, repo: Repo, token: str, tmp_path: Path, way: CommitWay) -> None:
    with clone(hub, tmp_path / "a", token, way=way) as branch:
        branch.fetch()
        first = branch.commit(number(1), WHY).commit
        branch.commit(number(2), WHY)
        hub.before(
            r"POST .*(receive-pack|graphql)$", lambda: git(repo.git_dir, "update-ref", "refs/heads/wharf/main", str(first))
        )
        branch.commit(number(3), WHY)
        assert branch.snapshot().names() == ("p1", "p3")


def test_an_index_nobody_made_has_no_tip(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        assert branch.tip() is None
        assert list(branch.history()) == []
        assert branch.indexes() == []


def test_a_cache_that_cannot_be_used_is_told(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a file where the folder should be")
    with clone(hub, tmp_path / "a", token) as branch, pytest.raises(StorageError, match="cache"):
        branch.fetch()


def test_a_clone_that_others_do_not_let_go_of_is_told(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "LOCK_PATIENCE", 0.05)
    with (
        clone(hub, tmp_path / "a", token) as branch,
        clone(hub, tmp_path / "a", token) as other,
        branch._clone.locked(),
        pytest.raises(LockedError, match=r"trees\.lock did not become free"),
    ):
        other.fetch()


@pytest.mark.slow
def test_a_clone_is_tidied_up_while_it_is_read(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "_PACKS", 3)
    with clone(hub, tmp_path / "a", token) as branch, clone(hub, tmp_path / "b", token, depth="whole") as reader:
        branch.fetch()
        dead = tmp_path / "a" / "trees.git" / "objects" / "info" / "commit-graphs" / "tmp_graph_x"
        dead.parent.mkdir(parents=True)
        dead.touch()
        os.utime(dead, (1, 1))
        for count in range(6):
            branch.commit(number(count), WHY)
            reader.fetch()
            branch.fetch()
            snapshot = reader.snapshot()
            assert all(snapshot.project(name) for name in snapshot.names())
        assert len(snapshot.names()) == 6
    assert not dead.exists(), "git leaves it for ever"
    for folder in (tmp_path / "a" / "trees.git", tmp_path / "b" / "whole.git"):
        assert len(list((folder / "objects" / "pack").glob("*.pack"))) <= 5


# What leaves the process, and what does not.


@pytest.mark.slow
def test_a_token_is_in_no_file_and_in_no_argument(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, tools, spoken = shutil.which("git"), tmp_path / "tools", tmp_path / "spoken"
    tools.mkdir()
    (tools / "git").write_text(f'#!/bin/sh\nprintf "%s\\n" "$0 $*" >> {spoken}\nexec {program} "$@"\n')
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    for way in ("git", "api"):
        with clone(hub, tmp_path / "a", token, way=way) as branch:
            branch.fetch()
            branch.commit(number(len(way)), WHY)
            branch.snapshot().project("p3")
            assert list(branch.history())
            assert token not in repr(branch.__dict__)
    pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    assert "push" in spoken.read_text()
    files = [path for path in (tmp_path / "a").rglob("*") if path.is_file()] + [spoken]
    for path in files:
        data = path.read_bytes()
        for secret in (token, pair, hub.host):
            assert secret.encode() not in data, path
    assert all("authorization" in call.headers for call in hub.calls)
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0


def test_no_token_follows_a_redirect_of_gits(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    """git itself sends its headers on to wherever it is sent."""
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        repo.rename("acme/other")
        branch.fetch()
    assert [call.status for call in hub.calls if call.path.startswith("/acme/pkgs.git")].count(301) == 1


class Elsewhere(BaseHTTPRequestHandler):
    """Another server on this machine, which is not to be asked for anything."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"{self.path} {self.headers}")
        self.send_error(404)

    def log_message(self, *_args: object) -> None:
        pass


@contextlib.contextmanager
def elsewhere() -> Iterator[tuple[str, list[str]]]:
    """Its address, and what it was asked."""
    asked = list[str]()
    handler = type("Handler", (Elsewhere,), {"asked": asked, "do_POST": Elsewhere.do_GET})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    first(4, [
        '[url "{elsewhere}/"]\n insteadOf = {hub}/',
        '[url "{elsewhere}/"]\n pushInsteadOf = {hub}/',
        '[http "{hub}/"]\n proxy = {elsewhere}',
        '[http "{hub}/acme"]\n extraHeader = Authorization: Basic d3Jvbmc6d3Jvbmc=',
        '[url "{elsewhere}/other.git"]\n insteadOf = {hub}/acme/pkgs.git',
        '[url "git@localhost:"]\n insteadOf = {hub}/\n[core]\n sshCommand = "touch {root}/ssh; false"',
        '[remote "origin"]\n url = {elsewhere}/other.git',
        '[remote "origin"]\n pushurl = {elsewhere}/other.git',
        '[remote "origin"]\n proxy = {elsewhere}',
        "[http]\n extraHeader = Authorization: Basic d3Jvbmc6d3Jvbmc=",
        "[push]\n gpgSign = true\n pushOption = ci.skip",
        "[i18n]\n logOutputEncoding = utf-16\n[log]\n date = iso\n abbrevCommit = true\n[color]\n ui = always",
    ]),
)  # fmt: skip
def test_what_a_person_has_set_up_for_git_leads_the_token_nowhere_else(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, config: str
) -> None:
    with elsewhere() as (other, asked):
        with Path("~/.gitconfig").expanduser().open("a") as file:
            file.write(config.format(hub=hub.url, elsewhere=other, root=tmp_path) + "\n")
        with clone(hub, tmp_path / "a", token) as branch:
            branch.fetch()
            branch.commit(add(new()), WHY)
            assert len(list(branch.history())) == 1
        with clone(hub, tmp_path / "b", token) as branch:
            branch.fetch()
            assert branch.snapshot().project("demo") is not None  # brings the record
    assert asked == []
    assert not (tmp_path / "ssh").exists()
    calls = [call for call in hub.calls if call.kind == "git"]
    assert calls
    assert {call.login for call in calls} == {"alice"}


def test_a_redirect_that_a_person_allows_for_the_host_is_not_followed_token_in_hand(
    hub: Hub, repo: Repo, token: str, tmp_path: Path
) -> None:
    with Path("~/.gitconfig").expanduser().open("a") as file:
        file.write(f'[http "{hub.url}/"]\n followRedirects = true\n')
    repo.rename("acme/other")
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
    asked = [(call.path.partition("?")[0], call.status) for call in hub.calls if call.kind == "git"]
    assert asked[0] == ("/acme/pkgs.git/info/refs", 301)
    assert [call.path for call in hub.calls][1].startswith("/api/")  # GitHub's API says what it is called now


def test_a_helper_for_the_host_is_not_asked_where_the_token_is_refused(
    hub: Hub, repo: Repo, token: str, tmp_path: Path
) -> None:
    with Path("~/.gitconfig").expanduser().open("a") as file:
        file.write(f'[credential "{hub.url}"]\n helper = "!f() {{ touch {tmp_path}/asked; echo password={token}; }}; f"\n')
    with clone(hub, tmp_path / "a", "ghp_wrong") as branch, pytest.raises(NotAllowedError):
        branch.fetch()
    assert not (tmp_path / "asked").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "environ",
    [
        {"GIT_TRACE_CURL": "{log}", "GIT_TRACE_REDACT": "0"},
        {"GIT_TRACE2_EVENT": "{log}", "GIT_TRACE2_CONFIG_PARAMS": "*"},
        {"GIT_TRACE2_EVENT": "{log}", "GIT_TRACE2_ENV_VARS": ",".join(f"GIT_CONFIG_VALUE_{each}" for each in range(40))},
        {"GIT_TRACE": "{log}", "GIT_TRACE_SETUP": "{log}"},
    ],
)
def test_no_trace_of_git_s_has_the_token(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value.format(log=tmp_path / "log"))
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
    text = (tmp_path / "log").read_text()
    assert "fetch" in text or "GET /acme/pkgs.git" in text
    assert token not in text
    assert base64.b64encode(f"x-access-token:{token}".encode()).decode() not in text


@pytest.mark.slow
@pytest.mark.parametrize("form", ["{token}", "Basic {pair}"])
def test_what_git_repeats_of_a_server_has_no_token_and_moves_no_cursor(
    hub: Hub, repo: Repo, token: str, tmp_path: Path, form: str
) -> None:
    pair = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    hook = repo.git_dir / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\nprintf 'you sent {form.format(token=token, pair=pair)} \\033[2J\\n' >&2\nexit 1\n")
    hook.chmod(0o755)
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        with pytest.raises(NotAllowedError, match="you sent") as caught:
            branch.commit(add(new()), WHY)
    assert token not in str(caught.value)
    assert pair not in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_server_that_has_git_talk_without_end_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nyes 'all is well' | head -c 40000000 >&2\necho done\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    status, out, err = Git(tmp_path).attempt("fetch")
    assert (status != 0, out) == (True, b"")
    assert 0 < len(err) <= 1 << 16


def test_a_store_that_somebody_else_made_starts_no_program(tmp_path: Path) -> None:
    """Its configuration may promise missing objects, and name a program that brings them."""
    store, flag = tmp_path / "index.git", tmp_path / "started"
    with Branch(store, "main") as branch:
        branch.create(tmp_path / "scratch")
        branch.commit(add(new()), WHY)
        tree = git(store, "rev-parse", "wharf/main^{tree}").strip()
    git(store, "unpack-objects", data=b"".join(pack.read_bytes() for pack in _away(store)))
    (store / "objects" / tree[:2] / tree[2:]).unlink()
    with (store / "config").open("a") as file:
        file.write(
            "[core]\n repositoryformatversion = 1\n[extensions]\n partialClone = x\n"
            f'[remote "x"]\n url = .\n promisor = true\n uploadpack = "touch {flag}; false"\n'
        )
    with Branch(store, "main") as branch, pytest.raises(StorageError):
        branch.snapshot()
    assert not flag.exists()


def test_a_store_that_somebody_else_signed_starts_no_program(tmp_path: Path) -> None:
    store, flag = tmp_path / "index.git", tmp_path / "started"
    (tmp_path / "gpg").write_text(f"#!/bin/sh\n: > {flag}\n")
    (tmp_path / "gpg").chmod(0o755)
    with Branch(store, "main") as branch:
        branch.create(tmp_path / "scratch")
        branch.commit(add(new()), WHY)
    head, _, text = git(store, "cat-file", "commit", "wharf/main").partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\n{text}"
    commit = git(store, "hash-object", "-w", "-t", "commit", "--stdin", data=signed.encode()).strip()
    git(store, "update-ref", "refs/heads/wharf/main", commit)
    with (store / "config").open("a") as file:
        file.write(f"[log]\n showSignature = true\n[gpg]\n program = {tmp_path}/gpg\n")
    with Branch(store, "main") as branch:
        assert len(list(branch.history())) == 1
    assert not flag.exists()


def _away(store: Path) -> list[Path]:
    """The packs of a repository, taken out of it."""
    found = list((store / "objects" / "pack").glob("*.pack"))
    return [path.rename(store.parent / path.name) for path in found]


@pytest.mark.slow
def test_what_a_clone_without_files_lacks_comes_at_once(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    count = 30
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        for half in (range(count // 2), range(count // 2, count)):
            branch.commit(add(*(new(f"p{each}-1.0.tar.gz", A, "1.0", f"p{each}") for each in half)), WHY)
    with clone(hub, tmp_path / "b", token) as branch:
        branch.fetch()
        packs = sum(path.stat().st_size for path in (tmp_path / "b" / "trees.git").rglob("*.pack"))
        hub.calls.clear()
        wheels = [new(f"p{each}-1.0-py3-none-any.whl", B, "1.0", f"p{each}") for each in range(count)]
        branch.commit(add(*wheels), WHY)
        assert hub.count("git") <= 4  # two to fetch, two to push
        after = sum(path.stat().st_size for path in (tmp_path / "b" / "trees.git").rglob("*.pack"))
    assert packs < 20_000
    assert after < 60_000
    with clone(hub, tmp_path / "c", token, depth="whole") as branch:
        branch.fetch()
        hub.down = True
        snapshot = branch.snapshot()
        assert all(len(snapshot.project(name).files) == 2 for name in snapshot.names())  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_fetch_of_what_is_there_costs_little(hub: Hub, repo: Repo, token: str, tmp_path: Path) -> None:
    with clone(hub, tmp_path / "a", token) as branch:
        branch.fetch()
        branch.commit(add(new()), WHY)
        hub.calls.clear()
        branch.fetch()
        assert (hub.count("git"), len(hub.calls)) == (2, 2)
