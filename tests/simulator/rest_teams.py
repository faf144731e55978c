"""REST: who is in a team, and what an app's or a job's token is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulator import shapes
from tests.simulator.answers import Answer, Request, error, forbidden, reply
from tests.simulator.state import LEVELS

if TYPE_CHECKING:
    from tests.simulator.hub import Hub

NOT_OF_AN_INSTALLATION = (
    "You must authenticate with an installation access token in order to list repositories for an installation."
)
_SCOPES = {"read:org", "write:org", "admin:org"}


def membership(hub: Hub, request: Request, org: str, team: str, login: str) -> Answer:
    """ "Get team membership for a user": 404 also for who may not see the team."""
    token = request.token
    if token is None:
        return forbidden(None)
    if token.kind == "classic":
        if not _SCOPES & {each.strip() for each in token.scopes.split(",")}:
            return error(404)
    elif not token.members:
        return forbidden(token)
    with hub.lock:
        state = hub.teams.get(f"{org}/{team}".lower(), {}).get(login.lower())
    if state is None:
        return error(404)
    url = f"{hub.api}/organizations/1/team/2/memberships/{login}"
    return reply(200, {"url": url, "role": "member", "state": state})


def repositories(hub: Hub, request: Request) -> Answer:
    """ "List repositories accessible to the app installation", which a job's token may ask, too."""
    token = request.token
    if token is None:
        return forbidden(None)
    if not token.integration:
        return error(403, NOT_OF_AN_INSTALLATION)
    with hub.lock:
        mine = [repo for repo in hub.repos.values() if LEVELS[token.rights.get(repo.slug.lower(), "none")] > 0]
    found = [shapes.repository(hub, repo, token) for repo in mine]
    return reply(200, {"total_count": len(found), "repository_selection": "selected", "repositories": found[:30]})
