"""Standard streams that were closed before wharf began, as cron and daemons may do it."""

from __future__ import annotations

import os


def fill_closed_streams() -> None:
    """Open the null device for each of the descriptors 0 to 2 that is closed.

    Else the first sockets would get these numbers, and libuv aborts the process when it closes one of them. Other programs
    do not inherit what is opened here: for them a closed stream stays closed.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the system gives the lowest number that is free
