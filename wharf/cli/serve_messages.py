"""What `wharf serve` says when it answers: its address, and how clients use it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from wharf.pages import install_commands

if TYPE_CHECKING:
    from wharf.cli.state import State
    from wharf.index.upstream_settings import Mode
    from wharf.pages.install_commands import Login
    from wharf.server.options import Options

_TOLD = 10  # other indexes that are named


def tell_that_it_answers(
    state: State, where: str, others: list[str], address: str, options: Options, auth: str, mode: Mode | None
) -> None:
    """Say it in words or, with --json, as one JSON document on a line. `others` are indexes that have addresses below it.

    `mode`: how names are passed on that the index does not have.
    """
    clients = options.seen_by_clients(address)
    below = options.root_path.strip("/")
    if below in others:
        state.warn(
            f"--root-path {options.root_path} is also the name of an index. Behind a proxy that takes the path off, clients "
            f"that ask for the index {below!r} get the one at the root. Choose another path."
        )
    if state.json:
        click.echo(json.dumps({"url": address, "clients": clients, "indexes": others}))
        return
    if clients is None:
        click.echo(f"Serving {where} at {address} (stop with Ctrl-C)")
        through = "the proxy's address" if options.behind_proxy else "an address of this machine"
        click.echo(f"  Clients use {through}, which is not known here, with {options.root_path}/simple/ behind it.")
    else:
        _tell_how(where, address, clients, options, auth, falls_through=mode is not None)
    if others:
        click.echo("Other indexes:")
        for name in others[:_TOLD]:
            click.echo(f"  {name}: {clients or options.root_path}/{name}/simple/")
        if len(others) > _TOLD:
            more = f"and {len(others) - _TOLD} more, each below its name (`wharf index list` shows all)"
            click.echo(f"  {state.whole(more)}")
    if mode == "proxy":
        click.echo("Other projects come from upstreams, through this server, unless an index owns or reserves them.")
    elif mode == "redirect":
        there = "upstreams" if options.public_index is None else options.public_index.address
        click.echo(f"Requests for other projects are redirected to {there}, unless an index owns or reserves them.")
    if auth == "github":
        click.echo("Clients send a GitHub token that may read the repository, as the password.")


def _tell_how(where: str, address: str, clients: str, options: Options, auth: str, *, falls_through: bool) -> None:
    open_reading = auth == "public" or (auth == "local" and options.loopback)
    login: Login = "github" if auth == "github" else "none" if open_reading else "token"
    advice = install_commands.for_server(f"{clients}/simple/", falls_through=falls_through, login=login)
    if clients == address:
        click.echo(f"Serving {where} at {address}/simple/ (stop with Ctrl-C)")
    else:
        click.echo(f"Serving {where} at {address}, for clients at {clients}/simple/ (stop with Ctrl-C)")
    for line in (*advice.commands, *advice.notes):
        click.echo(f"  {line}")
