"""`wharf token create`, `list` and `revoke`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from wharf.model import Json
    from wharf.repository.tokens import Token

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.group("token", epilog="\b\nExamples:\n  wharf token create ci --scope publish --expires 90d\n  wharf token revoke ci\n")
@common_options
def token_command() -> None:
    """Tokens for uploading to, and reading from, `wharf serve`. Only their digests are stored."""


@token_command.command("create", epilog="\b\nExamples:\n  wharf token create ci --scope publish --expires 90d\n")
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "publish"]),
    default="publish",
    show_default=True,
    help="What it may do; publish includes read.",
)
@click.option("--expires", metavar="TIME", help="How long it lives: 12h, 90d, 8w (default: for ever).")
@common_options
@pass_state
def create_command(state: State, name: str, scope: Literal["read", "publish"], expires: str | None) -> None:
    """Make a token and show it, once."""
    until = None if expires is None else _until(expires)
    with state.repository(fetch="later") as repository:
        secret = repository.tokens.create(name, scope, until)
        on_github = repository.github is not None
    if repository.made:
        state.say(f"made a new store in {repository.where}")
    if not state.json:
        state.say(f"The token {name!r} may {scope}; it is shown this once. Use it as a password, with any user name.")
    if on_github:
        state.say(
            "It is for `wharf serve --auth tokens`, and for uploads to a server with --auth public. Where GitHub decides who "
            "may read, as by default over a private repository, clients send a GitHub token."
        )
    state.result(
        {"name": name, "token": secret.reveal(), "scope": scope, "expires": _text(until)},
        [secret.reveal()],
    )


@token_command.command("list", epilog="\b\nExamples:\n  wharf token list --json\n")
@common_options
@pass_state
def list_command(state: State) -> None:
    """Show the names of all tokens, what they may do, and until when."""
    with state.repository(reading=True, fetch="later") as repository:
        tokens, where = repository.tokens.all(), repository.where
    if not tokens and not state.json:
        state.say(f"There is no token for {where}. `wharf token create NAME` makes one.")
    state.result(
        {"tokens": [_document(token) for token in tokens]},
        [f"{token.name}  {token.scope}  {_expiry(token)}" for token in tokens],
    )


@token_command.command("revoke", epilog="\b\nExamples:\n  wharf token revoke ci\n")
@click.argument("name")
@common_options
@pass_state
def revoke_command(state: State, name: str) -> None:
    """End a token; a running server obeys within a second."""
    with state.repository(reading=True, fetch="later") as repository:
        repository.tokens.revoke(name)
    state.result({"revoked": name}, [f"revoked {name}"])


def _until(text: str) -> datetime:
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a time: write it as in 12h, 90d or 8w.", param_hint="--expires")
    return datetime.now(UTC).replace(microsecond=0) + int(found[1]) * _UNITS[found[2]]


def _document(token: Token) -> dict[str, Json]:
    return {"name": token.name, "scope": token.scope, "created": _text(token.created), "expires": _text(token.expires)}


def _expiry(token: Token) -> str:
    if token.expires is None:
        return "does not expire"
    return f"{'expires' if token.valid(datetime.now(UTC)) else 'expired'} {token.expires:%Y-%m-%d %H:%M} UTC"


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds").replace("+00:00", "Z")
