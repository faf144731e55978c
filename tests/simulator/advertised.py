"""What git tells a client about the refs of a repository, told without starting git (gitprotocol-v2, gitprotocol-pack).

A client asks for the refs before each fetch and each push. Git's own answer costs two processes, and it holds nothing but
lines of refs and git's capabilities. The capabilities are asked of git once in a process. test_simulator.py compares these
answers with those of git's CGI program.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.simulator import plumbing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VERSION_2 = "version=2"
_FLUSH, _DELIMITER = b"0000", b"0001"
_told: dict[tuple[str, str], bytes] = {}


def capabilities(git_dir: Path, service: str, protocol: str) -> bytes | None:
    """The answer to `info/refs`; None where git itself has to answer. `protocol` is the value of the header Git-Protocol."""
    if protocol != _VERSION_2:
        return None
    if service == "git-upload-pack":
        return _asked(git_dir, service, protocol)
    words = _asked(git_dir, service, protocol).partition(b"\0")[2].partition(b"\n")[0]
    lines = [f"{found} {ref}".encode() for ref, found in plumbing.refs(git_dir).items()]
    lines = lines or [f"{plumbing.ZERO} capabilities^{{}}".encode()]
    lines[0] += b"\0" + words
    return b"".join(_packet(line + b"\n") for line in lines) + _FLUSH


def listed(git_dir: Path, body: bytes) -> bytes | None:
    """The answer to the command `ls-refs`; None for other commands, and where an object has to be read for it."""
    lines = list(_packets(body))
    if not lines or lines[0] != b"command=ls-refs" or None not in lines:
        return None
    arguments = [line.decode() for line in lines[lines.index(None) + 1 :] if line is not None]
    prefixes = tuple(word.removeprefix("ref-prefix ") for word in arguments if word.startswith("ref-prefix ")) or ("",)
    refs = {ref: found for ref, found in plumbing.refs(git_dir).items() if ref.startswith(prefixes)}
    if "peel" in arguments and any(not ref.startswith("refs/heads/") for ref in refs):
        return None  # a tag may be an object of its own
    answer = []
    if "HEAD".startswith(prefixes):
        target = (git_dir / "HEAD").read_text().strip().removeprefix("ref: ")
        found = plumbing.read_ref(git_dir, target)
        link = f" symref-target:{target}" if "symrefs" in arguments else ""
        if found is not None or "unborn" in arguments:
            answer.append(f"{found or 'unborn'} HEAD{link}\n")
    answer += [f"{found} {ref}\n" for ref, found in refs.items()]
    return b"".join(_packet(line.encode()) for line in answer) + _FLUSH


def _asked(git_dir: Path, service: str, protocol: str) -> bytes:
    key = (service, protocol)
    if key not in _told:
        command = [*command_of(service), "--advertise-refs", str(git_dir)]
        environment = plumbing.environment() | {"GIT_PROTOCOL": protocol}
        _told[key] = subprocess.run(command, check=True, capture_output=True, env=environment).stdout
    return _told[key]


def command_of(service: str) -> list[str]:
    """The program of a service, as git's CGI program starts it."""
    strict = ["--strict"] if service == "git-upload-pack" else []
    return ["git", service.removeprefix("git-"), *strict, "--stateless-rpc"]


def _packet(line: bytes) -> bytes:
    return b"%04x%b" % (len(line) + 4, line)


def _packets(body: bytes) -> Iterator[bytes | None]:
    """The lines of a request without their line feeds; None for the delimiter."""
    at = 0
    while at + 4 <= len(body):
        length = int(body[at : at + 4], 16)
        if length == 0:
            return
        if length == 1:
            yield None
        else:
            yield body[at + 4 : at + length].removesuffix(b"\n")
        at += max(length, 4)
