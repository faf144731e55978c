"""The port that a run is served at: made, shared with the runs that are there already, or that of the run around this one."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wharf.run_port import run_search, run_sockets
from wharf.run_port.handover import Run
from wharf.run_port.loopback_listener import LOOPBACK
from wharf.run_port.private_folder import private_folders
from wharf.run_port.shared_port import PortTakenError, SharedPort
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wharf.cli.state import State
    from wharf.repository.settings import Settings
    from wharf.sources.public_index_address import PublicIndex

# The variables by which the token for the repository is found: runs that differ in one of them may have different rights.
_RIGHTS = (
    *("WHARF_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_HOST"),
    *("GH_CONFIG_DIR", "XDG_CONFIG_HOME", "HOME"),
)
_PUBLIC = "WHARF_PUBLIC_INDEX"  # which upstream is meant where the settings name none
# The same of an app. A run does not hand them on: whoever has them inside of a run named an app anew.
_APP = ("WHARF_APP_ID", "WHARF_APP_KEY")


def describe(settings: Settings, public_index: PublicIndex | bool, environ: Mapping[str, str]) -> Run:
    """The run, as others see it. All that can change an answer is in a digest, so that no secret is shown."""
    public = public_index if isinstance(public_index, bool) else public_index.address
    rights = [environ.get(name) for name in _RIGHTS]
    answers = json.dumps([str(settings.place), settings.index, settings.repositories, public, environ.get(_PUBLIC), rights])
    return Run(
        index=f"the index {settings.index!r} of {settings.place}",
        answers=hashlib.sha256(answers.encode("utf-8", "surrogateescape")).hexdigest(),
    )


def around(settings: Settings, run: Run, environ: Mapping[str, str]) -> tuple[int, Secret] | None:
    """Port and password of the run that this one is part of, if it is alive and gives the same answers.

    The environment only says where to look: what that run is, it says itself, in a folder that nobody else can enter.
    """
    password = environ.get("WHARF_INDEX_PASSWORD")
    try:
        number = urlsplit(environ.get("WHARF_INDEX_URL", "")).port
    except ValueError:
        number = None
    if not password or number is None or any(environ.get(name) for name in _APP):
        return None
    secret = Secret(password)
    outer = run_search.find(number, secret, _folders(settings))
    return (number, secret) if outer == run else None


def listening(state: State, settings: Settings, password: Secret, run: Run) -> SharedPort:
    """The port of this index, or a free one. It says what is not as usual."""
    port = SharedPort(settings.loopback_port, password, run, _folders(settings))
    try:
        port.listen()
    except PortTakenError as error:
        port.listen_elsewhere()
        state.warn(
            f"Port {settings.loopback_port}, which this index has on every machine, cannot be used: {error.message}. "
            f"The index is at {port.number}, and addresses in lock files that are written now will differ."
        )
    except OSError:
        port.close()
        raise
    if port.beside is not None and port.beside != run:
        state.say(
            f"note: another `wharf run`, of {port.beside.index}, has port {port.number} too, with other options or rights. "
            "Each command gets the answers of its own run."
        )
    return port


def tell_of_lock_files(state: State, settings: Settings, port: SharedPort) -> None:
    """At the end, say once more that the port was another one."""
    if port.number != settings.loopback_port:
        state.warn(
            f"A lock file that was written by this command names port {port.number} of {LOOPBACK}, "
            f"where the next one will not find this index: do not keep it. Port {settings.loopback_port} is the right one."
        )


def _folders(settings: Settings) -> list[Path]:
    return private_folders(settings.cache, name_length=run_sockets.NAME_LENGTH)
