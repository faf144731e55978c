"""REST: the files of a branch."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from tests.simulator import plumbing
from tests.simulator.answers import Answer, Context, error, reply
from tests.simulator.plumbing import GitError
from tests.simulator.rest_git import commit_shape


def _shape(context: Context, path: str, kind: str, sha: str, size: int, ref: str) -> dict[str, Any]:
    api, web = f"{context.hub.api}/repos/{context.repo.slug}", f"{context.hub.url}/{context.repo.slug}"
    place = quote(path)
    own = f"{api}/contents/{place}?ref={quote(ref, safe='')}"
    plural = "trees" if kind == "dir" else "blobs"
    html = f"{web}/{'tree' if kind == 'dir' else 'blob'}/{quote(ref)}/{place}"
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha,
        "size": size,
        "type": kind,
        "url": own,
        "html_url": html,
        "git_url": f"{api}/git/{plural}/{sha}",
        "download_url": None if kind == "dir" else f"{web}/raw/{quote(ref)}/{place}",
        "_links": {"self": own, "git": f"{api}/git/{plural}/{sha}", "html": html},
    }


def _listing(context: Context, sha: str, path: str, ref: str) -> list[dict[str, Any]]:
    where = f"{path}/" if path else ""
    lines = plumbing.git(context.repo.git_dir, "ls-tree", "-z", "-l", f"{sha}:{path}").decode().split("\0")[:-1]
    found = []
    for line in lines:
        head, _, name = line.partition("\t")
        _, kind, one, size = head.split()
        shape = _shape(context, where + name, "dir" if kind == "tree" else "file", one, 0 if size == "-" else int(size), ref)
        found.append(shape)
    return found


def get(context: Context) -> Answer:
    """A file (its bytes, where `Accept` asks for raw) or the list of a folder."""
    path = context.args[0].strip("/")
    ref = context.request.query.get("ref", context.repo.default_branch)
    git_dir = context.repo.git_dir
    sha = plumbing.resolve(git_dir, ref.removeprefix("refs/heads/"))
    if sha is None:
        return error(404, f"No commit found for the ref {ref}")
    try:
        one = plumbing.git(git_dir, "rev-parse", "--verify", "--end-of-options", f"{sha}:{path}").decode().strip()
        if plumbing.git(git_dir, "cat-file", "-t", one).strip() == b"tree":
            return reply(200, _listing(context, sha, path, ref))
        data = plumbing.git(git_dir, "cat-file", "blob", one)
    except GitError:
        return error(404)
    accept = context.request.headers.get("accept", "")
    if "raw" in accept:
        kind = "application/vnd.github.v3.raw" if ".v3." in accept else "application/vnd.github.raw"
        return Answer(200, data, {"content-type": f"{kind}; charset=utf-8"})
    content = {"content": base64.encodebytes(data).decode(), "encoding": "base64"}
    return reply(200, _shape(context, path, "file", one, len(data), ref) | content)


def put(context: Context) -> Answer:
    """One file on a branch, as one commit."""
    path, asked, git_dir = context.args[0], context.request.json(), context.repo.git_dir
    branch = asked.get("branch", context.repo.default_branch)
    tip = plumbing.read_ref(git_dir, f"refs/heads/{branch}")
    if tip is None and plumbing.refs(git_dir):
        return error(404, f"Branch {branch} not found")
    if branch in context.repo.protected:
        return error(409, f"Repository rule violations found\n\nCannot update this protected ref.\n\n{branch}")
    try:
        before = plumbing.git(git_dir, "rev-parse", "--verify", "--quiet", f"{tip}:{path}").decode().strip()
    except GitError:
        before = None
    if before is not None and asked.get("sha") is None:
        return error(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if before != asked.get("sha"):
        return error(409, f"{path} does not match {asked.get('sha')}")
    data = base64.b64decode(asked.get("content", ""))
    login = context.request.token.login if context.request.token else ""
    message = str(asked.get("message", ""))
    try:
        new = plumbing.commit_files(git_dir, branch, tip, message, login, context.hub.clock.now(), additions=[(path, data)])
    except GitError:
        return error(409, f"is at another commit but expected {tip}")
    context.repo.verified.add(new)
    context.hub.ref_changed(context.repo, f"refs/heads/{branch}", tip or plumbing.ZERO, new, login)
    sha = plumbing.git(git_dir, "rev-parse", f"{new}:{path}").decode().strip()
    content = _shape(context, path, "file", sha, len(data), branch)
    return reply(201 if before is None else 200, {"content": content, "commit": commit_shape(context, new)})
