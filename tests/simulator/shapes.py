"""The objects of GitHub's answers, with every key that its OpenAPI description requires."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulator import plumbing
from tests.simulator.state import LEVELS

if TYPE_CHECKING:
    from tests.simulator.hub import Hub
    from tests.simulator.state import Asset, Pull, Release, Repo, Token

Object = dict[str, Any]

_REPO_PLAIN = (
    *("contributors", "deployments", "downloads", "events", "forks", "hooks", "languages", "merges"),
    *("stargazers", "subscribers", "subscription", "tags", "teams"),
)
_REPO_TEMPLATES = {
    "archive": "/{archive_format}{/ref}",
    "assignees": "/assignees{/user}",
    "blobs": "/git/blobs{/sha}",
    "branches": "/branches{/branch}",
    "collaborators": "/collaborators{/collaborator}",
    "comments": "/comments{/number}",
    "commits": "/commits{/sha}",
    "compare": "/compare/{base}...{head}",
    "contents": "/contents/{+path}",
    "git_commits": "/git/commits{/sha}",
    "git_refs": "/git/refs{/sha}",
    "git_tags": "/git/tags{/sha}",
    "issue_comment": "/issues/comments{/number}",
    "issue_events": "/issues/events{/number}",
    "issues": "/issues{/number}",
    "keys": "/keys{/key_id}",
    "labels": "/labels{/name}",
    "milestones": "/milestones{/number}",
    "notifications": "/notifications{?since,all,participating}",
    "pulls": "/pulls{/number}",
    "releases": "/releases{/id}",
    "statuses": "/statuses/{sha}",
    "trees": "/git/trees{/sha}",
}
_ROOT = {
    "current_user_url": "/user",
    "emojis_url": "/emojis",
    "events_url": "/events",
    "organization_url": "/orgs/{org}",
    "organization_repositories_url": "/orgs/{org}/repos{?type,page,per_page,sort}",
    "rate_limit_url": "/rate_limit",
    "repository_url": "/repos/{owner}/{repo}",
    "current_user_repositories_url": "/user/repos{?type,page,per_page,sort}",
    "user_url": "/users/{user}",
}

# The names of the other addresses in GitHub's root document: no client of these tests follows them.
_ROOT_MORE = (
    "authorizations",
    "code_search",
    "commit_search",
    "current_user_authorizations_html",
    "emails",
    "feeds",
    "followers",
    "following",
    "gists",
    "hub",
    "issue_search",
    "issues",
    "keys",
    "label_search",
    "notifications",
    "organization_teams",
    "public_gists",
    "repository_search",
    "starred_gists",
    "starred",
    "topic_search",
    "user_organizations",
    "user_repositories",
    "user_search",
)


def root(hub: Hub) -> Object:
    return {f"{name}_url": f"{hub.api}/{name}" for name in _ROOT_MORE} | {name: hub.api + path for name, path in _ROOT.items()}


def node_id(kind: str, number: object) -> str:
    return f"{kind}_" + base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")


def number_of(login: str) -> int:
    """The id of a person or an organisation."""
    return zlib.crc32(login.lower().encode()) % 90_000_000 + 1000


def user(hub: Hub, login: str) -> Object:
    """A person, where a token has this login, or the bot that an app is; else an organisation."""
    api = f"{hub.api}/users/{login}"
    number = number_of(login)
    tokens = [token for token in list(hub.tokens.values()) if token.login == login]
    bot = any(token.integration for token in tokens)
    return {
        "login": f"{login}[bot]" if bot else login,
        "id": number,
        "node_id": node_id("BOT" if bot else "U", number),
        "avatar_url": f"{hub.url}/avatars/u/{number}?v=4",
        "gravatar_id": "",
        "url": api,
        "html_url": f"{hub.url}/{login}",
        "followers_url": f"{api}/followers",
        "following_url": f"{api}/following{{/other_user}}",
        "gists_url": f"{api}/gists{{/gist_id}}",
        "starred_url": f"{api}/starred{{/owner}}{{/repo}}",
        "subscriptions_url": f"{api}/subscriptions",
        "organizations_url": f"{api}/orgs",
        "repos_url": f"{api}/repos",
        "events_url": f"{api}/events{{/privacy}}",
        "received_events_url": f"{api}/received_events",
        "type": "Bot" if bot else "User" if tokens else "Organization",
        "site_admin": False,
    }


def private_user(hub: Hub, login: str) -> Object:
    nothing = dict.fromkeys(("bio", "blog", "company", "email", "hireable", "location", "name"))
    counts = ("followers", "following", "public_gists", "public_repos", "collaborators", "disk_usage", "owned_private_repos")
    moment = "2020-01-02T03:04:05Z"
    return {
        **user(hub, login),
        **nothing,
        **dict.fromkeys((*counts, "private_gists", "total_private_repos"), 0),
        "created_at": moment,
        "updated_at": moment,
        "two_factor_authentication": True,
        "user_view_type": "private",
    }


def permissions(hub: Hub, repo: Repo, token: Token | None) -> dict[str, bool]:
    """The *user's*, not the token's: misleading for all tokens but the classic ones, as on GitHub."""
    level = hub.level(token, repo)
    if token is not None and token.integration:
        level = 0
    elif token is not None and token.kind == "fine-grained" and repo.slug.lower() in token.rights:
        level = LEVELS["admin"]
    return {"admin": level > 3, "maintain": level > 2, "push": level > 1, "triage": level > 1, "pull": level > 0}


def repository(hub: Hub, repo: Repo, token: Token | None) -> Object:
    """`full-repository`."""
    api = f"{hub.api}/repos/{repo.slug}"
    web = f"{hub.url}/{repo.slug}"
    owner = user(hub, repo.owner)
    found: Object = {
        "id": repo.id,
        "node_id": node_id("R", repo.id),
        "name": repo.name,
        "full_name": repo.slug,
        "owner": owner,
        "private": repo.private,
        "visibility": "private" if repo.private else "public",
        "html_url": web,
        "url": api,
        "git_url": f"git://{hub.host}/{repo.slug}.git",
        "ssh_url": f"git@127.0.0.1:{repo.slug}.git",
        "clone_url": f"{web}.git",
        "svn_url": web,
        "description": repo.description,
        "default_branch": repo.default_branch,
        "archived": repo.archived,
        "fork": repo.fork,
        "size": repo.size,
        "created_at": repo.created_at,
        "updated_at": repo.created_at,
        "pushed_at": repo.pushed_at,
        "topics": [],
        "subscribers_count": 1,
        "network_count": 0,
        "permissions": permissions(hub, repo, token),
    }
    found |= {f"{name}_url": f"{api}/{name}" for name in _REPO_PLAIN}
    found |= {f"{name}_url": api + path for name, path in _REPO_TEMPLATES.items()}
    found |= dict.fromkeys(("homepage", "language", "mirror_url", "license"))
    found |= dict.fromkeys(("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count"), 0)
    found |= dict.fromkeys(("watchers", "watchers_count"), 0)
    found |= dict.fromkeys(("disabled", "is_template", "has_pages", "has_discussions"), False)
    found |= dict.fromkeys(("has_issues", "has_projects", "has_wiki", "has_downloads"), True)
    if owner["type"] == "Organization":
        found["organization"] = owner
    return found


def page_tag(release: Release) -> str:
    """What stands for the tag in a release's web addresses: a draft has none yet."""
    return f"untagged-{release.id:020x}" if release.draft else quote(release.tag_name, safe="")


