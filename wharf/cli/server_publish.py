"""`wharf publish` over a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wharf.cli import result_lines
from wharf.cli.progress import transfer
from wharf.cli.server_verbs import last_line, server_index, where_of_server
from wharf.operations.publish_inputs import Input
from wharf.operations.publish_to_server import (
    begin_sessions,
    cancel_sessions,
    left_to_send,
    plan_for_server,
    publish_staged,
    send_files,
)
from wharf.operations.result_documents import file_document

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from wharf.cli.state import State
    from wharf.model import Json
    from wharf.operations.publish_to_server import ServerPlan, Staged
    from wharf.repository.server_index import ServerIndex
    from wharf.repository.server_settings import ServerSettings


def publish(
    state: State,
    server: ServerSettings,
    paths: Sequence[Path],
    *,
    dry_run: bool,
    skip_existing: bool,
    strict: bool,
    only_stage: bool,
    cancel: bool,
) -> None:
    """Check the files, stage their releases, and publish them when all are staged."""
    inputs = [Input.of(path) for path in paths]
    sizes = {path.name: path.stat().st_size for path in paths}
    with server_index(state, server) as index:
        if cancel:
            _cancel(state, index, sizes)
            return
        with transfer(state, sizes) as progress:
            strict = strict or server.strict
            plan = plan_for_server(index, inputs, strict=strict, skip_existing=skip_existing, progress=progress)
        for warning in plan.warnings:
            state.warn(warning)
        for named in plan.skipped:
            state.warn(f"{named.file.filename} is left out: its name is taken, and what is there stays.")
        staged: list[Staged] = []
        commit: str | None = None
        if not dry_run:
            staged = begin_sessions(index, plan, state.say)
            with transfer(state, left_to_send(staged), checks=False) as progress:
                send_files(index, staged, progress)
            if not only_stage:
                commit = publish_staged(index, staged)
        _tell(state, index, plan, staged, commit, dry_run=dry_run, only_stage=only_stage)


def _cancel(state: State, index: ServerIndex, filenames: Iterable[str]) -> None:
    ended = cancel_sessions(index, filenames)
    canceled: list[Json] = [{"project": project, "version": version} for project, version in ended]
    lines = [f"canceled the upload session of {project} {version}" for project, version in ended]
    state.result({**where_of_server(index, index.commit()), "canceled": canceled}, lines)
    if not ended and not state.json:
        state.say("Nothing is staged of the releases of these files.")


def _tell(
    state: State,
    index: ServerIndex,
    plan: ServerPlan,
    staged: Sequence[Staged],
    commit: str | None,
    *,
    dry_run: bool,
    only_stage: bool,
) -> None:
    document: dict[str, Any] = {
        **where_of_server(index, commit),
        "made": [],
        "published": [{**file_document(named), "address": None} for named in plan.changed],
        "unchanged": [{**file_document(named), "address": None} for named in plan.unchanged],
        "skipped": [file_document(named) for named in plan.skipped],
    }
    lines = result_lines.publication(document, dry_run=dry_run or only_stage)
    if only_stage:
        document["staged"] = [
            {
                "project": each.release.project,
                "version": each.release.version,
                "stage": each.session.stage,
                "expires": each.session.expires,
            }
            for each in staged
        ]
        for each in staged:
            lines += [f"staged {each.release.name} until {each.session.expires}"]
            lines += [f"  whoever has this address sees it: {each.session.stage}"] if each.session.stage else []
    state.result(document, [*lines, last_line(index, commit)])
    if only_stage and staged and not state.json:
        state.say("The same command without --stage publishes that. With --cancel in the place of --stage it deletes it.")
