"""Pieces of a file that are written while others come: in order, few at a time, and nothing after an error."""

from __future__ import annotations

import asyncio
import threading

import pytest

from wharf.server.web.background_writer import AHEAD, BackgroundWriter


def test_pieces_are_written_in_their_order() -> None:
    written: list[bytearray] = []

    async def write() -> None:
        writer = BackgroundWriter(written.append)
        for number in range(1000):
            await writer.put(bytearray(b"%d" % number))
            if number % 100 == 0:
                await writer.end()
        await writer.end()

    asyncio.run(write())
    assert written == [b"%d" % number for number in range(1000)]


def test_a_slow_disk_keeps_few_pieces_in_memory() -> None:
    go = threading.Event()

    async def write() -> None:
        writer = BackgroundWriter(lambda _piece: wait_for(go))
        for _ in range(AHEAD):
            await writer.put(bytearray(1))
        more = asyncio.ensure_future(writer.put(bytearray(1)))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not more.done()
        go.set()
        await more
        await writer.end()

    asyncio.run(write())


def wait_for(event: threading.Event) -> None:
    """Wait as a disk does."""
    assert event.wait(60)


@pytest.mark.parametrize("by_end", [True, False])
def test_an_error_is_told_and_nothing_is_written_after_it(*, by_end: bool) -> None:
    tried: list[bytearray] = []

    def fail(piece: bytearray) -> None:
        tried.append(piece)
        raise OSError("full")

    async def write() -> None:
        writer = BackgroundWriter(fail)
        await writer.put(bytearray(b"first"))
        with pytest.raises(OSError, match="full"):
            await (writer.end() if by_end else put_on(writer))
        await writer.give_up()

    asyncio.run(write())
    assert tried == [b"first"]


async def put_on(writer: BackgroundWriter) -> None:
    """Put pieces until that fails."""
    while True:
        await writer.put(bytearray(b"later"))
