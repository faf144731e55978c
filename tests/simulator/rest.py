"""REST: from a path to the function that answers it, with what every answer has in common."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.simulator import apps, rest_contents, rest_git, rest_pulls, rest_releases, rest_repos, rest_teams
from tests.simulator.answers import Answer, Context, Refusal, Request, error, forbidden, reply
from tests.simulator.state import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo

    Handler = Callable[[Context], Answer]

_SHA = r"([0-9a-f]{40})"
# method, path below the repository, right, handler
_ROUTES: list[tuple[str, re.Pattern[str], str, Handler]] = [
    (method, re.compile(path), right, handler)
    for method, path, right, handler in (
        ("GET", r"", "metadata", rest_repos.get),
        ("PATCH", r"", "admin", rest_repos.patch),
        ("DELETE", r"", "admin", rest_repos.delete),
        ("GET", r"/immutable-releases", "admin", rest_repos.get_immutable),
        ("PUT", r"/immutable-releases", "admin", rest_repos.set_immutable),
        ("DELETE", r"/immutable-releases", "admin", rest_repos.set_immutable),
        ("POST", r"/dispatches", "write", rest_repos.dispatch),
        ("GET", r"/contents/?(.*)", "read", rest_contents.get),
        ("PUT", r"/contents/(.+)", "write", rest_contents.put),
        ("GET", r"/branches/(.+)", "read", rest_git.get_branch),
        ("GET", r"/rules/branches/(.+)", "read", rest_git.get_rules),
        ("GET", r"/git/ref/(.+)", "read", rest_git.get_ref),
        ("GET", r"/git/(?:matching-refs|refs)/?(.*)", "read", rest_git.matching_refs),
        ("POST", r"/git/refs", "write", rest_git.post_ref),
        ("PATCH", r"/git/refs/(.+)", "write", rest_git.patch_ref),
        ("DELETE", r"/git/refs/(.+)", "write", rest_git.delete_ref),
        ("POST", r"/git/blobs", "write", rest_git.post_blob),
        ("GET", r"/git/blobs/" + _SHA, "read", rest_git.get_blob),
        ("POST", r"/git/trees", "write", rest_git.post_tree),
        ("GET", r"/git/trees/(.+)", "read", rest_git.get_tree),
        ("POST", r"/git/commits", "write", rest_git.post_commit),
        ("GET", r"/git/commits/" + _SHA, "read", rest_git.get_commit),
        ("GET", r"/commits/(.+)", "read", rest_git.get_full_commit),
        ("GET", r"/pulls", "read", rest_pulls.get_all),
        ("POST", r"/pulls", "write", rest_pulls.post),
        ("GET", r"/pulls/(\d+)", "read", rest_pulls.get),
        ("PATCH", r"/pulls/(\d+)", "write", rest_pulls.patch),
        ("GET", r"/pulls/(\d+)/files", "read", rest_pulls.get_files),
        ("PUT", r"/pulls/(\d+)/merge", "write", rest_pulls.merge),
        ("GET", r"/releases", "read", rest_releases.get_all),
        ("POST", r"/releases", "write", rest_releases.post),
        ("GET", r"/releases/latest", "read", rest_releases.get_latest),
        ("GET", r"/releases/tags/(.+)", "read", rest_releases.get_by_tag),
        ("GET", r"/releases/(\d+)", "read", rest_releases.get),
        ("PATCH", r"/releases/(\d+)", "write", rest_releases.patch),
        ("DELETE", r"/releases/(\d+)", "write", rest_releases.delete),
        ("GET", r"/releases/(\d+)/assets", "read", rest_releases.get_assets),
        ("GET", r"/releases/assets/(\d+)", "read", rest_releases.get_asset),
        ("PATCH", r"/releases/assets/(\d+)", "write", rest_releases.patch_asset),
        ("DELETE", r"/releases/assets/(\d+)", "write", rest_releases.delete_asset),
    )
]
_UPLOAD = ("POST", re.compile(r"/releases/(\d+)/assets"), "write", rest_releases.upload)
_PLACE = re.compile(r"/(?:repos/([^/]+/[^/]+)|repositories/(\d+))(/.*)?")
_POINTS = {"GET": 1, "HEAD": 1}


def handle(hub: Hub, request: Request) -> Answer:
    """One request below /api/v3, charged to its sender's quota."""
    path = request.path.removeprefix("/api/v3").rstrip("/") or "/"
    if apps.is_for_apps(path):
        answer = apps.handle(hub, request, path)
        answer.headers |= _headers(hub)
        return answer
    return _charged(hub, request, lambda: _route(hub, request, path), cost=1)


def handle_upload(hub: Hub, request: Request) -> Answer:
    """An upload counts twice, a refused one three times; its answers do not tell of the quota."""
    path = request.path.removeprefix("/api/uploads")
    answer = _charged(hub, request, lambda: _repository_path(hub, request, path, [_UPLOAD]), cost=2)
    if answer.status == 422:
        with hub.lock:
            hub.limits.charge(hub.limits.key(request.token, "core"), 1)
    return Answer(
        answer.status, answer.body, {name: value for name, value in answer.headers.items() if "ratelimit" not in name}
    )


