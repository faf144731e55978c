"""An upload session as a value (PEP 694): one release that is staged file by file, and published at once. Pure.

Times are UTC, in whole seconds. What a session may do next is in `upload_session_states`.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from packaging.utils import canonicalize_version

from wharf.assets.upload_session_states import DONE, OPEN, PENDING, FileState, SessionState
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

LIFE: Final = timedelta(days=7)
"""How long a session stays from its beginning, unless somebody extends it."""
LONGEST: Final = timedelta(days=30)
"""How long it can stay from its beginning at most."""
REMEMBERED: Final = timedelta(days=1)
"""How long the end of a session is told, after it was published or canceled."""
MOST_SESSIONS: Final = 100
"""Sessions of one index that may be live at once: in a folder those of one creator, so that nobody takes the room of others."""
MOST_OF_ALL: Final = 1000
"""Those of all creators, in a folder."""
MOST_ENDED: Final = 500
"""Sessions of one index that are told after their end."""
MOST_FILES: Final = 1000
"""Files of one session."""
MOST_UPLOADS: Final = 10_000
"""Uploads of files into one session, with those that were deleted again."""

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43,64}", re.ASCII)
_KEY = re.compile(r"([0-9]{1,5})-([0-9a-f]{32})", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFile:
    """One file of a session, from the first word about it.

    `number` counts the uploads of one session from 0, so a file that replaces another one has another number. `size` and
    `hashes` (lower-case hex, by names of hashlib) are what the client said. `sha256` is that of the bytes that the store has;
    None: it has none yet. `requires_python` is what these bytes say, for the stage. A file that is deleted leaves the session,
    so CANCELED is never the state of one.
    """

    number: int
    filename: str
    size: int
    hashes: Mapping[str, str]
    state: FileState = PENDING
    sha256: str | None = None
    requires_python: str | None = None
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSession:
    """A release that is being staged.

    - `id` names the session in addresses, and is no secret. `token` is: whoever has it sees the stage, without a login.
    - `project` is the PEP 503 name, `version` the normal form (PEP 440); `creator` names who made it, for people.
    - `files` are by their names. `taken` is how many uploads were begun: the next file gets that number.
    - `ended` is when the session was published or canceled; None before.
    - `commit` is known where its publish ended a moment ago, and to nobody else.
    - `before` is the state that a PROCESSING session came from, to which a refusal leads back.
    """

    id: str
    token: Secret
    index: str
    project: str
    version: str
    creator: str
    created: datetime
    expires: datetime
    state: SessionState = OPEN
    before: SessionState = OPEN
    ended: datetime | None = None
    files: Mapping[str, SessionFile] = field(default_factory=dict)
    taken: int = 0
    notices: tuple[str, ...] = ()
    commit: str | None = None

    @property
    def live(self) -> bool:
        """Whether it is neither published nor canceled: then it is the only one of its release."""
        return self.state not in DONE

    @property
    def release(self) -> tuple[str, str, str]:
        """Index, project and version in the one spelling of all that are equal (1.0 is 1.0.0): one live session has it."""
        return self.index, self.project, canonicalize_version(self.version)

    def is_over(self, now: datetime) -> bool:
        """Whether nobody needs it any more: it ran out, or its end was told long enough."""
        return now >= self.end

    @property
    def end(self) -> datetime:
        """When nobody needs it any more."""
        return self.expires if self.ended is None else self.ended + REMEMBERED

    def key(self, number: int, file: SessionFile | None = None) -> str:
        """What names an upload of a file in addresses. It follows from the token, and does not tell it.

        Its second half is of the name of the file: two servers over GitHub may give one number to two files. Whoever has the
        `file` of that number gives it, so that it is not looked for.
        """
        file = file or self.numbered(number)
        named = "" if file is None else file.filename
        return f"{number}-{self._digest(f'file {number}')}{self._digest(f'file {number} {named}')}"

    def _digest(self, text: str) -> str:
        return hmac.digest(self.token.reveal().encode(), text.encode(), "sha256").hex()[:16]

    def number_of(self, key: str) -> int | None:
        """The number of the upload that a key names; None if it names none of this session. It may be deleted by now."""
        found = _KEY.fullmatch(key)
        if found is None or int(found[1]) >= self.taken:
            return None
        number = int(found[1])
        of_a_file = len(key) if self.numbered(number) else -16
        return number if hmac.compare_digest(self.key(number)[:of_a_file], key[:of_a_file]) else None

    def numbered(self, number: int) -> SessionFile | None:
        """The file of that number, unless it was deleted."""
        return next((each for each in self.files.values() if each.number == number), None)

    def with_file(self, file: SessionFile) -> UploadSession:
        """The session with a file, new or changed."""
        return replace(self, files={**self.files, file.filename: file}, taken=max(self.taken, file.number + 1))

    def without_file(self, filename: str) -> UploadSession:
        """The session without a file."""
        return replace(self, files={name: each for name, each in self.files.items() if name != filename})


def new_session(*, index: str, project: str, version: str, creator: str, now: datetime) -> UploadSession:
    """A session that begins now, with an id (128 random bits) and a token (256)."""
    now = now.replace(microsecond=0)
    return UploadSession(
        id=secrets.token_hex(16),
        token=Secret(secrets.token_urlsafe(32)),
        index=index,
        project=project,
        version=version,
        creator=creator,
        created=now,
        expires=now + LIFE,
    )


def is_session_id(text: str) -> bool:
    """Whether it can be the id of a session: also whether it can be the name of a folder."""
    return bool(_ID.fullmatch(text))


def is_session_token(text: str) -> bool:
    """Whether it can be the token of a session."""
    return bool(_TOKEN.fullmatch(text))
