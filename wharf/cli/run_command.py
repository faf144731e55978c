"""`wharf run`: an index on this machine for as long as one command runs.

The command is started first. What the index needs is imported and opened in a thread meanwhile; connections that come before it
is there wait in the socket's queue.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import click

from wharf.cli import other_indexes
from wharf.cli.at_option import at_option
from wharf.cli.common_options import common_options
from wharf.cli.fall_through_option import fall_through
from wharf.cli.index_thread import IndexThread
from wharf.cli.run_notes import explain_hidden_files, explain_missed_names, tell_of_other_indexes, warn_of_pipenv
from wharf.cli.state import State, pass_state
from wharf.repository.local_index import has_local_index

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.cli.child_process import Child
    from wharf.index.moment import Moment
    from wharf.repository.opening import Repository
    from wharf.repository.settings import Settings
    from wharf.run_port.handover import Run
    from wharf.secret import Secret
    from wharf.sources.public_index_address import PublicIndex


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] [--]",
    epilog="""\b
Examples:
  wharf run -- uv sync
  wharf run --fall-through -- pip install demo
  wharf run --repo owner/name -- poetry lock
  wharf run --at 2026-11-30 -- uv lock
  wharf run --shell
""",
)
@click.option("--shell", is_flag=True, help="Run your shell ($SHELL) instead of a command.")
@click.option(
    other_indexes.OPTION,
    "keep_indexes",
    is_flag=True,
    help="Keep the other indexes that you set for pip and uv. Then any of them can win a name of this index.",
)
@fall_through
@at_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@common_options
@pass_state
def run_command(
    state: State,
    command: tuple[str, ...],
    *,
    shell: bool,
    keep_indexes: bool,
    public_index: PublicIndex | bool,
    moment: Moment | None,
) -> int:
    """Run a command, such as pip or uv, with the index at its side.

    pip, uv, poetry, pdm, pipenv and hatch find the index and a password for it in their environment; it is on this machine, for
    nobody else, and gone when the command ends. Other programs find it in WHARF_INDEX_URL. The exit code
    is that of the command. Without GitHub the index is served as it was fetched last. With --at the command has the index as it
    was at a moment.

    Other indexes that you set for pip and uv are closed for the command, because any of them could win a name of this one. Each
    is named on stderr.
    """
    from wharf.cli import child_process, run_sharing

    if shell == bool(command):
        raise click.UsageError(
            "--shell runs your shell, and no other command." if shell else "Which command? As in: wharf run -- uv sync"
        )
    words = command or (os.environ.get("SHELL") or "/bin/sh",)
    settings = state.settings()
    warn_of_pipenv(state, words[0])
    tell_of_other_indexes(state, words, keep=keep_indexes)
    wanted = _CommandToRun(
        words=words,
        run=run_sharing.describe(settings, public_index, os.environ),
        public_index=public_index,
        shell=shell,
        keep_indexes=keep_indexes,
        moment=moment,
    )
    outer = run_sharing.around(settings, wanted.run, os.environ)
    code = _served(state, settings, wanted) if outer is None else _started(state, wanted, *outer).wait()
    return code if code >= 0 else child_process.die_of(-code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CommandToRun:
    """The command that the person wants to run, and how."""

    words: Sequence[str]
    run: Run
    public_index: PublicIndex | bool
    shell: bool
    keep_indexes: bool
    moment: Moment | None = None

    @property
    def at(self) -> str:
        """The moment as an address has it; empty for now."""
        return "" if self.moment is None else self.moment.text


def _served(state: State, settings: Settings, wanted: _CommandToRun) -> int:
    """Run the command with a server beside it; how it ended."""
    from wharf.cli import run_sharing
    from wharf.secret import Secret

    password = Secret(secrets.token_urlsafe(24))
    with contextlib.ExitStack() as stack:
        repository = None
        if wanted.moment is not None or not has_local_index(settings):
            # Problems with the address, the token or the moment are reported before the command runs.
            repository = stack.enter_context(state.repository(reading=True, whole=True, patient=False))
            if wanted.public_index:
                _check_seen(repository)
            if wanted.moment is not None:
                wanted = replace(wanted, moment=_resolved(repository, wanted.moment))
        shared = stack.enter_context(contextlib.closing(run_sharing.listening(state, settings, password, wanted.run)))
        started = _started(state, wanted, shared.number, password)
        index = IndexThread(state, repository, shared, password, wanted.public_index)
        index.start()
        code = started.wait()
        index.end()
        shared.close()  # now: a command that was ended by a signal takes wharf with it
        try:
            run_sharing.tell_of_lock_files(state, settings, shared)
            if code > 0:
                explain_missed_names(state, wanted.words[0], index.missed)
                explain_hidden_files(state, index.hidden)
        except OSError:
            sys.stderr = None  # nobody reads the messages; the exit code of the command counts all the same
        if index.is_alive():
            _leave(code)  # the index is still being imported or opened, and nobody needs it any more
    return code


def _started(state: State, wanted: _CommandToRun, number: int, password: Secret) -> Child:
    from wharf.cli import child_process
    from wharf.run_port.loopback_listener import LOOPBACK

    what = f"{wanted.run.index} at http://{LOOPBACK}:{number}/{f'@{wanted.at}/' if wanted.at else ''}simple/"
    if wanted.shell:
        state.say(f"This shell has {what} at its side. `exit` ends both.")
    elif state.verbose:
        state.say(f"serving {what}")
    environment = child_process.environment(os.environ, number, password, at=wanted.at, keep_indexes=wanted.keep_indexes)
    started = child_process.Child(wanted.words, environment)
    started.start()
    return started


def _check_seen(repository: Repository) -> None:
    from wharf.repository.opening import (
        check_seen,  # imported here: git comes with it, and sets a variable that the command must not get
    )

    check_seen(repository)


def _resolved(repository: Repository, moment: Moment) -> Moment:
    """The moment, a commit with its whole id. It brings the history, so that no request waits for it. Raises WharfError."""
    from wharf.index.moment import Moment
    from wharf.repository.at_moment import repository_at

    with repository_at(repository, moment) as past:
        commit = past.branch.tip()
    return moment if moment.commit is None or commit is None else Moment(commit, commit=commit)


def _leave(code: int) -> None:
    """End the process at once: threads that are still at work would hold it, and they own nothing."""
    from wharf.cli import child_process

    if code < 0:
        child_process.die_of(-code)
    child_process.flush()
    os._exit(code)
