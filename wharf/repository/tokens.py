"""wharf's own tokens: `tokens.json` (0600) in the data folder, holding digests only.

A token is 256 random bits, so a plain sha256 of it can be stored: there is nothing to guess, and a check costs microseconds.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from wharf.errors import UNWRITABLE, ConflictError, NotAllowedError, NotFoundError, OddFileError, StorageError, UsageError
from wharf.index import name_globs
from wharf.index.index_name import is_index_name
from wharf.repository.locked_file import LockedFile
from wharf.secret import Secret
from wharf.system import disk_remedies, regular_file

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

_LARGEST = 8 << 20  # bytes of the file that are read
PREFIX: Final = "wharf_"
"""How each token begins."""
VERSION: Final = 3
"""The newest version of the file that is read and written.

Version 1 has no limits, owners and notes; version 2 no scope `manage`, and no tokens that others made.
"""
SOON: Final = timedelta(days=14)
"""How long before its end a token is warned of."""

Scope = Literal["read", "publish", "manage"]
"""What a token may do; each includes those before it. `manage` may yank, remove, promote and the like, and make tokens."""


def _index(name: str) -> str:
    if not is_index_name(name):
        raise ValueError(f"{name!r} is not the name of an index")
    return name


def _glob(text: str) -> str:
    if not name_globs.is_glob(text):
        raise ValueError(f"{text!r} does not stand for names of projects")
    return text


def _line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("it is not one line of text")
    return text


def _utc(moment: datetime) -> datetime:
    """The same moment in UTC. One that UTC has no year for is the first or the last that it has."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return datetime.min.replace(tzinfo=UTC) if moment.year == 1 else datetime.max.replace(tzinfo=UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_utc)]
"""A time with its zone, as it is in UTC."""


