"""Uploads that share a commit: who with whom, in which order, and what each of them is told."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from tests.makers import make_wheel
from tests.server.running import soon
from tests.server.test_server import LIMIT, form, serving
from wharf.errors import ConflictError, StorageError
from wharf.index.branch import Branch
from wharf.operations.verify import verify
from wharf.repository.tokens import NewToken
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.rules import Rules
from wharf.server.web import upload_groups
from wharf.server.web.shared_refresh import SharedRefresh
from wharf.server.web.upload_groups import UploadGroups

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pytest

    from wharf.repository.opening import Repository


class Landing:
    """What carries groups out, one when it is told to; `seen` are the groups in the order in which they began."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, list[str]]] = []
        self.held: list[str] = []
        self.go = asyncio.Semaphore(0)
        self.fault: Exception | None = None
        self.groups: UploadGroups[str, str, str] = UploadGroups(self.land, self.held.append)

    async def land(self, key: str, members: Sequence[str]) -> Sequence[str | Exception]:
        self.seen.append((key, [*members]))
        await self.go.acquire()
        if self.fault is not None:
            raise self.fault
        return [ConflictError(each) if each.startswith("bad") else each.upper() for each in members]

    def join(self, *pairs: str) -> list[asyncio.Task[str]]:
        """Uploads that come now, each a key and a name."""
        return [asyncio.create_task(self.groups.join(*pair.split("/"))) for pair in pairs]


async def ticks() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_who_is_alone_waits_for_nobody_and_those_who_gather_share() -> None:
    async def main() -> None:
        landing = Landing()
        first = landing.join("k/a")
        await ticks()
        assert landing.seen == [("k", ["a"])]
        rest = landing.join("k/b", "k/bad", "k/c")
        await ticks()
        assert landing.seen == [("k", ["a"])]
        landing.go.release()
        assert await first[0] == "A"
        assert not any(task.done() for task in rest)
        await ticks()
        assert landing.seen[1:] == [("k", ["b", "bad", "c"])]
        landing.go.release()
        found = await asyncio.gather(*rest, return_exceptions=True)
        assert (found[0], type(found[1]), found[2]) == ("B", ConflictError, "C")

    asyncio.run(main())


def test_keys_are_never_mixed_and_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload_groups, "MOST", 2)

    async def main() -> None:
        landing = Landing()
        tasks = landing.join("x/0", *(f"many/{number}" for number in range(5)), "few/a", "one/b")
        for _ in range(9):
            await ticks()
            landing.go.release()
        await asyncio.gather(*tasks)
        assert landing.seen == [
            ("x", ["0"]),
            ("many", ["0", "1"]),
            ("few", ["a"]),
            ("one", ["b"]),
            ("many", ["2", "3"]),
            ("many", ["4"]),
        ]

    asyncio.run(main())


def test_who_goes_away_is_left_out_before_and_carried_out_after_its_group_begins() -> None:
    async def main() -> None:
        landing = Landing()
        first = landing.join("k/a")
        await ticks()
        gone, stays = landing.join("k/gone", "k/b")
        await ticks()
        first[0].cancel()
        gone.cancel()
        await ticks()
        landing.go.release()
        await ticks()
        landing.go.release()
        assert await stays == "B"
        assert landing.seen == [("k", ["a"]), ("k", ["b"])]
        assert landing.held == ["a", "b"]

    asyncio.run(main())


def test_what_is_wrong_for_all_is_told_to_all_and_ends_nothing() -> None:
    async def main() -> None:
        landing = Landing()
        landing.fault = StorageError("full")
        tasks = landing.join("k/a", "k/b")
        landing.go.release()
        assert [type(each) for each in await asyncio.gather(*tasks, return_exceptions=True)] == [StorageError, StorageError]
        landing.fault = None
        landing.go.release()
        assert await landing.join("k/c")[0] == "C"

    asyncio.run(main())


