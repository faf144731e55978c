"""Addresses that GitHub's answers name: which of them wharf goes to, and takes the token along. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from wharf.errors import StorageError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from wharf.repository_address import Address

LATER: Final = "Try again later."

_BY_NUMBER = re.compile(r"/repositories/[0-9]+")


def by_number(path: str) -> str | None:
    """The part of a path that names a repository by its number: so GitHub leads to a repository that has a new name."""
    found = _BY_NUMBER.search(path)
    return found[0] if found else None


def on_api_host(address: Address, location: str, asked: str = "") -> SplitResult:
    """An address on the API's own host, where the token may go. It may be relative to the address that was `asked` for.

    Raises StorageError for another host, and for what is no address.
    """
    api = urlsplit(address.api)
    try:
        # Joined before it is judged: put behind the API's name, a relative one such as `.evil.example` makes another host.
        target = urlsplit(urljoin(asked or address.api, location))
    except ValueError:
        raise StorageError(f"{address.host} leads to something that is not an address.", LATER) from None
    if (target.scheme, target.netloc) != (api.scheme, api.netloc):
        raise StorageError(f"{address.host} leads to another host, where the token is not sent.", LATER)
    return target


def below_api(address: Address, target: SplitResult) -> str:
    """The path and query below the API. Raises StorageError for a place outside of it."""
    api = urlsplit(address.api)
    if not target.path.startswith(f"{api.path}/"):
        raise _outside(address)
    check_path(address, target.path)
    return target.path.removeprefix(api.path) + (f"?{target.query}" if target.query else "")


def check_path(address: Address, path: str) -> None:
    """Raise StorageError for a path below the API that leads out of it."""
    if ".." in re.split(r"[/\\]", unquote(path.partition("?")[0])):
        raise _outside(address)


def for_upload(address: Address, upload_url: str) -> str:
    """Where assets are uploaded to, out of a release's `upload_url`. Raises StorageError for another host than GitHub's own."""
    url = upload_url.partition("{")[0]
    if not address.may_upload_to(url):
        raise StorageError(
            f"{address.host} wants uploads to be sent to {urlsplit(url).netloc!r}, which is not its own host.",
            "The token is not sent there. Check the address of the repository.",
        )
    return url


def signed(address: Address, location: str) -> str:
    """The address of an asset's bytes, which clients are led to without a token. Raises StorageError for what is none."""
    try:
        target = urlsplit(location)
    except ValueError:
        target = urlsplit("")
    if not (location.isascii() and location.isprintable() and target.scheme == address.scheme and target.hostname):
        raise StorageError(f"{address.host} gives an address for a file that is not valid.", LATER)
    return location


def _outside(address: Address) -> StorageError:
    return StorageError(f"{address.host} leads to a place outside of its API.", LATER)
