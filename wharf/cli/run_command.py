"""`wharf run`: an index on this machine for as long as one command runs.

The command is started first. What the index needs is imported and opened in a thread meanwhile; connections that come before it
is there wait in the socket's queue.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli import other_indexes
from wharf.cli.serve_command import fall_through
from wharf.cli.state import State, common, pass_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.cli.child_process import Child
    from wharf.public_index_address import PublicIndex
    from wharf.repository.opening import Repository
    from wharf.repository.settings import Settings
    from wharf.run_port.handover import Run
    from wharf.run_port.shared_port import SharedPort
    from wharf.secret import Secret
    from wharf.server.run_server import RunServer

_ASK_THE_PUBLIC_INDEX = frozenset({"uv", "uvx"})  # by themselves
_COULD_WIN = "it could win a name of this index"
_PATIENCE = 1.0  # seconds for a server that answers to end


@click.command(
    "run",
    context_settings={"allow_interspersed_args": False},
    options_metavar="[OPTIONS] [--]",
    epilog="""\b
Examples:
  wharf run -- uv sync
  wharf run --fall-through -- pip install demo
  wharf run --repo owner/name -- poetry lock
  wharf run --shell
""",
)
@click.option("--shell", is_flag=True, help="Run your shell ($SHELL) instead of a command.")
@click.option(
    other_indexes.OPTION,
    "keep_indexes",
    is_flag=True,
    help="Leave the command the other indexes that you set for pip and uv. Any of them can then win a name of this index.",
)
@fall_through
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@common
@pass_state
def run_command(
    state: State, command: tuple[str, ...], *, shell: bool, keep_indexes: bool, public_index: PublicIndex | bool
) -> int:
    """Run a command, such as pip or uv, with the index at its side.

    pip, uv, poetry, pdm, pipenv and hatch find the index and a password for it in their environment; it is on this machine, for
    nobody else, and gone when the command ends. Other programs find it in WHARF_INDEX_URL. The exit code
    is that of the command. Without GitHub the index is served as it was fetched last.

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
    _warn_of_pipenv(state, words[0])
    _tell_of_others(state, words, keep=keep_indexes)
    wish = _Wish(
        words=words,
        run=run_sharing.describe(settings, public_index, os.environ),
        public_index=public_index,
        shell=shell,
        keep_indexes=keep_indexes,
    )
    outer = run_sharing.around(settings, wish.run, os.environ)
    code = _served(state, settings, wish) if outer is None else _started(state, wish, *outer).wait()
    return code if code >= 0 else child_process.die_of(-code)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What is to be run, and how."""

    words: Sequence[str]
    run: Run
    public_index: PublicIndex | bool
    shell: bool
    keep_indexes: bool


def _served(state: State, settings: Settings, wish: _Wish) -> int:
    """Run the command with a server beside it; how it ended."""
    from wharf.cli import run_sharing
    from wharf.secret import Secret

    password = Secret(secrets.token_urlsafe(24))
    with contextlib.ExitStack() as stack:
        repository = None
        if not _is_here(settings):  # what is wrong with the address or the token is told before the command is run
            repository = stack.enter_context(state.repository(reading=True, whole=True, patient=False))
            if wish.public_index:
                _check_seen(repository)
        shared = stack.enter_context(contextlib.closing(run_sharing.listening(state, settings, password, wish.run)))
        started = _started(state, wish, shared.number, password)
        index = _Index(state, repository, shared, password, wish.public_index)
        index.start()
        code = started.wait()
        index.end()
        shared.close()  # now: a command that was ended by a signal takes wharf with it
        try:
            run_sharing.tell_of_lock_files(state, settings, shared)
            if code > 0:
                _explain(state, wish.words[0], index.missed)
        except OSError:
            sys.stderr = None  # nobody takes what is said; what the command came to counts all the same
        if index.is_alive():
            _leave(code)  # it is still being imported or opened, and what has ended waits for nothing
    return code


def _started(state: State, wish: _Wish, number: int, password: Secret) -> Child:
    from wharf.cli import child_process
    from wharf.run_port.loopback_listener import LOOPBACK

    what = f"{wish.run.index} at http://{LOOPBACK}:{number}/simple/"
    if wish.shell:
        state.say(f"This shell has {what} at its side. `exit` ends both.")
    elif state.verbose:
        state.say(f"serving {what}")
    environment = child_process.environment(os.environ, number, password, keep_indexes=wish.keep_indexes)
    started = child_process.Child(wish.words, environment)
    started.start()
    return started


class _Index(threading.Thread):
    """The server, from its imports to its end."""

    def __init__(
        self,
        state: State,
        repository: Repository | None,
        port: SharedPort,
        password: Secret,
        public_index: PublicIndex | bool,
    ) -> None:
        super().__init__(name="index", daemon=True)
        self._state = state
        self._repository = repository
        self._port = port
        self._password = password
        self._public_index = public_index
        self._lock = threading.Lock()
        self._ended = False
        self._server: RunServer | None = None

    def run(self) -> None:
        """Serve, and say so if that is not possible: the tools find nobody there, and the command goes its way."""
        from wharf.errors import WharfError

        try:
            with contextlib.ExitStack() as stack:
                repository = self._repository
                if repository is None:
                    repository = stack.enter_context(self._state.repository(whole=True, fetch="later", patient=False))
                self._serve(repository)
        except (WharfError, OSError) as error:
            hint = error.hint if isinstance(error, WharfError) else ""
            self._state.warn(f"The index cannot be served: {error} {hint}".rstrip())
        finally:
            self._port.close()  # or connections would wait in its queue for an answer

    def end(self) -> None:
        """Stop serving, if it has begun; without waiting for more than that."""
        with self._lock:
            self._ended = True
            server = self._server
        if server is not None:
            server.end()
            self.join(_PATIENCE)

    @property
    def missed(self) -> list[str]:
        """Names that were asked for and that the index has not, where they could be in the public index."""
        return [] if self._server is None else self._server.missed

    def _serve(self, repository: Repository) -> None:
        from wharf import public_index_address
        from wharf.server.rules import Rules
        from wharf.server.run_server import RunServer

        public = public_index_address.default() if self._public_index is True else self._public_index or None
        rules = Rules(
            open_reading=False,
            upload_limit=1,
            cache=self._state.settings().cache / "files",
            public_index=public,
            password=self._password,
        )
        server = RunServer(repository, self._port, rules, warn=self._state.warn)
        with self._lock:
            if self._ended:
                return
            self._server = server
        server.serve_until_end()


def _check_seen(repository: Repository) -> None:
    from wharf.repository.opening import (
        check_seen,  # git, which comes with it, sets an environment variable that is not the command's
    )

    check_seen(repository)


def _is_here(settings: Settings) -> bool:
    """Whether there is an index on this machine that can be served at once; without starting git, or importing what does.

    If what is there turns out to be damaged, the server brings it anew. Whom no token is sent to is told so beforehand.
    """
    from wharf.repository_address import Address

    if not settings.trusted:
        return False

    if isinstance(settings.place, Address):
        place = settings.place
        git_dir = settings.cache / place.host / place.owner.lower() / place.name.lower() / "whole.git"
    else:
        git_dir = settings.place / "index.git"
    return (
        (git_dir / "HEAD").is_file()
        and not (git_dir / "damaged").exists()
        and _has(git_dir, f"refs/heads/wharf/{settings.index}")
    )


def _has(git_dir: Path, ref: str) -> bool:
    if (git_dir / ref).is_file():
        return True
    try:
        return f" {ref}\n" in (git_dir / "packed-refs").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False


def _warn_of_pipenv(state: State, program: str) -> None:
    here = Path.cwd()
    if Path(program).name == "pipenv" and not any((folder / "Pipfile").exists() for folder in (here, *here.parents)):
        state.warn(
            "There is no Pipfile here. pipenv will make one, and write the index and the password of this run into it. The "
            "password cannot be used after the run: write the Pipfile first (docs/run.md)."
        )


def _tell_of_others(state: State, words: Sequence[str], *, keep: bool) -> None:
    for each in other_indexes.settings(os.environ, words, Path.cwd()):
        if not each.closed:
            no_index = "no-index" in each.text.lower().replace("_", "-")
            what = "no index is asked, not even this one" if no_index else "what it names can win over this index"
            state.warn(f"{each.text} stays as it is: {what}.")
        elif not keep:
            state.say(f"note: {each.text} is closed for this command: {_COULD_WIN} ({other_indexes.OPTION} keeps it).")


def _explain(state: State, program: str, missed: list[str]) -> None:
    """Say of a command that failed which names it asked for in vain: pip says no more than that it found none."""
    if missed and Path(program).name not in _ASK_THE_PUBLIC_INDEX:
        some = ", ".join(missed[:3]) + (" and others" if len(missed) > 3 else "")
        state.say(f"hint: this index has no {some}. `wharf run --fall-through -- …` looks for such names in the public index.")


def _leave(code: int) -> None:
    """End the process with no look back: threads that are in the midst of something would keep it, and own nothing."""
    from wharf.cli import child_process

    if code < 0:
        child_process.die_of(-code)
    child_process.flush()
    os._exit(code)
