"""The rival of every page: an ASGI application that knows one answer, on uvicorn as `wharf serve` sets it up.

`python bare.py ANSWER.json`, an object with `status`, `headers` (pairs) and `body` (the path of a file). Prints its address.
"""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Send = Callable[[dict[str, Any]], Awaitable[None]]


def application(answer: dict[str, Any]) -> Callable[..., Awaitable[None]]:
    """The application for one answer."""
    headers = [(name.encode(), value.encode()) for name, value in answer["headers"]]
    start = {"type": "http.response.start", "status": answer["status"], "headers": headers}
    rest = {"type": "http.response.body", "body": Path(answer["body"]).read_bytes()}

    async def app(_scope: object, _receive: object, send: Send) -> None:
        await send(start)
        await send(rest)

    return app


def main() -> None:
    answer = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        application(answer),
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=30,
    )
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}"}), flush=True)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
