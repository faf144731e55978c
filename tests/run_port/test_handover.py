"""How runs find each other, and what they say: strangers, other versions, the stopped and the dead."""

from __future__ import annotations

import os
import queue
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.free_port import free_port
from wharf.run_port import handover, run_search, shared_port
from wharf.run_port.handover import HandoverError, Run
from wharf.run_port.private_folder import LONGEST, private_folders
from wharf.run_port.run_search import find
from wharf.run_port.shared_port import PortTakenError, SharedPort
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = Run("the index 'main' of here", "digest")
PASSWORD = Secret("the password of the other run")
NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short one: the address of a socket may not be long."""
    made = Path(tempfile.mkdtemp(prefix="w", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def path_of(folder: Path, number: int, password: Secret) -> Path:
    """Where the run with that password is."""
    port = SharedPort(number, password, RUN, [folder])
    port._open()
    assert port._path is not None
    path = port._path
    port.close()
    return path


@contextmanager
def taken() -> Iterator[int]:
    """A port that somebody has who knows nothing of wharf, and who never hears anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


@contextmanager
def another(path: Path, answer: Callable[[socket.socket], object]) -> Iterator[None]:
    """Somebody who is found as a run is, and answers each time in the same way."""
    with socket.socket(socket.AF_UNIX) as door, ExitStack() as stack:
        door.bind(str(path))
        door.listen()

        def attend() -> None:
            while True:
                try:
                    connection, _ = door.accept()
                except OSError:
                    return
                stack.enter_context(connection)
                with suppress(OSError):  # who only looked whether somebody is here
                    answer(connection)

        thread = threading.Thread(target=attend, daemon=True)
        thread.start()
        yield
        door.shutdown(socket.SHUT_RDWR)  # which wakes the thread on Linux
        door.close()
        with suppress(OSError), socket.socket(socket.AF_UNIX) as last:
            last.connect(str(path))
        thread.join(60)


def refused(port: SharedPort) -> str:
    with closing(port), pytest.raises(PortTakenError) as raised:
        port.listen()
    return raised.value.message


# The port


def test_a_run_takes_the_socket_of_another_and_outlives_it(folder: Path) -> None:
    first = SharedPort(0, Secret("one"), RUN, [folder])
    first.listen_elsewhere()
    first._open()
    with closing(SharedPort(first.number, Secret("two"), Run("another index", "x"), [folder])) as second:
        second.listen()
        assert second.beside == RUN
        assert not os.get_inheritable(second.listener.fileno())
        first.close()
        with socket.create_connection(("127.0.0.1", second.number), 60), second.listener.accept()[0]:
            pass


def test_runs_that_begin_at_once_all_have_the_port(folder: Path) -> None:
    number = free_port()
    with ExitStack() as stack:
        ports = [stack.enter_context(closing(SharedPort(number, Secret(f"{each}"), RUN, [folder]))) for each in range(12)]
        threads = [threading.Thread(target=port.listen) for port in ports]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        inodes = {os.fstat(port.listener.fileno()).st_ino for port in ports}
        assert len(inodes) == 1, "one socket, however they met"


@pytest.mark.slow
def test_runs_that_begin_while_a_stranger_has_the_port_do_not_wait_for_each_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shared_port._AGAIN, "not yet", 0.3)
    monkeypatch.setitem(shared_port._AGAIN, "gone", 300.0)
    monkeypatch.setattr(run_search, "PATIENCE", 300.0)
    with taken() as number, ThreadPoolExecutor() as pool:
        begin = time.monotonic()
        ports = [SharedPort(number, Secret(f"{each}"), RUN, [folder]) for each in range(4)]
        told = list(pool.map(refused, ports))
        assert all("in use" in each for each in told)
        assert time.monotonic() - begin < 100


@pytest.mark.slow
def test_a_run_that_is_stopped_is_told_of_and_hinders_only_who_finds_no_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_search, "PATIENCE", 0.2)
    with taken() as number, another(path_of(folder, number, PASSWORD), lambda _: None):
        assert "may be stopped" in refused(SharedPort(number, Secret("me"), RUN, [folder]))
        assert f"(process {os.getpid()})" in refused(SharedPort(number, Secret("me"), RUN, [folder]))
    with closing(SharedPort(0, Secret("a"), RUN, [folder])) as awake:
        awake._open()
        awake.listen_elsewhere()
        monkeypatch.setattr(run_search, "PATIENCE", 300.0)
        with (
            another(path_of(folder, awake.number, PASSWORD), lambda _: None),
            closing(SharedPort(awake.number, Secret("me"), RUN, [folder])) as port,
        ):
            begin = time.monotonic()
            port.listen()
            assert time.monotonic() - begin < 100


def test_the_dead_are_deleted_and_do_not_hold_up_the_living(folder: Path) -> None:
    with taken() as number:
        path = path_of(folder, number, PASSWORD)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        assert "in use" in refused(SharedPort(number, Secret("me"), RUN, [folder]))
        assert not path.exists()
        assert find(number, PASSWORD, [folder]) is None


