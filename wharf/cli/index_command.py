"""`wharf index`: the indexes of a repository."""

from __future__ import annotations

import click

from wharf.cli.common_options import common_options
from wharf.cli.index_check_command import check_command


@click.group("index", epilog="\b\nExamples:\n  wharf index check\n")
@common_options
def index_command() -> None:
    """The indexes of the repository."""


index_command.add_command(check_command)