def test_a_refresh_is_shared_by_all_who_asked_before_it_began() -> None:
    async def main() -> None:
        began: list[int] = []
        go = asyncio.Semaphore(0)

        async def run() -> None:
            began.append(len(began))
            await go.acquire()

        refresh = SharedRefresh(run)
        first = [asyncio.create_task(refresh()) for _ in range(3)]
        await ticks()
        later = [asyncio.create_task(refresh()) for _ in range(3)]  # what is under way may have missed what they saw
        await ticks()
        assert began == [0]
        go.release()
        await asyncio.gather(*first)
        await ticks()
        assert (began, [task.done() for task in later]) == ([0, 1], [False] * 3)
        go.release()
        await asyncio.gather(*later)

    asyncio.run(main())


def test_nobody_waits_for_a_refresh_where_nothing_moved() -> None:
    async def main() -> None:
        began: list[int] = []
        unmoved = [True, False, True]

        async def run() -> None:
            began.append(len(unmoved))

        refresh = SharedRefresh(run, lambda: unmoved.pop(0))
        for expected in ([], [1], [1]):
            await refresh()
            assert began == expected

    asyncio.run(main())


def test_a_thread_takes_the_turn_for_one_who_is_alone_and_who_comes_meanwhile_is_next() -> None:
    async def main() -> None:
        landing = Landing()
        assert await asyncio.to_thread(landing.groups.enter)
        assert not await asyncio.to_thread(landing.groups.enter)
        waiting = landing.join("k/a", "k/b")
        await ticks()
        assert landing.seen == []
        landing.go.release()
        await asyncio.to_thread(landing.groups.leave)
        assert await asyncio.gather(*waiting) == ["A", "B"]
        waiting = landing.join("k/c")
        await ticks()
        assert not await asyncio.to_thread(landing.groups.enter), "a group lands"
        landing.go.release()
        assert await waiting[0] == "C"
        assert await asyncio.to_thread(landing.groups.enter)
        landing.groups.leave()
        assert landing.seen == [("k", ["a", "b"]), ("k", ["c"])]

    asyncio.run(main())


def test_threads_are_used_again_and_one_that_hangs_is_not_waited_for() -> None:
    async def main() -> None:
        threads = DaemonThreads("t", 2)
        assert len({await threads.run(threading.get_ident) for _ in range(5)}) == 1
        ends = threading.Event()
        hanging = [asyncio.create_task(threads.run(ends.wait)) for _ in range(2)]
        await ticks()
        for each in hanging:
            each.cancel()
        try:
            assert await asyncio.wait_for(threads.run(lambda: 5), 60) == 5
        finally:
            ends.set()

    asyncio.run(main())


# Over HTTP


@contextmanager
def gathering(monkeypatch: pytest.MonkeyPatch, count: int, joined: list[object] | None = None) -> Iterator[threading.Event]:
    """The first commit, of one that is alone, waits until `count` more uploads have joined; the event says that it is there."""
    began, go, come = threading.Event(), threading.Event(), [] if joined is None else joined
    commit, join = Branch.commit, UploadGroups.join

    def waiting(branch: Branch, *words: object) -> object:
        began.set()
        assert go.wait(60)
        return commit(branch, *words)  # type: ignore[arg-type]

    async def counted(groups: UploadGroups[object, object, object], key: object, member: object) -> object:
        come.append(member)
        if len(come) == count:
            go.set()
        return await join(groups, key, member)

    monkeypatch.setattr(Branch, "commit", waiting)
    monkeypatch.setattr(UploadGroups, "join", counted)
    try:
        yield began
    finally:
        go.set()


def together(client: httpx.Client, began: threading.Event, uploads: Sequence[tuple[tuple[str, str], Path]]) -> list[int]:
    """The statuses of uploads, of which all but the first gather while that one lands."""

    def send(pair: tuple[tuple[str, str], Path]) -> int:
        return client.post("/legacy/", auth=pair[0], **form(pair[1])).status_code

    with ThreadPoolExecutor(len(uploads)) as pool:
        first = pool.submit(send, uploads[0])
        assert began.wait(60)
        rest = list(pool.map(send, uploads[1:]))
    return [first.result(), *rest]


