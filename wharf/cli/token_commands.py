"""`wharf token create`, `list` and `revoke`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import click

from wharf.cli.common_options import common_options, common_options_but_index
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from wharf.repository.tokens import NewToken, Token, Tokens

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@click.group("token", epilog="\b\nExamples:\n  wharf token create ci --scope publish --expires 90d\n  wharf token revoke ci\n")
@common_options
def token_command() -> None:
    """Tokens for uploading to, and reading from, `wharf serve`. Only their digests are stored."""


@token_command.command(
    "create",
    epilog="\b\nExamples:\n  wharf token create ci --scope publish --expires 90d\n"
    "  wharf token create ci --index staging --project 'acme-*' --owner alice\n",
)
@click.argument("name")
@click.option(
    "--scope",
    type=click.Choice(["read", "publish", "manage"]),
    default="publish",
    show_default=True,
    help="What it may do; each includes those before it. manage may yank, remove and promote.",
)
@click.option("--expires", metavar="TIME", help="How long it lives: 12h, 90d, 8w (default: for ever).")
@click.option(
    "--index", "indexes", metavar="NAME", multiple=True, help="The index that it is for; may be repeated (default: all)."
)
@click.option(
    "--project",
    "projects",
    metavar="PATTERN",
    multiple=True,
    help="The projects that it may write, as in 'acme-*'; may be repeated (default: all).",
)
@click.option("--owner", metavar="TEXT", help="Who is responsible for it.")
@click.option("--note", metavar="TEXT", help="What it is for.")
@common_options_but_index
@pass_state
def create_command(
    state: State,
    name: str,
    scope: Literal["read", "publish", "manage"],
    expires: str | None,
    indexes: tuple[str, ...],
    projects: tuple[str, ...],
    owner: str | None,
    note: str | None,
) -> None:
    """Make a token and show it, once.

    WHARF_INDEX does not limit it, and an --index before `token create` does not.
    """
    from wharf.operations.result_documents import new_token_document
    from wharf.repository.tokens import NewToken

    if projects and scope == "read":
        raise click.UsageError("--project limits what a token writes, and this one only reads. Use --index to limit it.")
    until = None if expires is None else _until(expires)
    new = NewToken(name=name, scope=scope, expires=until, indexes=indexes, projects=projects, owner=owner, note=note)
    if (server := state.server()) is not None:
        from wharf.cli import server_tokens

        server_tokens.create(state, server, new, _rights(new))
        return
    with state.repository(fetch="later") as repository:
        secret = repository.tokens.add(new)
        on_github = repository.github is not None
        there = None if on_github else repository.branch.indexes()
    if repository.made:
        state.say(f"made a new store in {repository.where}")
    if there is not None:
        _warn_of_unknown(state, indexes, there)
    if not state.json:
        state.say(f"The token {name!r} {_rights(new)}; it is shown this once. Use it as a password, with any user name.")
    if on_github:
        state.say(
            "It is for `wharf serve --auth tokens`, and for uploads to a server with --auth public. Where GitHub decides who "
            "may read, as by default over a private repository, clients send a GitHub token."
        )
    state.result({"token": secret.reveal(), **new_token_document(new)}, [secret.reveal()])


def _warn_of_unknown(state: State, indexes: tuple[str, ...], there: list[str]) -> None:
    """Warn of each index that is not there. The default one of a store is there before anything is published."""
    from wharf.errors import did_you_mean
    from wharf.index.index_name import DEFAULT_INDEX

    for index in indexes:
        if index not in there and index != DEFAULT_INDEX:
            state.warn(f"There is no index {index!r} yet. {did_you_mean(index, [DEFAULT_INDEX, *there])}".rstrip())


@token_command.command(
    "list", epilog="\b\nExamples:\n  wharf token list --json\n  wharf token list --server https://wharf.example.com/\n"
)
@common_options
@pass_state
def list_command(state: State) -> None:
    """Show all tokens: what each may do, until when, whose it is, and when it was used last."""
    from wharf.cli import result_lines
    from wharf.operations.result_documents import token_document

    if (server := state.server()) is not None:
        from wharf.cli import server_tokens

        server_tokens.list_all(state, server)
        return
    with state.repository(reading=True, fetch="later") as repository:
        tokens, where = repository.tokens.all(), repository.where
        used = _used(state, repository.tokens) if tokens else {}
    if not tokens and not state.json:
        state.say(f"There is no token for {where}. `wharf token create NAME` makes one.")
    now, documents = datetime.now(UTC), [token_document(token, used.get(token.sha256)) for token in tokens]
    for token, document in zip(tokens, documents, strict=True):
        if token.ends_soon(now):
            expiry = result_lines.expiry(document)
            state.warn(f"The token {token.name!r} {expiry}. `wharf token create` makes another one.")
    state.result({"tokens": [*documents]}, map(result_lines.token, documents))


@token_command.command("revoke", epilog="\b\nExamples:\n  wharf token revoke ci\n")
@click.argument("name")
@common_options
@pass_state
def revoke_command(state: State, name: str) -> None:
    """End a token; a running server obeys within a second."""
    if (server := state.server()) is not None:
        from wharf.cli import server_tokens

        server_tokens.revoke(state, server, name)
        return
    with state.repository(reading=True, fetch="later") as repository:
        repository.tokens.revoke(name)
    state.result({"revoked": name}, [f"revoked {name}"])


def _until(text: str) -> datetime:
    found = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a time: write it as in 12h, 90d or 8w.", param_hint="--expires")
    return datetime.now(UTC).replace(microsecond=0) + int(found[1]) * _UNITS[found[2]]


def _used(state: State, tokens: Tokens) -> Mapping[str, date]:
    """The day on which each token was used last, as far as servers noted it. That they are unknown is no reason to fail."""
    from wharf.errors import StorageError
    from wharf.repository.token_usage import TokenUsage

    try:
        return TokenUsage(tokens.path_of_usage).days()
    except StorageError as error:
        state.warn(f"When tokens were used last is not known: {error.sentences}")
        return {}


def _rights(token: NewToken | Token) -> str:
    """What a token may, as the end of a sentence that it begins."""
    where = f"the index {' and '.join(token.indexes)}" if token.indexes else "all indexes"
    if token.scope == "read":
        return f"may read {where}"
    verb = "publish" if token.scope == "publish" else "publish and manage"
    if token.projects:
        return f"may read {where}, and {verb} {', '.join(token.projects)} there"
    return f"may read {where}, and {verb} there"