def asset(hub: Hub, repo: Repo, release: Release, one: Asset) -> Object:
    return {
        "url": f"{hub.api}/repos/{repo.slug}/releases/assets/{one.id}",
        "id": one.id,
        "node_id": node_id("RA", one.id),
        "name": one.name,
        "label": one.label,
        "uploader": user(hub, one.uploader),
        "content_type": one.content_type,
        "state": one.state,
        "size": one.size,
        "digest": one.digest,
        "download_count": one.downloads,
        "created_at": one.created_at,
        "updated_at": one.created_at,
        "browser_download_url": f"{hub.url}/{repo.slug}/releases/download/{page_tag(release)}/{quote(one.name, safe='')}",
    }


def release(hub: Hub, repo: Repo, one: Release) -> Object:
    api = f"{hub.api}/repos/{repo.slug}"
    drafted = one.draft
    return {
        "url": f"{api}/releases/{one.id}",
        "assets_url": f"{api}/releases/{one.id}/assets",
        "upload_url": f"{hub.url}/api/uploads/repos/{repo.slug}/releases/{one.id}/assets{{?name,label}}",
        "html_url": f"{hub.url}/{repo.slug}/releases/tag/{page_tag(one)}",
        "id": one.id,
        "author": user(hub, one.author),
        "node_id": node_id("RE", one.id),
        "tag_name": one.tag_name,
        "target_commitish": one.target_commitish,
        "name": one.name,
        "draft": drafted,
        "immutable": one.immutable,
        "prerelease": one.prerelease,
        "created_at": one.created_at,
        "updated_at": one.updated_at or one.created_at,
        "published_at": one.published_at,
        "assets": [asset(hub, repo, one, each) for each in one.assets],
        "tarball_url": None if drafted else f"{api}/tarball/{quote(one.tag_name, safe='')}",
        "zipball_url": None if drafted else f"{api}/zipball/{quote(one.tag_name, safe='')}",
        "body": one.body,
    }