def test_what_runs_that_were_killed_left_is_deleted(folder: Path) -> None:
    """At any port, at any step; of those that live nothing."""
    with closing(SharedPort(2, Secret("alive"), RUN, [folder])) as alive:
        alive._open()
        for name in ("run-1-3-dead", "new-dead", "new-begins"):
            with socket.socket(socket.AF_UNIX) as dead:
                dead.bind(str(folder / name))
        os.utime(folder / "new-dead", (0, 0))
        (folder / "note").write_text("of somebody else")
        SharedPort(1, PASSWORD, RUN, [folder]).close()
        assert alive._path is not None
        assert {each.name for each in folder.iterdir()} == {alive._path.name, "new-begins", "note"}


@pytest.mark.parametrize(
    "said",
    [b"wharf-run 2 here\n", b"wharf-run 1 \n", b"wharf-run 1 []\n", b'wharf-run 1 {"index": 1}\n', b"\xff\n", b"x" * 9000],
)
def test_a_run_of_another_version_is_told_of_and_left_alone(folder: Path, said: bytes) -> None:
    gift, watched = socket.socketpair()

    def answer(connection: socket.socket) -> None:
        with connection:
            connection.recv(100)
            socket.send_fds(connection, [said], [gift.fileno()])

    with gift, taken() as number, another(path_of(folder, number, PASSWORD), answer):
        assert "of another version" in refused(SharedPort(number, Secret("me"), RUN, [folder]))
        assert find(number, PASSWORD, [folder]) is None
    with watched:
        watched.settimeout(60)
        assert watched.recv(1) == b"", "what came along is closed"


def of_another_port(number: int) -> socket.socket:
    del number
    return socket.create_server(("127.0.0.1", 0))


def that_does_not_listen(number: int) -> socket.socket:
    del number
    return socket.socket()


def datagrams(number: int) -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    found.bind(("127.0.0.1", number))
    return found


@pytest.mark.parametrize("gift", [of_another_port, that_does_not_listen, datagrams])
def test_a_socket_that_is_not_that_of_the_port_is_not_served_at(folder: Path, gift: Callable[[int], socket.socket]) -> None:
    with taken() as number, gift(number) as other:

        def answer(connection: socket.socket) -> None:
            with connection:
                connection.recv(100)
                handover.reply(connection, RUN, other)

        with another(path_of(folder, number, PASSWORD), answer):
            assert "another socket" in refused(SharedPort(number, Secret("me"), RUN, [folder]))


def test_connections_are_passed_on_by_password_and_wait_until_somebody_takes_them(folder: Path) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(SharedPort(1, Secret(each), RUN, [folder]))) for each in ("one", "two"))
        first._open()
        second._open()
        mine, far = stack.enter_context(socket.create_server(("127.0.0.1", 0))), socket.socket()
        stack.enter_context(far)
        far.connect(mine.getsockname())
        connection = stack.enter_context(mine.accept()[0])
        assert first.pass_on(connection, [Secret("unknown"), Secret("one")]) == "mine"
        assert first.pass_on(connection, []) == "nobody's"
        assert first.pass_on(connection, [Secret("wharf"), Secret("two")]) == "there"
        connection.close()
        received_later: queue.Queue[socket.socket] = queue.Queue()
        second.receive(received_later.put)
        with received_later.get(timeout=60) as received:
            assert not os.get_inheritable(received.fileno())
            received.sendall(b"hello")
            assert far.recv(9) == b"hello"
        second.close()
        assert first.pass_on(far, [Secret("two")]) == "nobody's", "of a run that has ended"


def test_a_connection_to_a_run_that_takes_none_at_the_moment_is_kept(folder: Path) -> None:
    path = path_of(folder, 1, PASSWORD)
    port = SharedPort(1, Secret("x"), RUN, [folder])
    with socket.socket(socket.AF_UNIX) as door, ExitStack() as stack, socket.socket() as connection:
        door.bind(str(path))
        door.listen(0)
        with suppress(BlockingIOError):
            for _ in range(99):
                stack.enter_context(handover.call(path))
        assert port.pass_on(connection, [PASSWORD]) == "later"


def test_what_nobody_says_does_not_end_a_run(folder: Path) -> None:
    with closing(SharedPort(1, PASSWORD, RUN, [folder])) as port:
        port._open()
        assert port._path is not None
        for said in (b"", b"GET / HTTP/1.1\r\n", b"wharf-run 2 listen\n", b"x" * 5000, b"wharf-run 1 connection\n"):
            with socket.socket(socket.AF_UNIX) as rude:
                rude.connect(str(port._path))
                rude.sendall(said)
        port.listen_elsewhere()
        assert find(port.number, PASSWORD, [folder]) == RUN


# Other people


@as_root
def test_a_socket_of_another_user_in_the_folder_is_not_spoken_to(folder: Path) -> None:
    """Who listens counts, not who made the file."""
    with taken() as number:
        path = path_of(folder, number, PASSWORD)
        code = (
            f"import os, socket, sys; s = socket.socket(socket.AF_UNIX); s.bind({str(path)!r}); os.setuid({NOBODY});"
            "s.listen(); print(flush=True); c, _ = s.accept(); sys.stdout.write(repr(c.recv(99)))"
        )
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
            assert other.stdout is not None
            other.stdout.readline()
            with pytest.raises(HandoverError):
                handover.call(path)
            assert other.stdout.read() == "b''", "not a word"
        assert "in use" in refused(SharedPort(number, Secret("me"), RUN, [folder]))


