"""Git for the simulator: by the git program, but for what a file says: refs, a commit by its id, and a new tag."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import uuid
import zlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ZERO = "0" * 40
_ID = re.compile("[0-9a-f]{40}")
_TAG = re.compile(r"refs/tags/[A-Za-z0-9_+!-]+(\.[A-Za-z0-9_+!-]+)*")

_CONFIG = """\
[core]
	repositoryformatversion = 0
	filemode = true
	bare = true
[http]
	receivepack = true
[uploadpack]
	allowFilter = true
	allowAnySHA1InWant = true
	allowReachableSHA1InWant = true
[transfer]
	hideRefs = refs/simulator
[gc]
	auto = 0
[receive]
	autogc = false
"""

# As GitHub words its refusals; the names come by the environment of the one push (gitweb.py).
_UPDATE = """\
#!/bin/sh
ref=$1; new=$3
refuse() {
    echo "error: GH006: Protected branch update failed for $ref." >&2
    echo "error: $1" >&2
    exit 1
}
for name in $SIMULATOR_PROTECTED; do
    test "$ref" = "refs/heads/$name" && refuse "Changes must be made through a pull request."
done
for name in $SIMULATOR_SIGNED; do
    test "$ref" = "refs/heads/$name" && refuse "Commits must have verified signatures."
