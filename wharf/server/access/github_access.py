"""Who may read and upload where GitHub decides: GitHub is asked whether a client's own token may read the index branch.

While GitHub does not answer, who was let in within the last hour still is, so that installs continue; nobody new is.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict, deque
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError
from wharf.server.access.access_protocol import ASK, Access, Uploader, refuse_cross_site
from wharf.server.access.github_token_check import HOLDS, PAUSE, GitHubTokenCheck, Verdict
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.answer import Answer, text
from wharf.server.http.error_answers import failure
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wharf.github.api import GitHub
    from wharf.repository.tokens import Token
    from wharf.secret import Secret

PATIENCE: Final = 8.0
"""Seconds for which a client waits for a verdict from GitHub."""
STRANGERS: Final = 64
"""Tokens of which GitHub has not said yes lately, that wait to be asked about. Members do not queue behind them."""
GUESSES: Final = 120
"""Wrong tokens in a minute, after which no unknown one is asked about: GitHub would lock the server out, and all with it."""

_KEPT = 4096  # verdicts of each kind: whoever makes up tokens drives out no member's
_AT_ONCE = 6  # tokens of members that are asked about at the same time
_STRANGERS_AT_ONCE = 3  # with files and members not more than there are connections: GitHub may hang
_CHALLENGE = (("www-authenticate", 'Basic realm="wharf", charset="UTF-8"'),)
_NO_TOKEN = text(401, "This server needs a GitHub token that may read the index. Send it as the password.", _CHALLENGE)
_OF_GITHUB = failure(NotAllowedError("This server takes GitHub tokens. GitHub makes and ends them, in your settings there."))


class GitHubAccess(Access):
    """`ref` is the index branch. `lend` is given each token that may read, for a server that has none.

    - A verdict is for one Authorization header, of which only the digest is kept as the key, and holds for `HOLDS` seconds.
    - While GitHub does not answer, a yes of the last `GRACE` seconds still holds. Nothing else does.
    - GitHub is asked about a token once for all who send it meanwhile. A client waits at most `PATIENCE` seconds.
    - Who may be a member never waits behind strangers: they have other threads, and at most `STRANGERS` of them wait.
    - After `GUESSES` wrong tokens in a minute no unknown token is asked about.
    - A wharf token is never sent to GitHub.
    - At most `_KEPT` verdicts of each kind are kept: who makes up tokens drives out no member.
    - A verdict is about the repository, and so about each of its indexes: GitHub lets nobody read one branch alone.
    - All methods are for the event loop's thread; GitHub is asked in other threads.
    """

    def __init__(
        self,
        github: GitHub,
        ref: str,
        lend: Callable[[Secret], Awaitable[None]],
        *,
        clock: Callable[[], float] = elapsed,
    ) -> None:
        self.problem: str | None = None
        self._check = GitHubTokenCheck(github, ref, clock)
        self._lend = lend
        self._clock = clock
        self._yes: OrderedDict[bytes, Verdict] = OrderedDict()
        self._no: OrderedDict[bytes, Verdict] = OrderedDict()
        self._logins: dict[bytes, str] = {}
        self._roles: dict[bytes, tuple[Uploader, float]] = {}
        self._asking: dict[bytes, asyncio.Task[Verdict]] = {}
        self._guessed: deque[float] = deque(maxlen=GUESSES)  # when GitHub did not know a token
        self._strangers = 0
        self._threads = DaemonThreads("verdict", _AT_ONCE)
        self._threads_for_strangers = DaemonThreads("verdict", _STRANGERS_AT_ONCE)

    def refresh(self) -> None:
        """Nothing is kept here that could be out of date for longer than a verdict holds."""

    def refuse_reading(self, host: bytes, authorization: bytes | None, index: str) -> Answer | None:
        """As it was decided before; ASK if that has to be done first."""
        del host, index
        if authorization is None:
            return _NO_TOKEN
        verdict = self._known(hashlib.sha256(authorization).digest())
        return ASK if verdict is None or verdict.until <= self._clock() else verdict.refusal

    async def ask(self, authorization: bytes | None, index: str) -> Answer | None:
        """None if the client may read, else the answer that says why not."""
        del index
        if authorization is None:
            return _NO_TOKEN
        return (await self._verdict(authorization)).refusal

    async def uploader(
        self, authorization: bytes | None, *, index: str, host: bytes, origin: bytes | None, fetch_site: bytes | None
    ) -> Uploader | Answer:
        """Whoever may read and, as far as GitHub says, write. Whether that is so, its own calls will show."""
        del index
        foreign = refuse_cross_site(host, origin, fetch_site)
        if foreign is not None:
            return foreign
        if authorization is None:
            return _NO_TOKEN
        verdict = await self._verdict(authorization, uploads=True)
        if verdict.limit is not None:
            raise verdict.limit.with_traceback(None)
        if verdict.refusal is not None or verdict.token is None:
            return verdict.refusal or _NO_TOKEN
        key = hashlib.sha256(authorization).digest()
        role, until = self._roles.get(key, (None, 0.0))
        if role is not None and role.token == verdict.token and until > self._clock():
            return role  # each of its requests is made with its own token, and shows whether it still may
        found = await self._threads.run(partial(self._check.ask_role, verdict.token))
        if isinstance(found, Uploader):
            self._keep_role(key, found)
        return found

    def _keep_role(self, key: bytes, found: Uploader) -> None:
        for kept in (self._logins, self._roles):
            if len(kept) >= _KEPT:
                kept.clear()
        self._logins[key], self._roles[key] = found.name, (found, self._clock() + HOLDS)

    def wrote(self, authorization: bytes | None, seconds: float) -> None:
        """The token read the index, made a release and pushed: what GitHub would be asked next was just answered."""
        key = hashlib.sha256(authorization or b"").digest()
        known, role = self._yes.get(key), self._roles.get(key)
        if known is None or role is None or role[0].token != known.token:
            return
        then = self._clock() - seconds
        if then > known.confirmed:
            self._keep(key, replace(known, confirmed=then, until=max(known.until, then + HOLDS)))
        self._roles[key] = role[0], max(role[1], then + HOLDS)

    def own_token(self, authorization: bytes | None) -> Token | Answer:
        """There are no tokens of wharf here."""
        return _NO_TOKEN if authorization is None else _OF_GITHUB

    def name_of(self, authorization: bytes) -> str | None:
        """The login, once somebody has uploaded; before, a mark by which the requests of one token are known as such."""
        key = hashlib.sha256(authorization).digest()
        known = self._yes.get(key)
        if known is None or known.token is None:
            return None
        return self._logins.get(key) or f"github-{known.token.sha256()[:8]}"

    def _known(self, key: bytes) -> Verdict | None:
        return self._yes.get(key) or self._no.get(key)

    def _keep(self, key: bytes, verdict: Verdict) -> Verdict:
        self._yes.pop(key, None)
        self._no.pop(key, None)
        kept = self._yes if verdict.refusal is None else self._no
        kept[key] = verdict
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return verdict

    async def _verdict(self, authorization: bytes, *, uploads: bool = False) -> Verdict:
        key = hashlib.sha256(authorization).digest()
        known = self._known(key)
        if known is not None and known.until > self._clock():
            return known
        task = self._asking.get(key)
        if task is None:
            stranger = known is None or known.refusal is not None
            if stranger and (wait := self._crowd()):
                return self._check.without_github(None, wait)
            task = asyncio.create_task(self._decide(key, authorization, known, uploads=uploads))
            self._asking[key] = task
            self._strangers += stranger

            def done(_task: asyncio.Task[Verdict]) -> None:
                del self._asking[key]
                self._strangers -= stranger

            task.add_done_callback(done)
        await asyncio.wait({task}, timeout=PATIENCE)
        if task.done():
            return task.result()
        return self._keep(key, self._check.without_github(known, PAUSE))  # the answer still counts when it comes

    def _crowd(self) -> float:
        """Seconds for which strangers are not asked about, because too many are already, or guess."""
        if self._strangers >= STRANGERS:
            return PAUSE
        full = len(self._guessed) == GUESSES
        return max(0.0, self._guessed[0] + 60.0 - self._clock()) if full else 0.0

    async def _decide(self, key: bytes, authorization: bytes, known: Verdict | None, *, uploads: bool) -> Verdict:
        if self._check.away:
            return self._keep(key, self._check.without_github(known, PAUSE))
        threads = self._threads_for_strangers if known is None or known.refusal is not None else self._threads
        verdict = await threads.run(partial(self._check.ask, authorization, known, uploads=uploads))
        if verdict.guessed:
            self._guessed.append(self._clock())
        if verdict.token is not None and verdict.refusal is None:
            await self._lend(verdict.token)
        if verdict.uploader is not None:
            self._keep_role(key, verdict.uploader)
        return self._keep(key, verdict)
