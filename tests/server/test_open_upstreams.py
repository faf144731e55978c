"""Which upstreams a server keeps open."""

from __future__ import annotations

import asyncio
import os
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from wharf.operations.open_upstream import cache_of
from wharf.server.upstream.open_upstreams import OpenUpstreams

if TYPE_CHECKING:
    from pathlib import Path


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


def test_an_opening_is_not_lost_with_the_client_that_asked_for_it() -> None:
    opened: list[str] = []
    may_open = threading.Event()

    def open_index(address: str) -> Any:
        opened.append(address)
        assert may_open.wait(60)
        return SimpleNamespace(address=SimpleNamespace(url=address))

    async def ask_again() -> None:
        upstreams = OpenUpstreams(open_index, None)
        first = asyncio.create_task(upstreams.index("https://one.example/simple/"))
        while not opened:
            await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait({first})
        may_open.set()
        while upstreams._being_opened:
            await asyncio.sleep(0)
        await upstreams.index("https://one.example/simple/")

    asyncio.run(ask_again())
    assert opened == ["https://one.example/simple/"]


def test_a_store_whose_name_is_no_text_has_a_cache_as_any_other(tmp_path: Path) -> None:
    names = (b"a\xff", b"a\xfe", b"a")
    assert len({cache_of(tmp_path, tmp_path / os.fsdecode(name)) for name in names}) == len(names)
