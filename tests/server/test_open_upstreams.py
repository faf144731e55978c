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


def test_whoever_asks_while_one_is_opened_opens_no_other_one() -> None:
    opened: list[str] = []

    def open_index(address: str) -> Any:
        opened.append(address)
        return SimpleNamespace(address=SimpleNamespace(url=address))

    async def ask_all_the_time() -> None:
        upstreams = OpenUpstreams(open_index, None)
        asked = [asyncio.create_task(upstreams.index("https://one.example/simple/"))]
        while not asked[0].done():  # at each step of the event loop
            asked.append(asyncio.create_task(upstreams.index("https://one.example/simple/")))
            await asyncio.sleep(0)
        assert len({id(each) for each in await asyncio.gather(*asked)}) == 1

    asyncio.run(ask_all_the_time())
    assert opened == ["https://one.example/simple/"]
