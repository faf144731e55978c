"""The GitHub App that a person names: by two variables, or by the table `app` in the person's own config.toml."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.errors import UsageError
from wharf.github.app_jwt import App, unusable_key
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.repository.settings import Settings
    from wharf.repository_address import Address

ID: Final = "WHARF_APP_ID"
KEY: Final = "WHARF_APP_KEY"

_NUMBER = re.compile(r"[1-9][0-9]{0,17}|Iv[A-Za-z0-9.]{4,60}", re.ASCII)  # an App ID, or a Client ID
_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----\s.*-----END (?:RSA )?PRIVATE KEY-----", re.ASCII | re.DOTALL)
_LONGEST = 64 << 10  # bytes of a key's file
_LONGEST_PATH = 200  # characters: what is longer may be a key that lost its first line, and is not shown


def find(settings: Settings, address: Address, environ: Mapping[str, str]) -> tuple[App, str] | None:
    """The app for the host of a repository, and what has to be warned of (may be empty); None if none is named.

    The variables win. The app of config.toml is for the host of that file's own `repo`, github.com if it names none. Raises
    UsageError if one of the two variables is missing, the key cannot be read, or the id can be none.
    """
    if environ.get(ID) or environ.get(KEY):
        number, key = environ.get(ID, "").strip(), environ.get(KEY, "").strip()
        if not number or not key:
            there, missing = (ID, KEY) if number else (KEY, ID)
            raise UsageError(
                f"{there} is set, and {missing} is not: a GitHub App needs both.",
                f"Set {missing} (docs/github.md, As a GitHub App), or unset {there}.",
            )
        if not _NUMBER.fullmatch(number):
            raise UsageError(
                f"{ID} is not the id of a GitHub App.",
                "It is a number (App ID), or begins with Iv (Client ID): see the app's page.",
            )
        text, warning = (key, "") if "-----BEGIN" in key else _read(key, Path(), KEY)
        # As .env files and forms for secrets keep it: in one line.
        return App(number, _key(text.replace("\\n", "\n"), KEY), ID, settings.repositories), warning
    named = settings.app
    if named is None or named.host != address.host:
        return None
    if not _NUMBER.fullmatch(named.id):
        raise UsageError(
            f"'app.id' in {named.source} is not the id of a GitHub App.",
            "It is a number (App ID), or begins with Iv (Client ID): see the app's page.",
        )
    source = f"'app.key' in {named.source}"
    text, warning = _read(named.key, named.folder, source)
    return App(named.id, _key(text, source), f"'app' in {named.source}", settings.repositories), warning


def _read(name: str, folder: Path, source: str) -> tuple[str, str]:
    """The text in a key's file, and a warning if others can read it."""
    shown = repr(name) if len(name) <= _LONGEST_PATH and name.isprintable() else "a file whose name is too long or odd"
    try:
        path = folder / Path(name).expanduser()
        with path.open("rb") as file:
            status, data = os.fstat(file.fileno()), file.read(_LONGEST + 1)
    except (OSError, ValueError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else "that is not a path"
        raise UsageError(
            f"{source} names {shown}, which cannot be read: {why}.", "Name the .pem file of the app's private key."
        ) from None
    if len(data) > _LONGEST:
        raise unusable_key(f"{source} ({shown})")
    others = stat.S_ISREG(status.st_mode) and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    warning = f"Others on this machine can read the app's private key: chmod 600 {shown}" if others else ""
    return data.decode(errors="replace"), warning


def _key(text: str, source: str) -> Secret:
    found = _PEM.search(text)
    if found is None or "ENCRYPTED" in found[0]:
        raise unusable_key(source)
    return Secret(found[0] + "\n")
