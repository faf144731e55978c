"""Which upstreams a server keeps open."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from wharf.server.upstream.open_upstreams import OpenUpstreams


def test_the_upstream_that_was_used_least_lately_is_closed_first() -> None:
    opened: list[str] = []

    def open_index(address: str) -> Any:
        opened.append(address)
        return SimpleNamespace(address=SimpleNamespace(url=address))

    async def use(*numbers: int) -> None:
        upstreams = OpenUpstreams(open_index, None)
        for number in numbers:
            assert (await upstreams.index(f"https://{number}.example/simple/")).address.url.startswith(f"https://{number}.")

    asyncio.run(use(*range(64), 0, 64, 0, 1))
    assert opened == [f"https://{number}.example/simple/" for number in (*range(65), 1)]
