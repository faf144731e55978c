"""The options that every command has: --server, --repo, --index, --max-wait, -v and --json."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from wharf.cli.state import State

if TYPE_CHECKING:
    from collections.abc import Callable

    F = TypeVar("F", bound=Callable[..., object])


def common_options(function: F) -> F:
    """Give a command --server, --repo, --index, --max-wait, -v and --json. They stand before or after the verb."""
    return _with_options(function)


def common_options_but_index(function: F) -> F:
    """The same for a command whose own --index says something else."""
    return _with_options(function, left_out="--index")


def _with_options(function: F, *, left_out: str = "") -> F:
    def keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        state = ctx.find_object(State)
        if state is not None and value is not None and parameter.name is not None:
            if parameter.name in {"json", "verbose"}:
                setattr(state, parameter.name, getattr(state, parameter.name) or bool(value))
            else:
                state.options[parameter.name.replace("_", "-")] = str(value)

    for names, text, more in (
        (("--json",), "Print one JSON document on stdout.", {"is_flag": True}),
        (("-v", "--verbose"), "Say which repository and which token are used, and why.", {"is_flag": True}),
        (("--max-wait",), "How long the command may wait for GitHub's limits (default: 3700).", {"metavar": "SECONDS"}),
        (("--index",), "The index in that repository (default: main).", {"metavar": "NAME"}),
        (
            ("--repo",),
            "owner/name, https://HOST/owner/name, or a folder (default: as configured).",
            {"metavar": "ADDRESS"},
        ),
        (
            ("--server",),
            "Work over a server, which needs no repository here: its address, https://HOST/. Not for every command.",
            {"metavar": "URL"},
        ),
    ):
        if left_out not in names:
            option = click.option(*names, help=text, expose_value=False, callback=keep, is_eager=True, **more)
            function = option(function)
    return function
