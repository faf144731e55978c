"""What the simulator tells a git client about refs is what git's own CGI program tells it, byte for byte."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.simulator import advertised, plumbing

HEADERS = {"upload": "git-upload-pack", "receive": "git-receive-pack"}
ASKED = {
    "everything": ["peel", "symrefs"],
    "branches": ["symrefs", "ref-prefix refs/heads/"],
    "one": ["ref-prefix refs/heads/wharf/main"],
    "the default": ["symrefs", "unborn", "ref-prefix HEAD"],
    "nothing": ["ref-prefix refs/none/"],
}


def cgi(git_dir: Path, tail: str, service: str, body: bytes = b"") -> bytes:
    """The body of git's own answer."""
    folder = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True).stdout.strip()
    environment = plumbing.environment() | {
        "GIT_PROJECT_ROOT": str(git_dir.parent),
        "PATH_INFO": f"/{git_dir.name}/{tail}",
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": "POST" if body else "GET",
        "QUERY_STRING": "" if body else f"service={service}",
        "CONTENT_TYPE": f"application/x-{service}-request" if body else "",
        "CONTENT_LENGTH": str(len(body)),
        "GIT_PROTOCOL": "version=2",
        "REMOTE_USER": "ada",
    }
    command = [str(Path(folder) / "git-http-backend")]
    done = subprocess.run(command, input=body, check=True, capture_output=True, env=environment)
    return done.stdout.partition(b"\r\n\r\n")[2]


@pytest.fixture(params=["empty", "one branch", "branches and tags", "packed", "an annotated tag"])
def git_dir(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / "1001.git"
    plumbing.create(made)
    if request.param != "empty":
        commit = plumbing.commit_files(made, "main", None, "One", "ada", 1_000_000_000, additions=[("a", b"1")])
        if request.param != "one branch":
            for ref in ("refs/heads/wharf/main", "refs/heads/wharf/main2", "refs/tags/a-1.0", "refs/simulator/hidden"):
                plumbing.update_ref(made, ref, commit)
        if request.param == "packed":
            plumbing.git(made, "pack-refs", "--all")
        if request.param == "an annotated tag":
            who = {"GIT_COMMITTER_NAME": "ada", "GIT_COMMITTER_EMAIL": "ada@example.org"}
            plumbing.git(made, "tag", "-a", "-m", "Words", "b-1.0", commit, env=who)
    return made


@pytest.mark.parametrize("service", HEADERS.values(), ids=HEADERS)
def test_the_refs_before_a_fetch_and_before_a_push(git_dir: Path, service: str) -> None:
    assert advertised.capabilities(git_dir, service, "version=2") == cgi(git_dir, "info/refs", service)
    assert advertised.capabilities(git_dir, service, "") is None, "older protocols are git's own"


@pytest.mark.parametrize("asked", ASKED)
def test_the_refs_that_are_asked_for(git_dir: Path, asked: str) -> None:
    lines = [b"command=ls-refs\n", b"agent=git/2\n", b"object-format=sha1\n"]
    arguments = [f"{word}\n".encode() for word in ASKED[asked]]
    body = b"".join([*map(packet, lines), b"0001", *map(packet, arguments), b"0000"])
    told = advertised.listed(git_dir, body)
    if told is None:  # only where an object has to be read
        assert "peel" in ASKED[asked]
        assert plumbing.refs(git_dir, "refs/tags/")
    else:
        assert told == cgi(git_dir, "git-upload-pack", "git-upload-pack", body)


def test_other_commands_are_left_to_git(tmp_path: Path) -> None:
    assert advertised.listed(tmp_path, packet(b"command=fetch") + b"0001" + packet(b"done") + b"0000") is None


def packet(line: bytes) -> bytes:
    return b"%04x%b" % (len(line) + 4, line)


def test_what_is_done_without_git_is_as_git_does_it(tmp_path: Path) -> None:
    made = tmp_path / "1001.git"
    plumbing.create(made)
    commit = plumbing.commit_files(made, "main", None, "One", "ada", 1_000_000_000, additions=[("a", b"1")])
    plumbing.update_ref(made, "refs/tags/a-1.0", commit, plumbing.ZERO)
    assert plumbing.git(made, "rev-parse", "refs/tags/a-1.0").decode().strip() == commit == plumbing.resolve(made, commit)
    with pytest.raises(plumbing.GitError, match="already exists"):
        plumbing.update_ref(made, "refs/tags/a-1.0", commit, plumbing.ZERO)
    with pytest.raises(plumbing.GitError, match=r"cannot create|cannot lock"):
        plumbing.update_ref(made, "refs/tags/a-1.0/b", commit, plumbing.ZERO)
    loose = plumbing.commit_date(made, "refs/tags/a-1.0")
    plumbing.git(made, "repack", "-adq")
    assert plumbing.commit_date(made, "refs/tags/a-1.0") == loose == "2001-09-09T01:46:40Z"
    assert plumbing.resolve(made, commit) == commit
