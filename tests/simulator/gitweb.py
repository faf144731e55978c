"""git over smart HTTP: git's own CGI program on the real repository, behind GitHub's questions of who may."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from simulator import plumbing
from simulator.answers import Answer, Refusal, Request, text
from simulator.state import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.hub import Hub
    from simulator.state import Repo

_PATH = re.compile(r"/([^/]+/[^/]+)\.git/(info/refs|git-upload-pack|git-receive-pack)")
_ASK = {"www-authenticate": 'Basic realm="GitHub"'}


def handle(hub: Hub, request: Request) -> Answer:
    """One request of a git client."""
    match = _PATH.fullmatch(request.path)
    service = request.query.get("service") if match and match.group(2) == "info/refs" else match and match.group(2)
    if match is None or service not in {"git-upload-pack", "git-receive-pack"}:
        return text(404, "Not Found")
    try:
        hub.login(request)
    except Refusal:
        words = "Invalid username or token. Password authentication is not supported for Git operations."
        return text(401, words, _ASK)
    slug = match.group(1).lower()
    with hub.lock:
        repo, moved = hub.repos.get(slug), hub.moved.get(slug)
    refused = _refuse(hub, request, repo or moved, service)
    if refused is not None:
        return refused
    if moved is not None:
        query = f"?{request.raw_query}" if request.raw_query else ""
        location = f"{hub.url}/{moved.slug}.git/{match.group(2)}{query}"
        return text(301, "Moved Permanently", {"location": location})
    assert repo is not None
    return _run(hub, request, repo, match.group(2), writes=service == "git-receive-pack")


def _refuse(hub: Hub, request: Request, repo: Repo | None, service: str) -> Answer | None:
    token = request.token
    level = hub.level(token, repo) if repo is not None else 0
    if level < LEVELS["read"] or repo is None:
        return text(401, "Repository not found.", _ASK) if token is None else text(404, "Repository not found.")
    if token is not None and not token.contents and repo.private:
        return text(403, "Write access to repository not granted.")
    if service == "git-receive-pack":
        if token is None:
            return text(401, "No anonymous write access.", _ASK)
        if level < LEVELS["write"]:
            return text(403, f"Permission to {repo.slug}.git denied to {token.login}.")
        if repo.archived:
            return text(403, "ERROR: This repository was archived so it is read-only.")
    return None


def _run(hub: Hub, request: Request, repo: Repo, tail: str, *, writes: bool) -> Answer:
    commands = _commands(request) if tail == "git-receive-pack" else []
    login = request.token.login if request.token else ""
    environment = plumbing.environment() | {
        "GIT_PROJECT_ROOT": str(repo.git_dir.parent),
        "PATH_INFO": f"/{repo.git_dir.name}/{tail}",
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.raw_query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(request.size),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "REMOTE_USER": login,
        "REMOTE_ADDR": "127.0.0.1",
        "SIMULATOR_PROTECTED": " ".join(repo.protected),
        "SIMULATOR_SIGNED": " ".join(repo.signed),
    }
    process = subprocess.Popen(
        [plumbing.backend()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        while piece := request.body.read(1 << 16):
            process.stdin.write(piece)
        process.stdin.close()
    except BrokenPipeError:
        pass  # it has said why in its answer
    status, headers = 200, {}
    while line := process.stdout.readline().strip():
        name, _, value = line.decode().partition(": ")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers[name.lower()] = value
    if writes:
        data = process.stdout.read()
        _end(process)
        _after(hub, repo, commands, login)
        return Answer(status, data, headers)
    return Answer(status, _stream(process), headers)


def _stream(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout is not None
    try:
        while piece := process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
            yield piece
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None and not pipe.closed:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    process.wait()


def _commands(request: Request) -> list[tuple[str, str, str]]:
    """(old, new, ref) of each update that a push asks for; the body is left at its start."""
    found = []
    while (length := int(request.body.read(4) or b"0", 16)) > 4:
        line = request.body.read(length - 4).partition(b"\0")[0].decode().strip()
        if len(parts := line.split(" ", 2)) == 3:
            found.append((parts[0], parts[1], parts[2]))
    request.body.seek(0)
    return found


def _after(hub: Hub, repo: Repo, commands: list[tuple[str, str, str]], login: str) -> None:
    """What GitHub does after a push: the first branch becomes the default one, and the hooks are told."""
    for old, new, ref in commands:
        if (plumbing.read_ref(repo.git_dir, ref) or plumbing.ZERO) != new:
            continue
        default = plumbing.read_ref(repo.git_dir, f"refs/heads/{repo.default_branch}")
        if default is None and new != plumbing.ZERO and ref.startswith("refs/heads/"):
            (repo.git_dir / "HEAD").write_text(f"ref: {ref}\n")
        hub.ref_changed(repo, ref, old, new, login)
