"""Who may read and upload where GitHub decides: GitHub is asked whether a client's own token may read the index branch.

While GitHub does not answer, who was let in within the last hour still is, so that installs go on; nobody new is.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError, NotFoundError, QuotaError, StorageError
from wharf.github.replies import Reply
from wharf.repository.tokens import PREFIX
from wharf.server.access.access_protocol import ASK, Access, Uploader
from wharf.server.access.cross_site import refuse_foreign
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.http.answer import Answer, text
from wharf.server.http.authorization import secrets_of
from wharf.server.http.error_answers import failure
from wharf.system.clock import elapsed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wharf.github.api import GitHub
    from wharf.secret import Secret

HOLDS: Final = 60.0
"""Seconds for which a yes or no from GitHub is remembered."""
GRACE: Final = 3600.0
"""Seconds after a yes in which it still holds while GitHub does not answer."""

PATIENCE: Final = 8.0
"""Seconds for which a client waits for a verdict from GitHub."""
PAUSE: Final = 5.0
"""Seconds for which GitHub is not asked again when it did not answer: trying takes as long, and others would queue up."""

STRANGERS: Final = 64
"""Tokens of which GitHub has not said yes lately, that wait to be asked about. Members do not queue behind them."""
GUESSES: Final = 120
"""Wrong tokens in a minute, after which no unknown one is asked about: GitHub would lock the server out, and all with it."""

_KEPT = 4096  # verdicts of each kind: whoever makes up tokens drives out no member's
_AT_ONCE = 6  # tokens of members that are asked about at the same time
_STRANGERS_AT_ONCE = 3  # with files and members not more than there are connections: GitHub may hang
_SHORTEST = 20  # characters of a GitHub token; what is shorter is a user name, and GitHub locks out who tries too many
_CHALLENGE = (("www-authenticate", 'Basic realm="wharf", charset="UTF-8"'),)
_NO_TOKEN = text(401, "This server needs a GitHub token that may read the index. Send it as the password.", _CHALLENGE)
_BAD_TOKEN = text(401, "GitHub does not know this token: it is wrong, expired or revoked.", _CHALLENGE)
_OURS = text(
    401,
    "This is a wharf token, but this server needs a GitHub token that may read the index. `wharf serve --auth tokens` "
    "takes wharf tokens.",
    _CHALLENGE,
)
_NO_RIGHT = failure(
    NotAllowedError("GitHub does not let this token read the index.", "It needs the permission contents: read.")
)
_READ_ONLY = failure(NotAllowedError("GitHub does not let this token upload.", "It needs the permission contents: write."))
_ANSWERS = (401, 403, 404, 409)
_AWAY = "GitHub cannot be asked about this token just now."


@dataclass(frozen=True, slots=True)
class _Verdict:
    """`refusal` None is a yes; `confirmed` is when GitHub last said yes, `until` when it has to be asked again.

    `guessed`: it is a no to what GitHub does not know. `limit`: GitHub's limits allow no question.
    """

    refusal: Answer | None
    until: float
    confirmed: float = 0.0
    token: Secret | None = None
    etag: str | None = None
    guessed: bool = False
    limit: QuotaError | None = None


class GitHubAccess(Access):
    """`ref` is the index branch. `lend` is given each token that may read, for a server that has none of its own.

    - A verdict is for one Authorization header, of which only the digest is kept as the key, and holds for `HOLDS` seconds.
    - While GitHub does not answer, a yes of the last `GRACE` seconds still holds. Nothing else does.
    - GitHub is asked about a token once for all who send it meanwhile. A client waits at most `PATIENCE` seconds.
    - Who may be a member never waits behind strangers: they have threads of their own, and at most `STRANGERS` of them wait.
    - After `GUESSES` wrong tokens in a minute no unknown token is asked about.
    - A wharf token is never sent to GitHub.
    - At most `_KEPT` verdicts of each kind are kept: who makes up tokens drives out no member.
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
        self._github = github
        self._ref = ref.removeprefix("refs/")
        self._lend = lend
        self._clock = clock
        self._yes: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._no: OrderedDict[bytes, _Verdict] = OrderedDict()
        self._logins: dict[bytes, str] = {}
        self._asking: dict[bytes, asyncio.Task[_Verdict]] = {}
        self._away_until = 0.0
        self._guessed: deque[float] = deque(maxlen=GUESSES)  # when GitHub did not know a token
        self._strangers = 0
        self._threads = DaemonThreads("verdict", _AT_ONCE)
        self._threads_for_strangers = DaemonThreads("verdict", _STRANGERS_AT_ONCE)

    def refresh(self) -> None:
        """Nothing is kept here that could be out of date for longer than a verdict holds."""

    def refuse_reading(self, host: bytes, authorization: bytes | None) -> Answer | None:
        """As it was decided before; ASK if that has to be done first."""
        del host
        if authorization is None:
            return _NO_TOKEN
        verdict = self._known(hashlib.sha256(authorization).digest())
        return ASK if verdict is None or verdict.until <= self._clock() else verdict.refusal

    async def ask(self, authorization: bytes | None) -> Answer | None:
        """None if the client may read, else the answer that says why not."""
        if authorization is None:
            return _NO_TOKEN
        return (await self._verdict(authorization)).refusal

    async def uploader(
        self, authorization: bytes | None, *, host: bytes, origin: bytes | None, fetch_site: bytes | None
    ) -> Uploader | Answer:
        """Whoever may read and, as far as GitHub tells of a token, write. Whether that is so, its own calls will show."""
        foreign = refuse_foreign(host, origin, fetch_site)
        if foreign is not None:
            return foreign
        if authorization is None:
            return _NO_TOKEN
        verdict = await self._verdict(authorization)
        if verdict.limit is not None:
            raise verdict.limit.with_traceback(None)
        if verdict.refusal is not None or verdict.token is None:
            return verdict.refusal or _NO_TOKEN
        found = await self._threads.run(partial(self._role, verdict.token))
        if isinstance(found, Uploader):
            if len(self._logins) >= _KEPT:
                self._logins.clear()
            self._logins[hashlib.sha256(authorization).digest()] = found.name
        return found

    def name_of(self, authorization: bytes) -> str | None:
        """The login, once somebody has uploaded; before, a mark by which the requests of one token are known as such."""
        key = hashlib.sha256(authorization).digest()
        known = self._yes.get(key)
        if known is None or known.token is None:
            return None
        return self._logins.get(key) or f"github-{known.token.sha256()[:8]}"

    def _role(self, token: Secret) -> Uploader | Answer:
        github = self._github.with_token(token)
        try:
            about = github.rest.about()
        except NotFoundError:  # within the minute for which the verdict holds
            return _NO_RIGHT
        name = github.rest.user()
        # What GitHub says here of a person holds for each of the person's tokens at most; of an app's it says nothing.
        if name is not None and about.may_push is False:
            return _READ_ONLY
        return Uploader(name or "an app on GitHub", token)

    def _known(self, key: bytes) -> _Verdict | None:
        return self._yes.get(key) or self._no.get(key)

    def _keep(self, key: bytes, verdict: _Verdict) -> _Verdict:
        self._yes.pop(key, None)
        self._no.pop(key, None)
        kept = self._yes if verdict.refusal is None else self._no
        kept[key] = verdict
        while len(kept) > _KEPT:
            kept.popitem(last=False)
        return verdict

    async def _verdict(self, authorization: bytes) -> _Verdict:
        key = hashlib.sha256(authorization).digest()
        known = self._known(key)
        if known is not None and known.until > self._clock():
            return known
        task = self._asking.get(key)
        if task is None:
            stranger = known is None or known.refusal is not None
            if stranger and (wait := self._crowd()):
                return self._without_github(None, wait)
            task = asyncio.create_task(self._decide(key, authorization, known))
            self._asking[key] = task
            self._strangers += stranger

            def done(_task: asyncio.Task[_Verdict]) -> None:
                del self._asking[key]
                self._strangers -= stranger

            task.add_done_callback(done)
        await asyncio.wait({task}, timeout=PATIENCE)
        if task.done():
            return task.result()
        return self._keep(key, self._without_github(known, PAUSE))  # the answer still counts when it comes

    def _crowd(self) -> float:
        """Seconds for which strangers are not asked about, because too many are already, or guess."""
        if self._strangers >= STRANGERS:
            return PAUSE
        full = len(self._guessed) == GUESSES
        return max(0.0, self._guessed[0] + 60.0 - self._clock()) if full else 0.0

    async def _decide(self, key: bytes, authorization: bytes, known: _Verdict | None) -> _Verdict:
        if self._clock() < self._away_until:
            return self._keep(key, self._without_github(known, PAUSE))
        threads = self._threads_for_strangers if known is None or known.refusal is not None else self._threads
        verdict = await threads.run(partial(self._asked, authorization, known))
        if verdict.refusal is _BAD_TOKEN and verdict.guessed:
            self._guessed.append(self._clock())
        if verdict.token is not None and verdict.refusal is None:
            await self._lend(verdict.token)
        return self._keep(key, verdict)

    def _asked(self, authorization: bytes, known: _Verdict | None) -> _Verdict:
        """GitHub's verdict on whatever in the header may be a token: the password, else the user name."""
        now, guessed = self._clock(), False
        given = secrets_of(authorization)
        if any(token.reveal().startswith(PREFIX) for token in given[:1]):  # GitHub is not told of it
            return _Verdict(_OURS, now + HOLDS)
        for token in given:
            if len(token.reveal()) < _SHORTEST:
                continue
            etag = known.etag if known is not None and known.token == token else None
            try:
                reply = self._ask_github(self._github.with_token(token), etag)
            except NotAllowedError:
                continue  # it cannot be a token at all
            except QuotaError as error:  # the token's own limit
                return self._without_github(known, error.retry_after, error)
            except NotFoundError:  # the repository has another name, by which this token may not see it either
                return _Verdict(_NO_RIGHT, now + HOLDS)
            except StorageError:
                self._away_until = self._clock() + PAUSE
                return self._without_github(known, PAUSE)
            if reply.status in {200, 304, 409}:
                return _Verdict(None, now + HOLDS, now, token, reply.headers.get("etag", etag))
            guessed = True
            if reply.status != 401:
                return _Verdict(_NO_RIGHT, now + HOLDS)
        return _Verdict(_BAD_TOKEN, now + HOLDS, guessed=guessed)

    def _ask_github(self, github: GitHub, etag: str | None) -> Reply:
        """Whether a token may read the index branch: 200, 304, or 409 for an empty repository.

        404 may mean that the branch is gone. Then GitHub is asked for the branches of that name, which is the same right, and
        has an answer without any.
        """
        reply = github.call("GET", f"{{repo}}/git/ref/{self._ref}", allow=_ANSWERS, etag=etag)
        if reply.status != 404:
            return reply
        found = github.call("GET", f"{{repo}}/git/matching-refs/{self._ref}", allow=_ANSWERS)
        return Reply(status=found.status, headers={})  # its validator is none of the ref's

    def _without_github(self, known: _Verdict | None, wait: float, limit: QuotaError | None = None) -> _Verdict:
        """What holds while GitHub does not answer: a yes of the last hour, and nothing else."""
        now = self._clock()
        if known is not None and known.refusal is None and now < known.confirmed + GRACE:
            return _Verdict(None, min(now + HOLDS, known.confirmed + GRACE), known.confirmed, known.token, known.etag)
        if limit is not None:
            return _Verdict(failure(limit), now + 1, limit=limit)
        return _Verdict(text(503, _AWAY, (("retry-after", str(math.ceil(wait) or 1)),)), now + 1)