def git_ref(hub: Hub, repo: Repo, ref: str, sha: str, kind: str) -> Object:
    api = f"{hub.api}/repos/{repo.slug}/git"
    target = {"sha": sha, "type": kind, "url": f"{api}/{kind}s/{sha}"}
    return {"ref": ref, "node_id": node_id("REF", f"{repo.id}:{ref}"), "url": f"{api}/{quote(ref)}", "object": target}


def pull_simple(hub: Hub, repo: Repo, one: Pull, head: str) -> Object:
    """`pull-request-simple`, as lists have it; `head` is the commit of its branch."""
    api, web = f"{hub.api}/repos/{repo.slug}", f"{hub.url}/{repo.slug}/pull/{one.number}"
    links = {
        "self": f"{api}/pulls/{one.number}",
        "html": web,
        "issue": f"{api}/issues/{one.number}",
        "comments": f"{api}/issues/{one.number}/comments",
        "review_comments": f"{api}/pulls/{one.number}/comments",
        "review_comment": f"{api}/pulls/comments{{/number}}",
        "commits": f"{api}/pulls/{one.number}/commits",
        "statuses": f"{api}/statuses/{head}",
    }
    base = plumbing.read_ref(repo.git_dir, f"refs/heads/{one.base}") or plumbing.ZERO
    found: Object = {
        "url": links["self"],
        "id": one.id,
        "node_id": node_id("PR", one.id),
        "html_url": web,
        "diff_url": f"{web}.diff",
        "patch_url": f"{web}.patch",
        "issue_url": links["issue"],
        "number": one.number,
        "state": one.state,
        "locked": False,
        "title": one.title,
        "user": user(hub, one.author),
        "body": one.body,
        "created_at": one.created_at,
        "updated_at": one.updated_at,
        "closed_at": one.closed_at,
        "merged_at": one.merged_at,
        "merge_commit_sha": one.merge_commit,
        "labels": [],
        "draft": False,
        "author_association": "MEMBER",
        "_links": {name: {"href": url} for name, url in links.items()},
        "head": _side(hub, repo, one.head, head),
        "base": _side(hub, repo, one.base, base),
    }
    found |= {f"{name}_url": links[name] for name in ("comments", "review_comments", "review_comment", "commits", "statuses")}
    return found | dict.fromkeys(("assignee", "milestone", "auto_merge"))


def pull(hub: Hub, repo: Repo, one: Pull, head: str, *, mergeable: bool | None) -> Object:
    """`pull-request`. `mergeable` None: GitHub does not say."""
    merged = one.merged_at is not None
    return pull_simple(hub, repo, one, head) | {
        "merged": merged,
        "mergeable": mergeable,
        "mergeable_state": {True: "clean", False: "dirty", None: "unknown"}[mergeable],
        "merged_by": user(hub, one.merged_by) if one.merged_by else None,
        "maintainer_can_modify": False,
        **dict.fromkeys(("comments", "review_comments", "additions", "deletions"), 0),
        "commits": 1,
        "changed_files": 1,
    }


def _side(hub: Hub, repo: Repo, branch: str, sha: str) -> Object:
    return {
        "label": f"{repo.owner}:{branch}",
        "ref": branch,
        "sha": sha,
        "user": user(hub, repo.owner),
        "repo": repository(hub, repo, None),
    }
