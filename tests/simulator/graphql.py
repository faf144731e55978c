"""GraphQL: `createCommitOnBranch`, and enough of `repository`, `viewer` and `rateLimit` to look around."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from simulator import plumbing, shapes
from simulator.answers import Answer, Refusal, Request, error, reply
from simulator.query import Field, SyntaxFault, parse
from simulator.state import LEVELS

if TYPE_CHECKING:
    from simulator.hub import Hub
    from simulator.state import Repo

_PERMISSIONS = ("", "READ", "WRITE", "ADMIN")
Variables = dict[str, Any]


class Fault(Exception):  # noqa: N818
    """One entry of `errors`."""

    def __init__(self, message: str, type_: str | None = None) -> None:
        super().__init__(message)
        self.type = type_


def handle(hub: Hub, request: Request) -> Answer:
    """POST of {query, variables}; everything but a wrong token is HTTP 200."""
    token = hub.login(request)
    if token is None:
        return error(401, "This endpoint requires you to be authenticated.")
    if request.method != "POST":
        return error(404)
    asked = request.json()
    key = hub.limits.key(token, "graphql")
    query = str(asked.get("query", ""))
    with hub.lock:
        changes = query.lstrip().startswith("mutation")
        try:
            hub.limits.admit(key, 1, 5 if changes else 1, creates=changes)
        except Refusal as refusal:
            refusal.answer.headers |= hub.limits.headers(key)
            raise
    done = _execute(hub, request, query, asked.get("variables") or {})
    if "internal" in request.faults:  # it was done, and GitHub says that something went wrong
        done = {"data": None, "errors": [{"type": "INTERNAL", "message": "Something went wrong while executing your query."}]}
    answer = reply(200, done)
    with hub.lock:
        answer.headers |= hub.limits.headers(key)
    return answer


def _execute(hub: Hub, request: Request, query: str, variables: Variables) -> dict[str, Any]:
    try:
        fields = parse(query, variables)
    except SyntaxFault as fault:
        return {"errors": [{"message": str(fault), "locations": [{"line": 1, "column": 1}]}]}
    data: dict[str, Any] = {}
    errors = []
    for field in fields:
        try:
            data[field.alias] = _select(_root(hub, request, field), field, [field.alias])
        except Fault as fault:
            data[field.alias] = None
            entry: dict[str, Any] = {"path": [field.alias], "locations": [{"line": 1, "column": 1}], "message": str(fault)}
            errors.append({"type": fault.type, **entry} if fault.type else entry)
    return {"data": data, "errors": errors} if errors else {"data": data}


def _root(hub: Hub, request: Request, field: Field) -> Any:
    if field.name == "createCommitOnBranch":
        return _commit(hub, request, field.arguments.get("input") or {})
    if field.name == "repository":
        return _repository(hub, request, f"{field.arguments.get('owner')}/{field.arguments.get('name')}")
    if field.name == "viewer" and request.token is not None:
        return {"login": request.token.login, "id": shapes.user(hub, request.token.login)["node_id"]}
    if field.name == "rateLimit":
        with hub.lock:
            state = hub.limits.state(hub.limits.key(request.token, "graphql"))
        return {"cost": 1, **{name: state[name] for name in ("limit", "remaining", "used")}}
    raise Fault(f"Field '{field.name}' doesn't exist on type 'Query'")


def _select(value: Any, field: Field, path: list[str]) -> Any:
    """The fields that were asked for, and no others."""
    if isinstance(value, list):
        return [_select(each, field, path) for each in value]
    if not isinstance(value, dict) or not field.fields:
        return value
    found = {}
    for each in field.fields:
        if each.name not in value:
            raise Fault(f"Field '{each.name}' doesn't exist on type '{path[-1]}'")
        inner = value[each.name]
        found[each.alias] = _select(inner(each.arguments) if callable(inner) else inner, each, [*path, each.name])
    return found


def _find(hub: Hub, request: Request, slug: str) -> Repo:
    with hub.lock:
        repo = hub.moved.get(slug.lower()) or hub.repos.get(slug.lower())
    if repo is None or hub.level(request.token, repo) < LEVELS["read"]:
        raise Fault(f"Could not resolve to a Repository with the name '{slug}'.", "NOT_FOUND")
    return repo


def _commit_object(hub: Hub, repo: Repo, sha: str) -> dict[str, Any]:
    url = f"{hub.url}/{repo.slug}/commit/{sha}"
    return {
        "oid": sha,
        "id": shapes.node_id("C", sha),
        "url": url,
        "commitUrl": url,
        "abbreviatedOid": sha[:7],
        "__typename": "Commit",
    }


def _ref_object(hub: Hub, repo: Repo, ref: str) -> dict[str, Any] | None:
    sha = plumbing.read_ref(repo.git_dir, ref)
    if sha is None:
        return None
    prefix, _, name = ref.removeprefix("refs/").partition("/")
    target = _commit_object(hub, repo, sha)
    return {"id": shapes.node_id("REF", f"{repo.id}:{ref}"), "name": name, "prefix": f"refs/{prefix}/", "target": target}


def _repository(hub: Hub, request: Request, slug: str) -> dict[str, Any]:
    repo = _find(hub, request, slug)

    def ref(arguments: Variables) -> dict[str, Any] | None:
        name = str(arguments.get("qualifiedName"))
        return _ref_object(hub, repo, name if name.startswith("refs/") else f"refs/heads/{name}")

    return {
        "id": shapes.node_id("R", repo.id),
        "databaseId": repo.id,
        "name": repo.name,
        "nameWithOwner": repo.slug,
        "owner": {"login": repo.owner, "id": shapes.user(hub, repo.owner)["node_id"]},
        "url": f"{hub.url}/{repo.slug}",
        "isPrivate": repo.private,
        "isArchived": repo.archived,
        "isEmpty": not plumbing.refs(repo.git_dir),
        "viewerPermission": _PERMISSIONS[hub.level(request.token, repo)],
        "defaultBranchRef": _ref_object(hub, repo, f"refs/heads/{repo.default_branch}"),
        "ref": ref,
    }


def _decode(changes: Variables) -> tuple[list[tuple[str, bytes]], list[str]]:
    try:
        additions = [
            (each["path"], base64.b64decode(each["contents"], validate=True)) for each in changes.get("additions") or []
        ]
    except binascii.Error:
        raise Fault("Variable $input of type CreateCommitOnBranchInput! was provided invalid value") from None
    return additions, [each["path"] for each in changes.get("deletions") or []]


def _commit(hub: Hub, request: Request, given: Variables) -> dict[str, Any]:
    branch = given.get("branch") or {}
    repo = _find(hub, request, str(branch.get("repositoryNameWithOwner")))
    token = request.token
    assert token is not None
    if hub.level(token, repo) < LEVELS["write"] or not token.contents:
        kind = "integration" if token.integration else "personal access token"
        raise Fault(f"Resource not accessible by {kind}", "FORBIDDEN")
    if repo.archived:
        raise Fault("Repository was archived so is read-only.", "FORBIDDEN")
    name = str(branch.get("branchName")).removeprefix("refs/heads/")
    ref, expected = f"refs/heads/{name}", str(given.get("expectedHeadOid"))
    tip = plumbing.read_ref(repo.git_dir, ref)
    if tip is None:
        raise Fault(f'No branch named "{name}" found on {repo.slug}.', "NOT_FOUND")
    if name in repo.protected:
        raise Fault(
            f"Protected branch update failed for {ref}.\n\nChanges must be made through a pull request.", "UNPROCESSABLE"
        )
    stale = Fault(f'Expected branch to point to "{tip}" but it did not. Pull and try again.', "STALE_DATA")
    if tip != expected:
        raise stale
    additions, deletions = _decode(given.get("fileChanges") or {})
    words = given.get("message") or {}
    message = "\n\n".join(part for part in (words.get("headline"), words.get("body")) if part)
    for path in deletions:
        if not plumbing.git(repo.git_dir, "ls-tree", "--name-only", tip, "--", path):
            raise Fault(f"A path was requested for deletion which does not exist in the repository: {path}", "UNPROCESSABLE")
    try:
        new = plumbing.commit_files(
            repo.git_dir, name, tip, message, token.login, hub.clock.now(), additions=additions, deletions=deletions
        )
    except plumbing.GitError:
        raise stale from None
    repo.verified.add(new)
    hub.ref_changed(repo, ref, tip, new, token.login)
    return {
        "clientMutationId": given.get("clientMutationId"),
        "commit": _commit_object(hub, repo, new),
        "ref": _ref_object(hub, repo, ref),
    }
