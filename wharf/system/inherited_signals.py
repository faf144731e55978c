"""Signals that whoever started wharf ignores: what is ignored is inherited."""

from __future__ import annotations

import signal


def heed_children() -> None:
    """Let the system tell how other programs ended, also where the parent of wharf ignores SIGCHLD, as daemons do it.

    Else the system forgets that, and Python says 0 in its place: of a git that failed, and of the command of `wharf run`.
    """
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
