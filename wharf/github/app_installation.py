"""The installation of a GitHub App on a repository, and the tokens that GitHub gives for it.

"Authenticating as a GitHub App installation". The requests go over our own wire, as all others do.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

from wharf.errors import StorageError
from wharf.github import app_refusals
from wharf.github.quota import READ, WRITE
from wharf.github.quota_by_token import Tally
from wharf.github.renewing_token import Issued
from wharf.github.replies import plain
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wharf.errors import WharfError
    from wharf.github.app_jwt import App
    from wharf.github.replies import Reply
    from wharf.github.request_turns import Turns
    from wharf.github.wire import Wire
    from wharf.model import Json
    from wharf.repository_address import Address

HOUR: Final = 3600.0
"""Seconds for which an installation token holds ("Generating an installation access token for a GitHub App")."""

_HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_TOKEN = re.compile(r"[!-~]{20,1000}", re.ASCII)
_MOVED = re.compile(r"/repositories/([0-9]{1,18})/installation", re.ASCII)


class Ask(Protocol):
    """Sends a request of the REST API with the app's JWT; gives whatever is answered."""

    def __call__(self, method: str, path: str, body: Json = None) -> Reply:
        """One request."""


def requests_of(app: App, address: Callable[[], Address], line: Callable[[], Wire], turns: Turns) -> Ask:
    """How an app asks: with a JWT in the place of a token, over those connections, and within its own limits."""
    own: Turns | None = None

    def ask(method: str, path: str, body: Json = None) -> Reply:
        from wharf.github.wire import Outgoing

        nonlocal own
        own = own or turns.of_another(Tally())
        asked = Outgoing(
            method=method,
            url=address().api + path,
            tokens=app,
            headers=_HEADERS if body is None else _HEADERS | {"content-type": "application/json"},
            content=None if body is None else json.dumps(body).encode(),
            points=READ if method == "GET" else WRITE,
            repeat=True,  # a token that nobody uses does no harm
        )
        return line().with_turns(own).send(asked)

    return ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """Where an app is installed, as GitHub says. `permissions` are those that its owner granted; `page` shows its settings."""

    id: int
    app: str
    account: str
    selection: str
    permissions: Mapping[str, str]
    page: str
    suspended: bool


