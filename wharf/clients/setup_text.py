"""What each client has to be told about an index: its setup, and the sentences that several clients share. Pure.

No text holds a token: addresses end up in lock files and logs. Which name belongs to which index is decided here too: pip,
poetry and PDM look in all the indexes that they know, and take the next one where the first does not answer or wants a
token. So these three get this index in the place of the public one, and what is public comes through it, or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.clients.index_address import IndexAddress
    from wharf.text_formats.toml_editing import Table


Client: TypeAlias = Literal["pip", "uv", "poetry", "pdm", "twine"]
DEFAULT_NAME = "wharf"
"""The name under which `wharf run` gives its password to uv and poetry."""
_FALL_THROUGH = (
    "{client} gets public packages from this index too, if its server runs with --fall-through; else it finds only what is "
    "published here."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What a client needs: a text for its configuration (empty: nothing), environment variables by name, and what to know."""

    client: Client
    text: str = ""
    environment: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def public_packages(client: str, address: IndexAddress) -> str:
    """Where a client gets public packages from, which asks this index in the place of the public one."""
    if address.run:
        return f"{client} gets public packages too with `wharf run --fall-through -- …`; else only what is published here."
    return _FALL_THROUGH.format(client=client)


def where_the_token_goes(prefix: str) -> str:
    """The environment variables of that prefix which take user name and password."""
    return f"The token goes to {prefix}_PASSWORD, with any user name in {prefix}_USERNAME; or to ~/.netrc."


def other_name(client: str, name: str) -> Iterable[str]:
    """A word about a name for which `wharf run` gives the client no password."""
    if name != DEFAULT_NAME:
        yield f"`wharf run` gives {client} a password for the name {DEFAULT_NAME!r}, not for {name!r}: leave --name out."


def without_encryption(address: IndexAddress) -> Iterable[str]:
    """A word about an address to which a token would go in the open."""
    if address.in_the_open:
        yield "http:// sends a token in the open: use https:// where one is needed."


def passwords_in(entries: Iterable[Table], name: str, file: str) -> Iterable[str]:
    """A word about a password that the file's entry of that name holds."""
    if any("password" in each for each in entries if str(each.get("name")).lower() == name.lower()):
        yield password_held(name, file)


def password_held(name: str, file: str) -> str:
    """What to do about a password in a file."""
    return f"{file} holds a password for {name!r}: move it out of the file, and revoke it if others may have read it."