def test_uploads_share_a_commit_with_their_own_kind_alone(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = repository.tokens
    ada, eve = (("__token__", tokens.create(name, "publish").reveal()) for name in ("ada", "eve"))
    limited = ("__token__", tokens.add(NewToken(name="ltd", scope="publish", projects=("team-*",))).reveal())
    (tmp_path / "other").mkdir()
    other = make_wheel(tmp_path / "other", "first", content="other bytes\n")
    mine = [make_wheel(tmp_path, name) for name in ("first", "aa", "bb", "cc")]
    uploads = [
        (ada, mine[0]),
        *((ada, each) for each in mine[1:]),
        (ada, other),
        (eve, make_wheel(tmp_path, "hers")),
        (limited, make_wheel(tmp_path, "team-x")),
        (limited, make_wheel(tmp_path, "outsider")),
    ]
    with (
        serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client,
        gathering(monkeypatch, len(uploads) - 1) as began,
    ):
        assert together(client, began, uploads) == [200, 200, 200, 200, 409, 200, 200, 403]
    entries = [(each.actor, {name for name, _ in each.releases}) for each in repository.branch.history()]
    assert entries[-1] == ("ada", {"first"})
    assert sorted(entries[:-1], key=str) == sorted(
        [("ada", {"aa", "bb", "cc"}), ("eve", {"hers"}), ("ltd", {"team-x"})], key=str
    )
    assert verify(repository).ok, "also what was refused left nothing"


def test_an_upload_is_shown_when_it_is_answered(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = ("__token__", repository.tokens.create("ci", "publish").reveal())
    paths = [make_wheel(tmp_path, f"demo{number}") for number in range(6)]
    seen: list[int] = []
    with (
        serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client,
        gathering(monkeypatch, len(paths) - 1) as began,
    ):

        def send(path: Path) -> None:
            assert client.post("/legacy/", auth=auth, **form(path)).status_code == 200
            seen.append(client.get(f"/simple/{path.name.partition('-')[0]}/").status_code)

        with ThreadPoolExecutor(len(paths)) as pool:
            first = pool.submit(send, paths[0])
            assert began.wait(60)
            list(pool.map(send, paths[1:]))
            first.result()
    assert seen == [200] * len(paths)


def test_an_upload_whose_sender_goes_away_harms_no_other(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = ("__token__", repository.tokens.create("ci", "publish").reveal())
    paths = [make_wheel(tmp_path, name) for name in ("first", "gone", "stays")]
    joined: list[object] = []
    with (
        serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client,
        gathering(monkeypatch, 2, joined) as began,
        ThreadPoolExecutor(3) as pool,
    ):
        first = pool.submit(lambda: client.post("/legacy/", auth=auth, **form(paths[0])).status_code)
        assert began.wait(60)
        request = httpx.Request("POST", client.base_url.join("/legacy/"), **form(paths[1]))
        sent = next(httpx.BasicAuth(*auth).auth_flow(request))
        gone = socket.create_connection((str(client.base_url.host), client.base_url.port or 80))
        lines = "".join(f"{name}: {value}\r\n" for name, value in sent.headers.items())
        gone.sendall(f"POST /legacy/ HTTP/1.1\r\n{lines}\r\n".encode() + sent.read())
        soon(lambda: len(joined) == 1)  # before that, its body is not whole
        gone.close()
        stays = pool.submit(lambda: client.post("/legacy/", auth=auth, **form(paths[2])).status_code)
        assert (first.result(), stays.result()) == (200, 200)
        soon(lambda: client.get("/simple/gone/").status_code == 200)
    assert verify(repository).ok
