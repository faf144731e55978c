"""How GitHub is asked about a client's token: whether it may read the index branch, and whose it is.

All questions wait for GitHub, so they are asked in threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import GraphQLError, NotAllowedError, NotFoundError, QuotaError, RejectedError, StorageError
from wharf.github.replies import Reply
from wharf.repository.tokens import PREFIX
from wharf.server.access.access_protocol import Uploader
from wharf.server.http.answer import Answer, text
from wharf.server.http.error_answers import failure
from wharf.server.http.request_headers import SHORTEST_TOKEN, is_without_token, secrets_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.github.api import GitHub
    from wharf.secret import Secret

HOLDS: Final = 60.0
"""Seconds for which a yes or no from GitHub is remembered."""
GRACE: Final = 3600.0
"""Seconds after a yes in which it still holds while GitHub does not answer."""
PAUSE: Final = 5.0
"""Seconds for which GitHub is not asked again when it did not answer: trying takes as long, and others would queue up."""

_CHALLENGE = (("www-authenticate", 'Basic realm="wharf", charset="UTF-8"'),)
_EMPTY = text(
    401, "The password is empty, and a GitHub token belongs there: perhaps a variable or a secret is not set.", _CHALLENGE
)
_BAD_TOKEN = text(
    401, "GitHub does not know this token: it is wrong, expired or revoked. Send another one as the password.", _CHALLENGE
)
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
_WHO_UPLOADS: Final = (
    "query($owner: String!, $name: String!, $ref: String!) { viewer { login databaseId } "
    "repository(owner: $owner, name: $name) { viewerPermission ref(qualifiedName: $ref) { id } } }"
)
_MAY_WRITE = frozenset({"WRITE", "MAINTAIN", "ADMIN"})
_OF_APP, _BOT = "ghs_", "[bot]"  # the begin of its token, and the end of its name: of what it may, GitHub says nothing here
_ANSWERS = (401, 403, 404, 409)
_AWAY = "GitHub cannot be asked about this token just now."


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refusal` None is a yes; `confirmed` is when GitHub last said yes, `until` when it has to be asked again.

    `guessed`: it is a no to what GitHub does not know. `limit`: GitHub's limits allow no question. `uploader`: it was asked for
    an upload, and GitHub said at the same time who that is.
    """

    refusal: Answer | None
    until: float
    confirmed: float = 0.0
    token: Secret | None = None
    etag: str | None = None
    guessed: bool = False
    limit: QuotaError | None = None
    uploader: Uploader | None = None


class GitHubTokenCheck:
    """Asks about one repository, whose index branch is `ref`.

    - A token is sent to GitHub only if it can be a GitHub token: a wharf token is never sent.
    - A no is never made of an answer that did not come. Then a yes of the last `GRACE` seconds still holds.
    - When GitHub did not answer, it is not asked for `PAUSE` seconds (`away`).
    """

    def __init__(self, github: GitHub, ref: str, clock: Callable[[], float]) -> None:
        self._github = github
        self._ref = ref.removeprefix("refs/")
        self._clock = clock
        self._away_until = 0.0

    @property
    def away(self) -> bool:
        """Whether GitHub did not answer a moment ago."""
        return self._clock() < self._away_until

    def ask(self, authorization: bytes, known: Verdict | None, *, uploads: bool = False) -> Verdict:
        """GitHub's verdict on whatever in the header may be a token: the password, else the user name.

        `uploads`: it is wanted for an upload.
        """
        now, guessed = self._clock(), False
        given = secrets_of(authorization)
        if any(token.reveal().startswith(PREFIX) for token in given[:1]):  # GitHub never gets it
            return Verdict(_OURS, now + HOLDS)
        for token in given:
            if len(token.reveal()) < SHORTEST_TOKEN:
                continue  # it is a user name, and GitHub locks out who tries too many
            etag = known.etag if known is not None and known.token == token else None
            try:
                github = self._github.with_token(token)
                uploader = self._ask_at_once(github, token) if uploads else None
                if uploader is not None:
                    return Verdict(None, now + HOLDS, now, token, uploader=uploader)
                reply = self._ask_github(github, etag)
            except NotAllowedError as error:  # it cannot be a token at all, or GitHub does not know it
                guessed = guessed or error.unknown
                continue
            except QuotaError as error:  # the token's own limit
                return self.without_github(known, error.retry_after, error)
            except NotFoundError:  # the repository has another name, by which this token may not see it either
                return Verdict(_NO_RIGHT, now + HOLDS)
            except StorageError:
                self._away_until = self._clock() + PAUSE
                return self.without_github(known, PAUSE)
            if reply.status in {200, 304, 409}:
                return Verdict(None, now + HOLDS, now, token, reply.headers.get("etag", etag))
            guessed = True
            if reply.status != 401:
                return Verdict(_NO_RIGHT, now + HOLDS)
        return Verdict(_EMPTY if is_without_token(authorization) else _BAD_TOKEN, now + HOLDS, guessed=guessed)

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

    def _ask_at_once(self, github: GitHub, token: Secret) -> Uploader | None:
        """Who uploads, by one question: whose token it is, whether that person may write, and that it may read the branch.

        None where the answer leaves anything of that open: then the questions one by one decide.
        """
        if token.reveal().startswith(_OF_APP):
            return None
        address = github.address
        asked = {"owner": address.owner, "name": address.name, "ref": f"refs/{self._ref}"}
        try:
            data = github.graphql(_WHO_UPLOADS, {**asked})
        except NotAllowedError as error:
            if error.unknown:
                raise
            return None
        except (GraphQLError, NotFoundError, RejectedError):
            return None
        viewer, found = data.get("viewer"), data.get("repository")
        login = viewer.get("login") if isinstance(viewer, dict) else None
        may = isinstance(found, dict) and found.get("viewerPermission") in _MAY_WRITE and bool(found.get("ref"))
        if not may or not isinstance(login, str) or login.endswith(_BOT):
            return None
        github.know(viewer)  # limits are those of the user, whichever token is sent
        return Uploader(login, token, may_manage=True)

    def ask_role(self, token: Secret) -> Uploader | Answer:
        """Who uploads with a token that may read, or the answer that says why not. Raises WharfError."""
        github = self._github.with_token(token)
        try:
            about = github.rest.about()
        except NotFoundError:  # within the minute for which the verdict holds
            return _NO_RIGHT
        name = github.rest.user()
        # What GitHub says here of a person holds for each of the person's tokens at most; of an app's it says nothing.
        if name is not None and about.may_push is False:
            return _READ_ONLY
        return Uploader(name or "an app on GitHub", token, may_manage=True)

    def without_github(self, known: Verdict | None, wait: float, limit: QuotaError | None = None) -> Verdict:
        """What holds while GitHub does not answer: a yes of the last hour, and nothing else."""
        now = self._clock()
        if known is not None and known.refusal is None and now < known.confirmed + GRACE:
            return Verdict(None, min(now + HOLDS, known.confirmed + GRACE), known.confirmed, known.token, known.etag)
        if limit is not None:
            return Verdict(failure(limit), now + 1, limit=limit)
        return Verdict(text(503, _AWAY, (("retry-after", str(math.ceil(wait) or 1)),)), now + 1)
