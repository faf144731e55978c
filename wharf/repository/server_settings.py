"""Which server a command works with, if it is one: `--server`, `WHARF_SERVER`, or the person's own config.toml. Pure.

A file of a working tree never decides that: the credentials of a person do not go where a cloned repository says.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import UsageError
from wharf.repository.server_address import parse_server
from wharf.repository.settings import LONGEST_WAIT, checked_index, seconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.repository.server_address import ServerAddress
    from wharf.repository.settings_file import SettingsFile

VERBS: Final = (
    *("publish", "list", "show", "log", "yank", "unyank", "status", "remove", "promote", "restore"),
    *("token", "setup"),
)
"""The commands that work with a server, or are about one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """A server and how a command works with it.

    `index` is the one that the command line asks for. `habit` is that of the environment or a file, which counts where the
    address is not that of an index. `source` says in a few words who named the server. `max_wait` is in seconds, and `strict`
    as in the settings of a repository.
    """

    address: ServerAddress
    source: str
    index: str | None = None
    habit: str | None = None
    max_wait: float = LONGEST_WAIT
    strict: bool = False


def resolve_server(
    options: Mapping[str, str], environ: Mapping[str, str], configs: Sequence[SettingsFile]
) -> ServerSettings | None:
    """The server that the person names; None if it is a repository. `options` and `configs` as in `settings.resolve`.

    Raises UsageError where one place names both, where only a file of a working tree names a server, and for an address that
    cannot be used.
    """
    named = _named(options, environ, configs)
    if named is None:
        return None
    text, source = named
    address = parse_server(text, source)
    given = options.get("index")
    habits = [environ.get("WHARF_INDEX"), *(config.table.get("index") for config in configs)]
    habit = next((str(each) for each in habits if each), None)
    return ServerSettings(
        address=address,
        source=source,
        index=None if given is None else checked_index(given),
        habit=None if habit is None else checked_index(habit),
        max_wait=seconds(options.get("max-wait") or _own(configs, "max-wait")),
        strict=any(config.table.get("strict", False) for config in configs),
    )


def refuse_server(options: Mapping[str, str], environ: Mapping[str, str], configs: Sequence[SettingsFile]) -> None:
    """For a command that works on a repository only. Raises UsageError if the person names a server."""
    named = _named(options, environ, configs)
    if named is not None:
        raise UsageError(
            f"This command does not work over a server, and {named[1]} names one.",
            "It works where the repository is: name that with --repo. "
            f"Over a server there are: {', '.join(each for each in VERBS)}.",
        )


def _named(options: Mapping[str, str], environ: Mapping[str, str], configs: Sequence[SettingsFile]) -> tuple[str, str] | None:
    """The text of the address and who says so; None if a repository is named more directly, or nothing is."""
    if "server" in options and "repo" in options:
        raise UsageError("--server and --repo name two places.", "Leave one of them out.")
    if "repo" in options:
        return None
    if "server" in options:
        return options["server"], "the option --server"
    if environ.get("WHARF_SERVER") and environ.get("WHARF_REPO"):
        raise UsageError(
            "WHARF_SERVER and WHARF_REPO name two places.", "Unset one of them, or say --server or --repo for this command."
        )
    if environ.get("WHARF_REPO"):
        return None
    if environ.get("WHARF_SERVER"):
        return environ["WHARF_SERVER"], "WHARF_SERVER"
    for config in configs:
        if "server" in config.table and "repo" in config.table:
            raise UsageError(f"{config.source} names a 'server' and a 'repo'.", "Keep one of them.")
        if "repo" in config.table:
            return None
        if "server" in config.table:
            return _of_file(config, configs)
    return None


def _of_file(config: SettingsFile, configs: Sequence[SettingsFile]) -> tuple[str, str]:
    """The server of a file: of the person's own, or one that the person's own file names too."""
    text = str(config.table["server"])
    if config.own:
        return text, config.source
    for own in configs:
        if own.own and "server" in own.table:
            mine = str(own.table["server"])
            if parse_server(mine, own.source) == parse_server(text, config.source):
                return mine, own.source
    address = parse_server(text, config.source)
    raise UsageError(
        f"{config.source} names a server. Your token is not sent where only a file of a working tree says.",
        f"If it is yours, say so yourself: --server {address}, or export WHARF_SERVER={address}",
    )


def _own(configs: Sequence[SettingsFile], key: str) -> str | None:
    return next((str(config.table[key]) for config in configs if key in config.table), None)
