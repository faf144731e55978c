"""A GitHub App: the JWT by which GitHub knows it, and the token of its installation for one repository.

"Authenticating as a GitHub App installation". PyGithub signs the JWT; the requests go over our own wire, as all others do.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Protocol

from wharf.errors import NotAllowedError, StorageError, UsageError
from wharf.github.quota import READ, WRITE, Tally
from wharf.github.renewing_token import Issued
from wharf.github.replies import plain, refusal
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wharf.errors import WharfError
    from wharf.github.quota import Turns
    from wharf.github.replies import Reply
    from wharf.github.wire import Wire
    from wharf.model import Json
    from wharf.repository_address import Address

ISSUED_BEFORE: Final = 60
"""Seconds by which a JWT is dated back: a clock that is less than that ahead of GitHub's does no harm."""
VALID_FOR: Final = 540
"""Seconds for which a JWT is valid: with those before, the ten minutes that GitHub allows."""
HOUR: Final = 3600.0
"""Seconds for which an installation token holds ("Generating an installation access token for a GitHub App")."""

_HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28"}
_TOKEN = re.compile(r"[!-~]{20,1000}", re.ASCII)
_MOVED = re.compile(r"/repositories/([0-9]{1,18})/installation", re.ASCII)
_OF_TIME = re.compile(r"'(?:Issued at|Expiration time)' claim", re.ASCII)
_SLACK = 10.0  # seconds that a JWT may be on its way
_PAGE = "Settings, Developer settings, GitHub Apps"


class Ask(Protocol):
    """Sends a request of the REST API with the app's JWT; gives whatever is answered."""

    def __call__(self, method: str, path: str, body: Json = None) -> Reply:
        """One request."""


@dataclass(frozen=True, slots=True)
class App:
    """An app as a person names it: its id or client id, its private key as PEM, and in a few words who names it.

    `repositories` (owner/name) are others that its token is to reach as well, as far as they have the same owner.
    As a token source it gives a new JWT each time.
    """

    id: str
    key: Secret
    source: str
    repositories: tuple[str, ...] = ()

    def token(self) -> Secret:
        """A JWT that is valid for some minutes. Raises UsageError for a key that cannot sign."""
        import jwt
        from github.Auth import AppAuth

        try:
            signer = AppAuth(self.id, self.key.reveal(), jwt_expiry=VALID_FOR, jwt_issued_at=-ISSUED_BEFORE)
            return Secret(signer.create_jwt())
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            # What is wrong with it may be said with parts of it: it is not shown.
            raise unusable_key(self.source) from None

    def refused(self, token: Secret) -> bool:
        """False: another JWT would say the same."""
        del token
        return False


def requests_of(app: App, address: Callable[[], Address], line: Callable[[], Wire], turns: Turns) -> Ask:
    """How an app asks: with a JWT in the place of a token, over those connections, and within limits of its own."""
    own = turns.of_another(Tally())

    def ask(method: str, path: str, body: Json = None) -> Reply:
        from wharf.github.wire import Outgoing

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
            raise _suspended(found)
        granted = found.permissions.get("contents")
        if granted not in {"read", "write"}:
            raise NotAllowedError(
                f"The app {found.app} may not see contents on {found.account}: it lacks the permission `contents`.",
                f"Give the app the permission Contents: Read and write (only installing: Read-only) on its page ({_PAGE}), and "
                f"accept that on {found.page or 'the page of the installation'}.",
                doctor=True,
            )
        return granted

    def _not_found(self, address: Address, reply: Reply) -> WharfError:
        """What it means that GitHub tells of no installation."""
        if reply.status != 404:
            return self._refused(address, reply)
        about = self.ask("GET", "/app")
        if about.status != 200 or not isinstance(about.data, dict):
            return self._refused(address, about)
        slug, page = _text(about.data, "slug") or _text(about.data, "name"), _page(about.data, address)
        return NotAllowedError(
            f"The app {slug} is not installed on {address}, or there is no such repository.",
            f"Open {page}/installations/new, choose {address.owner}, and select {address.name}."
            if page
            else f"Install it there from its page ({_PAGE}).",
            doctor=True,
        )

    def _not_issued(self, found: Installation, address: Address, reply: Reply) -> WharfError:
        """What it means that GitHub gives no token for an installation that is there."""
        if reply.status == 403 and "suspended" in reply.message.lower():
            return _suspended(found)
        if reply.status == 404:  # it went away a moment ago
            return self._not_found(address, reply)
        if reply.status == 422:
            return NotAllowedError(
                f"GitHub gives the app {found.app} no token for {address}: {reply.message.rstrip('.')}.",
                f"Look at the repositories and permissions on {found.page or 'the page of the installation'}.",
                doctor=True,
            )
        return self._refused(address, reply)

    def _refused(self, address: Address, reply: Reply) -> WharfError:
        """What a refusal means that has to do with the app itself."""
        said = reply.message.rstrip(".")
        who = f"the app {self.app.id} ({self.app.source})"
        if reply.status == 401:
            wrong = _clock(reply, said, address)
            if wrong is not None:
                return wrong
            return NotAllowedError(
                f"{address.host} does not accept the key of {who}: {said}.",
                f"Is it a key of that very app, and not deleted since? The app's page ({_PAGE}) shows its id, and makes keys.",
                doctor=True,
            )
        if reply.status == 404:
            return NotAllowedError(
                f"{address.host} knows no app {self.app.id} ({self.app.source}): {said}.",
                f"The app's page ({_PAGE}) shows its App ID and its Client ID: either will do. The id of an installation is "
                "another number.",
                doctor=True,
            )
        return refusal("GET", f"the installation of {who} on {address}", reply, token=True)


def unusable_key(source: str) -> UsageError:
    """The error for what is not an app's private key; nothing of it is shown."""
    return UsageError(
        f"{source}: that is not the private key of a GitHub App, which is RSA in PEM form without a password.",
        f"Take the .pem file that the app's page ({_PAGE}) gave when the key was made: its first line "
        "says BEGIN RSA PRIVATE KEY.",
    )


def _suspended(found: Installation) -> NotAllowedError:
    return NotAllowedError(
        f"The installation of the app {found.app} on {found.account} is suspended.",
        f"Who administers {found.account} can end that on {found.page or 'the page of the installation'}.",
        doctor=True,
    )


def _clock(reply: Reply, said: str, address: Address) -> NotAllowedError | None:
    """The error for a JWT that is refused because of this machine's clock, by GitHub's own; None if it is another reason."""
    ahead = _ahead(reply)
    remedy = "Set the clock of this machine (`timedatectl set-ntp true` keeps it right on most Linux systems), and try again."
    if ahead is not None and not -(VALID_FOR - _SLACK) < ahead < ISSUED_BEFORE - _SLACK:
        way = "ahead of" if ahead > 0 else "behind"
        what = f"{address.host} does not accept the app's JWT: this machine's clock is {abs(ahead):.0f} s {way} GitHub's"
        return NotAllowedError(f"{what} ({said}).", remedy)
    if _OF_TIME.search(said):
        what = f"{address.host} does not accept the time in the app's JWT, and so this machine's clock may be wrong"
        return NotAllowedError(f"{what} ({said}).", remedy)
    return None


def _ahead(reply: Reply) -> float | None:
    """Seconds by which this machine's clock is ahead of GitHub's; None if the answer has no date."""
    moment = _date(reply)
    return None if moment is None else time.time() - moment


def _date(reply: Reply) -> float | None:
    try:
        return parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError, TypeError):
        return None


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
    now = _date(reply)
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
