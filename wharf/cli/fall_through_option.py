"""The options --fall-through and --public-index, which `wharf serve` and `wharf run` share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.sources.public_index_address import PublicIndex

    F = TypeVar("F", bound=Callable[..., object])


def fall_through(function: F) -> F:
    """Give a command --fall-through and --public-index, as one argument `public_index`.

    It is False without --fall-through; True for the index that pip and uv ask by default, whose address takes a while to find.
    """

    def parsed(ctx: click.Context, _parameter: click.Parameter, passes_on: bool) -> PublicIndex | bool:
        address = ctx.params.pop("address")
        if not passes_on:
            if ctx.get_parameter_source("address") is click.core.ParameterSource.COMMANDLINE:
                raise click.UsageError("--public-index goes with --fall-through.")
            return False
        if address is None:
            return True
        from wharf.sources import public_index_address

        return public_index_address.parse(address)

    function = click.option(
        "--fall-through",
        "public_index",
        is_flag=True,
        callback=parsed,
        help="Pass names that no index of the repository owns or reserves on to the public index, if upstream.mode is not set.",
    )(function)
    return click.option(
        "--public-index",
        "address",
        metavar="URL",
        envvar="WHARF_PUBLIC_INDEX",
        is_eager=True,
        help="The public index for --fall-through (default: the one that pip and uv ask).",
    )(function)
