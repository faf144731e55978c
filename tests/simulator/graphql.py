"""GraphQL: `createCommitOnBranch`, `createRepository`, and enough of `repository`, `viewer` and `rateLimit` to look around."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from tests.simulator import graph, plumbing, rest_repos, schema, shapes
from tests.simulator.answers import Answer, Refusal, Request, error, reply
from tests.simulator.graph import Fault
from tests.simulator.limits import Exhausted
from tests.simulator.query import Field, SyntaxFault, parse
from tests.simulator.state import LEVELS

if TYPE_CHECKING:
    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo, Token

Variables = dict[str, Any]


def handle(hub: Hub, request: Request) -> Answer:
    """POST of {query, variables}; everything but a wrong token and a secondary limit is HTTP 200."""
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
        except Exhausted:  # of the hour's points GitHub speaks in the way of GraphQL
            words = f"API rate limit already exceeded for user ID {shapes.number_of(token.login)}."
            entry = {"type": "RATE_LIMIT", "code": "graphql_rate_limit", "message": words}
            return reply(200, {"errors": [entry]}, hub.limits.headers(key))
        except Refusal as refusal:
            refusal.answer.headers |= hub.limits.headers(key)
            raise
        hub.limits.run(key, 1)
    try:
        done = _execute(hub, request, query, asked.get("variables") or {})
    finally:
        with hub.lock:
            hub.limits.run(key, -1)
    if "internal" in request.faults:  # it was done, and GitHub says that something went wrong
        done = {"data": None, "errors": [{"type": "INTERNAL", "message": "Something went wrong while executing your query."}]}
    answer = reply(200, done)
    with hub.lock:
        answer.headers |= hub.limits.headers(key)
    return answer


def _execute(hub: Hub, request: Request, query: str, variables: Variables) -> dict[str, Any]:
    try:
        operation = parse(query, variables)
    except SyntaxFault as fault:
        return {"errors": [{"message": str(fault), "locations": [{"line": 1, "column": 1}]}]}
    wrong = schema.problems(operation)
    if wrong:
        return {"errors": wrong}
    data: dict[str, Any] = {}
    errors = []
    for field in operation.fields:
        try:
            data[field.alias] = _select(_root(hub, request, field), field)
        except Fault as fault:
            data[field.alias] = None
            entry: dict[str, Any] = {"path": [field.alias], "locations": [{"line": 1, "column": 1}], "message": str(fault)}
            errors.append({"type": fault.type, **entry} if fault.type else entry)
    return {"data": data, "errors": errors} if errors else {"data": data}


def _root(hub: Hub, request: Request, field: Field) -> Any:
    token = request.token
    assert token is not None
    if field.name == "createCommitOnBranch":
        return _commit(hub, request, field.arguments.get("input") or {})
    if field.name == "createRepository":
        return _create(hub, token, field.arguments.get("input") or {})
    if field.name == "repository":
        repo = find(hub, request, f"{field.arguments.get('owner')}/{field.arguments.get('name')}")
        return graph.repository(hub, token, repo)
    if field.name == "viewer":
        user = shapes.user(hub, token.login)  # a Bot's too is of the type User here
        return {"login": user["login"], "id": user["node_id"], "databaseId": user["id"], "__typename": "User"}
    if field.name == "__type":
        return schema.introspect(str(field.arguments["name"]))
    with hub.lock:
        state = hub.limits.state(hub.limits.key(token, "graphql"))
    return {"cost": 1, **{name: state[name] for name in ("limit", "remaining", "used")}}


def _select(value: Any, field: Field) -> Any:
    """The fields that were asked for, and no others."""
    if isinstance(value, list):
        return [_select(each, field) for each in value]
    if not isinstance(value, dict) or not field.fields:
        return value
    found = {}
    for each in field.fields:
        if each.on is not None and each.on != value.get("__typename", each.on):
            continue
        inner = value[each.name]
        found[each.alias] = _select(inner(each.arguments) if callable(inner) else inner, each)
    return found


def find(hub: Hub, request: Request, slug: str) -> Repo:
    """Raises Fault."""
    with hub.lock:
        repo = hub.moved.get(slug.lower()) or hub.repos.get(slug.lower())
    if repo is None or hub.level(request.token, repo) < LEVELS["read"]:
        raise Fault(f"Could not resolve to a Repository with the name '{slug}'.", "NOT_FOUND")
    return repo


def _create(hub: Hub, token: Token, given: Variables) -> dict[str, Any]:
    owner = given.get("ownerId")
    own = shapes.user(hub, token.login)
    if owner and owner != own["node_id"]:
        raise Fault(f"Could not resolve to a node with the global id of '{owner}'", "NOT_FOUND")
    asked = {
        "name": given.get("name"),
        "description": given.get("description"),
        "visibility": str(given.get("visibility")).lower(),
    }
    try:
        repo = rest_repos.made(hub, token, token.login, asked)
    except Refusal as refusal:
        if refusal.answer.status == 422:
            raise Fault("Name already exists on this account", "UNPROCESSABLE") from None
        raise Fault("Resource not accessible by integration", "FORBIDDEN") from None
    return {"clientMutationId": given.get("clientMutationId"), "repository": graph.repository(hub, token, repo)}


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
    repo = find(hub, request, str(branch.get("repositoryNameWithOwner")))
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
        "commit": graph.commit(hub, repo, new),
        "ref": graph.ref(hub, repo, ref),
    }
