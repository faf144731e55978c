"""`wharf remove` over a server: all that is named leaves with one commit, as over a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wharf.cli import result_lines
from wharf.cli.server_verbs import server_index, show_change
from wharf.repository.server_answers import RemovalResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from wharf.cli.state import State
    from wharf.operations.removal_choice import WantedRemoval
    from wharf.repository.server_index import ServerIndex
    from wharf.repository.server_settings import ServerSettings


def remove(
    state: State,
    server: ServerSettings,
    wanted: Sequence[WantedRemoval],
    *,
    older_than: timedelta | None,
    age: str | None,
    reason: str,
    yes: bool,
) -> None:
    """`wharf remove`; `age` is `older_than` as it was typed."""
    with server_index(state, server) as index:
        if older_than is not None or any(each.is_glob for each in wanted):
            _remove_chosen(state, index, wanted, older_than, age, reason, yes=yes)
            return
        releases = [{"project": each.project, "version": each.version, "file": each.filename} for each in wanted]
        document = {"releases": releases, "reason": reason}
        if not yes:
            tried = index.change(RemovalResult, "POST", "remove", document={**document, "dry_run": True})
            _ask(state, tried, whole=all(each.filename is None for each in wanted))
        answer = index.change(RemovalResult, "POST", "remove", document=document)
        _tell(state, index, answer, [], None)


def _remove_chosen(
    state: State,
    index: ServerIndex,
    wanted: Sequence[WantedRemoval],
    older_than: timedelta | None,
    age: str | None,
    reason: str,
    *,
    yes: bool,
) -> None:
    """What a glob or an age chooses, file by file."""
    from wharf.operations.removal_over_server import choose_on_server, named_files
    from wharf.operations.remove import Removed
    from wharf.operations.result_documents import removal_document

    choice = choose_on_server(index, wanted, older_than)
    answer: dict[str, Any] = removal_document(Removed(commit=None, removed=choice.outcome.changed), choice.younger)
    if choice.leaving:
        if not yes:
            _ask(state, answer, whole=all(each.filenames is None for each in choice.leaving))
        document = {"releases": named_files(choice.leaving), "reason": reason}
        removed = index.change(RemovalResult, "POST", "remove", document=document)
        answer = {**removed, "younger": answer["younger"]}
    else:
        answer["commit"] = index.commit()
    _tell(state, index, answer, choice.notes, age)


def _ask(state: State, tried: dict[str, Any], *, whole: bool) -> None:
    question = result_lines.removal_question(tried, whole=whole)
    state.confirm(question, yes=False, lines=result_lines.removal_listed(tried))


def _tell(state: State, index: ServerIndex, answer: dict[str, Any], notes: Sequence[str], age: str | None) -> None:
    if answer["kept"]:
        state.warn(f"The bytes of {len(answer['kept'])} file(s) are still stored. The log of the server may say why.")
    show_change(state, index, answer, [*notes, *result_lines.removal(answer, age)])
