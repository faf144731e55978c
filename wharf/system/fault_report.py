"""A fault in wharf: what is said about an error that nobody raised on purpose. Pure.

What an error says may hold anything that was at work, a token too. So its words are shown on request alone, without tokens.
"""

from __future__ import annotations

import platform
import traceback
from typing import TYPE_CHECKING, Final

from wharf import __version__
from wharf.secret import without_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

CODE: Final = "fault"
EXIT_CODE: Final = 70
"""That of the C library's sysexits.h for an error within a program."""


def place(error: BaseException) -> str:
    """What kind of error, and where: `RecursionError in settings.py, line 89`."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if "wharf" in each.filename.replace("\\", "/").split("/")] or list(frames)
    kind = type(error).__name__
    return f"{kind} in {ours[-1].filename.rpartition('/')[2]}, line {ours[-1].lineno}" if ours else kind


def message(error: BaseException) -> str:
    """The fault in a sentence."""
    return f"wharf met a fault in itself: {place(error)}."


def hint(*, more: bool) -> str:
    """What to do. `more`: how to see the traceback has to be said."""
    system = f"wharf {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return f"Please report it with these lines ({system})." + (" The same command with --verbose shows more." if more else "")


def trace(error: BaseException, environ: Mapping[str, str]) -> str:
    """The traceback, without tokens and without whatever the environment calls a secret."""
    return without_tokens("".join(traceback.format_exception(error)), environ).rstrip()