@dataclass(slots=True)
class InstallationTokens:
    """Asks GitHub for tokens of an app's installation, each for one repository and the permissions that are needed.

    `installation` is the one that the last token is of, `left_out` the other repositories that the token does not reach.
    """

    app: App
    address: Callable[[], Address]
    ask: Ask = field(repr=False)
    warn: Callable[[str], None] = field(default=lambda _text: None, repr=False)
    installation: Installation | None = None
    left_out: tuple[str, ...] = ()

    def issue(self) -> Issued:
        """A new token. Raises NotAllowedError, UsageError (for the key), QuotaError or StorageError."""
        address = self.address()
        reply = self.ask("GET", f"/repos/{address.slug}/installation")
        number: int | None = None
        if reply.status in {301, 307, 308} and (moved := self._moved(address, reply)):
            number, reply = moved, self.ask("GET", f"/repositories/{moved}/installation")
        if reply.status != 200:
            raise self._not_found(address, reply)
        found = self.installation = _installation(reply.data, address)
        contents = self._contents(found)
        names = [address.name] if number is None else []
        near = [] if number is not None else self._near(address)
        ids: dict[str, Json] = {"repositories": [*names, *near]} if number is None else {"repository_ids": [number]}
        permissions: dict[str, Json] = {"contents": contents, "metadata": "read"}
        if found.permissions.get("members") in {"read", "write"}:  # with it, a server asks who is in a team
            permissions["members"] = "read"
        path = f"/app/installations/{found.id}/access_tokens"
        reply = self.ask("POST", path, {**ids, "permissions": permissions})
        if reply.status == 422 and near:
            near = []
            reply = self.ask("POST", path, {"repositories": [address.name], "permissions": permissions})
        self._tell_left_out(found, near, address)
        if reply.status != 201:
            raise self._not_issued(found, address, reply)
        return _issued(reply)

    def _moved(self, address: Address, reply: Reply) -> int | None:
        """The number of a repository that has another name now, if the redirect stays on the API's own host."""
        api, location = address.api, reply.headers.get("location", "")
        path = location.removeprefix(api)
        found = _MOVED.fullmatch(path) if path.startswith("/") else None
        return int(found[1]) if found else None

    def _near(self, address: Address) -> list[str]:
        """The names of the other repositories of the same owner: a token is of one installation, and so of one owner."""
        owners = [each.partition("/") for each in self.app.repositories]
        names = [name for owner, _, name in owners if owner.lower() == address.owner.lower()]
        return sorted({name for name in names if name.lower() != address.name.lower()}, key=str.lower)

    def _tell_left_out(self, found: Installation, near: list[str], address: Address) -> None:
        reached = {f"{address.owner}/{name}".lower() for name in (address.name, *near)}
        left_out = tuple(each for each in self.app.repositories if each.lower() not in reached)
        if left_out and left_out != self.left_out:
            self.warn(
                f"The token of the app {found.app} does not reach {', '.join(left_out)}: only public files there can be read. "
                "Install the app there, too. A repository of another owner needs a WHARF_TOKEN that reaches both."
            )
        self.left_out = left_out

    def _contents(self, found: Installation) -> str:
        """The level of `contents` to ask for: what is granted. Raises NotAllowedError where nothing can be read."""
        if found.suspended:
            raise app_refusals.suspended(found.app, found.account, found.page)
        granted = found.permissions.get("contents")
        if granted not in {"read", "write"}:
            raise app_refusals.no_contents(found.app, found.account, found.page)
        return granted

    def _not_found(self, address: Address, reply: Reply) -> WharfError:
        """What it means that GitHub knows no installation."""
        if reply.status != 404:
            return app_refusals.unknown_app(self.app, address, reply)
        about = self.ask("GET", "/app")
        if about.status != 200 or not isinstance(about.data, dict):
            return app_refusals.unknown_app(self.app, address, about)
        slug = _text(about.data, "slug") or _text(about.data, "name")
        return app_refusals.not_installed(slug, _page(about.data, address), address)

    def _not_issued(self, found: Installation, address: Address, reply: Reply) -> WharfError:
        """What it means that GitHub gives no token for an installation that is there."""
        if reply.status == 403 and "suspended" in reply.message.lower():
            return app_refusals.suspended(found.app, found.account, found.page)
        if reply.status == 404:  # it went away a moment ago
            return self._not_found(address, reply)
        if reply.status == 422:
            return app_refusals.not_issued(found.app, address, found.page, reply)
        return app_refusals.unknown_app(self.app, address, reply)


def _installation(data: Json, address: Address) -> Installation:
    """Read "Get a repository installation for the authenticated app". Raises StorageError for another form."""
    about = data if isinstance(data, dict) else {}
    number, granted, account = about.get("id"), about.get("permissions"), about.get("account")
    if not isinstance(number, int) or isinstance(number, bool) or not isinstance(granted, dict):
        raise _odd("an installation")
    who = (_text(account, "login") or _text(account, "slug")) if isinstance(account, dict) else ""
    return Installation(
        id=number,
        app=_text(about, "app_slug") or "without a name",
        account=who or "its owner",
        selection=_text(about, "repository_selection"),
        permissions={plain(key): plain(value) for key, value in granted.items() if isinstance(value, str)},
        page=_page(about, address),
        suspended=about.get("suspended_at") is not None,
    )


def _issued(reply: Reply) -> Issued:
    """Read "Create an installation access token for an app". Raises StorageError for another form.

    How long the token holds is told by GitHub's own clock alone, whatever the clock here says. Without a date it is as usual.
    """
    data = reply.data if isinstance(reply.data, dict) else {}
    token, ends = data.get("token"), _moment(data.get("expires_at"))
    if not isinstance(token, str) or not _TOKEN.fullmatch(token) or ends is None:
        raise _odd("an installation token")
    now = app_refusals.date_of(reply)
    seconds = HOUR if now is None else min(ends - now, HOUR)
    if seconds <= 0:
        raise _odd("an installation token that still holds")
    return Issued(Secret(token), seconds)


def _moment(value: Json) -> float | None:
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found.timestamp()


def _odd(what: str) -> StorageError:
    return StorageError(f"GitHub's answer is not {what}.", "Try again later. If it persists, is there a proxy in between?")


def _page(data: Mapping[str, Json], address: Address) -> str:
    """The page that an answer names for a person, if it is on the repository's own host."""
    page = _text(data, "html_url")
    return page if page.startswith(f"{address.scheme}://{address.host}/") else ""


def _text(data: Mapping[str, Json], key: str) -> str:
    value = data.get(key)
    return plain(value) if isinstance(value, str) else ""
