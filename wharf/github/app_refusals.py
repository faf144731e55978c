"""What it means that GitHub gives an app no token: the errors, each with what to do."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError
from wharf.github.app_jwt import ISSUED_BEFORE, SETTINGS, VALID_FOR
from wharf.github.replies import refusal

if TYPE_CHECKING:
    from wharf.errors import WharfError
    from wharf.github.app_jwt import App
    from wharf.github.replies import Reply
    from wharf.repository_address import Address

_OF_TIME = re.compile(r"'(?:Issued at|Expiration time)' claim", re.ASCII)
_SLACK = 10.0  # seconds that a JWT may be on its way
_SET_THE_CLOCK = (
    "Set the clock of this machine (on most Linux systems, `timedatectl set-ntp true` keeps it right), and try again."
)


def unknown_app(app: App, address: Address, reply: Reply) -> WharfError:
    """GitHub does not know an app, or does not accept what it signed; whatever else was answered is told as it is."""
    said = reply.message.rstrip(".")
    if reply.status == 401:
        return _wrong_clock(address, reply) or NotAllowedError(
            f"{address.host} does not accept the key of {app}: {said}.",
            f"Is it a key of that very app, and not deleted since? The app's page ({SETTINGS}) shows its id, and makes keys.",
            doctor=True,
        )
    if reply.status == 404:
        return NotAllowedError(
            f"{address.host} knows no app {app.id} ({app.source}): {said}.",
            f"The app's page ({SETTINGS}) shows its App ID and its Client ID: either will do. The id of an installation is "
            "another number.",
            doctor=True,
        )
    return refusal("GET", f"the installation of {app} on {address}", reply, token=True)


def not_installed(slug: str, page: str, address: Address) -> NotAllowedError:
    """An app is known and not installed on a repository. `page` is the app's own (may be empty)."""
    where = f"Open {page}/installations/new, choose {address.owner}, and select {address.name}."
    hint = where if page else f"Install it there from its page ({SETTINGS})."
    return NotAllowedError(f"The app {slug} is not installed on {address}, or there is no such repository.", hint, doctor=True)


def suspended(slug: str, account: str, page: str) -> NotAllowedError:
    """An installation on an account is suspended. `page` is the installation's (may be empty)."""
    what = f"The installation of the app {slug} on {account} is suspended."
    return NotAllowedError(what, f"An owner of {account} can end that on {_page(page)}.", doctor=True)


def no_contents(slug: str, account: str, page: str) -> NotAllowedError:
    """An installation on an account lacks the one permission that everything needs."""
    return NotAllowedError(
        f"The app {slug} may not see contents on {account}: it lacks the permission `contents`.",
        f"Give the app the permission Contents: Read and write (only installing: Read-only) on its page ({SETTINGS}), and "
        f"accept that on {_page(page)}.",
        doctor=True,
    )


def not_issued(slug: str, address: Address, page: str, reply: Reply) -> NotAllowedError:
    """An installation does not have what was asked for."""
    what = f"GitHub gives the app {slug} no token for {address}: {reply.message.rstrip('.')}."
    return NotAllowedError(what, f"Look at the repositories and permissions on {_page(page)}.", doctor=True)


def date_of(reply: Reply) -> float | None:
    """The time at GitHub, in seconds since 1970, as an answer tells it; None if it does not."""
    try:
        return parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError, TypeError):
        return None


def _wrong_clock(address: Address, reply: Reply) -> NotAllowedError | None:
    """The error for a JWT that is refused because of this machine's clock, by GitHub's own; None if it is another reason."""
    now, said = date_of(reply), reply.message.rstrip(".")
    ahead = 0.0 if now is None else time.time() - now
    if not -(VALID_FOR - _SLACK) < ahead < ISSUED_BEFORE - _SLACK:
        way = "ahead of" if ahead > 0 else "behind"
        what = f"{address.host} does not accept the app's JWT: this machine's clock is {abs(ahead):.0f} s {way} GitHub's"
        return NotAllowedError(f"{what} ({said}).", _SET_THE_CLOCK)
    if _OF_TIME.search(said):
        what = f"{address.host} does not accept the time in the app's JWT, and so this machine's clock may be wrong"
        return NotAllowedError(f"{what} ({said}).", _SET_THE_CLOCK)
    return None


def _page(page: str) -> str:
    return page or "the page of the installation"
