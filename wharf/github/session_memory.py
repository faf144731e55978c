"""What one server process remembers of the sessions on GitHub, so that it asks less. Losing it loses nothing of a session."""

from __future__ import annotations

import secrets
import shutil
import threading
import weakref
from collections import OrderedDict
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wharf.assets.upload_session_states import COMPLETED
from wharf.github.session_queue import SessionQueue
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wharf.assets.upload_session import UploadSession
    from wharf.github.release_listing import Listed, Stored

FRESH: Final = 3.0
"""Seconds for which a draft is not asked for again with the same token."""
GUESSES: Final = 60
"""Tokens of stages in a minute that are asked about and lead nowhere: each costs a request of the server's own token."""

_KEPT: Final = 512
_STRIPES: Final = 64
_SAID: Final = 10_000  # files


class SessionMemory:
    """Shared by all clients of one process, whosever token they send. Safe to use from several threads.

    - What one token was shown is told to no other one: that GitHub shows a draft is what proves the right to write.
    - A draft is remembered for `FRESH` seconds, and its end for as long as the process lives, both of the last `_KEPT`.
    - `writer` is the mark of this process in the text of drafts.
    """

    def __init__(self, clock: Callable[[], float] = elapsed) -> None:
        self.writer = secrets.token_hex(3)
        self.queue = SessionQueue()
        self._clock = clock
        self._lock = threading.Lock()
        self._turns = tuple(threading.Lock() for _ in range(_STRIPES))
        self._drafts: OrderedDict[tuple[str, int], tuple[float, Listed]] = OrderedDict()
        self._ended: OrderedDict[tuple[str, str], UploadSession] = OrderedDict()
        self._said: OrderedDict[tuple[str, int, str], tuple[str | None, tuple[str, ...]]] = OrderedDict()
        self._publishing: set[int] = set()
        self._shown: bool | None = None
        self._ask_again = 0.0
        self._guessed: list[float] = []
        self._folder: Path | None = None

    def turn(self, release: int) -> threading.Lock:
        """Who writes the text of a draft holds this."""
        return self._turns[release % _STRIPES]

    def draft(self, token: str, release: int) -> Listed | None:
        """The draft as that token was shown it a moment ago."""
        with self._lock:
            then, listed = self._drafts.get((token, release), (0.0, None))
        return listed if then + FRESH > self._clock() else None

    def note(self, token: str, listed: Listed) -> None:
        """The draft as that token is shown it now."""
        with self._lock:
            self._drafts[token, listed.id] = self._clock(), listed
            self._drafts.move_to_end((token, listed.id))
            while len(self._drafts) > _KEPT:
                self._drafts.popitem(last=False)

    def change(self, release: int, change: Callable[[Listed], Listed]) -> None:
        """Change a draft in the memory of each token as it was changed at GitHub."""
        with self._lock:
            for key in [each for each in self._drafts if each[1] == release]:
                then, listed = self._drafts[key]
                self._drafts[key] = then, change(listed)

    def forget(self, release: int) -> None:
        """Ask for the draft when it is needed next."""
        with self._lock:
            for key in [each for each in self._drafts if each[1] == release]:
                del self._drafts[key]

    def say(self, session: UploadSession) -> None:
        """Remember what the checks of complete files said. The next write of the text has it."""
        with self._lock:
            for each in session.files.values():
                if each.state == COMPLETED and (each.requires_python or each.notices):
                    self._said[session.id, each.number, each.filename] = each.requires_python, each.notices
            while len(self._said) > _SAID:
                self._said.popitem(last=False)

    def with_said(self, session: UploadSession) -> UploadSession:
        """The session, with what the checks of its complete files said here."""
        files = dict(session.files)
        with self._lock:
            for name, each in session.files.items():
                said = self._said.get((session.id, each.number, name))
                if said is not None and each.state == COMPLETED and each.requires_python is None and not each.notices:
                    files[name] = replace(each, requires_python=said[0], notices=said[1])
        return replace(session, files=files)

    def end(self, token: str, session: UploadSession) -> None:
        """Remember how a session ended."""
        with self._lock:
            self._ended[token, session.id] = session
            while len(self._ended) > _KEPT:
                self._ended.popitem(last=False)

    def is_known(self, release: int) -> bool:
        """Whether this process published the session of a draft, or was about to."""
        with self._lock:
            return any(int(session_id[:16], 16) == release for _, session_id in self._ended)

    def ended(self, token: str, session_id: str) -> UploadSession | None:
        """How a session ended, for the token that ended it here."""
        with self._lock:
            return self._ended.get((token, session_id))

    def is_publishing(self, release: int) -> bool:
        """Whether this process publishes it."""
        with self._lock:
            return release in self._publishing

    @contextmanager
    def publishing(self, release: int) -> Iterator[bool]:
        """True while this process publishes it here, False if it does elsewhere."""
        with self._lock:
            mine = release not in self._publishing
            self._publishing.add(release)
        try:
            yield mine
        finally:
            if mine:
                with self._lock:
                    self._publishing.discard(release)

    def is_shown(self, ask: Callable[[], bool]) -> bool:
        """Whether the server's own token is shown drafts, by `ask` where that is not known."""
        with self._lock:
            if self._shown or self._ask_again > self._clock():
                return self._shown is True
            self._ask_again = self._clock() + 60.0
        self._shown = ask()
        return self._shown

    def may_guess(self) -> bool:
        """Whether a token of a stage that nobody here knows may be asked about."""
        with self._lock:
            now = self._clock()
            self._guessed = [each for each in self._guessed if each + 60.0 > now]
            return len(self._guessed) < GUESSES

    def guessed(self) -> None:
        """A token of a stage led nowhere."""
        with self._lock:
            self._guessed.append(self._clock())

    def scratch(self) -> Path:
        """A path in a folder that only this person can enter, which goes with the process."""
        import tempfile

        with self._lock:
            if self._folder is None or not self._folder.is_dir():
                self._folder = Path(tempfile.mkdtemp(prefix="wharf-sessions-"))
                weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
            return self._folder / secrets.token_hex(16)


def with_asset(listed: Listed, stored: Stored) -> Listed:
    """The draft with one asset more, or the newer one of that name."""
    others = (each for each in listed.assets if each.name != stored.name)
    return replace(listed, assets=(*others, stored))
