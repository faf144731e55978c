"""GraphQL's objects: what there is to choose from; a function stands for a field with arguments."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulator import plumbing, shapes
from tests.simulator.state import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulator.hub import Hub
    from tests.simulator.state import Release, Repo, Token

_PERMISSIONS = ("", "READ", "WRITE", "MAINTAIN", "ADMIN")
Variables = dict[str, Any]


class Fault(Exception):  # noqa: N818
    """One entry of `errors`."""

    def __init__(self, message: str, type_: str | None = None) -> None:
        super().__init__(message)
        self.type = type_


def commit(hub: Hub, repo: Repo, sha: str) -> dict[str, Any]:
    url = f"{hub.url}/{repo.slug}/commit/{sha}"
    return {
        "oid": sha,
        "id": shapes.node_id("C", sha),
        "url": url,
        "commitUrl": url,
        "abbreviatedOid": sha[:7],
        "__typename": "Commit",
    }


def ref(hub: Hub, repo: Repo, name: str) -> dict[str, Any] | None:
    """By its full name."""
    sha = plumbing.read_ref(repo.git_dir, name)
    if sha is None:
        return None
    prefix, _, rest = name.removeprefix("refs/").partition("/")
    return {
        "id": shapes.node_id("REF", f"{repo.id}:{name}"),
        "name": rest,
        "prefix": f"refs/{prefix}/",
        "target": commit(hub, repo, sha),
        "__typename": "Ref",
    }


def _release(hub: Hub, repo: Repo, one: Release) -> dict[str, Any]:
    shape = shapes.release(hub, repo, one)
    return {
        "id": shape["node_id"],
        "databaseId": one.id,
        "name": one.name,
        "tagName": one.tag_name,
        "description": one.body,
        "url": shape["html_url"],
        "isDraft": one.draft,
        "isLatest": one is repo.latest(),
        "isPrerelease": one.prerelease,
        "immutable": one.immutable,
        "createdAt": one.created_at,
        "updatedAt": shape["updated_at"],
        "publishedAt": one.published_at,
        "__typename": "Release",
    }


def _page(items: Sequence[dict[str, Any]], arguments: Variables) -> dict[str, Any]:
    """A connection; a cursor is the number of what comes before."""
    after = arguments.get("after")
    start = int(base64.b64decode(after).decode()) if after else 0
    end = start + int(arguments["first"])
    nodes = list(items[start:end])
    cursors = (
        [base64.b64encode(str(number).encode()).decode() for number in (start + 1, start + len(nodes))] if nodes else [None] * 2
    )
    return {
        "nodes": nodes,
        "totalCount": len(items),
        "pageInfo": {
            "startCursor": cursors[0],
            "endCursor": cursors[1],
            "hasNextPage": end < len(items),
            "hasPreviousPage": start > 0,
        },
    }


def _ordered(releases: list[dict[str, Any]], arguments: Variables) -> list[dict[str, Any]]:
    """The newest first is what nobody has to ask for."""
    return releases[::-1] if (arguments.get("orderBy") or {}).get("direction") == "ASC" else releases


def repository(hub: Hub, token: Token, repo: Repo) -> dict[str, Any]:
    level = hub.level(token, repo)
    with hub.lock:
        releases = [_release(hub, repo, each) for each in repo.visible(drafts=level >= LEVELS["write"])]
        latest = repo.latest()

    def one_ref(arguments: Variables) -> dict[str, Any] | None:
        name = str(arguments["qualifiedName"])
        if repo.private and not token.contents:
            raise Fault(
                f"Resource not accessible by {'integration' if token.integration else 'personal access token'}", "FORBIDDEN"
            )
        return ref(hub, repo, name if name.startswith("refs/") else f"refs/heads/{name}")

    def one_release(arguments: Variables) -> dict[str, Any] | None:
        return next((each for each in releases if each["tagName"] == arguments["tagName"]), None)

    return {
        "id": shapes.node_id("R", repo.id),
        "databaseId": repo.id,
        "name": repo.name,
        "nameWithOwner": repo.slug,
        "description": repo.description,
        "owner": {"login": repo.owner, "id": shapes.user(hub, repo.owner)["node_id"]},
        "url": f"{hub.url}/{quote(repo.slug)}",
        "isPrivate": repo.private,
        "visibility": "PRIVATE" if repo.private else "PUBLIC",
        "isArchived": repo.archived,
        "isFork": repo.fork,
        "isEmpty": not plumbing.refs(repo.git_dir),
        "diskUsage": repo.size,
        "createdAt": repo.created_at,
        "pushedAt": repo.pushed_at,
        "viewerPermission": _PERMISSIONS[level],
        "defaultBranchRef": ref(hub, repo, f"refs/heads/{repo.default_branch}"),
        "latestRelease": latest and _release(hub, repo, latest),
        "ref": one_ref,
        "release": one_release,
        "releases": lambda arguments: _page(_ordered(releases, arguments), arguments),
        "__typename": "Repository",
    }
