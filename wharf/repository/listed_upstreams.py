"""Upstream indexes that the person's own config.toml lists, each with what it takes to ask it.

No branch and no file of a working tree says any of that: whoever writes those could send a password to their own address.
"""

from __future__ import annotations

import difflib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.errors import OddFileError, UsageError
from wharf.index.upstream_settings import is_folder, normal_address
from wharf.secret import Secret
from wharf.system import regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS: Final = ("username", "password-env", "password-file", "ca-file", "proxy")
MOST: Final = 100
"""Upstreams in one file."""

_LONGEST = 4 << 10  # bytes of a password
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}", re.ASCII)
_USERNAME = re.compile(r"[^:\x00-\x1f\x7f]{1,200}")  # a colon would end it (RFC 7617, section 2)
_PROXY = re.compile(r"(http://[^/]+)/")
_EXAMPLE = 'Write `[upstreams."https://HOST/PATH/"]`, and below it what that upstream needs: ' + ", ".join(KEYS) + "."


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUpstream:
    """An upstream by its address, in the normal form that `upstream_settings` gives it, and how it is asked.

    The password is in the variable `password_env`, or in `password_file`. `ca_file` has certificate authorities in PEM form,
    `proxy` is http://HOST:PORT. `source` is the file in words.
    """

    url: str
    source: str
    username: str | None = None
    password_env: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    proxy: str | None = None

    def password(self, environ: Mapping[str, str]) -> Secret | None:
        """The password as it is now; None if the upstream needs none. Raises UsageError if it is missing or can be none."""
        if self.password_env is not None:
            text, where = environ.get(self.password_env, ""), f"the variable {self.password_env}"
        elif self.password_file is not None:
            text, where = _read(self.password_file, self), f"the file {self.password_file}"
        else:
            return None
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise UsageError(
                f"The password for {self.url} is missing: {where} is empty or not there.",
                f"Set it, or change [upstreams] in {self.source}.",
            )
        if len(text) > _LONGEST or not text.isprintable():
            raise UsageError(
                f"What {where} holds for {self.url} is not a password.", "It has one line, without control characters."
            )
        return Secret(text)


def parse(value: object, folder: Path, source: str) -> tuple[ListedUpstream, ...]:
    """The upstreams of a table of tables; paths in it start at `folder`. Raises UsageError, which names what is wrong."""
    if not isinstance(value, dict) or len(value) > MOST:
        raise UsageError(f"'upstreams' in {source} must be at most {MOST} tables.", _EXAMPLE)
    found = tuple(_upstream(url, table, folder, source) for url, table in value.items())
    addresses = [each.url for each in found]
    twice = next((url for url in addresses if addresses.count(url) > 1), None)
    if twice is not None:
        raise UsageError(f"'upstreams' in {source} lists {twice} twice.", "Keep one of the two.")
    return found


def _upstream(address: str, table: object, folder: Path, source: str) -> ListedUpstream:
    url = normal_address(address)
    if url is None or is_folder(url):  # it is not repeated: it may hold a password
        raise UsageError(f"'upstreams' in {source} has a key that is not http(s)://HOST/PATH/.", _EXAMPLE)
    where = f'[upstreams."{url}"] in {source}'
    if not isinstance(table, dict):
        raise UsageError(f"{where} must be a table.", _EXAMPLE)
    _check_keys(table, where)
    texts = {key: _text(table, key, where) for key in KEYS}
    username, variable = texts["username"], texts["password-env"]
    if username is not None and not _USERNAME.fullmatch(username):
        raise UsageError(f"'username' of {where} must be a name without a colon.", "Fix it there.")
    if variable is not None and not _VARIABLE.fullmatch(variable):
        raise UsageError(
            f"'password-env' of {where} must be the name of an environment variable.", "The variable holds the password."
        )
    secrets = [key for key in ("password-env", "password-file") if texts[key] is not None]
    if len(secrets) > 1 or (secrets and username is None):
        wanted = "a username with each password" if username is None else "one of password-env and password-file"
        raise UsageError(f"{where} must have {wanted}.", "Fix it there.")
    return ListedUpstream(
        url=url,
        source=source,
        username=username,
        password_env=variable,
        password_file=_path(texts["password-file"], folder, "password-file", where),
        ca_file=_path(texts["ca-file"], folder, "ca-file", where),
        proxy=None if texts["proxy"] is None else _proxy(texts["proxy"], where),
    )


def _check_keys(table: Mapping[str, object], where: str) -> None:
    for key in table:
        if key == "password":
            raise UsageError(
                f"{where} must not hold the password itself.",
                "Name the variable or the file that has it: password-env or password-file.",
            )
        if key not in KEYS:
            near = difflib.get_close_matches(key, KEYS, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(KEYS)}."
            raise UsageError(f"{where} has a key {key!r}, which wharf does not know.", hint)


def _text(table: Mapping[str, object], key: str, where: str) -> str | None:
    value = table.get(key)
    if value is None or (isinstance(value, str) and value and value.isprintable() and len(value) <= _LONGEST):
        return value
    raise UsageError(f"{key!r} of {where} must be a text in one line.", "Fix it there.")


def _path(text: str | None, folder: Path, key: str, where: str) -> Path | None:
    try:
        return None if text is None else folder / Path(text).expanduser()
    except RuntimeError:
        raise UsageError(
            f"{key!r} of {where} begins with a person whose home is not known here.", "Write the path in full."
        ) from None


def _proxy(text: str, where: str) -> str:
    found = _PROXY.fullmatch(normal_address(text) or "")
    if found is None:
        raise UsageError(f"'proxy' of {where} must be http://HOST:PORT, and no more.", "Fix it there.")
    return found[1]


def _read(path: Path, upstream: ListedUpstream) -> str:
    try:
        with os.fdopen(regular_file.handle_of(path, 0), "rb") as file:
            return file.read(_LONGEST + 3).decode()
    except (OSError, OddFileError, ValueError) as error:
        why = (
            error.strerror
            if isinstance(error, OSError)
            else "it is no text in UTF-8"
            if isinstance(error, ValueError)
            else f"it is {error.kind}"
        )
        raise UsageError(
            f"The password for {upstream.url} cannot be read from {path}: {why}.",
            f"Look at [upstreams] in {upstream.source}.",
        ) from None
