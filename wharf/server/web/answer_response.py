"""Our answer as a response of Starlette."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from wharf.server.http.status_reason import send_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from wharf.server.http.answer import Answer


class AnswerResponse(Response):
    """Our answer, where Starlette wants a response."""

    def __init__(self, value: Answer) -> None:
        super().__init__(status_code=value.status)
        self._value = value

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it as it is."""
        await send_answer(self._value, receive, send)