done
case $ref in refs/tags/*)
    if test -f simulator-tags && grep -qxF "$ref" simulator-tags; then
        echo "error: GH013: Repository rule violations found for $ref." >&2
        echo "- Cannot update this protected ref." >&2
        exit 1
    fi
esac
exit 0
"""


class GitError(Exception):
    """The git program refused; the text is what it said."""


def environment() -> dict[str, str]:
    """For a git that knows nothing of this machine's or person's configuration."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "LC_ALL": "C",
    }


def git(git_dir: Path, *arguments: str, data: bytes = b"", env: dict[str, str] | None = None) -> bytes:
    """The output of one git command. Raises GitError."""
    command = ["git", "--git-dir", str(git_dir), *arguments]
    run = subprocess.run(command, input=data, capture_output=True, check=False, env=environment() | (env or {}))
    if run.returncode:
        raise GitError(run.stderr.decode(errors="replace").strip())
    return run.stdout


def create(git_dir: Path) -> None:
    """An empty bare repository, made without starting git."""
    for folder in ("objects/info", "objects/pack", "refs/heads", "refs/tags", "hooks", "info"):
        (git_dir / folder).mkdir(parents=True)
    (git_dir / "HEAD").write_text("ref: refs/heads/main\n")
    (git_dir / "config").write_text(_CONFIG)
    hook = git_dir / "hooks" / "update"
    hook.write_text(_UPDATE)
    hook.chmod(0o755)


def share(git_dir: Path, fork: Path) -> None:
    """Give an empty repository the refs of another one, and have both keep their objects in one place."""
    shutil.rmtree(fork / "objects")
    (fork / "objects").symlink_to(git_dir / "objects", target_is_directory=True)
    (fork / "HEAD").write_text((git_dir / "HEAD").read_text())
    for ref, commit in refs(git_dir).items():
        update_ref(fork, ref, commit)


def _packed(git_dir: Path) -> dict[str, str]:
    try:
        lines = (git_dir / "packed-refs").read_text().splitlines()
    except FileNotFoundError:
        return {}
    return {line[41:]: line[:40] for line in lines if line and line[0] not in "#^"}


def read_ref(git_dir: Path, ref: str) -> str | None:
    """The id that a full ref name points to; a loose file wins over the packed list."""
    if ".." in ref or not ref.startswith("refs/"):
        return None
    try:
        return (git_dir / ref).read_text().strip() or None
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return _packed(git_dir).get(ref)


def refs(git_dir: Path, prefix: str = "refs/") -> dict[str, str]:
    """All refs that begin with `prefix`, sorted by name."""
    found = _packed(git_dir)
    for path in (git_dir / "refs").rglob("*"):
        if path.is_file() and path.suffix != ".lock":
            found[path.relative_to(git_dir).as_posix()] = path.read_text().strip()
    return {ref: found[ref] for ref in sorted(found) if ref.startswith(prefix) and not ref.startswith("refs/simulator/")}


def update_ref(git_dir: Path, ref: str, new: str, old: str | None = None) -> None:
    """Sets `ref`, by compare-and-swap where `old` is given (ZERO: must not exist; new ZERO: deletes). Raises GitError."""
    if old == ZERO and _TAG.fullmatch(ref) and _loose(git_dir, new) is not None and _created(git_dir, ref, new):
        return
    line = f"delete {ref}" if new == ZERO else f"update {ref} {new}"
    git(git_dir, "update-ref", "--stdin", data=(line + (f" {old}" if old is not None else "") + "\n").encode())


def resolve(git_dir: Path, name: str) -> str | None:
    """The commit that a branch, a tag or an id names."""
    known = read_ref(git_dir, f"refs/heads/{name}")
    if known is not None:
        return known
    if _loose(git_dir, name) is not None:
        return name
    try:
        return git(git_dir, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").decode().strip()
    except GitError:
        return None


def commit_date(git_dir: Path, name: str) -> str:
    """The committer's date of the commit that a name stands for."""
    data = _loose(git_dir, read_ref(git_dir, name) or "")
    if data is not None:
        moment = data.partition(b"\ncommitter ")[2].partition(b"\n")[0].split()[-2].decode()
        return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    moment = git(git_dir, "log", "-1", "--format=%ct", "--end-of-options", name).decode()
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _loose(git_dir: Path, commit: str) -> bytes | None:
    """A commit that has a file of its own, as git keeps it; None for all else, which git itself has to look for."""
    if not _ID.fullmatch(commit):
        return None
    try:
        data = zlib.decompress((git_dir / "objects" / commit[:2] / commit[2:]).read_bytes())
    except (FileNotFoundError, zlib.error):
        return None
    return data if data.startswith(b"commit ") else None


def _created(git_dir: Path, ref: str, commit: str) -> bool:
    """Whether a tag was made, as git makes it: by a lock that becomes the file. False where git has to say why not."""
    path = git_dir / ref
    if read_ref(git_dir, ref) is not None or path.exists():
        return False
    lock = path.with_name(f"{path.name}.lock")
    try:
        with lock.open("x") as file:
            file.write(f"{commit}\n")
    except OSError:
        return False
    if path.exists():
        lock.unlink()
        return False
    lock.rename(path)
    return True


def commit_files(
    git_dir: Path,
    branch: str,
    parent: str | None,
    message: str,
    login: str,
    moment: float,
    *,
    additions: Iterable[tuple[str, bytes]] = (),
    deletions: Iterable[str] = (),
) -> str:
    """One commit on `branch` by compare-and-swap against `parent`; its id. Raises GitError for a stale parent."""
    scratch = f"refs/simulator/{uuid.uuid4().hex}"
    text = message.encode()
    who = f"{login} <{login}@users.noreply.github.com>"
    when = f"{int(moment)} +0000"
    lines = [f"commit {scratch}\nauthor {who} {when}\ncommitter GitHub <noreply@github.com> {when}\n".encode()]
    lines.append(b"data %d\n%s\n" % (len(text), text))
    if parent is not None:
        lines.append(f"from {parent}\n".encode())
    lines += [f"D {path}\n".encode() for path in deletions]
    lines += [f"M 100644 inline {path}\n".encode() + b"data %d\n%s\n" % (len(data), data) for path, data in additions]
    git(git_dir, "fast-import", "--quiet", "--date-format=raw-permissive", data=b"".join(lines))
    new = read_ref(git_dir, scratch)
    assert new is not None
    swap = f"update refs/heads/{branch} {new} {parent or ZERO}\ndelete {scratch}\n"
    git(git_dir, "update-ref", "--stdin", data=swap.encode())
    return new
