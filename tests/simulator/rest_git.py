"""REST: git's refs and objects, and branches."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulator import plumbing, shapes
from tests.simulator.answers import Answer, Context, Refusal, error, reply
from tests.simulator.plumbing import ZERO, GitError
from tests.simulator.rest_releases import page

if TYPE_CHECKING:
    from pathlib import Path


def _kind(git_dir: Path, sha: str) -> str:
    return plumbing.git(git_dir, "cat-file", "-t", sha).decode().strip()


def _ref(context: Context, ref: str, sha: str) -> dict[str, Any]:
    kind = "commit" if ref.startswith("refs/heads/") else _kind(context.repo.git_dir, sha)
    return shapes.git_ref(context.hub, context.repo, ref, sha, kind)


def _not_empty(context: Context) -> None:
    if not plumbing.refs(context.repo.git_dir):
        raise Refusal(error(409, "Git Repository is empty."))


def _allowed(context: Context, ref: str) -> None:
    """Raises Refusal for a protected branch and the tag of an immutable release."""
    repo = context.repo
    if ref.removeprefix("refs/heads/") in repo.protected | repo.signed:
        raise Refusal(error(422, "Cannot update this protected branch."))
    tag = ref.removeprefix("refs/tags/")
    if tag in repo.burned or any(release.immutable and release.tag_name == tag for release in repo.releases):
        raise Refusal(error(422, "Cannot update the tag of an immutable release."))


def get_ref(context: Context) -> Answer:
    ref = f"refs/{context.args[0]}"
    sha = plumbing.read_ref(context.repo.git_dir, ref)
    if sha is None:
        _not_empty(context)
        return error(404)
    return reply(200, _ref(context, ref, sha))


def matching_refs(context: Context) -> Answer:
    found = plumbing.refs(context.repo.git_dir, f"refs/{context.args[0]}")
    if not found:
        _not_empty(context)
    return page(
        context, [_ref(context, ref, sha) for ref, sha in found.items()], f"/git/matching-refs/{quote(context.args[0])}"
    )


def _moved(context: Context, ref: str, old: str, new: str) -> None:
    token = context.request.token
    context.hub.ref_changed(context.repo, ref, old, new, token.login if token else "")


def post_ref(context: Context) -> Answer:
    _not_empty(context)
    asked = context.request.json()
    ref, sha = str(asked.get("ref", "")), str(asked.get("sha", ""))
    git_dir = context.repo.git_dir
    if not re.fullmatch(r"refs/[^/]+/.+", ref):
        return error(422, "Reference name is not valid. It must start with 'refs/' and have at least two slashes.")
    _allowed(context, ref)
    if not re.fullmatch(r"[0-9a-f]{40}", sha):
        return error(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
    if plumbing.read_ref(git_dir, ref) is not None:
        return error(422, "Reference already exists")
    try:
        plumbing.update_ref(git_dir, ref, sha, ZERO)
    except GitError as failure:
        if plumbing.read_ref(git_dir, ref) is not None:
            return error(422, "Reference already exists")
        known = "nonexistent object" not in str(failure)
        return error(422, "Reference update failed" if known else "Object does not exist")
    _moved(context, ref, ZERO, sha)
    shape = _ref(context, ref, sha)
    return reply(201, shape, {"location": shape["url"]})


def patch_ref(context: Context) -> Answer:
    """A fast-forward, or with `force` anything."""
    asked = context.request.json()
    ref, new, git_dir = f"refs/{context.args[0]}", str(asked.get("sha", "")), context.repo.git_dir
    old = plumbing.read_ref(git_dir, ref)
    if old is None:
        return error(422, "Reference does not exist")
    _allowed(context, ref)
    try:
        plumbing.git(git_dir, "cat-file", "-e", f"{new}^{{commit}}")
    except GitError:
        return error(422, "Object does not exist")
    if not asked.get("force"):
        try:
            plumbing.git(git_dir, "merge-base", "--is-ancestor", old, new)
        except GitError:
            return error(422, "Update is not a fast forward")
    try:
        plumbing.update_ref(git_dir, ref, new, old)
    except GitError:
        return error(422, "Reference cannot be updated")
    _moved(context, ref, old, new)
    return reply(200, _ref(context, ref, new))


def delete_ref(context: Context) -> Answer:
    ref = f"refs/{context.args[0]}"
    old = plumbing.read_ref(context.repo.git_dir, ref)
    if old is None:
        return error(422, "Reference does not exist")
    _allowed(context, ref)
    plumbing.update_ref(context.repo.git_dir, ref, ZERO, old)
    _moved(context, ref, old, ZERO)
    return Answer(204)


def _decoded(content: str, encoding: str) -> bytes:
    if encoding != "base64":
        return content.encode()
    try:
        return base64.b64decode(content)
    except binascii.Error:
        raise Refusal(error(422, "content is not valid Base64")) from None


def post_blob(context: Context) -> Answer:
    _not_empty(context)
    asked = context.request.json()
    data = _decoded(str(asked.get("content", "")), str(asked.get("encoding", "utf-8")))
    sha = plumbing.git(context.repo.git_dir, "hash-object", "-w", "--stdin", data=data).decode().strip()
    url = f"{context.hub.api}/repos/{context.repo.slug}/git/blobs/{sha}"
    return reply(201, {"sha": sha, "url": url}, {"location": url})


def _read(context: Context, kind: str, sha: str) -> bytes:
    try:
        return plumbing.git(context.repo.git_dir, "cat-file", kind, sha)
    except GitError:
        raise Refusal(error(404)) from None


def get_blob(context: Context) -> Answer:
    sha = context.args[0]
    data = _read(context, "blob", sha)
    url = f"{context.hub.api}/repos/{context.repo.slug}/git/blobs/{sha}"
    content = base64.encodebytes(data).decode()
    shape = {
        "sha": sha,
        "node_id": shapes.node_id("B", sha),
        "size": len(data),
        "url": url,
        "content": content,
        "encoding": "base64",
    }
    return reply(200, shape)


def _tree(context: Context, sha: str, *, recursive: bool) -> dict[str, Any]:
    api = f"{context.hub.api}/repos/{context.repo.slug}/git"
    options = ["-r", "-t"] if recursive else []
    try:
        listing = plumbing.git(context.repo.git_dir, "ls-tree", "-z", "-l", *options, sha).decode()
    except GitError:
        raise Refusal(error(404)) from None
    entries: list[dict[str, Any]] = []
    for line in listing.split("\0")[:-1]:
        head, _, path = line.partition("\t")
        mode, kind, one, size = head.split()
        entry: dict[str, Any] = {"path": path, "mode": mode, "type": kind, "sha": one, "url": f"{api}/{kind}s/{one}"}
        entries.append(entry | ({"size": int(size)} if kind == "blob" else {}))
    return {"sha": sha, "url": f"{api}/trees/{sha}", "tree": entries, "truncated": False}


def get_tree(context: Context) -> Answer:
    try:
        sha = plumbing.git(context.repo.git_dir, "rev-parse", "--verify", "--end-of-options", f"{context.args[0]}^{{tree}}")
    except GitError:
        return error(404)
    return reply(200, _tree(context, sha.decode().strip(), recursive="recursive" in context.request.query))


def post_tree(context: Context) -> Answer:
    """Entries on top of `base_tree`; `sha: null` removes a path."""
    _not_empty(context)
    asked, git_dir = context.request.json(), context.repo.git_dir
    index = {"GIT_INDEX_FILE": str(context.hub.root / f"index-{context.hub.next_id()}")}
    lines = []
    for entry in asked.get("tree", []):
        sha = entry.get("sha")
        if "content" in entry:
            sha = plumbing.git(git_dir, "hash-object", "-w", "--stdin", data=entry["content"].encode()).decode().strip()
        lines.append(f"{entry['mode'] if sha else 0} {sha or ZERO}\t{entry['path']}\0")
    try:
        if asked.get("base_tree"):
            plumbing.git(git_dir, "read-tree", asked["base_tree"], env=index)
        plumbing.git(git_dir, "update-index", "-z", "--index-info", data="".join(lines).encode(), env=index)
        sha = plumbing.git(git_dir, "write-tree", env=index).decode().strip()
    except GitError as failure:
        return error(422, f"GitRPC::BadObjectState: {failure}")
    shape = _tree(context, sha, recursive=False)
    return reply(201, shape, {"location": shape["url"]})


def _person(line: str) -> dict[str, str]:
    name, email, moment = re.fullmatch(r"(.*?) ?<(.*)> (\d+) [-+]\d+", line).groups()  # type: ignore[union-attr]
    date = datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"name": name, "email": email, "date": date}


def commit_shape(context: Context, sha: str) -> dict[str, Any]:
    """`git-commit`. Raises Refusal (404)."""
    head, _, message = _read(context, "commit", sha).decode(errors="replace").partition("\n\n")
    fields = [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in head.splitlines() if " " in line]
    one = dict(reversed(fields))
    api, web = f"{context.hub.api}/repos/{context.repo.slug}/git", f"{context.hub.url}/{context.repo.slug}/commit"
    parents = [value for name, value in fields if name == "parent"]
    signed = sha in context.repo.verified
    return {
        "sha": sha,
        "node_id": shapes.node_id("C", sha),
        "url": f"{api}/commits/{sha}",
        "html_url": f"{web}/{sha}",
        "author": _person(one["author"]),
        "committer": _person(one["committer"]),
        "tree": {"sha": one["tree"], "url": f"{api}/trees/{one['tree']}"},
        "message": message.removesuffix("\n"),
        "parents": [{"sha": each, "url": f"{api}/commits/{each}", "html_url": f"{web}/{each}"} for each in parents],
        "verification": {
            "verified": signed,
            "reason": "valid" if signed else "unsigned",
            "signature": "-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n" if signed else None,
            "payload": head if signed else None,
            "verified_at": context.hub.clock.text() if signed else None,
        },
    }


def get_commit(context: Context) -> Answer:
    return reply(200, commit_shape(context, context.args[0]))


def post_commit(context: Context) -> Answer:
    _not_empty(context)
    asked = context.request.json()
    token = context.request.token
    login = token.login if token else ""
    author = asked.get("author") or {"name": login, "email": f"{login}@users.noreply.github.com"}
    moment = f"{int(context.hub.clock.now())} +0000"
    env: dict[str, str] = {}
    for role, person in (("AUTHOR", author), ("COMMITTER", asked.get("committer") or author)):
        env |= {
            f"GIT_{role}_NAME": person["name"],
            f"GIT_{role}_EMAIL": person["email"],
            f"GIT_{role}_DATE": person.get("date", moment),
        }
    parents = [word for parent in asked.get("parents", []) for word in ("-p", parent)]
    try:
        made = plumbing.git(
            context.repo.git_dir,
            "commit-tree",
            str(asked.get("tree")),
            *parents,
            data=str(asked.get("message", "")).encode(),
            env=env,
        )
    except GitError:
        return error(422, "Tree SHA does not exist")
    shape = commit_shape(context, made.decode().strip())
    return reply(201, shape, {"location": shape["url"]})


def _full_commit(context: Context, sha: str) -> dict[str, Any]:
    plain = commit_shape(context, sha)
    url = f"{context.hub.api}/repos/{context.repo.slug}/commits/{sha}"
    inner = {name: plain[name] for name in ("url", "author", "committer", "tree", "message", "verification")}
    who = shapes.user(context.hub, plain["author"]["name"])
    return {
        "sha": sha,
        "node_id": plain["node_id"],
        "url": url,
        "html_url": plain["html_url"],
        "comments_url": f"{url}/comments",
        "commit": inner | {"comment_count": 0},
        "author": who,
        "committer": who,
        "parents": plain["parents"],
        "stats": {"additions": 0, "deletions": 0, "total": 0},
        "files": [],
    }


def get_full_commit(context: Context) -> Answer:
    sha = plumbing.resolve(context.repo.git_dir, context.args[0])
    if sha is None:
        _not_empty(context)
        return error(422, f"No commit found for SHA: {context.args[0]}")
    return reply(200, _full_commit(context, sha))


def get_branch(context: Context) -> Answer:
    name = context.args[0]
    sha = plumbing.read_ref(context.repo.git_dir, f"refs/heads/{name}")
    if sha is None:
        return error(404, "Branch not found")
    url = f"{context.hub.api}/repos/{context.repo.slug}/branches/{quote(name)}"
    protected = name in context.repo.protected | context.repo.signed
    shape = {
        "name": name,
        "commit": _full_commit(context, sha),
        "_links": {"self": url, "html": f"{context.hub.url}/{context.repo.slug}/tree/{quote(name)}"},
        "protected": protected,
        "protection": {
            "enabled": protected,
            "required_status_checks": {"enforcement_level": "off", "contexts": [], "checks": []},
        },
        "protection_url": f"{url}/protection",
    }
    return reply(200, shape)


def get_rules(context: Context) -> Answer:
    """ "Get rules for a branch": those of rulesets that are active."""
    if context.args[0] not in context.repo.protected:
        return reply(200, [])
    ruleset = {"ruleset_source_type": "Repository", "ruleset_source": context.repo.slug, "ruleset_id": 1}
    return reply(200, [{"type": kind, **ruleset} for kind in ("creation", "update", "deletion")])
