"""What `wharf run` says of the command that it runs: other indexes, a missing Pipfile, names that the index does not have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.cli import other_indexes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.cli.state import State


_ASK_THE_PUBLIC_INDEX = frozenset({"uv", "uvx"})  # by themselves
_COULD_WIN = "it could win a name of this index"


def warn_of_pipenv(state: State, program: str) -> None:
    """Say where pipenv is going to write the password of this run."""
    here = Path.cwd()
    if Path(program).name == "pipenv" and not any((folder / "Pipfile").exists() for folder in (here, *here.parents)):
        state.warn(
            "There is no Pipfile here. pipenv will make one, and write the index and the password of this run into it. The "
            "password cannot be used after the run: write the Pipfile first (docs/run.md)."
        )


def tell_of_other_indexes(state: State, words: Sequence[str], *, keep: bool) -> None:
    """Name the other indexes that are set for the command: those that are closed for it, and those that stay."""
    for each in other_indexes.settings(os.environ, words, Path.cwd()):
        if not each.closed:
            no_index = "no-index" in each.text.lower().replace("_", "-")
            what = "no index is asked, not even this one" if no_index else "what it names can win over this index"
            state.warn(f"{each.text} stays as it is: {what}.")
        elif not keep:
            state.say(f"note: {each.text} is closed for this command: {_COULD_WIN} ({other_indexes.OPTION} keeps it).")


def explain_missed_names(state: State, program: str, missed: list[str]) -> None:
    """Name the projects that a failed command asked for and this index does not have: pip only says that it found none."""
    if missed and Path(program).name not in _ASK_THE_PUBLIC_INDEX:
        some = ", ".join(missed[:3]) + (" and others" if len(missed) > 3 else "")
        state.say(f"hint: this index has no {some}. `wharf run --fall-through -- …` looks for such names in the public index.")


def explain_hidden_files(state: State, hidden: dict[str, str]) -> None:
    """Name the projects that a failed command asked for and of which a policy hides files: installers do not know of them."""
    for name, reason in hidden.items():
        state.say(f"hint: this index hides files of {name}: {reason}. `wharf why {name}` tells all.")
