"""As much of GitHub's GraphQL schema as the simulator answers: what may be asked of each type, and what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulator.query import Field, Operation

_OBJECT = dict.fromkeys(("abbreviatedOid", "commitUrl", "id", "oid"), "")
_RELEASE = (
    *("createdAt", "databaseId", "description", "id", "immutable", "isDraft", "isLatest", "isPrerelease", "name"),
    *("publishedAt", "tagName", "updatedAt", "url"),
)
_REPOSITORY = (
    *("createdAt", "databaseId", "description", "diskUsage", "id", "isArchived", "isEmpty", "isFork", "isPrivate", "name"),
    *("nameWithOwner", "pushedAt", "url", "viewerPermission", "visibility"),
)
# The type of each field; none: a plain value.
TYPES: dict[str, dict[str, str]] = {
    "Query": {"__type": "__Type", "rateLimit": "RateLimit", "repository": "Repository", "viewer": "User"},
    "__Type": {"fields": "__Field", "name": ""},
    "__Field": {"name": ""},
    "Mutation": {"createCommitOnBranch": "CreateCommitOnBranchPayload", "createRepository": "CreateRepositoryPayload"},
    "RateLimit": dict.fromkeys(("cost", "limit", "remaining", "used"), ""),
    "User": {"databaseId": "", "id": "", "login": ""},
    "RepositoryOwner": {"id": "", "login": ""},
    "Repository": {
        **dict.fromkeys(_REPOSITORY, ""),
        "defaultBranchRef": "Ref",
        "latestRelease": "Release",
        "owner": "RepositoryOwner",
        "ref": "Ref",
        "release": "Release",
        "releases": "ReleaseConnection",
    },
    "Ref": {"id": "", "name": "", "prefix": "", "target": "GitObject"},
    "GitObject": _OBJECT,
    "Commit": {**_OBJECT, "url": ""},
    "Release": dict.fromkeys(_RELEASE, ""),
    "ReleaseConnection": {"nodes": "Release", "pageInfo": "PageInfo", "totalCount": ""},
    "PageInfo": dict.fromkeys(("endCursor", "hasNextPage", "hasPreviousPage", "startCursor"), ""),
    "CreateCommitOnBranchPayload": {"clientMutationId": "", "commit": "Commit", "ref": "Ref"},
    "CreateRepositoryPayload": {"clientMutationId": "", "repository": "Repository"},
}
# Arguments that a field cannot do without.
NEEDED = {
    ("Query", "__type"): {"name"},
    ("Query", "repository"): {"owner", "name"},
    ("Repository", "ref"): {"qualifiedName"},
    ("Repository", "release"): {"tagName"},
    ("Mutation", "createCommitOnBranch"): {"input"},
    ("Mutation", "createRepository"): {"input"},
}


# What may be given: the type of each field; none: a plain value. An exclamation mark: it must be given.
INPUTS: dict[str, dict[str, str]] = {
    "CreateCommitOnBranchInput": {
        "branch": "CommittableBranch!",
        "clientMutationId": "",
        "expectedHeadOid": "!",
        "fileChanges": "FileChanges",
        "message": "CommitMessage!",
    },
    "CommittableBranch": dict.fromkeys(("branchName", "id", "repositoryNameWithOwner"), ""),
    "FileChanges": {"additions": "FileAddition", "deletions": "FileDeletion"},
    "FileAddition": {"contents": "!", "path": "!"},
    "FileDeletion": {"path": "!"},
    "CommitMessage": {"body": "", "headline": "!"},
    "CreateRepositoryInput": {
        **dict.fromkeys(("clientMutationId", "description", "hasIssuesEnabled", "hasWikiEnabled", "homepageUrl"), ""),
        **dict.fromkeys(("ownerId", "teamId", "template"), ""),
        "name": "!",
        "visibility": "!",
    },
}


def problems(operation: Operation) -> list[dict[str, object]]:
    """Why GitHub does not begin to answer a document: entries of `errors`; such an answer has no `data`."""
    found = [
        _entry(f"Variable ${name} is declared by anonymous {operation.kind} but not used", "variableNotUsed", [operation.kind])
        for name in sorted(operation.declared - operation.used)
    ]
    found += [
        _entry(
            f"Variable ${name} is used by anonymous {operation.kind} but not declared", "variableNotDefined", [operation.kind]
        )
        for name in sorted(operation.used - operation.declared)
    ]
    top = "Mutation" if operation.kind == "mutation" else "Query"
    found += _wrong(operation.fields, top, [operation.kind])
    for field in [] if found else operation.fields:
        kind = f"{field.name[:1].upper()}{field.name[1:]}Input"
        if kind in INPUTS:
            found += [
                _entry(f"Variable $input of type {kind}! was provided invalid value for {why}", "INVALID_VARIABLES", [])
                for why in _not_of(kind, field.arguments.get("input") or {}, "")
            ]
    return found


def _not_of(kind: str, given: object, path: str) -> list[str]:
    """What is wrong with an input object, or one of a list of them."""
    if isinstance(given, list):
        return [why for number, each in enumerate(given) for why in _not_of(kind, each, f"{path}{number}.")]
    if not isinstance(given, dict):
        return [f"{path} (Expected an object)"]
    fields = INPUTS[kind]
    found = [f"{path}{name} (Field is not defined on {kind})" for name in sorted(given.keys() - fields.keys())]
    for name, inner in fields.items():
        if given.get(name) is None:
            found += [f"{path}{name} (Expected value to not be null)"] if inner.endswith("!") else []
        elif inner.removesuffix("!"):
            found += _not_of(inner.removesuffix("!"), given[name], f"{path}{name}.")
    return found


def introspect(name: str) -> dict[str, object] | None:
    """What a type's fields are called: clients ask, to know how old a server is."""
    fields = [{"name": each} for each in TYPES[name]] if name in TYPES else None
    return None if fields is None else {"name": name, "fields": fields}


def _wrong(fields: list[Field], type_: str, path: list[str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for field in fields:
        here, of = [*path, field.alias], field.on or type_
        if field.name == "__typename":
            continue
        if field.name not in TYPES.get(of, {}):
            found.append(_entry(f"Field '{field.name}' doesn't exist on type '{of}'", "undefinedField", here))
            continue
        result = TYPES[of][field.name]
        missing = ", ".join(sorted(NEEDED.get((of, field.name), set()) - set(field.arguments)))
        if missing:
            words = f"Field '{field.name}' is missing required arguments: {missing}"
            found.append(_entry(words, "missingRequiredArguments", here))
        if result and not field.fields:
            words = f"Field must have selections (field '{field.name}' returns {result} but has no selections.)"
            found.append(_entry(words, "selectionMismatch", here))
        if field.fields and not result:
            words = f"Selections can't be made on scalars (field '{field.name}' has selections)"
            found.append(_entry(words, "selectionMismatch", here))
        if field.name == "releases" and not 1 <= int(field.arguments.get("first") or 0) <= 100:
            words = "You must provide a `first` or `last` value of 1 to 100 to properly paginate the `releases` connection."
            found.append(_entry(words, "MISSING_PAGINATION_BOUNDARIES", here))
        found += _wrong(field.fields, result, here)
    return found


def _entry(message: str, code: str, path: list[str]) -> dict[str, object]:
    return {
        "path": path,
        "extensions": {"code": code},
        "locations": [{"line": 1, "column": 1}],
        "message": message,
    }
