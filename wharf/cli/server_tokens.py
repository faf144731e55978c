"""`wharf token` over a server: the person's own tokens there, and those that they made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from wharf.cli import result_lines
from wharf.cli.server_verbs import server_index
from wharf.repository.server_answers import MadeToken, RevokedToken, TokenList
from wharf.repository.server_client import part
from wharf.repository.server_index import API

if TYPE_CHECKING:
    from wharf.cli.state import State
    from wharf.repository.server_settings import ServerSettings
    from wharf.repository.tokens import NewToken

_SOON: Final = timedelta(days=14)


def create(state: State, server: ServerSettings, new: NewToken, rights: str) -> None:
    """`wharf token create`; `rights` says what the token may, as the end of a sentence."""
    from wharf.operations.result_documents import new_token_document

    with server_index(state, server) as index:
        client = index.client
        url = client.url(f"{API}/tokens")
        made = client.call("POST", url, new_token_document(new), form=MadeToken, repeat=False).document
    if not state.json:
        state.say(f"The token {new.name!r} {rights}; it is shown this once. Use it as a password, with any user name.")
    state.result(made, [made["token"]])


def list_all(state: State, server: ServerSettings) -> None:
    """`wharf token list`: those that the server shows to this token."""
    with server_index(state, server) as index:
        found = index.client.get(TokenList, f"{API}/tokens")["tokens"]
    now = datetime.now(UTC)
    for each in found:
        if each["expires"] and now < datetime.fromisoformat(each["expires"]) <= now + _SOON:
            state.warn(f"The token {each['name']!r} {result_lines.expiry(each)}. `wharf token create` makes another one.")
    state.result({"tokens": found}, map(result_lines.token, found))


def revoke(state: State, server: ServerSettings, name: str) -> None:
    """`wharf token revoke`."""
    with server_index(state, server) as index:
        client = index.client
        client.call("DELETE", client.url(f"{API}/tokens/{part(name)}"), form=RevokedToken)
    state.result({"revoked": name}, [f"revoked {name}"])
