"""Other programs that know tokens, such as gh, a credential helper of git or a keyring. Nobody is there to answer them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOT_FOR_OTHERS: Final = re.compile(r"(?:GH|GITHUB)_(?:ENTERPRISE_)?TOKEN|WHARF_.*|GIT_(?!SSL_|TRACE).*", re.ASCII)
"""What another program must not see in its environment.

With a token there, gh or a helper would answer with that one, whatever host it belongs to. The rest would let a working tree,
as that of a hook that runs wharf, say where a token comes from.
"""

_NO_QUESTIONS = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GCM_INTERACTIVE": "never",
    "GH_PROMPT_DISABLED": "1",
}
_LONGEST = 64 << 10  # characters that a program may answer


def ask(command: Sequence[str], environ: Mapping[str, str], question: str = "", *, patience: float) -> str | None:
    """What a program answers; empty if it knows nothing.

    None: it cannot be started, or does not answer within `patience` seconds. Then it is ended with all that it started.
    """
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: value for name, value in environ.items() if not NOT_FOR_OTHERS.fullmatch(name)} | _NO_QUESTIONS,
            cwd=os.path.sep,  # the settings of a working tree have no say in where a token comes from
            text=True,
            errors="replace",
            start_new_session=True,  # without a terminal nobody can be asked
        ) as program:
            try:
                out, _ = program.communicate(question, timeout=patience)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)  # a helper that git started hangs on when git alone is ended
                return None
    except OSError:
        return None
    return out.strip() if program.returncode == 0 and len(out) <= _LONGEST else ""