def _charged(hub: Hub, request: Request, act: Callable[[], Answer], *, cost: int) -> Answer:
    token = hub.login(request)
    key = hub.limits.key(token, "core")
    free = request.path == "/api/v3/rate_limit"
    with hub.lock:
        if not free:
            try:
                creates = request.method in {"POST", "PUT", "PATCH"}
                hub.limits.admit(key, cost, _POINTS.get(request.method, 5), creates=creates)
            except Refusal as refusal:
                refusal.answer.headers |= hub.limits.headers(key)
                raise
        hub.limits.run(key, 1)
    try:
        answer = act()
    except Refusal as refusal:
        answer = refusal.answer
    finally:
        with hub.lock:
            hub.limits.run(key, -1)
    if request.method in {"GET", "HEAD"} and answer.status == 200 and isinstance(answer.body, bytes):
        answer = _conditional(request, answer, token.secret if token else "")
        if answer.status == 304 and token is not None:
            with hub.lock:
                hub.limits.charge(key, -cost)
    with hub.lock:
        answer.headers |= hub.limits.headers(key) | _headers(hub)
    if token is not None and token.kind == "classic":
        answer.headers["x-oauth-scopes"] = token.scopes
    return answer


def _headers(hub: Hub) -> dict[str, str]:
    return {
        "cache-control": "private, max-age=60, s-maxage=60",
        "vary": "Accept, Authorization, Cookie, X-GitHub-OTP",
        "x-github-media-type": "github.v3; format=json",
        "x-github-request-id": f"{hub.next_id():04X}:0000:0000000:0000000:00000000",
        "x-content-type-options": "nosniff",
    }


def _conditional(request: Request, answer: Answer, secret: str) -> Answer:
    """What one token was told says nothing of what another one would be: validators are of one token."""
    assert isinstance(answer.body, bytes)
    tag = f'"{hashlib.sha256(answer.body + secret.encode()).hexdigest()}"'
    answer.headers["etag"] = f"W/{tag}"
    asked = request.headers.get("if-none-match", "")
    if tag in {each.strip().removeprefix("W/") for each in asked.split(",")}:
        return Answer(304, b"", {"etag": f"W/{tag}"})
    return answer


def _route(hub: Hub, request: Request, path: str) -> Answer:
    whole = rest_repos.ROUTES.get(("GET" if request.method == "HEAD" else request.method, path))
    if whole is not None:
        return whole(hub, request)
    match = re.fullmatch(r"/orgs/([^/]+)/repos", path)
    if match is not None and request.method == "POST":
        return rest_repos.create(hub, request, match.group(1))
    match = re.fullmatch(r"/orgs/([^/]+)/teams/([^/]+)/memberships/([^/]+)", path)
    if match is not None and request.method == "GET":
        return rest_teams.membership(hub, request, *(unquote(each) for each in match.groups()))
    return _repository_path(hub, request, path, _ROUTES)


def _repository_path(hub: Hub, request: Request, path: str, routes: list[tuple[str, re.Pattern[str], str, Handler]]) -> Answer:
    match = _PLACE.fullmatch(path)
    if match is None:
        return error(404)
    slug, number, rest = match.group(1), match.group(2), match.group(3) or ""
    with hub.lock:
        moved = hub.moved.get(slug.lower()) if slug else None
        repo = moved or (hub.repos.get(slug.lower()) if slug else _numbered(hub, int(number)))
    if repo is None or hub.level(request.token, repo) < LEVELS["read"]:
        return error(404)
    if moved is not None:
        return _redirect(hub, request, moved, rest)
    for method, pattern, right, handler in routes:
        found = pattern.fullmatch(rest)
        if method != ("GET" if request.method == "HEAD" else request.method) or found is None:
            continue
        level = hub.level(request.token, repo)
        _permit(request, repo, right, level)
        args = tuple(unquote(group or "") for group in found.groups())
        return handler(Context(hub=hub, request=request, repo=repo, level=level, args=args))
    return error(404)


def _numbered(hub: Hub, number: int) -> Repo | None:
    return next((repo for repo in hub.repos.values() if repo.id == number), None)


def _redirect(hub: Hub, request: Request, repo: Repo, rest: str) -> Answer:
    top = "/api/uploads" if request.kind == "upload" else "/api/v3"
    query = f"?{request.raw_query}" if request.raw_query else ""
    url = f"{hub.url}{top}/repositories/{repo.id}{rest}{query}"
    status = 301 if request.method == "GET" else 307
    body = {
        "message": "Moved Permanently",
        "url": url,
        "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects",
    }
    return reply(status, body, {"location": url})


def _permit(request: Request, repo: Repo, right: str, level: int) -> None:
    token = request.token
    if right != "metadata" and token is not None and not token.contents and repo.private:
        raise Refusal(forbidden(token))
    if level < LEVELS.get(right, 1):
        # What a classic token may not write, it is told is not there; of settings it is told what they need.
        if token is not None and token.kind == "classic":
            raise Refusal(error(404) if right == "write" else error(403, "Must have admin rights to Repository."))
        raise Refusal(forbidden(token))
    if repo.archived and request.method not in {"GET", "HEAD"} and right == "write":
        raise Refusal(error(403, "Repository was archived so is read-only."))
