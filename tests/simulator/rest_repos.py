"""REST: the root, the user, quotas, and repositories as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulator import rest_teams, shapes
from tests.simulator.answers import Answer, Context, Refusal, Request, error, forbidden, invalid, reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo, Token


def _root(hub: Hub, request: Request) -> Answer:
    return reply(200, shapes.root(hub))


def _meta(hub: Hub, request: Request) -> Answer:
    return reply(200, {"verifiable_password_authentication": False, "installed_version": "3.19.0"})


def _rate_limit(hub: Hub, request: Request) -> Answer:
    with hub.lock:
        core = hub.limits.state(hub.limits.key(request.token, "core"))
        graph = hub.limits.state(hub.limits.key(request.token, "graphql"))
    search = {"limit": 30, "used": 0, "remaining": 30, "reset": core["reset"]}
    return reply(200, {"resources": {"core": core, "graphql": graph, "search": search}, "rate": core})


def _user(hub: Hub, request: Request) -> Answer:
    if request.token is None or request.token.integration:
        return forbidden(request.token)
    return reply(200, shapes.private_user(hub, request.token.login))


def _create_own(hub: Hub, request: Request) -> Answer:
    return create(hub, request, request.token.login if request.token else "")


def create(hub: Hub, request: Request, owner: str) -> Answer:
    """POST of a repository of `owner`."""
    token = request.token
    if token is not None and owner != token.login and shapes.user(hub, owner)["type"] == "User":
        return error(404)
    repo = made(hub, token, owner, request.json())
    return reply(201, shapes.repository(hub, repo, token), {"location": f"{hub.api}/repos/{repo.slug}"})


def made(hub: Hub, token: Token | None, owner: str, asked: Mapping[str, Any]) -> Repo:
    """A new repository; the sender, and whoever uses the same login's classic tokens, may administer it. Raises Refusal."""
    if token is None or token.integration:
        raise Refusal(forbidden(token))
    name = asked.get("name")
    if not isinstance(name, str) or not name:
        raise Refusal(invalid("Repository", "name", "missing_field"))
    slug = f"{owner}/{name}"
    if hub.find(slug) is not None:
        taken = {"resource": "Repository", "code": "custom", "field": "name", "message": "name already exists on this account"}
        raise Refusal(error(422, "Repository creation failed.", errors=[taken]))
    private = bool(asked.get("private", False)) or asked.get("visibility") in {"private", "internal"}
    repo = hub.create(slug, private=private, auto_init=bool(asked.get("auto_init", False)), creator=token.login)
    repo.description = asked.get("description")
    with hub.lock:
        for each in hub.tokens.values():
            if each is token or (each.kind == "classic" and each.login == token.login):
                each.rights[slug.lower()] = "admin"
    return repo


ROUTES: dict[tuple[str, str], Callable[[Hub, Request], Answer]] = {
    ("GET", "/"): _root,
    ("GET", "/meta"): _meta,
    ("GET", "/rate_limit"): _rate_limit,
    ("GET", "/user"): _user,
    ("GET", "/installation/repositories"): rest_teams.repositories,
    ("POST", "/user/repos"): _create_own,
}


def get(context: Context) -> Answer:
    return reply(200, shapes.repository(context.hub, context.repo, context.request.token))


def patch(context: Context) -> Answer:
    """Name, privacy, archive state, default branch and description can be changed."""
    repo, asked = context.repo, context.request.json()
    if "name" in asked and asked["name"] != repo.name:
        to = f"{repo.owner}/{asked['name']}"
        if context.hub.find(to) is not None:
            return invalid("Repository", "name", "custom", "name already exists on this account")
        repo.rename(to)
    if "default_branch" in asked:
        branch = asked["default_branch"]
        if not (repo.git_dir / "refs" / "heads" / branch).is_file():
            return invalid(
                "Repository", "default_branch", "invalid", f"The branch {branch} was not found. Please push that ref first."
            )
        (repo.git_dir / "HEAD").write_text(f"ref: refs/heads/{branch}\n")
    repo.private = bool(asked.get("private", repo.private))
    repo.archived = bool(asked.get("archived", repo.archived))
    repo.description = asked.get("description", repo.description)
    return get(context)


def delete(context: Context) -> Answer:
    context.repo.delete()
    return Answer(204)


def get_immutable(context: Context) -> Answer:
    if not context.repo.immutable:
        return error(404)
    return reply(200, {"enabled": True, "enforced_by_owner": False})


def set_immutable(context: Context) -> Answer:
    """Holds for releases that are published from now on."""
    context.repo.immutable = context.request.method == "PUT"
    return Answer(204)


def dispatch(context: Context) -> Answer:
    """ "Create a repository dispatch event": what it starts is told by `repo.dispatches`."""
    asked = context.request.json()
    kind = asked.get("event_type")
    if not isinstance(kind, str) or not 0 < len(kind) <= 100:
        return invalid("RepositoryDispatch", "event_type", "missing_field")
    with context.hub.lock:
        context.repo.dispatches.append((kind, asked.get("client_payload") or {}))
    return Answer(204)
