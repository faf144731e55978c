"""The reason of a refusal, put into the status line of the answer: most uploaders show people nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

if TYPE_CHECKING:
    from starlette.types import Receive, Send

    from wharf.server.http.answer import Answer


def give_reason(receive: Receive, status: int, reason: bytes) -> None:
    """Have the status line of the answer to come say why: most uploaders show people nothing else.

    ASGI has no word for that, so the request is known by its `receive`. Where that is not of this protocol nothing is done.
    """
    cycle = getattr(receive, "__self__", None)
    if isinstance(cycle, RequestResponseCycle) and not cycle.response_started:
        cycle.transport = _FirstLine(cycle, b"HTTP/1.1 %d %s" % (status, reason))  # type: ignore[assignment]


async def send_answer(value: Answer, receive: Receive, send: Send) -> None:
    """Send an answer, with its reason."""
    if value.reason:
        give_reason(receive, value.status, value.reason)
    await send(value.start)
    await send(value.rest)


class _FirstLine:
    """Stands for the transport while a head is written, to put another line in the place of its first."""

    def __init__(self, cycle: RequestResponseCycle, line: bytes) -> None:
        self._cycle = cycle
        self._line = line
        self._transport = cycle.transport

    def write(self, head: bytes) -> None:
        """Write the head, and step aside."""
        self._cycle.transport = self._transport
        self._transport.write(self._line + head[head.index(b"\r\n") :])

    def close(self) -> None:
        """As the transport."""
        self._transport.close()