@as_root
def test_another_user_who_gets_at_the_socket_gets_no_answer(folder: Path) -> None:
    with closing(SharedPort(1, PASSWORD, RUN, [folder])) as port:
        port._open()
        folder.chmod(0o777)
        assert port._path is not None
        port._path.chmod(0o777)
        code = (
            f"import os, socket; os.setuid({NOBODY}); s = socket.socket(socket.AF_UNIX); s.connect({str(port._path)!r});"
            "s.sendall(b'wharf-run 1 listen\\n'); print(s.recv(99))"
        )
        said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        assert said.stdout == "b''\n" or "ConnectionResetError" in said.stderr or "BrokenPipeError" in said.stderr


def test_who_is_at_the_other_end_is_known() -> None:
    near, far = socket.socketpair()
    with near, far:
        assert handover.peer(near) == (os.geteuid(), os.getpid())


def test_who_is_at_the_other_end_is_known_as_macos_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Source: sys/un.h and sys/ucred.h of Darwin."""

    class Mac:
        def getsockopt(self, level: int, option: int, length: int = 0) -> bytes | int:
            assert level == 0
            if option == 2:
                return 4711
            assert (option, length) == (1, 76)
            return struct.pack("=IIhxxI15I", 0, 501, 1, 20, *[0] * 15)

    monkeypatch.setattr(sys, "platform", "darwin")
    assert handover.peer(Mac()) == (501, 4711)  # type: ignore[arg-type]


@pytest.mark.parametrize("index", ["", "a" * 9999, "\U0001f980" * 9999, '\udc80\n"' * 999])
def test_a_run_is_told_as_it_is_whatever_it_is_called(folder: Path, index: str) -> None:
    run = Run(index, "d" * 64)
    with closing(SharedPort(1, PASSWORD, run, [folder])) as port:
        port._open()
        port.listen_elsewhere()
        assert find(port.number, PASSWORD, [folder]) == run


def test_a_run_that_ends_leaves_a_connection_to_another(folder: Path) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(closing(SharedPort(1, Secret(each), RUN, [folder]))) for each in ("one", "two"))
        near, far = socket.socketpair()
        with near, far:
            first._open()
            assert not first.leave(near), "there is no other"
            second._open()
            assert first.leave(near)
            come: queue.Queue[socket.socket] = queue.Queue()
            second.receive(come.put)
            with come.get(timeout=60) as received:
                received.sendall(b"hello")
                assert far.recv(9) == b"hello"


@pytest.mark.parametrize("what", ["file", "link", "link to nothing", "open to the group", "open to all", "of another"])
def test_a_folder_that_is_not_private_is_not_used(folder: Path, what: str) -> None:
    own = folder / "own"
    if what == "file":
        own.write_text("")
    elif what == "link":
        (folder / "target").mkdir(mode=0o700)
        own.symlink_to("target")
    elif what == "link to nothing":
        own.symlink_to("target")
    else:
        own.mkdir(mode=0o700)
        own.chmod({"open to the group": 0o710, "open to all": 0o777, "of another": 0o700}[what])
        if what == "of another":
            if os.geteuid() != 0:
                pytest.skip("only root can give a folder away")
            os.chown(own, NOBODY, NOBODY)
    assert private_folders(folder, name_length=60, roots=[(folder, "own")]) == []
    assert not (folder / "target").exists() or what == "link"


@pytest.mark.parametrize(("mode", "fits"), [(0o755, True), (0o1777, True), (0o777, False), (0o770, False)])
def test_a_folder_is_made_only_where_nobody_can_replace_it(folder: Path, mode: int, *, fits: bool) -> None:
    folder.chmod(mode)
    before = os.umask(0)
    try:
        found = private_folders(folder, name_length=60, roots=[(folder, "own"), (folder / "missing", "own")])
    finally:
        os.umask(before)
    assert found == ([folder / "own"] if fits else [])
    assert not fits or (folder / "own").stat().st_mode & 0o777 == 0o700


def test_a_folder_whose_sockets_would_have_no_address_is_not_used(folder: Path) -> None:
    room = LONGEST - len(str(folder / "own")) - 1
    assert private_folders(folder, name_length=room, roots=[(folder, "own")]) == [folder / "own"]
    assert private_folders(folder, name_length=room + 1, roots=[(folder, "own")]) == []


def test_without_any_private_folder_a_run_is_alone(folder: Path) -> None:
    with taken() as number:
        assert "in use" in refused(SharedPort(number, PASSWORD, RUN, []))
        assert "in use" in refused(SharedPort(number, PASSWORD, RUN, [folder / "gone"]))
    with closing(SharedPort(0, PASSWORD, RUN, [])) as port:
        port.listen()
        assert port.listener.getsockname()[0] == "127.0.0.1"
