"""The Unix sockets by which runs are found: one file a run, in a private folder. Its name says which port and which run.

A socket is bound under a `new-` name and renamed when somebody listens behind it. So a socket that has its name and that nobody
listens behind is of a run that was killed.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.run_port import handover
from wharf.run_port.handover import HandoverError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.secret import Secret

NAME_LENGTH: Final = len("run--65535-") + 20 + 32
"""Bytes of the longest name of a run's socket: a network, a port, a digest."""

_ASKED = 64  # runs, at most, that are asked for the listening socket
_LOOKED_AT = 256  # sockets, at most, of which a run sees at its end whether somebody is behind them
_NEW = 60.0  # seconds after which a socket that has no name yet is of a run that was killed: it needs a moment


def digest_of(password: Secret) -> str:
    """What stands for a run's password in the name of its socket."""
    return password.sha256()[:32]


def name_of(number: int, digest: str) -> str:
    """The name of a run's socket. It says the network that the port is in: containers can share a folder."""
    return f"run-{_network()}-{number}-{digest}"


def new_name_of(digest: str) -> str:
    """The name of a socket that nobody listens behind yet."""
    return f"new-{digest}"


def sockets_of_others(folders: Iterable[Path], number: int, own: Path | None) -> list[Path]:
    """The sockets of all other runs at a port, dead ones among them."""
    begin = name_of(number, "")
    found: list[Path] = []
    for folder in folders:
        with suppress(OSError):
            found += [each for each in folder.iterdir() if each.name.startswith(begin) and each != own]
    return found[:_ASKED]


def delete_dead(folders: Iterable[Path]) -> None:
    """Delete the sockets of runs that were killed, at any port."""
    for folder in folders:
        with suppress(OSError):
            for path in list(folder.glob("run-*"))[:_LOOKED_AT]:
                try:
                    handover.call(path).close()
                except ConnectionRefusedError:
                    path.unlink(missing_ok=True)
                except (OSError, HandoverError):
                    continue
            for path in list(folder.glob("new-*"))[:_LOOKED_AT]:
                if time.time() - path.lstat().st_mtime > _NEW:
                    path.unlink(missing_ok=True)


def _network() -> int:
    try:
        return Path("/proc/self/ns/net").stat().st_ino
    except OSError:
        return 0