class Token(BaseModel):
    """A token as stored: everything but the token.

    `indexes` are those that it is for, `projects` globs of the names that it may write; None is no limit. A limit is never an
    empty list, which could be read as either. `owner` and `note` are for people. `made_by` is the digest of the token that made
    it, and that it ends with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")]
    scope: Scope
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime
    expires: Moment | None = None
    indexes: Annotated[tuple[Annotated[str, AfterValidator(_index)], ...], Field(min_length=1, max_length=100)] | None = None
    projects: Annotated[tuple[Annotated[str, AfterValidator(_glob)], ...], Field(min_length=1, max_length=100)] | None = None
    owner: Annotated[str, Field(max_length=100), AfterValidator(_line)] | None = None
    note: Annotated[str, Field(max_length=300), AfterValidator(_line)] | None = None
    made_by: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None

    @property
    def version(self) -> Literal[1, 2, 3]:
        """The first version of the file that says all of it."""
        if self.scope == "manage" or self.made_by is not None:
            return 3
        is_plain = self.indexes is None and self.projects is None and self.owner is None and self.note is None
        return 1 if is_plain else 2

    def valid(self, moment: datetime) -> bool:
        """Whether it is good at that moment."""
        return self.expires is None or self.expires > moment

    def ends_soon(self, moment: datetime) -> bool:
        """Whether it is good at that moment, and not for long any more."""
        return self.expires is not None and moment < self.expires <= moment + SOON

    def is_for(self, index: str) -> bool:
        """Whether it may be used for an index."""
        return self.indexes is None or index in self.indexes


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    version: Literal[1, 2, 3] = 1
    tokens: list[Token] = []

    @model_validator(mode="after")
    def _says_what_it_has(self) -> _File:
        if any(token.version > self.version for token in self.tokens):
            raise ValueError(f"version {self.version} does not say all of that")
        return self


class _Version(BaseModel):
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NewToken:
    """What a token is made for, as in `Token`; empty is no limit."""

    name: str
    scope: Scope
    expires: datetime | None = None
    indexes: Sequence[str] = ()
    projects: Sequence[str] = ()
    owner: str | None = None
    note: str | None = None
    made_by: str | None = None


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one store. Reads the file again at every call; writers exclude each other.

    - The file has the lowest version that says all: an older wharf beside this one keeps working. From the first token with a
      limit on it has version 2, from the first that may manage on version 3. An older wharf refuses a version that it does not
      know as a whole: it would not obey the limit, or not end a token with the one that made it.
    - A token that another one made ends with that one.
    - A file of a version that is not known here lets nobody in, and is not written over.
    """

    path: Path

    @property
    def path_of_usage(self) -> Path:
        """Where servers note when tokens were used last."""
        return self.path.with_name("tokens-used.json")

    def all(self) -> list[Token]:
        """Every token, expired ones too. Raises StorageError if the file is broken, or of a newer version."""
        data = b""
        try:
            # A link is followed: where secrets are mounted, as in containers, they are links.
            with os.fdopen(regular_file.handle_of(self.path, 0), "rb") as file:
                data = file.read(_LARGEST)
                return _File.model_validate_json(data).tokens
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{self.path} cannot be read: {error.strerror}.", disk_remedies.hint(error)) from error
        except (ValidationError, OddFileError) as error:
            raise self._broken(data) from error

    def _broken(self, data: bytes) -> StorageError:
        try:
            version = _Version.model_validate_json(data).version
        except ValidationError:
            version = 0
        if version > VERSION:
            return StorageError(
                f"{self.path} has version {version}; this wharf knows versions up to {VERSION}. A newer wharf wrote it.",
                "Update wharf. Until then no token is accepted.",
            )
        return StorageError(
            f"{self.path} cannot be read as a list of tokens.",
            "Restore it, or move it away and create the tokens again with `wharf token create`.",
        )

    def create(self, name: str, scope: Scope, expires: datetime | None = None) -> Secret:
        """Make a token without limits. It is returned once and stored nowhere. Raises as `add` does."""
        return self.add(NewToken(name=name, scope=scope, expires=expires))

    def add(self, new: NewToken) -> Secret:
        """Make a token. It is returned once and stored nowhere. Raises ConflictError if the name is taken by a valid one.

        Expired tokens that others made leave the list: a job that makes one each time would fill it.

        Raises NotAllowedError if the token that makes it is not there any more.
        """
        secret = Secret(f"{PREFIX}{secrets.token_urlsafe(32)}")
        now = datetime.now(UTC)
        try:
            token = Token(
                name=new.name,
                scope=new.scope,
                sha256=secret.sha256(),
                created=now,
                expires=new.expires,
                indexes=tuple(dict.fromkeys(new.indexes)) or None,
                projects=tuple(dict.fromkeys(new.projects)) or None,
                owner=new.owner,
                note=new.note,
                made_by=new.made_by,
            )
        except ValidationError as error:
            raise _wrong(new, str(error.errors()[0]["loc"][0])) from error
        with self._writing() as file:
            others = self.all()
            if new.made_by is not None and not any(other.sha256 == new.made_by and other.valid(now) for other in others):
                raise NotAllowedError("The token that should make this one has ended.", "Use another token.")
            if any(other.name == token.name and other.valid(now) for other in others):
                raise ConflictError(f"There is a token {token.name!r} already.", f"`wharf token revoke {token.name}` ends it.")
            stay = (other for other in others if other.name != token.name and (other.made_by is None or other.valid(now)))
            self._write(file, [*stay, token])
        return secret

    def revoke(self, name: str) -> None:
        """End a token, and all that it made. Raises NotFoundError, and StorageError if it cannot be written."""
        if not self.path.exists():
            raise NotFoundError(f"There is no token {name!r}.", "`wharf token list` shows all names.")
        with self._writing() as file:
            tokens = self.all()
            ended = {token.sha256 for token in tokens if token.name == name}
            if not ended:
                raise NotFoundError(f"There is no token {name!r}.", "`wharf token list` shows all names.")
            ended |= {each.sha256 for each in made_by(tokens, ended)}
            self._write(file, [token for token in tokens if token.sha256 not in ended])

    def stamp(self) -> tuple[int, int, int] | None:
        """A value that changes whenever the file changes. Costs one system call."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    @contextmanager
    def _writing(self) -> Iterator[LockedFile]:
        """The right to write the file. Raises StorageError where the disk does not take it."""
        try:
            with LockedFile(self.path) as file:
                yield file
        except OSError as error:
            hint = disk_remedies.hint(error)
            raise StorageError(f"{self.path} cannot be written: {error.strerror}.", hint, told=UNWRITABLE) from error

    def _write(self, file: LockedFile, tokens: list[Token]) -> None:
        version = max((token.version for token in tokens), default=1)
        text = json.dumps(_File(version=version, tokens=tokens).model_dump(mode="json", exclude_none=True), indent=2) + "\n"
        if len(text) >= _LARGEST:
            raise StorageError(
                f"{self.path} would be larger than {_LARGEST >> 20} MiB, which is not read.",
                "`wharf token revoke NAME` makes room.",
            )
        file.write(text)


def made_by(tokens: Sequence[Token], makers: Collection[str]) -> list[Token]:
    """The tokens that those with these digests made, and what these made, and so on."""
    known, found = set(makers), []
    while more := [each for each in tokens if each.made_by in known and each.sha256 not in known]:
        found += more
        known |= {each.sha256 for each in more}
    return found


def _wrong(new: NewToken, what: str) -> UsageError:
    """The error about one part of a new token."""
    if what == "indexes":
        odd = next((each for each in new.indexes if not is_index_name(each)), None)
        if odd is not None:
            return UsageError(f"{odd!r} cannot be the name of an index.", "Write --index as in `wharf list --index staging`.")
        return UsageError("These are too many indexes for one token.", "Name 100 at most.")
    if what == "projects":
        odd = next((each for each in new.projects if not name_globs.is_glob(each)), None)
        if odd is not None:
            return UsageError(f"{odd!r} does not stand for names of projects.", "Write it as in --project 'acme-*'.")
        return UsageError("These are too many names of projects for one token.", "Use a pattern, as in --project 'acme-*'.")
    if what in {"owner", "note"}:
        most = 100 if what == "owner" else 300
        return UsageError(f"The {what} of a token must be one line of at most {most} characters.", f"Give a shorter --{what}.")
    return UsageError(
        f"{new.name!r} cannot be the name of a token.", "Use letters, digits and . _ @ - (64 at most), as in ci-publish."
    )
