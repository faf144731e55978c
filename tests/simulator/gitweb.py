"""git over smart HTTP: git's own programs on the real repository, behind GitHub's questions of who may."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from typing import TYPE_CHECKING

from tests.simulator import advertised, plumbing
from tests.simulator.answers import Answer, Refusal, Request, text
from tests.simulator.state import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo

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
    assert service is not None
    return _run(hub, request, repo, match.group(2), service)


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


def _run(hub: Hub, request: Request, repo: Repo, tail: str, service: str) -> Answer:
    headers = {
        "expires": "Fri, 01 Jan 1980 00:00:00 GMT",
        "pragma": "no-cache",
        "cache-control": "no-cache, max-age=0, must-revalidate",
        "content-type": f"application/x-{tail}-result",
    }
    if tail == "info/refs":
        headers["content-type"] = f"application/x-{service}-advertisement"
        return Answer(200, _refs(request, repo, service), headers)
    body = request.body.read()
    if service == "git-receive-pack":
        login = request.token.login if request.token else ""
        process = _start(request, repo, service, login)
        data, _ = process.communicate(body)
        _after(hub, repo, _commands(body), login)
        return Answer(200, data, headers)
    known = advertised.listed(repo.git_dir, body) if request.headers.get("git-protocol") == "version=2" else None
    return Answer(200, _stream(_start(request, repo, service), body) if known is None else known, headers)


def _refs(request: Request, repo: Repo, service: str) -> bytes:
    protocol = request.headers.get("git-protocol", "")
    known = advertised.capabilities(repo.git_dir, service, protocol)
    if known is not None:
        return known
    process = _start(request, repo, service, "", "--advertise-refs")
    data, _ = process.communicate()
    line = f"# service={service}\n"
    return f"{len(line) + 4:04x}{line}0000".encode() + data


def _start(request: Request, repo: Repo, service: str, login: str = "", *words: str) -> subprocess.Popen[bytes]:
    environment = plumbing.environment() | {
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
        "GIT_COMMITTER_NAME": login or "nobody",
        "GIT_COMMITTER_EMAIL": f"{login or 'nobody'}@http.127.0.0.1",
        "SIMULATOR_PROTECTED": " ".join(repo.protected),
        "SIMULATOR_SIGNED": " ".join(repo.signed),
    }
    rules = repo.protected or repo.signed or (repo.git_dir / "simulator-tags").exists()
    if not rules and [each.name for each in (repo.git_dir / "hooks").iterdir()] == ["update"]:  # which would refuse nothing
        environment |= {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.hooksPath", "GIT_CONFIG_VALUE_0": os.devnull}
    command = [*advertised.command_of(service), *words, str(repo.git_dir)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, env=environment)


def _stream(process: subprocess.Popen[bytes], body: bytes) -> Iterator[bytes]:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        with contextlib.suppress(BrokenPipeError):  # it has said why in its answer
            process.stdin.write(body)
            process.stdin.close()
        while piece := process.stdout.read1(1 << 16):  # type: ignore[attr-defined]
            yield piece
    finally:
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        process.wait()


def _commands(body: bytes) -> list[tuple[str, str, str]]:
    """(old, new, ref) of each update that a push asks for."""
    found, at = [], 0
    while (length := int(body[at : at + 4] or b"0", 16)) > 4:
        line = body[at + 4 : at + length].partition(b"\0")[0].decode().strip()
        if len(parts := line.split(" ", 2)) == 3:
            found.append((parts[0], parts[1], parts[2]))
        at += length
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
