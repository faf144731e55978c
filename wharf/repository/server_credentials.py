"""The token for a wharf server: found where the person keeps it for that host, and sent to no other."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError
from wharf.repository import token_program
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.repository.server_address import ServerAddress

USER: Final = "__token__"
"""The user of a token that came without one: servers of this kind look at the password alone."""

_PATIENCE = 15  # seconds that a keyring has, which may ask a person who is not there
_LONGEST = 64 << 10  # bytes of a netrc


@dataclass(frozen=True, slots=True)
class ServerCredential:
    """A token, the user that goes with it, and in a few words where it was found. `warning` is about how it is kept."""

    token: Secret
    source: str
    user: str = USER
    warning: str = ""


def find_for_server(address: ServerAddress, environ: Mapping[str, str]) -> ServerCredential | None:
    """`WHARF_TOKEN`, else the line of the host in the netrc, else what the keyring has for the address; None if nothing has.

    Raises NotAllowedError for a netrc that cannot be read, and for what is no token.
    """
    if environ.get("WHARF_TOKEN"):
        return _credential(environ["WHARF_TOKEN"], "WHARF_TOKEN")
    return _from_netrc(address, environ) or _from_keyring(address, environ)


def _from_netrc(address: ServerAddress, environ: Mapping[str, str]) -> ServerCredential | None:
    """The line of exactly that host. The line `default` is for nobody: it would give a password to any host."""
    import netrc

    path = _netrc_of(environ)
    if path is None:
        return None
    try:
        if path.stat().st_size > _LONGEST:
            raise ValueError("it is too large")
        hosts = netrc.netrc(str(path)).hosts
    except FileNotFoundError:
        return None
    except netrc.NetrcParseError as error:  # its own words may repeat a password
        where = f" (line {error.lineno})" if error.lineno else ""
        raise NotAllowedError(f"{path} cannot be read as a netrc{where}.", "Fix it, or set WHARF_TOKEN.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise NotAllowedError(f"{path} cannot be read: {why}.", "Fix it, or set WHARF_TOKEN.") from None
    entry = next((hosts[each] for each in hosts if each != "default" and each.lower() == address.host), None)
    if entry is None or not entry[2]:
        return None
    others = os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    warning = f"Others on this machine can read {path}, which has your token: `chmod 600 {path}` ends that." if others else ""
    return _credential(entry[2], str(path), user=entry[0] or USER, warning=warning)


def _netrc_of(environ: Mapping[str, str]) -> Path | None:
    if environ.get("NETRC"):
        return Path(environ["NETRC"])
    try:
        return Path.home() / ".netrc"
    except RuntimeError:  # there is no home
        return None


def _from_keyring(address: ServerAddress, environ: Mapping[str, str]) -> ServerCredential | None:
    """What the program `keyring` has for the address, or for its host, as uv and pip ask it."""
    program = _keyring(environ)
    for service in (str(address), address.host) if program else ():
        found = token_program.ask([*program, "get", service, USER], environ, patience=_PATIENCE)
        if found is None:
            return None
        if found:
            return _credential(found, f"the keyring ({service})")
    return None


def _keyring(environ: Mapping[str, str]) -> list[str]:
    """How the program is started; empty if neither it nor its module is there."""
    import importlib.util
    import shutil

    found = shutil.which("keyring", path=environ.get("PATH", os.defpath))
    if found:
        return [found]
    return [sys.executable, "-I", "-m", "keyring"] if importlib.util.find_spec("keyring") else []


def _credential(value: str, source: str, *, user: str = USER, warning: str = "") -> ServerCredential:
    token = value.strip()
    plain = token.isascii() and token.isprintable() and user.isprintable() and ":" not in user
    if not token or not plain or " " in token:
        raise NotAllowedError(
            f"What {source} gives is not a token: it is empty, or has a character that no token has.", "Set it again."
        )
    return ServerCredential(Secret(token), source, user, warning)
