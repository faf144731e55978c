"""Whose token it is at GitHub, and which job of GitHub Actions runs this: who the history of an index names. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from wharf.repository_address import GITHUB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.model import Json
    from wharf.repository_address import Address
    from wharf.secret import Secret

QUERY: Final = "query { viewer { login databaseId } }"
"""What every kind of token may ask by GraphQL. `GET /user` is forbidden to those of apps and of Actions jobs."""

KINDS: Final = {
    "ghp_": "a personal access token (classic)",
    "gho_": "a token of an app that its user logged in to",
    "github_pat_": "a fine-grained personal access token",
    "ghs_": "a token of an app or an Actions job",
    "ghu_": "a token of an app for its user",
}
"""How tokens begin, and of which kind they are ("About authentication to GitHub", "GitHub's token formats")."""

_LOGIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9_])?(?:\[bot\])?", re.ASCII)
_BOT = "[bot]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account at GitHub; that of an app is called `<slug>[bot]`. `id` is None where it is not known."""

    login: str
    id: int | None

    def email(self, address: Address) -> str:
        """The address by which the host of a repository knows the account in commits ("Email addresses reference")."""
        host = urlsplit(address.web).hostname or GITHUB
        return f"{'' if self.id is None else f'{self.id}+'}{self.login}@users.noreply.{host}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of GitHub Actions: who set it off, if that is an account of the repository's own host, and the run's address."""

    account: Account | None
    run: str


def prefix_of(token: Secret) -> str:
    """The prefix that shows the kind of a token, one of KINDS, and nothing else of the token; else nothing."""
    return next((prefix for prefix in KINDS if token.reveal().startswith(prefix)), "")


def parse(data: Json, *, app: bool = False) -> Account | None:
    """The account that an answer names: as REST says it, or `viewer` in GraphQL. `app`: the token is an app's or a job's."""
    if not isinstance(data, dict):
        return None
    login, number = data.get("login"), data.get("id")
    if not isinstance(number, int):
        number = data.get("databaseId")  # GraphQL: its `id` is a text
    if not isinstance(login, str) or not _LOGIN.fullmatch(login):
        return None
    name = login if login.endswith(_BOT) or not app else f"{login}{_BOT}"
    return Account(login=name, id=number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None)


def job(environ: Mapping[str, str], address: Address) -> Job | None:
    """The job that an environment describes ("Default environment variables"), as a repository sees it; None outside a job."""
    if environ.get("GITHUB_ACTIONS") != "true":
        return None
    server = environ.get("GITHUB_SERVER_URL") or f"https://{GITHUB}"
    login, number = environ.get("GITHUB_ACTOR", ""), environ.get("GITHUB_ACTOR_ID", "")
    account = None
    if server.rstrip("/").lower() == f"{address.scheme}://{address.host}":
        account = parse({"login": login, "id": int(number) if re.fullmatch("[0-9]{1,18}", number) else None})
    return Job(account=account, run=_run(server, environ))


def _run(server: str, environ: Mapping[str, str]) -> str:
    slug, number = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    fits = re.fullmatch(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+", slug) and re.fullmatch("[0-9]{1,18}", number)
    fits = fits and re.fullmatch(r"https?://[A-Za-z0-9.:-]+/?", server)
    return f"{server.rstrip('/')}/{slug}/actions/runs/{number}" if fits else ""
