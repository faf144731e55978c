"""The state of a command: the options that all commands have, the settings that follow from them, and how it speaks.

`wharf --help` imports this module, so what only a command needs is imported where it is needed.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from wharf.cli.output import clock, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wharf.index.moment import Moment
    from wharf.model import Json
    from wharf.repository.opening import Fetch, Repository
    from wharf.repository.server_settings import ServerSettings
    from wharf.repository.settings import Settings
    from wharf.repository.settings_file import SettingsFile


class State:
    """The common options, before or after the verb. If one is given twice, the last one counts."""

    def __init__(self, *, json: bool = False, verbose: bool = False, options: dict[str, str] | None = None) -> None:
        self.json = json
        self.verbose = verbose
        self.options = {} if options is None else options
        self.told = ""
        self.above: Callable[[str], None] | None = None
        """Writes a message above the progress bars, while there are some: otherwise they would draw over it."""
        self._configs: list[SettingsFile] | None = None
        self.waits_until = 0.0
        """The end of the last wait that was shown, in seconds since 1970."""

    @property
    def shows(self) -> bool:
        """Whether progress is shown."""
        return not self.json and terminal()

    def settings(self) -> Settings:
        """The settings that the options, the environment and the files come to. Raises UsageError."""
        from wharf.cli.config_files import own_folders
        from wharf.repository import settings
        from wharf.repository.server_settings import refuse_server

        _, data, cache = own_folders()
        refuse_server(self.options, os.environ, self.configs())
        found = settings.resolve(self.options, os.environ, self.configs(), data=data, cache=cache)
        way = {"auto": "git push, else the API", "git": "git push", "api": "the API"}[found.commit]
        told = f"repository: {found.place} (from {found.source}); index {found.index!r}; commits by {way}"
        if self.verbose and told != self.told:
            self.say(told)
            self.told = told
        return found

    def configs(self) -> list[SettingsFile]:
        """The files with settings, read once. Raises UsageError."""
        from wharf.cli.config_files import own_folders, read_configs

        if self._configs is None:
            self._configs = read_configs(own_folders()[0])
        return self._configs

    def server(self) -> ServerSettings | None:
        """The server that the command works with; None: a repository. Raises UsageError."""
        from wharf.repository.server_settings import resolve_server

        return resolve_server(self.options, os.environ, self.configs())

    @contextmanager
    def repository(
        self,
        *,
        reading: bool = False,
        whole: bool = False,
        fetch: Fetch = "must",
        patient: bool = True,
        at: Moment | None = None,
    ) -> Iterator[Repository]:
        """The repository that the command works on.

        `whole`: with every record at hand, not only those asked for. Not `patient`: it fails where GitHub's limits want a wait.
        `at`: as it was at that moment.
        """
        import dataclasses

        from wharf.repository.opening import Watch, open_repository

        watch = Watch(warn=self.warn, wait=self.waiting, note=self.say if self.verbose else lambda _text: None)
        settings = self.settings()
        if not patient:
            settings = dataclasses.replace(settings, max_wait=0.0)
        if at is not None:
            whole, fetch = False, "later"  # the past has a clone of its own
        with open_repository(settings, os.environ, watch, reading=reading, whole=whole, fetch=fetch) as repository:
            if at is None:
                yield repository
                return
            from wharf.repository.at_moment import repository_at

            with repository_at(repository, at) as past:
                yield past

    def waiting(self, reason: str, seconds: float) -> None:
        """Say how long the command waits, and why."""
        end = time.time() + seconds
        self.waits_until = max(self.waits_until, end)
        self.say(f"waiting {seconds:.0f} s, until {clock(end)}: {reason}")

    def result(self, document: Mapping[str, Json], lines: Iterable[str]) -> None:
        """Print the result on stdout: the document with --json, else the lines."""
        if self.json:
            from wharf.cli.messages import dumped

            click.echo(dumped(document))
        else:
            for line in lines:
                click.echo(printable(line))

    def confirm(self, question: str, *, yes: bool, lines: Iterable[str] = (), what: str = "removal") -> None:
        """Ask before something is removed, unless the person said --yes. `lines` are shown above the question.

        Raises UsageError if nobody is here to answer. If the answer is no, the command ends with the exit code of an
        interruption.
        """
        if yes:
            return
        if not sys.stdin.isatty():
            from wharf.errors import UsageError

            raise UsageError(f"Nobody is here to confirm the {what}.", "Say --yes to do it without being asked.")
        for line in lines:
            self.say(line)
        if not click.confirm(printable(question), err=True):
            self.say(f"Nothing was {'removed' if what == 'removal' else 'changed'}.")
            raise click.exceptions.Exit(130)

    def whole(self, text: str) -> str:
        """A text with its commands completed by the repository and the index that the options name."""
        from wharf.cli.messages import completed

        return completed(text, self.options)

    def say(self, text: str) -> None:
        """A message for people, on stderr."""
        from wharf.cli.messages import shown

        self._tell(shown(self.whole(text)))

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        from wharf.cli.messages import shown

        self._tell(f"{click.style('warning:', fg='yellow')} {shown(self.whole(text))}")

    def _tell(self, text: str) -> None:
        if self.above is None:
            click.echo(text, err=True)
        else:
            self.above(text)

    def fail(self, code: str, message: str, hint: str, exit_code: int) -> int:
        """Report a failure; returns the exit code. A mistyped word may be a token, wherever on the line it stands."""
        from wharf.cli.messages import dumped, without_tokens

        message, hint = without_tokens(message), without_tokens(self.whole(hint))
        if self.json:
            click.echo(dumped({"error": {"code": code, "message": message, "hint": hint}}))
        else:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(message)}", err=True)
            if hint:
                click.echo(f"{click.style('hint:', fg='cyan')} {printable(hint)}", err=True)
        return exit_code


pass_state = click.make_pass_decorator(State)


def terminal() -> bool:
    """Whether a person watches: progress is shown to nobody else."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
