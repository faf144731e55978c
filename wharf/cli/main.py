"""The command line: words in, an operation, its result out. What a verb needs is imported when the verb runs.

Errors become exit codes in `main` and nowhere else, also those that nobody expected.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import threading
from typing import TYPE_CHECKING

import click

from wharf import __version__
from wharf.cli.common_options import common_options
from wharf.cli.state import State
from wharf.errors import StorageError, WharfError, did_you_mean
from wharf.system import disk_remedies, file_lock
from wharf.system.inherited_signals import heed_children
from wharf.system.standard_streams import fill_closed_streams

if TYPE_CHECKING:
    from collections.abc import Sequence

# Name: module and the line that `wharf --help` shows, so that help imports none of them.
_VERBS = {
    "init": ("init_command", "Make the repository and the index in it."),
    "publish": ("publish_command", "Upload wheels and sdists, all or none."),
    "run": ("run_command", "Run a command, such as pip or uv, with the index at its side."),
    "serve": ("serve_command", "Serve the index to pip, uv and twine."),
    "build": ("build_command", "Write the index as a static site."),
    "setup": ("setup_command", "Tell pip, uv, poetry, pdm or twine about the index."),
    "list": ("list_show_commands", "Show the projects of the index."),
    "show": ("list_show_commands", "Show a project: versions, files, what is yanked."),
    "why": ("why_command", "Say what an installer gets of a project, and why."),
    "log": ("log_command", "Show who changed what, when and why."),
    "diff": ("diff_command", "Show what differs between two moments or two indexes."),
    "yank": ("yank_remove_commands", "Tell installers not to choose a release any more."),
    "unyank": ("yank_remove_commands", "Take a yank back."),
    "status": ("status_command", "Say that a project is archived, deprecated or quarantined."),
    "remove": ("yank_remove_commands", "Delete a release or a file for ever."),
    "prune": ("prune_command", "Take out what the rules of retention do not keep."),
    "restore": ("restore_command", "Bring releases and yanks back to what they were at a moment."),
    "promote": ("promote_command", "Take releases of one index into another one."),
    "index": ("index_command", "Make, list, check and set up the indexes of the repository."),
    "verify": ("verify_command", "Check that index and files agree."),
    "doctor": ("doctor_command", "Show what was found, what is wrong, and what to do about it."),
    "cache": ("cache_command", "Delete what is kept of upstream indexes."),
    "token": ("token_commands", "Make, list and revoke tokens."),
}


_ELSEWHERE = {  # what other tools call them
    "upload": "publish",
    "push": "publish",
    "delete": "remove",
    "rm": "remove",
    "ls": "list",
    "info": "show",
    "history": "log",
    "install": "run",
    "check": "verify",
    "login": "doctor",
}


class _Verbs(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        importlib.import_module("wharf.cli.messages")  # while files can be opened: later a failure may be that they cannot
        module = importlib.import_module(f"wharf.cli.{_VERBS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name}_command")
        if not isinstance(command, click.Command):
            raise TypeError(f"{cmd_name} is not a command")
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it. For an unknown verb: the verb that may be meant, by its letters or its name in other tools."""
        verb = args[0]
        if verb not in _VERBS and not verb.startswith("-"):
            near = f"Did you mean {_ELSEWHERE[verb]}?" if verb in _ELSEWHERE else did_you_mean(verb, _VERBS).strip()
            raise click.UsageError(f"There is no command {verb!r}. {near}".strip(), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _VERBS.items()])


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
Examples:
  wharf publish dist/*
  wharf serve --fall-through
  pip install --index-url http://127.0.0.1:8000/simple/ yourproject
""",
)
@click.version_option(__version__, prog_name="wharf")
@common_options
def cli() -> None:
    """A private Python package index with nothing to host.

    If nothing is configured, it keeps everything in a folder in your home. --repo or WHARF_REPO names another one.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and leave with its exit code (see `wharf.errors`; 130: interrupted)."""
    fill_closed_streams()
    heed_children()
    words = list(sys.argv[1:] if arguments is None else arguments)
    state = State(json="--json" in words[: words.index("--")] if "--" in words else "--json" in words)
    of_threads = threading.excepthook
    threading.excepthook = lambda died: _fault_of_thread(state, died.exc_value)
    try:
        with file_lock.patience(file_lock.Patience(file_lock.IN_COMMAND, tell=state.say)):
            code = _outcome(words, state)
    except OSError:
        sys.stdout = None  # the output itself fails: only the exit code is left
        code = StorageError.exit_code
    finally:
        threading.excepthook = of_threads
    sys.exit(code)


def _outcome(words: list[str], state: State) -> int:
    """Run the command and report its errors; returns its exit code."""
    try:
        code = cli.main(args=words, prog_name="wharf", standalone_mode=False, obj=state)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        code = 2
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "wharf"
        message = re.sub(r"\s*\n\s*", " ", error.format_message())  # click lists choices in lines
        code = state.fail("usage", message, f"`{where} --help` shows how it is used.", 2)
    except click.Abort:
        code = state.fail("interrupted", "Interrupted.", "Run the same command again: it continues there.", 130)
    except WharfError as error:
        more = " `wharf doctor` says which token was found, and what it may do." if error.doctor else ""
        code = state.fail(error.code, error.message, f"{error.hint}{more}", error.exit_code)
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        code = state.fail(
            StorageError.code, f"{error.strerror or error}{place}.", disk_remedies.hint(error), StorageError.exit_code
        )
    except Exception as error:  # noqa: BLE001 - the last catch: a script gets its document, and a person a sentence
        code = _fault(state, error)
    return code if isinstance(code, int) else 0


def _fault(state: State, error: Exception) -> int:
    """Report an error that nobody raised on purpose, with its traceback only if --verbose is given."""
    from wharf.system import fault_report

    if state.verbose:
        state.say(fault_report.trace(error, os.environ))
    return state.fail(
        fault_report.CODE, fault_report.message(error), fault_report.hint(more=not state.verbose), fault_report.EXIT_CODE
    )


def _fault_of_thread(state: State, error: BaseException | None) -> None:
    """Say that a thread died of a fault. What it was for does not happen, and the command continues."""
    from wharf.system import fault_report

    if error is not None and not isinstance(error, SystemExit):
        state.warn(f"{fault_report.message(error)} {fault_report.hint(more=not state.verbose)}")
        if state.verbose:
            state.say(fault_report.trace(error, os.environ))
