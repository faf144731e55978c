"""What `wharf publish` says: how long it will take, what came of it, and which repository may have been meant."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.cli import result_lines
from wharf.operations.result_documents import file_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.cli.state import State
    from wharf.index.change import Named
    from wharf.model import Json
    from wharf.operations.publish import Published
    from wharf.repository.opening import Repository
    from wharf.repository.settings import Settings

_LONG = 60.0  # seconds that a publish takes by GitHub's limits, from which on that is told


def say_how_long(state: State, contents: int, seconds: float) -> None:
    """Before a publish begins, say how long GitHub's limits make it take, if it takes long."""
    if seconds < _LONG:
        return
    text = f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:.1f} h"
    state.say(f"This creates {contents} contents at GitHub, which takes 80 a minute and 500 an hour: about {text}.")
    allowed = state.settings().max_wait
    if seconds > allowed:
        state.warn(
            f"It may wait for {allowed:.0f} s in all and will end before that, with nothing shown to readers: the same command "
            f"continues there. --max-wait {math.ceil(seconds / 100) * 100} lets it finish in one go."
        )


def result_document(repository: Repository, done: Published, *, dry_run: bool) -> dict[str, Json]:
    """The result; `address` is where everybody can fetch a file if the repository is public."""

    def described(named: Named) -> dict[str, Json]:
        return {**file_document(named), "address": repository.assets.public_address(named.file)}

    made = [*(["store"] if repository.made else []), *(["index"] if done.began and not dry_run else [])]
    return {
        "made": [*made],
        "published": [described(named) for named in done.published],
        "unchanged": [described(named) for named in done.unchanged],
        "skipped": [file_document(named) for named in done.skipped],
    }


def repository_that_may_be_meant(settings: Settings, repository: Repository) -> str:
    """What to say where nobody named a repository, and the working tree that it was typed in has one on GitHub."""
    from wharf.operations.working_tree import github_origin
    from wharf.repository.opening import line_of, line_of_init

    address = github_origin(Path.cwd()) if settings.place == settings.data else None
    if address is None:
        return ""
    index = repository.branch.index
    init, again = line_of_init(str(address), index), line_of("publish", str(address), index, "FILES")
    return (
        f"No repository is configured, so this was about a folder on this machine: {repository.where}\n"
        f"On GitHub it would be: `{init}`, then `{again}` (or say it once: export WHARF_REPO={address})"
    )


def lines_of_result(repository: Repository, done: Published, document: Mapping[str, Json], *, dry_run: bool) -> list[str]:
    """The result for people."""
    made = "would make" if dry_run else "made"
    return [
        *([f"made a new store in {repository.where}"] if repository.made else []),
        *([f"{made} the index {repository.branch.index!r}"] if done.began else []),
        *result_lines.publication(document, dry_run=dry_run),
    ]
