"""Commands in messages, completed by the place and the index that the person named, so that they can be typed as they are.

Whoever writes a message often does not know what was named. So it has the command without that, as in `wharf list`.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND: Final = re.compile(r"`wharf ([a-z][^`]*)`")
_OF_INDEX: Final = frozenset(
    {
        *("publish", "yank", "unyank", "remove", "promote", "list", "show", "log", "verify", "build", "serve", "run", "setup"),
        *("doctor", "init", "index check", "why"),
    }
)
"""The commands for which --index chooses the index that they are about."""
OVER_A_SERVER: Final = frozenset(
    {*("publish", "list", "show", "log", "yank", "unyank", "status", "remove", "promote", "restore", "token", "setup")}
)
"""The commands that take --server, as `server_settings.VERBS` has them, which is too much to import for a message."""
_WITHOUT_MORE: Final = frozenset(
    {"publish", "list", "log", "verify", "serve", "doctor", "init", "index check", "index list", "token list", "cache clear"}
)
"""The commands that need no more words. Of any other one, a message without more words gives the name only."""


def completed(text: str, options: Mapping[str, str]) -> str:
    """The text with `--repo` or `--server`, and `--index`, of these options in each command that lacks them and takes them."""
    return _COMMAND.sub(lambda found: f"`wharf {_completed(found[1], options)}`", text)


def _completed(command: str, options: Mapping[str, str]) -> str:
    words = command.split(" ")
    deep = 2 if words[0] in {"cache", "index", "token"} else 1
    verb, rest = " ".join(words[:deep]), words[deep:]
    if "--help" in rest or (not rest and verb not in _WITHOUT_MORE):
        return command
    given = [verb]
    if "server" in options and not {"--repo", "--server"} & {*rest} and words[0] in OVER_A_SERVER:
        given += ["--server", shlex.quote(options["server"])]
    if "repo" in options and "--repo" not in rest and verb != "init":  # which takes an address without it
        given += ["--repo", shlex.quote(options["repo"])]
    if "index" in options and not {"--index", "--to"} & {*rest} and verb in _OF_INDEX:
        given += ["--index", shlex.quote(options["index"])]
    return " ".join([*given, *rest])
