"""wharf's own tokens: `tokens.json` (0600) in the data folder, holding digests only.

A token is 256 random bits, so a plain sha256 of it can be stored: there is nothing to guess, and a check costs microseconds.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from wharf.errors import ConflictError, NotFoundError, OddFileError, StorageError, UsageError
from wharf.secret import Secret
from wharf.system import disk_remedies, owner_only_folder, regular_file

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST = 8 << 20  # bytes of the file that are read
PREFIX: Final = "wharf_"
"""How each token begins."""

Scope = Literal["read", "publish"]
"""What a token may do; `publish` includes `read`."""


class Token(BaseModel):
    """A token as stored: everything but the token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    scope: Scope
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    def valid(self, moment: datetime) -> bool:
        """Whether it is good at that moment."""
        return self.expires is None or self.expires > moment


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1] = 1
    tokens: list[Token] = []


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one store. Reads the file again at every call; writers exclude each other."""

    path: Path

    def all(self) -> list[Token]:
        """Every token, expired ones too. Raises StorageError if the file is broken."""
        try:
            # A link is followed: where secrets are mounted, as in containers, they are links.
            with os.fdopen(regular_file.handle_of(self.path, 0), "rb") as file:
                return _File.model_validate_json(file.read(_LARGEST)).tokens
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror}.", disk_remedies.hint(error)) from error
        except (ValidationError, OddFileError) as error:
            raise StorageError(
                f"{self.path} cannot be read as a list of tokens.",
                "Restore it, or move it away and create the tokens again with `wharf token create`.",
            ) from error

    def create(self, name: str, scope: Scope, expires: datetime | None = None) -> Secret:
        """Make a token. It is returned once and stored nowhere. Raises ConflictError if the name is taken by a valid one."""
        secret = Secret(f"{PREFIX}{secrets.token_urlsafe(32)}")
        now = datetime.now(UTC)
        try:
            token = Token(name=name, scope=scope, sha256=secret.sha256(), created=now, expires=expires)
        except ValidationError as error:
            raise UsageError(
                f"{name!r} cannot be the name of a token.", "Use letters, digits and . _ @ - (64 at most), as in ci-publish."
            ) from error
        with _Writer(self.path) as writer:
            others = self.all()
            if any(other.name == name and other.valid(now) for other in others):
                raise ConflictError(f"There is a token {name!r} already.", f"`wharf token revoke {name}` ends it.")
            writer.write([*(other for other in others if other.name != name), token])
        return secret

    def revoke(self, name: str) -> None:
        """End a token. Raises NotFoundError."""
        if not self.path.exists():
            raise NotFoundError(f"There is no token {name!r}.", "`wharf token list` shows all names.")
        with _Writer(self.path) as writer:
            tokens = self.all()
            kept = [token for token in tokens if token.name != name]
            if len(kept) == len(tokens):
                raise NotFoundError(f"There is no token {name!r}.", "`wharf token list` shows all names.")
            writer.write(kept)

    def stamp(self) -> tuple[int, int, int] | None:
        """A value that changes whenever the file changes. Costs one system call."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


class _Writer:
    """Replaces the file whole, one writer at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> _Writer:
        owner_only_folder.make(self._path.parent)
        self._lock = regular_file.handle_of(self._path.with_name(f"{self._path.name}.lock"), 1, os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def write(self, tokens: list[Token]) -> None:
        text = json.dumps(_File(tokens=tokens).model_dump(mode="json", exclude_none=True), indent=2) + "\n"
        if len(text) >= _LARGEST:
            raise StorageError(
                f"{self._path} would be larger than {_LARGEST >> 20} MiB, which is not read.",
                "`wharf token revoke NAME` makes room.",
            )
        temporary = self._path.with_name(f"{self._path.name}.new")  # one writer at a time, so one name is enough
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
