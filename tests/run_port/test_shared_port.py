"""Several `wharf run` of one index at once, and one inside another: one port, and nobody is harmed by whoever ends first."""

from __future__ import annotations

import base64
import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_run_command import ASK, Desk, desk, far
from tests.makers import make_wheel
from tests.matrix import first
from tests.server.over_github import World, world
from wharf.run_port import run_sockets
from wharf.run_port.private_folder import private_folders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["desk", "far", "world"]  # fixtures

WHO = ASK + "print(os.environ['WHARF_INDEX_URL'], os.environ['WHARF_INDEX_PASSWORD'], flush=True)\n"
ON_REQUEST = WHO + "for line in sys.stdin: print(ask('demo/')[0], flush=True)\n"
"""Tells where its index is, and asks it once for each line that it gets."""


class Asking:
    """A run whose command asks the index when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process, self._in, self._out = process, process.stdin, process.stdout
        self.address, self.password = self._out.readline().split()

    def ask(self) -> str:
        self._in.write("\n")
        self._in.flush()
        return self._out.readline().strip()

    def end(self) -> str:
        """End it as it is meant to; what it said."""
        said: str = self.process.communicate(timeout=60)[1]
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> None:
        """By what no process can prepare for; its command lives on."""
        self.process.kill()
        self.process.wait(60)


@contextlib.contextmanager
def asking(desk: Desk, *options: object) -> Iterator[Asking]:
    with desk.started(*options, "--", sys.executable, "-c", ON_REQUEST) as process:
        yield Asking(process)


def show(*options: str) -> str:
    """Code that runs `wharf run` inside of a command; what that says comes with the rest."""
    inner = [sys.executable, "-m", "wharf", "run", *options, "--", sys.executable, "-c", WHO + "print(ask('demo/')[0])"]
    return WHO + f"import subprocess; sys.exit(subprocess.call({inner!r}))"


# Beside each other


@pytest.mark.slow
@pytest.mark.parametrize("how", ["end", "kill"])
@pytest.mark.parametrize("last", [0, 1])
def test_two_runs_have_one_port_and_whichever_ends_first_harms_nobody(desk: Desk, how: str, last: int) -> None:
    with asking(desk) as first, asking(desk) as second:
        assert first.address == second.address == f"http://127.0.0.1:{desk.settings.loopback_port}/simple/"
        assert first.password != second.password
        runs = [first, second]
        assert [each.ask() for each in runs * 3] == ["200"] * 6
        stays, goes = runs[last], runs[1 - last]
        getattr(goes, how)()
        assert [stays.ask() for _ in range(5)] == ["200"] * 5
        with asking(desk) as third:
            assert (third.address, third.ask(), stays.ask()) == (first.address, "200", "200")
            assert (stays.end(), third.ask()) == ("", "200")
            assert third.end() == ""


@pytest.mark.slow
def test_many_that_begin_at_once_and_end_one_by_one(desk: Desk) -> None:
    with ExitStack() as stack:
        processes = [stack.enter_context(desk.started("--", sys.executable, "-c", ON_REQUEST)) for _ in range(6)]
        runs = [Asking(process) for process in processes]
        assert len({each.address for each in runs}) == 1
        assert len({each.password for each in runs}) == 6
        while runs:
            assert [each.ask() for each in runs] == ["200"] * len(runs)
            assert runs.pop(len(runs) // 2).end() == ""


@pytest.mark.slow
def test_runs_with_other_options_share_the_port_and_each_command_gets_its_own_answers(desk: Desk) -> None:
    """With --fall-through an unknown name leads elsewhere, without it nowhere: whoever accepts the connection."""
    code = (
        WHO
        + """
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *words): return None
urllib.request.install_opener(urllib.request.build_opener(Stay))
for line in sys.stdin: print(ask('unknown/')[0], flush=True)
"""
    )
    passing = ["--fall-through", "--public-index", "https://public.example/simple/"]
    with (
        desk.started(*passing, "--", sys.executable, "-c", code) as one,
        desk.started("--fall-through", "--", sys.executable, "-c", "print('x y', flush=True); input()"),
    ):
        first = Asking(one)
        with desk.started("--", sys.executable, "-c", code) as two:
            second = Asking(two)
            assert first.address == second.address
            assert [(first.ask(), second.ask()) for _ in range(10)] == [("302", "404")] * 10
            said = second.end()
        assert said.startswith("note: another `wharf run`, of the index 'main' of ")
        assert said.count("\n") == 1
        assert "Each command gets the answers of its own run." in said


@pytest.mark.slow
def test_each_run_asks_github_with_its_own_token(world: World, far: Desk) -> None:
    """Whoever may not read gets nothing by the rights of the run beside."""
    far.run("--", "true")
    stranger = Desk(far.home, far.settings, {"WHARF_TOKEN": world.hub.token("stranger", {})})
    code = WHO + (
        "link = urljoin(os.environ['WHARF_INDEX_URL'] + 'demo/', json.loads(ask('demo/')[1])['files'][0]['url'])\n"
        "for line in sys.stdin: print(ask(link)[0], flush=True)\n"
    )
    code = code.replace(
        "def ask(",
        "class Stay(urllib.request.HTTPRedirectHandler):\n    redirect_request = lambda *_: None\n"
        "urllib.request.install_opener(urllib.request.build_opener(Stay))\ndef ask(",
        1,
    )
    with far.started("--", sys.executable, "-c", code) as one, stranger.started("--", sys.executable, "-c", code) as two:
        first, second = Asking(one), Asking(two)
        assert first.address == second.address
        found = [(first.ask(), second.ask()) for _ in range(6)]
        assert {bob for bob, _ in found} == {"302"}
        assert not {other for _, other in found} & {"200", "302"}


@pytest.mark.slow
def test_a_run_that_is_stopped_hinders_no_other(desk: Desk) -> None:
    with asking(desk) as first, asking(desk) as second:
        assert (first.ask(), second.ask()) == ("200", "200")
        first.process.send_signal(signal.SIGSTOP)
        try:
            assert [second.ask() for _ in range(10)] == ["200"] * 10
            with asking(desk) as third:
                assert (third.address, third.ask()) == (first.address, "200")
        finally:
            first.process.send_signal(signal.SIGCONT)
        assert first.ask() == "200"


def exchange(run: Asking, *parts: bytes, until: bytes = b"") -> bytes:
    """What comes back for a request in parts, until the other end closes or has said that."""
    number = int(run.address.split(":")[2].partition("/")[0])
    said = b""
    with socket.create_connection(("127.0.0.1", number), 60) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            raw.sendall(part)
            select.select([raw], [], [], 0.03)  # so that the parts arrive one by one
        while (not until or until not in said) and (more := raw.recv(65536)):
            said += more
    return said


@pytest.mark.slow
def test_a_request_finds_its_run_however_it_comes(desk: Desk) -> None:
    with asking(desk) as first, asking(desk) as second:
        for run in (first, second) * 3:
            pair = base64.b64encode(f"any:{run.password}".encode())
            head = b"GET /simple/demo/ HTTP/1.1\r\nHost: x\r\nAUTHORIZATION:   basic  %s \r\n" % pair
            last = head + b"Connection: close\r\n\r\n"
            for parts in (
                [last],
                [last[:20], last[20:70], last[70:-2], last[-2:]],
                [head + b"\r\n" + last],
                [head, b"X-Long: " + b"x" * 20000 + b"\r\n", b"Connection: close\r\n\r\n"],
            ):
                said = exchange(run, *parts)
                assert said.count(b"HTTP/1.1 200 OK") == parts[0].count(b"GET"), said


@pytest.mark.slow
def test_who_has_no_password_is_answered_by_anybody_and_comes_anew_with_one(desk: Desk) -> None:
    """On the same connection the password would be asked of whoever answered before."""
    with asking(desk) as first, asking(desk):
        for path, status in (b"/healthz", b"200"), (b"/legacy/", b"405"), (b"/favicon.ico", b"404"):
            said = exchange(first, b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            assert said.startswith(b"HTTP/1.1 " + status)
            assert b"connection: close" in said
        for authorization in (b"", b"Authorization: Basic eDp5\r\n", b"Authorization: nonsense\r\n", b"Authorization:\r\n"):
            said = exchange(first, b"GET /simple/ HTTP/1.1\r\nHost: x\r\n%s\r\n" % authorization)
            assert said.startswith(b"HTTP/1.1 401")
            assert b"connection: close" in said


@pytest.mark.slow
def test_a_run_that_ends_takes_no_connection_along_that_is_for_another(desk: Desk) -> None:
    """Some are accepted already by the one that ends, and their first request is on its way."""
    with asking(desk) as first, asking(desk) as second, ExitStack() as stack:
        number = int(first.address.split(":")[2].partition("/")[0])
        pair = base64.b64encode(f"any:{second.password}".encode())
        waiting = [stack.enter_context(socket.create_connection(("127.0.0.1", number), 60)) for _ in range(20)]
        assert (first.ask(), second.ask()) == ("200", "200")
        assert first.end() == ""
        for each in waiting:
            each.sendall(b"GET /simple/demo/ HTTP/1.1\r\nHost: x\r\nAuthorization: Basic %s\r\n\r\n" % pair)
            assert each.recv(12) == b"HTTP/1.1 200"


@pytest.mark.slow
def test_who_says_nothing_or_too_much_holds_up_nobody(desk: Desk) -> None:
    with asking(desk) as first, asking(desk) as second, ExitStack() as stack:
        number = int(first.address.split(":")[2].partition("/")[0])
        for said in (b"", b"G", b"GET / HTTP/1.1\r\n") * 5:
            stack.enter_context(socket.create_connection(("127.0.0.1", number), 60)).sendall(said)
        assert b"HTTP/1.1 400" in exchange(first, b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, until=b"400")
        assert [first.ask(), second.ask()] * 3 == ["200"] * 6


@pytest.mark.slow
def test_nothing_that_runs_hand_over_is_inherited_by_a_command(desk: Desk) -> None:
    code = "import os; print('x y', [each for each in os.listdir('/dev/fd') if int(each) > 2], flush=True); input()"
    with asking(desk) as first, desk.started("--", sys.executable, "-c", code) as process:
        assert first.ask() == "200"
        assert process.stdout is not None
        assert process.stdout.readline().count(",") == 0  # the folder that is being listed
        process.communicate("\n", timeout=60)


@pytest.mark.slow
def test_without_a_home_or_anything_else_in_the_environment_runs_find_each_other(desk: Desk, store: Path) -> None:
    bare = Desk(desk.home, desk.settings)
    bare.environ = {name: bare.environ[name] for name in ("PATH", "PYTHONPATH", "WHARF_REPO")} | {"XDG_RUNTIME_DIR": "/nowhere"}
    before = os.umask(0)
    try:
        with asking(bare) as first:
            del bare.environ["XDG_RUNTIME_DIR"]
            with asking(desk) as second:
                assert first.address == second.address
                assert (first.ask(), second.ask()) == ("200", "200")
    finally:
        os.umask(before)


@pytest.mark.slow
def test_a_run_leaves_no_socket_behind_and_deletes_those_of_the_killed(desk: Desk) -> None:
    def left() -> list[Path]:
        folders = private_folders(desk.home, name_length=run_sockets.NAME_LENGTH)
        return [each for folder in folders for each in folder.glob(f"run-*-{desk.settings.loopback_port}-*")]

    for script in ("true", "kill -TERM $$"):
        desk.run("--", "sh", "-c", script, code=0 if script == "true" else -signal.SIGTERM)
        assert left() == []
    with asking(desk) as run:
        assert len(left()) == 1
        run.kill()  # from now on, any run of this person may delete it when that one ends
    desk.run("--", "true")
    assert left() == []


# Inside each other


@pytest.mark.slow
def test_a_run_inside_a_run_of_the_same_index_just_runs(desk: Desk) -> None:
    outer, inner, status = desk.python(show())[0].splitlines()
    assert (inner, status) == (outer, "200")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["GH_ENTERPRISE_TOKEN", "WHARF_APP_ID", "WHARF_APP_KEY"])
def test_a_run_inside_a_run_that_is_told_another_token_or_app_is_one_of_its_own(desk: Desk, name: str) -> None:
    code = f"import os; os.environ[{name!r}] = 'another'\n"
    outer, inner, status = desk.python(show().replace("import subprocess", f"{code}import subprocess", 1))[0].splitlines()
    assert outer.split()[1] != inner.split()[1]
    assert status == "200"


@pytest.mark.slow
def test_a_run_inside_a_run_ends_as_its_command_ends(desk: Desk) -> None:
    nested = [sys.executable, "-m", "wharf", "run", "--"]
    for script, code in (("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM)):
        assert desk.run("--", *nested, "sh", "-c", script, code=code) == ("", "")
    assert "There is no command" in desk.run("--", *nested, "no-such-command", code=127)[1]


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--fall-through"], ["--index", "other"]])
def test_a_run_inside_a_run_of_another_index_or_with_other_options_is_one_of_its_own(
    desk: Desk, tmp_path: Path, options: list[str]
) -> None:
    subprocess.run(
        [*desk.words("publish", "--create", "--index", "other"), make_wheel(tmp_path, "demo")],
        env=desk.environ,
        check=True,
        capture_output=True,
    )
    out, err = desk.python(show(*options))
    outer, inner, status = out.splitlines()
    assert status == "200"
    assert outer.split()[1] != inner.split()[1]
    assert (outer.split()[0] == inner.split()[0]) is (options == ["--fall-through"])
    assert ("note: " in err) is (options == ["--fall-through"])


@pytest.mark.slow
@pytest.mark.parametrize("password", first(1, ["of a run that has ended", ""]))
@pytest.mark.parametrize("address", first(1, ["http://127.0.0.1:{port}/simple/", "http://127.0.0.1:70000/", "nonsense"]))
def test_an_environment_that_a_run_left_behind_is_not_believed(desk: Desk, address: str, password: str) -> None:
    """As in a shell that outlived the run; somebody else may listen there by now."""
    environ = {"WHARF_INDEX_URL": address.format(port=desk.settings.loopback_port), "WHARF_INDEX_PASSWORD": password}
    out, err = desk.python(WHO + "print(ask('demo/')[0])", **environ)
    told, status = out.splitlines()
    assert (told.split()[1] == password, status, err) == (False, "200", "")
