"""`wharf setup`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.clients.index_address import IndexAddress
    from wharf.clients.setup_text import Client
    from wharf.operations.client_setup import Written
    from wharf.repository.settings import Settings

_CLIENTS = ("pip", "uv", "poetry", "pdm", "twine")


@click.command(
    "setup",
    epilog="""\b
Examples:
  wharf setup uv
  wharf setup pip --url https://wharf.example.com --write
  wharf setup pip --server https://wharf.example.com/ --write
  wharf setup twine --url https://wharf.example.com --name acme
""",
)
@click.argument("client", type=click.Choice(_CLIENTS))
@click.option(
    "--url",
    metavar="URL",
    help="Where a server or a static site has the index (default: --server, else where `wharf run` has it).",
)
@click.option("--name", metavar="NAME", help="What uv, poetry or twine call the index (default: wharf).")
@click.option("--write", is_flag=True, help="Edit the client's configuration file, instead of printing the text for it.")
@click.option("--file", metavar="PATH", type=click.Path(path_type=Path), help="That file (default: where the client looks).")
@common_options
@pass_state
def setup_command(state: State, client: Client, url: str | None, name: str | None, write: bool, file: Path | None) -> None:
    """Tell pip, uv, poetry, pdm or twine about the index, in that client's own configuration.

    The configuration never has a token in it: the output says where the token goes. An edit keeps everything else in the
    file, comments too.
    """
    from wharf.clients import setup_by_client
    from wharf.operations import client_setup

    settings, address = _settings_and_address(state, url)
    called = setup_by_client.check_name(name, client)
    if not setup_by_client.needs_file(client, address):
        file = None
    elif file is None:
        file = client_setup.find(client, os.environ, Path.cwd(), run=address.run)
    elif address.run:
        client_setup.check_project(client, os.environ, file)
    needed = setup_by_client.describe(client, address, called, str(file))
    done: Written | None = None
    if write and setup_by_client.needs_file(client, address):
        if file is None:
            raise click.UsageError(
                f"There is no pyproject.toml here: begin with `{client} init`, or name one with --file."
                + (" For all projects, name a server or a static site with --url." if client == "uv" else "")
            )
        done = client_setup.write(client, address, called, file)
    notes = [*(done.notes if done else ()), *needed.notes, *_which_token(settings, address), *_above(client)]
    notes = list(map(state.whole, notes))
    state.result(
        {
            "client": client,
            "file": str(file) if file else None,
            "written": done is not None,
            "changed": done is not None and done.changed,
            "text": needed.text,
            "environment": list(needed.environment),
            "notes": list(notes),
        },
        _lines(needed.text, file, done, notes),
    )


def _settings_and_address(state: State, url: str | None) -> tuple[Settings | None, IndexAddress]:
    """The settings of the repository, if it is not a server that is named; and where clients find the index."""
    from wharf.clients.index_address import IndexAddress
    from wharf.operations.setup_address import address_for_clients

    server = state.server()
    if server is not None:
        return None, address_for_clients(url or str(server.address), server.index, server.habit)
    settings = state.settings()
    if not url:
        return settings, IndexAddress(root=f"http://127.0.0.1:{settings.loopback_port}/", run=True)
    asked = settings.index if "index" in state.options else None
    return settings, address_for_clients(url, asked, settings.index if os.environ.get("WHARF_INDEX") else None)


def _lines(text: str, file: Path | None, done: Written | None, notes: list[str]) -> Iterator[str]:
    if done is not None:
        yield f"{'wrote' if done.changed else 'unchanged'}: {done.file}"
    elif text:
        yield f"# {file or 'pyproject.toml'}"
        yield text
    yield from (f"- {note}" for note in notes)


def _which_token(settings: Settings | None, address: IndexAddress) -> Iterator[str]:
    """Whose token is meant: that depends on the repository, not on the address. None: only the server knows it."""
    if address.run:
        yield "No token is needed: `wharf run` makes a password for each command."
    elif settings is not None and not isinstance(settings.place, Path):
        yield f"TOKEN is a GitHub token that may read {settings.place} (`wharf doctor`), unless everybody may read the index."
    elif settings is not None and isinstance(settings.place, Path) and settings.place.is_dir():
        yield "TOKEN is a wharf token (`wharf token create NAME`), unless everybody may read the index."
    else:
        yield (
            "TOKEN is a GitHub token for an index on GitHub, else a wharf token (`wharf token create NAME`), unless everybody "
            "may read the index."
        )


def _above(client: Client) -> Iterator[str]:
    """What pip prefers to its file, or what disturbs its downloads."""
    from wharf.operations.client_setup import has_default

    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        if client == "pip" and name in os.environ:
            yield f"{name} is set, and counts before any file: unset it."
    if client == "pip" and has_default(os.environ):
        yield (
            "~/.netrc has a `default` line: pip also sends that password to the host that a file's address leads to, such as "
            "GitHub's storage, which then refuses the request. Name each host in a `machine` line instead."
        )
