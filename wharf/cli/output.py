"""What the verbs of the command line share: common options, one JSON document or words for people, and progress."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wharf.change import Named
    from wharf.model import Json
    from wharf.repository import Repository
    from wharf.settings import Settings

    F = TypeVar("F", bound=Callable[..., object])


@dataclass
class State:
    """The common options, wherever on the line they stood; the last word counts."""

    json: bool = False
    options: dict[str, str] = field(default_factory=dict)

    def settings(self) -> Settings:
        """The settings that the options and the environment come to. Raises UsageError."""
        import platformdirs

        from wharf import settings

        return settings.resolve(
            repo=self.options.get("repo"),
            index=self.options.get("index"),
            environ=os.environ,
            default_folder=platformdirs.user_data_path("wharf", appauthor=False),
        )

    @contextmanager
    def repository(self, *, reading: bool = False) -> Iterator[Repository]:
        """The repository that the command works on."""
        from wharf.repository import open_repository

        with open_repository(self.settings(), reading=reading) as repository:
            yield repository

    def result(self, document: Mapping[str, Json], lines: Iterable[str]) -> None:
        """Print the result on stdout: the document with --json, else the lines."""
        if self.json:
            click.echo(json.dumps(document, ensure_ascii=False))
        else:
            for line in lines:
                click.echo(_printable(line))

    def say(self, text: str) -> None:
        """A message for people, on stderr."""
        click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        click.echo(f"{click.style('warning:', fg='yellow')} {_printable(text)}", err=True)

    def fail(self, code: str, message: str, hint: str, exit_code: int) -> int:
        """Tell of a failure; returns the exit code."""
        if self.json:
            click.echo(json.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False))
        else:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {_printable(message)}", err=True)
            if hint:
                click.echo(f"{click.style('hint:', fg='cyan')} {_printable(hint)}", err=True)
        return exit_code


pass_state = click.make_pass_decorator(State)


def common(function: F) -> F:
    """Give a command --repo, --index and --json. They stand before or after the verb."""

    def keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        state = ctx.find_object(State)
        if state is not None and value is not None and parameter.name is not None:
            if parameter.name == "json":
                state.json = state.json or bool(value)
            else:
                state.options[parameter.name] = str(value)

    for names, text, more in (
        (("--json",), "Print one JSON document on stdout.", {"is_flag": True}),
        (("--index",), "The index in that repository (default: main).", {"metavar": "NAME"}),
        (("--repo",), "The repository: a folder (default: your data folder).", {"metavar": "ADDRESS"}),
    ):
        option = click.option(*names, help=text, expose_value=False, callback=keep, is_eager=True, **more)
        function = option(function)
    return function


def terminal() -> bool:
    """Whether a person watches: progress is shown to nobody else."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def progress(what: str, total: int | None, *, show: bool) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """A bar over bytes on stderr, with an estimate: two functions, one that sets the total and one that advances."""
    if not show or not terminal():
        yield (lambda _total: None), (lambda _count: None)
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield (lambda value: bar.update(task, total=value)), (lambda count: bar.advance(task, count))


def file_document(named: Named) -> dict[str, Json]:
    """A file of a release, as the JSON results of publish, yank and remove show it."""
    return {
        "project": named.project,
        "version": named.version,
        "filename": named.file.filename,
        "sha256": named.file.sha256,
        "size": named.file.size,
    }


def size_text(size: int) -> str:
    """A size in bytes for people: `12.3 kB`."""
    value = float(size)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.2f} GB"


def _printable(text: str) -> str:
    """Text with the control characters that would move a terminal's cursor shown as escapes."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)
