"""GitHub's messages about the repository ("Validating webhook deliveries"): each only makes the server ask GitHub."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.requests import Request  # noqa: TC002 - FastAPI reads it
from starlette.responses import Response

from wharf.errors import TooLargeError, TooSlowError
from wharf.github.webhook_message import content
from wharf.server.http import answer
from wharf.server.http.request_body import check_length, pieces
from wharf.server.web.answer_response import AnswerResponse

if TYPE_CHECKING:
    from wharf.model import Json
    from wharf.secret import Secret
    from wharf.server.logs.operator_log import RefusalLog
    from wharf.server.refresh.refresher import Refresher

WEBHOOK_LIMIT: Final = 26 << 20
"""Bytes of a webhook message: GitHub's have at most 25 MB ("Webhook events and payloads")."""
WEBHOOK_PATIENCE: Final = 30.0
"""Seconds in which a webhook message has to come: GitHub itself waits for 10."""
KEPT: Final = 1 << 20
"""Bytes of a message that are kept to be read: of a longer one nothing is read."""

_READ = ("push", "repository")
_UNSIGNED = answer.text(403, "The signature is not that of the configured secret.")


@dataclass(frozen=True, slots=True)
class Webhook:
    """Takes the messages of one repository's, or its organisation's, webhook. `secret` signs them.

    `repository` is its `owner/name`; `refusals` gets the messages that are refused.
    """

    secret: Secret
    refresher: Refresher
    repository: str
    refusals: RefusalLog | None = None

    async def take(self, request: Request) -> Response:
        """Ask GitHub at once when it says that something was pushed, or that the repository is not what it was."""
        too_long = TooLargeError("The message is longer than any that GitHub sends.")
        check_length(request, WEBHOOK_LIMIT, too_long)
        given = request.headers.get("x-hub-signature-256")
        if given is None:
            return self._refuse(request)  # nobody's body is read that is not even said to be GitHub's
        event, kind = request.headers.get("x-github-event"), request.headers.get("content-type", "")
        try:
            async with asyncio.timeout(WEBHOOK_PATIENCE):
                signature, message = await self._read(request, too_long, keep=KEPT if event in _READ else 0)
        except TimeoutError as error:
            raise TooSlowError("The message takes too long to arrive.") from error
        key = self.secret.reveal()
        if not key or not hmac.compare_digest(f"sha256={signature}".encode(), given.encode("latin-1")):
            return self._refuse(request)
        if event == "repository":
            self._look(content(message, kind))
        elif event == "push" and _is_of_index(content(message, kind).get("ref")):
            self.refresher.wake()
        return Response(status_code=202)

    def _refuse(self, request: Request) -> Response:
        if self.refusals is not None:
            self.refusals.refused(request.scope, _UNSIGNED.status, _UNSIGNED.reason.decode(), None)
        return AnswerResponse(_UNSIGNED)

    async def _read(self, request: Request, too_long: TooLargeError, *, keep: int) -> tuple[str, bytes]:
        """The signature that the message has to have, and its beginning."""
        signature, message = hmac.new(os.fsencode(self.secret.reveal()), digestmod=hashlib.sha256), bytearray()
        async for piece in pieces(request, WEBHOOK_LIMIT, too_long):
            signature.update(piece)
            message += piece[: max(0, keep - len(message))]
        return signature.hexdigest(), bytes(message)

    def _look(self, found: dict[str, Json]) -> None:
        """Close at once what GitHub says was made private; of all else that may have changed it is asked."""
        repository = found.get("repository")
        name = repository.get("full_name") if isinstance(repository, dict) else None
        own = isinstance(name, str) and name.lower() == self.repository.lower()
        closed = own and found.get("action") in ("privatized", "deleted")
        self.refresher.look_again(closed=closed)


def _is_of_index(ref: Json) -> bool:
    """Whether the push was to an index branch, as far as the message says; one for a tag comes before each of these."""
    return ref is None or (isinstance(ref, str) and ref.startswith("refs/heads/wharf/"))
