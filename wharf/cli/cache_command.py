"""`wharf cache`."""

from __future__ import annotations

import click

from wharf.cli.common_options import common_options
from wharf.cli.output import size_text
from wharf.cli.state import State, pass_state


@click.group("cache", epilog="\b\nExamples:\n  wharf cache clear\n  wharf cache clear requests --json\n")
def cache_command() -> None:
    """Delete what is kept of upstream indexes."""


@cache_command.command("clear", epilog="\b\nExamples:\n  wharf cache clear\n  wharf cache clear requests\n")
@click.argument("project", required=False)
@common_options
@pass_state
def clear_command(state: State, project: str | None) -> None:
    """Delete the pages and files of upstreams that this machine keeps for the repository: all, or those of PROJECT.

    A server may run meanwhile, and gets them again when somebody asks. When a file was seen first is forgotten too.
    """
    from wharf.operations.clear_cache import clear
    from wharf.operations.open_upstream import cache_of
    from wharf.operations.release_spec import parse_name

    settings = state.settings()
    name = None if project is None else parse_name(project)
    folder = cache_of(settings.cache / "files", settings.place)
    cleared = clear(folder, name)
    pages, files = _count(cleared.pages, "page"), _count(cleared.files, "file")
    state.result(
        {"project": name, "folder": str(folder), "pages": cleared.pages, "files": cleared.files, "bytes": cleared.size},
        [f"deleted {pages} and {files} of upstreams, {size_text(cleared.size)}, in {folder}"],
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
