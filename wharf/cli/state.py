"""What the commands share: the common options, the settings that follow from them, and what is told to a person or a script."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from wharf.cli.output import clock, printable
from wharf.secret import without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from wharf.model import Json
    from wharf.repository.opening import Fetch, Repository
    from wharf.repository.settings import Config, Settings

    F = TypeVar("F", bound=Callable[..., object])


@dataclass
class State:
    """The common options, wherever on the line they stood; the last word counts."""

    json: bool = False
    verbose: bool = False
    options: dict[str, str] = field(default_factory=dict)
    told: str = ""
    above: Callable[[str], None] | None = None
    """Says something above the bars, while there are some: they would draw over what is written beside them."""
    waits_until: float = 0.0
    """The end of the wait that was told last, in seconds since 1970."""

    @property
    def shows(self) -> bool:
        """Whether progress is shown."""
        return not self.json and terminal()

    def settings(self) -> Settings:
        """The settings that the options, the environment and the files come to. Raises UsageError."""
        from wharf.repository import settings

        config, data, cache = _own_folders()
        found = settings.resolve(self.options, os.environ, _configs(config), data=data, cache=cache)
        way = {"auto": "git push, else the API", "git": "git push", "api": "the API"}[found.commit]
        told = f"repository: {found.place} (from {found.source}); index {found.index!r}; commits by {way}"
        if self.verbose and told != self.told:
            self.say(told)
            self.told = told
        return found

    @contextmanager
    def repository(
        self, *, reading: bool = False, whole: bool = False, fetch: Fetch = "must", patient: bool = True
    ) -> Iterator[Repository]:
        """The repository that the command works on.

        `whole`: with every record at hand, not only those asked for. Not `patient`: it fails where GitHub's limits want a wait.
        """
        from wharf.repository.opening import Watch, open_repository

        watch = Watch(warn=self.warn, wait=self._waiting, note=self.say if self.verbose else lambda _text: None)
        settings = self.settings()
        if not patient:
            settings = dataclasses.replace(settings, max_wait=0.0)
        with open_repository(settings, os.environ, watch, reading=reading, whole=whole, fetch=fetch) as repository:
            yield repository

    def _waiting(self, reason: str, seconds: float) -> None:
        end = time.time() + seconds
        self.waits_until = max(self.waits_until, end)
        self.say(f"waiting {seconds:.0f} s, until {clock(end)}: {reason}")

    def result(self, document: Mapping[str, Json], lines: Iterable[str]) -> None:
        """Print the result on stdout: the document with --json, else the lines."""
        if self.json:
            click.echo(json.dumps(document))  # in ASCII: it is a document whatever the output's encoding is, and any path in it
        else:
            for line in lines:
                click.echo(printable(line))

    def say(self, text: str) -> None:
        """A message for people, on stderr."""
        self._tell(printable(without_tokens(text)))

    def warn(self, text: str) -> None:
        """A warning, on stderr."""
        self._tell(f"{click.style('warning:', fg='yellow')} {printable(without_tokens(text))}")

    def _tell(self, text: str) -> None:
        if self.above is None:
            click.echo(text, err=True)
        else:
            self.above(text)

    def fail(self, code: str, message: str, hint: str, exit_code: int) -> int:
        """Tell of a failure; returns the exit code. What a person mistyped may be a token, wherever on the line it stands."""
        message, hint = without_tokens(message), without_tokens(hint)
        if self.json:
            click.echo(json.dumps({"error": {"code": code, "message": message, "hint": hint}}))
        else:
            click.echo(f"{click.style('error:', fg='red', bold=True)} {printable(message)}", err=True)
            if hint:
                click.echo(f"{click.style('hint:', fg='cyan')} {printable(hint)}", err=True)
        return exit_code


pass_state = click.make_pass_decorator(State)


def common(function: F) -> F:
    """Give a command --repo, --index, --max-wait, -v and --json. They stand before or after the verb."""

    def keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        state = ctx.find_object(State)
        if state is not None and value is not None and parameter.name is not None:
            if parameter.name in {"json", "verbose"}:
                setattr(state, parameter.name, getattr(state, parameter.name) or bool(value))
            else:
                state.options[parameter.name.replace("_", "-")] = str(value)

    for names, text, more in (
        (("--json",), "Print one JSON document on stdout.", {"is_flag": True}),
        (("-v", "--verbose"), "Say which repository and which token are used, and why.", {"is_flag": True}),
        (("--max-wait",), "How long GitHub's limits may keep it waiting (default: 3700).", {"metavar": "SECONDS"}),
        (("--index",), "The index in that repository (default: main).", {"metavar": "NAME"}),
        (
            ("--repo",),
            "owner/name, https://HOST/owner/name, or a folder (default: as configured).",
            {"metavar": "ADDRESS"},
        ),
    ):
        option = click.option(*names, help=text, expose_value=False, callback=keep, is_eager=True, **more)
        function = option(function)
    return function


def _own_folders() -> tuple[Path | None, Path | None, Path | None]:
    """The person's folders for settings, for data and for a cache; None for each that would be in a home that is not known."""
    import platformdirs

    found: list[Path | None] = []
    for path_of in (platformdirs.user_config_path, platformdirs.user_data_path, platformdirs.user_cache_path):
        try:
            path = path_of("wharf", appauthor=False)
        except RuntimeError:  # as for the made-up users of containers
            found.append(None)
        else:
            found.append(path if path.is_absolute() else None)  # older versions leave the ~ in it
    return found[0], found[1], found[2]


def _configs(mine: Path | None) -> list[Config]:
    """The files that may say something: the nearest pyproject.toml with a table of ours, then the person's config.toml."""
    from wharf.repository.settings import parse_config

    found: list[Config | None] = []
    here = Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    for folder in (here, *here.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            found.append(parse_config(path.read_bytes(), path, own=False))
        if found[-1:] not in ([], [None]) or folder == top:
            break  # beyond the working tree it is somebody else's
    if mine is not None and (own := mine / "config.toml").is_file():
        found.append(parse_config(own.read_bytes(), own, own=True))
    return [each for each in found if each is not None]


def terminal() -> bool:
    """Whether a person watches: progress is shown to nobody else."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
