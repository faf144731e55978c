"""`wharf run`: an index for the length of one command, with its environment, its signals and its exit code."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import wharf
from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_wheel
from tests.matrix import first
from tests.server.over_github import JSON, World, world
from tests.server.running import soon
from wharf.cli.child_process import environment
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings
from wharf.repository_address import parse
from wharf.run_port.handover import Run
from wharf.run_port.shared_port import SharedPort
from wharf.secret import Secret
from wharf.server.access import run_password_access
from wharf.server.refresh import refresher
from wharf.server.rules import Rules
from wharf.server.run_server import RunServer

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["world"]  # a fixture

ASK = """
import base64, json, os, sys, urllib.error, urllib.request
from urllib.parse import urljoin
def ask(path, password=os.environ["UV_INDEX_WHARF_PASSWORD"], **more):
    request = urllib.request.Request(urljoin(os.environ["WHARF_INDEX_URL"], path), **more)
    request.add_header("Accept", "application/vnd.pypi.simple.v1+json")
    if password:
        request.add_header("Authorization", "Basic " + base64.b64encode(f"any:{password}".encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
"""
VERSIONS = ASK + "print(json.loads(ask('demo/')[1])['versions'])"
OLD = "This is the index as it was fetched last."
PATIENT = """
from wharf.server.access import run_password_access
run_password_access.PATIENCE = 60.0
from wharf.cli.main import main
main()
"""
"""wharf, whose first answer waits for GitHub for as long as a busy machine may need."""


def heed_signals() -> None:
    """As in a terminal: whoever runs the tests may ignore signals, and what is ignored is inherited."""
    for each in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(each, signal.SIG_DFL)


@dataclass
class Desk:
    """A person's machine, with wharf on it."""

    home: Path
    settings: Settings
    environ: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = ("-m", "wharf")

    def __post_init__(self) -> None:
        self.home.mkdir(exist_ok=True)
        place = self.settings.place
        where = str(place) if isinstance(place, Path) else place.web
        own = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(Path(wharf.__file__).parents[1])}
        self.environ = {**own, "WHARF_REPO": where, **self.environ}

    def words(self, *words: object) -> list[str]:
        return [sys.executable, *self.program, *map(str, words)]

    def run(self, *words: object, code: int = 0, **environ: str) -> tuple[str, str]:
        """`wharf run …` to its end: what was written on stdout and stderr."""
        done = subprocess.run(
            self.words("run", *words),
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout, done.stderr

    def python(self, code: str, *words: object, **environ: str) -> tuple[str, str]:
        """The same for a program in Python."""
        return self.run(*words, "--", sys.executable, "-c", code, code=0, **environ)

    @contextmanager
    def started(self, *words: object) -> Iterator[subprocess.Popen[str]]:
        """`wharf run …` while it runs, in a session of its own, without a terminal."""
        with subprocess.Popen(
            self.words("run", *words),
            env=self.environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=heed_signals,
        ) as process:

            def kill() -> None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

            late = threading.Timer(300, kill)  # or who waits for a line that does not come would wait on
            late.start()
            try:
                yield process
            finally:
                late.cancel()
                kill()


@pytest.fixture
def desk(tmp_path: Path, store: Path) -> Desk:
    """With a folder that has one release in it."""
    with open_repository(Settings(place=store)) as repository:
        publish(repository, [Input.of(make_wheel(tmp_path))], actor="ada")
    return Desk(tmp_path / "home", Settings(place=store))


@pytest.fixture
def far(world: World) -> Desk:
    """With a private repository on GitHub."""
    place = parse(f"{world.hub.url}/acme/pkgs")
    assert place is not None
    return Desk(world.root / "home", Settings(place=place), {"WHARF_TOKEN": world.bob}, ("-c", PATIENT))


# The command


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "code"),
    first(2, [("exit 7", 7), ("kill -TERM $$", -signal.SIGTERM), ("exit 0", 0), ("kill -KILL $$", -signal.SIGKILL)]),
)
def test_it_ends_as_the_command_ends_and_says_nothing(desk: Desk, script: str, code: int) -> None:
    assert desk.run("--", "sh", "-c", script, code=code) == ("", "")


@pytest.mark.parametrize("streams", first(1, ["<&- >&- 2>&-", ">/dev/full 2>/dev/full", "<&-", "2>&-"]))
@pytest.mark.parametrize("quick", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_without_streams_it_ends_as_the_command_ends(desk: Desk, streams: str, *, quick: bool) -> None:
    """As of `cron` and daemons. A quick command ends before the server is there, the other one once it has answered."""
    code = ("" if quick else ASK + "ask('demo/'); ask('missing/');") + "import os, sys; os."
    if "full" in streams and not Path("/dev/full").exists():
        pytest.skip("the system has no full device")
    for end, expected in (("_exit(7)", 7), ("kill(os.getpid(), 15)", -signal.SIGTERM)):
        command = desk.words("run", "--", sys.executable, "-c", code + end)
        done = subprocess.run(["sh", "-c", f'exec "$@" {streams}', "-", *command], env=desk.environ, timeout=60)
        assert done.returncode == expected


@pytest.mark.slow
def test_it_ends_as_the_command_ends_where_its_parent_ignores_the_end_of_children(desk: Desk) -> None:
    """What is ignored is inherited, and then the system tells nobody how the command ended."""
    code = "import os, signal, sys; signal.signal(signal.SIGCHLD, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    command = desk.words("run", "--", "sh", "-c", "exit 7")
    assert subprocess.run([sys.executable, "-c", code, *command], env=desk.environ, timeout=60).returncode == 7


@pytest.mark.slow
def test_a_command_that_answers_were_given_to_ends_so_too(desk: Desk) -> None:
    code = ASK + "print(ask('demo/')[0], flush=True); os.kill(os.getpid(), 15)"
    assert desk.run("--", sys.executable, "-c", code, code=-15) == ("200\n", "")


@pytest.mark.slow
def test_a_command_that_failed_for_want_of_public_names_is_explained(desk: Desk) -> None:
    """pip says no more than that it found nothing."""
    failing = ASK + "ask('demo/'); ask('Six/'); ask('six/'); sys.exit(1)"
    _, said = desk.run("--", sys.executable, "-c", failing, code=1)
    assert (
        said.strip() == "hint: this index has no six. `wharf run --fall-through -- …` looks for such names in the public index."
    )
    _, said = desk.run("--", sys.executable, "-c", failing.replace("exit(1)", "exit(0)"))
    assert said == "", "where nothing failed, nothing is explained"
    uv = desk.home / "uv"
    uv.symlink_to(sys.executable)
    _, said = desk.run("--", uv, "-c", failing, code=1)
    assert said == "", "uv asks the public index by itself"


@pytest.mark.slow
def test_a_command_that_cannot_be_started_ends_as_in_a_shell(desk: Desk) -> None:
    plain, orphan = desk.home / "plain", desk.home / "orphan"
    plain.write_text("")
    orphan.write_text("#!/nowhere/at/all\n")
    orphan.chmod(0o755)
    for words, code, told in (
        (["no-such-command"], 127, "There is no command 'no-such-command'."),
        ([desk.home / "missing"], 127, "There is no command"),
        ([plain], 126, "Permission denied"),
        ([orphan], 126, "first line"),
    ):
        out, err = desk.run("--", *words, code=code)
        assert (out, told in err) == ("", True)
    out, _ = desk.run("--json", "--", "no-such-command", code=127)
    assert json.loads(out)["error"]["code"] == "command"


@pytest.mark.slow
def test_it_wants_a_command_or_a_shell(desk: Desk) -> None:
    for words in ([], ["--shell", "--", "true"]):
        out, err = desk.run(*words, code=2)
        assert (out, "error: " in err) == ("", True)
    assert "wharf run -- uv sync" in desk.run(code=2)[1]


@pytest.mark.slow
def test_the_command_has_the_index_as_it_was(desk: Desk, tmp_path: Path) -> None:
    assert isinstance(desk.settings.place, Path)
    before = git(desk.settings.place, "rev-parse", "refs/heads/wharf/main")
    with open_repository(desk.settings) as repository:
        publish(repository, [Input.of(make_wheel(tmp_path, version="2.0"))], actor="ada")
    for when in (before, before[:9]):
        assert desk.python(VERSIONS, "--at", when)[0] == "['1.0']\n"
        assert desk.python("import os; print(os.environ['WHARF_INDEX_URL'])", "--at", when)[0].endswith(f"/@{before}/simple/\n")
    assert desk.python(VERSIONS)[0] == "['1.0', '2.0']\n"
    inner = f"import subprocess; subprocess.run({[sys.executable, '-m', 'wharf', 'run', '--at', before, '--', sys.executable]}"
    assert desk.python(f"{inner} + ['-c', {VERSIONS!r}], check=True)")[0] == "['1.0']\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("when", "code", "said"),
    [
        ("yesterday", 2, "no moment"),
        ("9999-01-01", 2, "ahead of now"),
        ("1" * 40, 4, "never the tip"),
        ("2001-01-01", 4, "no index"),
    ],
)
def test_a_moment_that_is_none_is_told_before_the_command_starts(desk: Desk, when: str, code: int, said: str) -> None:
    out, err = desk.run("--at", when, "--", "echo", "started", code=code)
    assert said in err
    assert "started" not in out


@pytest.mark.slow
def test_a_command_over_github_has_the_history_when_it_starts(far: Desk, world: World) -> None:
    before = git(world.root, "rev-parse", "refs/heads/wharf/main")
    world.put(world.wheel(version="2.0"))
    assert far.python(VERSIONS, "--at", before[:8])[0] == "['1.0']\n"


@pytest.mark.slow
def test_words_reach_the_command_as_they_are(desk: Desk) -> None:
    out, _ = desk.run("-v", "--", sys.executable, "-c", "import sys; print(sys.argv[1:])", "--", "--json", "-v", "a b", "", "*")
    assert out == "['--', '--json', '-v', 'a b', '', '*']\n"


@pytest.mark.slow
def test_files_that_are_open_stay_open_for_the_command(desk: Desk) -> None:
    """As of `wharf run -- pip install -r <(...)`; what wharf opens is not among them."""
    reading, writing = os.pipe()
    code = f"import os; print(os.read({reading}, 9), [each for each in os.listdir('/dev/fd') if int(each) > 2])"
    with os.fdopen(writing, "wb") as far:
        far.write(b"given")
    try:
        command = desk.words("run", "--", sys.executable, "-c", code)
        done = subprocess.run(command, env=desk.environ, pass_fds=(reading,), capture_output=True, text=True, timeout=60)
    finally:
        os.close(reading)
    word, _, listed = done.stdout.partition(" ")
    assert word == "b'given'", done.stderr
    assert str(reading) in listed
    assert listed.count(",") <= 1  # and the folder that is being listed


@pytest.mark.slow
def test_verbose_says_what_is_served_and_where(desk: Desk) -> None:
    out, err = desk.run("-v", "--", "sh", "-c", "echo $WHARF_INDEX_URL")
    assert out.strip() in err
    assert str(desk.settings.place) in err


# A signal that comes before the wait begins ends it, too: `signal.pause` would wait for the next one.
WAKES = "woken, wakes = os.pipe()\nos.set_blocking(wakes, False)\nsignal.set_wakeup_fd(wakes)"


@pytest.mark.slow
def test_signals_reach_the_command_once(desk: Desk) -> None:
    code = """
import os, signal, sys
def tell(number, frame):
    os.write(1, signal.Signals(number).name.encode() + b"\\n")
    if number == signal.SIGTERM:
        sys.exit(3)
for each in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(each, tell)
{WAKES}
print("ready", flush=True)
while True:
    os.read(woken, 1)
""".replace("{WAKES}", WAKES)
    with desk.started("--", sys.executable, "-c", code) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for name in ("SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"):
            os.kill(process.pid, signal.Signals[name])
            assert process.stdout.readline() == f"{name}\n"
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (3, "", "")


@pytest.mark.slow
def test_a_signal_that_a_thread_of_the_server_gets_reaches_the_command(desk: Desk) -> None:
    """The system chooses the thread that gets a signal. A main thread that only waits does not hear of it."""
    with desk.started("--", "sh", "-c", "curl -s $WHARF_INDEX_URL >/dev/null; echo ready; exec sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        (other, *_) = {int(each.name) for each in Path(f"/proc/{process.pid}/task").iterdir()} - {process.pid}
        assert ctypes.CDLL(None).tgkill(process.pid, other, int(signal.SIGTERM)) == 0
        assert process.wait(60) == -signal.SIGTERM


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_a_signal_that_the_command_may_not_be_sent_ends_nothing() -> None:
    """As of `sudo`, which belongs to root: the command goes on, and its index is still there."""
    code = """if True:
        import os, signal, sys
        from wharf.cli.child_process import Child
        read, write = os.pipe()
        os.dup2(read, 0)
        child = Child(["sh", "-c", "read line; exit 7"], os.environ)
        child.start()
        os.setuid(65534)
        os.kill(os.getpid(), signal.SIGTERM)
        os.close(write)
        sys.exit(child.wait())
    """
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, preexec_fn=heed_signals)
    assert done.returncode == 7, done.stderr


@pytest.mark.slow
def test_a_signal_that_ends_the_command_ends_wharf(desk: Desk) -> None:
    with desk.started("--", "sh", "-c", "echo ready; exec sleep 60") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM


@pytest.mark.slow
def test_ctrl_c_reaches_the_command_once_and_it_decides(desk: Desk) -> None:
    code = """
import os, signal, sys
count = 0
def tell(number, frame):
    global count
    count += 1
    os.write(1, b"got %d.\\n" % count)
    if count == 2:
        sys.exit(5)
signal.signal(signal.SIGINT, tell)
{WAKES}
os.write(1, b"ready.\\n")
while True:
    os.read(woken, 1)
""".replace("{WAKES}", WAKES)
    terminal, other = pty.openpty()
    take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
    command = [sys.executable, "-c", take, *desk.words("run", "--", sys.executable, "-c", code)]
    with subprocess.Popen(
        command, env=desk.environ, start_new_session=True, stdin=other, stdout=other, stderr=other
    ) as process:
        os.close(other)
        seen = b""
        for expected in (b"ready.", b"got 1.", b"got 2."):
            while expected not in seen:
                seen += os.read(terminal, 1000)
            assert b"got 2." not in seen or expected == b"got 2."
            if expected != b"got 2.":
                os.write(terminal, b"\x03")
        assert process.wait(60) == 5
    os.close(terminal)


@pytest.mark.slow
def test_what_was_ignored_stays_ignored(desk: Desk) -> None:
    code = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, signal.getsignal(signal.SIGPIPE))"
    command = desk.words("run", "--", sys.executable, "-c", code)
    done = subprocess.run(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "-", *command], env=desk.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True 1\n"  # Python ignores SIGPIPE by itself


@pytest.mark.slow
def test_a_shell_has_the_index_at_its_side(desk: Desk) -> None:
    shell = desk.home / "shell"
    shell.write_text(f"#!/bin/sh\necho args $#; exec {sys.executable} -c '{VERSIONS.replace(chr(39), chr(34))}'\n")
    shell.chmod(0o755)
    out, err = desk.run("--shell", SHELL=str(shell))
    assert out == "args 0\n['1.0']\n"
    assert err.count("\n") == 1
    assert "`exit`" in err


@pytest.mark.slow
def test_pipenv_is_not_left_to_write_the_password_down_without_a_word(desk: Desk) -> None:
    pipenv = desk.home / "pipenv"
    pipenv.write_text("#!/bin/sh\n")
    pipenv.chmod(0o755)
    (desk.home / "inside").mkdir()

    def said() -> str:
        command = desk.words("run", "--", pipenv, "install")
        done = subprocess.run(
            command, cwd=desk.home / "inside", env=desk.environ, capture_output=True, check=True, text=True, timeout=60
        )
        return done.stderr

    assert "write the Pipfile first" in said()
    (desk.home / "Pipfile").write_text("")
    assert said() == ""


# The environment


@pytest.mark.slow
def test_every_tool_finds_the_index_in_its_environment(desk: Desk) -> None:
    before = {
        "WHARF_TOKEN": "ghp_of_the_person",
        "UV_INDEX": "corp=https://corp.example/simple wharf=http://127.0.0.1:1/simple/",
        "UV_DEFAULT_INDEX": "https://mirror.example/simple",
        "HTTP_PROXY": "http://proxy.example:3128",
        "NO_PROXY": "corp.example",
    }
    out, err = desk.python("import json, os; print(json.dumps(dict(os.environ)))", **before)
    found = json.loads(out)
    address = f"http://127.0.0.1:{desk.settings.loopback_port}/simple/"
    password = found["UV_INDEX_WHARF_PASSWORD"]
    assert len(password) >= 32
    mine = {
        "WHARF_INDEX_URL": address,
        "PIP_INDEX_URL": address.replace("://", f"://wharf:{password}@"),
        "PIPENV_PYPI_MIRROR": address.replace("://", f"://wharf:{password}@"),
        "UV_INDEX": f"wharf={address} corp=https://corp.example/simple",
        "PIP_EXTRA_INDEX_URL": address.replace("://", f"://wharf:{password}@"),
        "UV_INDEX_STRATEGY": "first-index",
        "PDM_PYPI_URL": address,
        "NO_PROXY": "corp.example,127.0.0.1,localhost",
        "no_proxy": "corp.example,127.0.0.1,localhost",
    }
    for prefix in ("WHARF_INDEX_", "UV_INDEX_WHARF_", "POETRY_HTTP_BASIC_WHARF_", "PDM_PYPI_"):
        mine |= {f"{prefix}USERNAME": "wharf", f"{prefix}PASSWORD": password}
    untouched = {name: value for name, value in (desk.environ | before).items() if name not in mine}
    passing = {
        name: found[name] for name in ("LC_CTYPE", "__CF_USER_TEXT_ENCODING") if name in found
    }  # set by Python, by macOS
    assert found == {**mine, **untouched, **passing}
    assert err == ""
    assert (
        json.loads(desk.python("import json, os; print(json.dumps(dict(os.environ)))")[0])["PIP_INDEX_URL"]
        != mine["PIP_INDEX_URL"]
    )


@pytest.mark.parametrize(
    ("before", "upper", "lower"),
    [
        ({}, "127.0.0.1,localhost", "127.0.0.1,localhost"),
        ({"no_proxy": "a, b"}, "a,b,127.0.0.1,localhost", "a,b,127.0.0.1,localhost"),
        ({"no_proxy": "a", "NO_PROXY": "b"}, "b,127.0.0.1,localhost", "a,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*", "*"),
        ({"NO_PROXY": "localhost"}, "localhost,127.0.0.1", "localhost,127.0.0.1"),
    ],
)
def test_no_proxy_comes_between(before: dict[str, str], upper: str, lower: str) -> None:
    found = environment(before, 1, Secret("x"))
    assert (found["NO_PROXY"], found["no_proxy"]) == (upper, lower)


@pytest.mark.slow
def test_only_the_password_lets_in_and_nobody_uploads(desk: Desk) -> None:
    code = (
        ASK
        + """
empty = {"method": "POST", "data": b""}
for words in ("demo/",), ("demo/", None), ("demo/", "wrong"), ("", None), ("../", None), ("../files/x", None):
    print(*ask(*words))
for path, password in ("../legacy/", None), ("../legacy/", "wrong"), ("../healthz", None):
    print(*ask(path, password, **({} if "health" in path else empty)))
print(*ask("../legacy/", **empty))
"""
    )
    out, _ = desk.python(code)
    assert [int(line[:3]) for line in out.splitlines() if line[:3].isdecimal()] == [200, *[401] * 7, 200, 403]
    assert "`wharf publish FILES`" in out


# The port


@pytest.mark.slow
def test_the_port_is_the_same_every_time(desk: Desk) -> None:
    for _ in range(2):
        out, err = desk.run("--", "sh", "-c", "echo $WHARF_INDEX_URL")
        assert (out, err) == (f"http://127.0.0.1:{desk.settings.loopback_port}/simple/\n", "")


@pytest.mark.slow
def test_a_port_that_a_stranger_has_is_told_before_and_after_and_the_stranger_hears_nothing(desk: Desk) -> None:
    """A lock file that was written meanwhile is wrong: the warning must not scroll away."""
    port = desk.settings.loopback_port
    with socket.create_server(("127.0.0.1", port)) as stranger:
        out, err = desk.python("import os; print(os.environ['WHARF_INDEX_URL'], flush=True)\n" + VERSIONS)
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    address, versions = out.splitlines()
    assert (str(port) in address, versions) == (False, "['1.0']")
    first, last = err.splitlines()
    assert first.startswith(f"warning: Port {port}")
    assert "already in use" in first
    assert last.startswith("warning: A lock file")
    assert last.endswith(f"Port {port} is the right one.")


# What goes wrong before and while it serves


@pytest.mark.slow
def test_an_index_that_cannot_be_read_is_told_and_the_command_goes_its_way(desk: Desk, store: Path) -> None:
    edit_by_hand(store, "wharf.toml", b"format = 99\n")
    code = (
        ASK
        + """
try:
    ask('demo/')
except OSError as error:
    print("nobody there" if isinstance(getattr(error, "reason", error), ConnectionError) else error)
    sys.exit(4)
"""
    )
    out, err = desk.run("--", sys.executable, "-c", code, code=4)
    assert out == "nobody there\n"
    assert "cannot be served" in err
    assert "format = 99" in err


@pytest.mark.slow
def test_a_store_that_is_not_there_ends_it_before_the_command(desk: Desk) -> None:
    out, err = desk.run("--repo", desk.home / "none", "--", "echo", "run", code=4)
    assert (out, "There is no store" in err) == ("", True)
    out, err = desk.run("--index", "none", "--", "echo", "run", code=4)
    assert (out, "There is no index 'none'" in err) == ("", True)


@pytest.mark.slow
def test_an_empty_default_store_is_an_empty_index(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", Settings(place=tmp_path))
    del desk.environ["WHARF_REPO"]
    assert desk.python(ASK + "print(ask('')[0], ask('demo/')[0])") == ("200 404\n", "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "code", "told"),
    first(
        1, [("token", 6, "token"), ("repository", 4, "acme/none"), ("index", 4, "no index 'other'"), ("github", 8, "git fetch")]
    ),
)
def test_with_nothing_fetched_before_what_is_wrong_ends_it_before_the_command(
    world: World, far: Desk, trouble: str, code: int, told: str
) -> None:
    words: list[str] = []
    if trouble == "token":
        world.hub.revoke(world.bob)
    elif trouble == "repository":
        words = ["--repo", f"{world.hub.url}/acme/none"]
    elif trouble == "index":
        words = ["--index", "other"]
    else:
        world.hub.down = True
    out, err = far.run(*words, "--", "echo", "run", code=code)
    assert out == ""
    assert told in err
    assert world.bob not in err


@pytest.mark.slow
def test_a_host_that_only_a_file_here_names_ends_it_before_the_command(world: World, far: Desk) -> None:
    far.run("--", "true")
    (far.home / "pyproject.toml").write_text(f'[tool.wharf]\nrepo = "{far.environ.pop("WHARF_REPO")}"\n')
    done = subprocess.run(
        far.words("run", "--", "echo", "run"), cwd=far.home, env=far.environ, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, "export WHARF_REPO=" in done.stderr) == (2, "", True)


# GitHub


@pytest.mark.slow
def test_a_private_index_is_served_with_the_persons_token(world: World, far: Desk) -> None:
    code = (
        ASK
        + """
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *words): return None
page = os.environ["WHARF_INDEX_URL"] + "demo/"
link = urljoin(page, json.loads(ask("demo/")[1])["files"][0]["url"])
urllib.request.install_opener(urllib.request.build_opener(Stay))
print(ask(link)[0])
pair = base64.b64encode(("x:" + os.environ["UV_INDEX_WHARF_PASSWORD"]).encode()).decode()
request = urllib.request.Request(link)
request.add_unredirected_header("Authorization", f"Basic {pair}")
with urllib.request.build_opener().open(request) as answer:
    print(answer.read()[:2])
"""
    )
    for _ in range(2):
        assert far.python(code) == ("302\nb'PK'\n", "")
    assert {call.login for call in world.hub.calls if call.login} == {"bob"}


@pytest.mark.slow
def test_a_release_that_was_published_since_is_on_the_first_page(world: World, far: Desk) -> None:
    assert far.python(VERSIONS) == ("['1.0']\n", "")
    world.put(world.wheel("demo", "2.0"))
    assert far.python(VERSIONS) == ("['1.0', '2.0']\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("trouble", ["down", "revoked", "errors", "quota"])
def test_without_github_the_index_is_there_as_it_was_and_one_line_says_so(world: World, far: Desk, trouble: str) -> None:
    assert far.python(VERSIONS) == ("['1.0']\n", "")
    if trouble == "down":
        world.hub.down = True
    elif trouble == "revoked":
        world.hub.revoke(world.bob)
    elif trouble == "errors":
        world.hub.fault("/git/", "502", times=99)
    else:
        world.hub.limits.primary = 0
    out, err = far.python(VERSIONS + "\n" + VERSIONS)
    assert out == "['1.0']\n['1.0']\n"
    assert err.startswith("warning: ")
    assert err.endswith(f"{OLD}\n")
    assert err.count("\n") == 1
    assert "within 2 seconds" not in err  # what fails at once is not waited for
    assert world.bob not in err
    assert far.run("--", "true") == ("", "")  # who asks for nothing is not bothered


@pytest.mark.slow
def test_the_command_is_started_before_github_is_asked(world: World, far: Desk) -> None:
    far.run("--", "true")
    go_on = threading.Event()
    world.hub.before("/git/matching-refs/", lambda: go_on.wait(60))
    try:
        with far.started("--", sys.executable, "-c", "print('started', flush=True)\n" + VERSIONS) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            world.put(world.wheel("demo", "2.0"))
            go_on.set()
            out, err = process.communicate(timeout=60)
            assert (out, err) == ("['1.0', '2.0']\n", "")
    finally:
        go_on.set()


@pytest.mark.slow
def test_a_clone_that_is_damaged_is_fetched_anew(world: World, far: Desk) -> None:
    assert far.python(VERSIONS) == ("['1.0']\n", "")
    cache = far.home / ".cache" / "wharf"
    clone = next(path for path in cache.rglob("whole.git") if path.is_dir())
    for pack in list((clone / "objects").rglob("*.pack")):
        pack.unlink()
    assert far.python(VERSIONS) == ("['1.0']\n", "")
    (clone / "damaged").touch()
    world.hub.down = True
    assert far.run("--", "echo", "run", code=8)[0] == ""  # nothing that could be served


@contextmanager
def beside(world: World, warnings: list[str], **rules: Any) -> Iterator[tuple[httpx.Client, RunServer, threading.Thread]]:
    """The server that runs beside a command, and a client with the password."""
    password = Secret("the password")
    with world.open(world.robot) as repository, closing(SharedPort(0, password, Run("", ""), [])) as port:
        port.listen_elsewhere()
        given = Rules(open_reading=False, upload_limit=1, cache=world.root / "files", password=password, **rules)
        server = RunServer(repository, port, given, warn=warnings.append)
        thread = threading.Thread(target=server.serve_until_end)
        thread.start()
        url = f"http://127.0.0.1:{port.number}"
        try:
            with httpx.Client(base_url=url, auth=("any", "the password"), timeout=60) as client:
                yield client, server, thread
        finally:
            server.end()
            thread.join(60)
        assert not thread.is_alive()


@pytest.mark.slow
def test_github_is_waited_for_a_moment_and_no_longer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_password_access.PATIENCE == 2.0
    monkeypatch.setattr(run_password_access, "PATIENCE", 0.2)
    go_on, warnings = threading.Event(), list[str]()
    with world.open(world.robot):  # there is a clone now
        world.put(world.wheel("demo", "2.0"))
    world.hub.before("/git/matching-refs/", lambda: go_on.wait(60))
    try:
        with beside(world, warnings) as (client, _, _):
            assert client.get("/simple/", auth=None).status_code == 401
            assert warnings == []
            answers = [client.get("/simple/demo/", headers=JSON).json()["versions"] for _ in range(3)]
            assert len(warnings) == 1
            assert "within 0.2 seconds" in warnings[0]
            assert warnings[0].endswith(OLD)
            assert answers == [answers[0]] * 3
    finally:
        go_on.set()


@pytest.mark.slow
def test_what_goes_wrong_later_is_told_once_too(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    warnings: list[str] = []
    with beside(world, warnings) as (client, _, _):
        assert client.get("/simple/demo/").status_code == 200
        whole = git(world.root, "rev-parse", "wharf/main")
        edit_by_hand(world.root, "wharf.toml", b"format = 99\n")
        soon(lambda: "format = 99" in caplog.text)
        git(world.root, "update-ref", "refs/heads/wharf/main", whole)
        soon(lambda: client.get("/healthz").json()["status"] == "ok")
    assert (warnings, len(caplog.records)) == ([], 1)
    caplog.clear()
    world.hub.down = True
    with beside(world, warnings) as (client, _, _):
        assert client.get("/simple/demo/").status_code == 200
        world.hub.calls.clear()
        soon(lambda: client.get("/healthz").json()["status"] == "stale")
    assert (len(warnings), caplog.text) == (1, "")


@pytest.mark.slow
def test_what_is_under_way_does_not_hold_up_the_end(world: World) -> None:
    with beside(world, []) as (client, server, thread):
        assert client.get("/simple/").status_code == 200
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as raw:
            raw.sendall(b"POST /legacy/ HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
            server.end()
            thread.join(60)
            assert not thread.is_alive()


# Secrets


@pytest.mark.slow
def test_no_secret_is_in_any_arguments_or_files(world: World, far: Desk) -> None:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("the system does not show the arguments of processes in files")
    code = ASK + "print(ask('demo/')[0], os.environ['UV_INDEX_WHARF_PASSWORD'], flush=True); sys.stdin.readline()"
    for _ in range(2):  # the first time a clone is made
        seen: list[bytes] = []
        world.hub.before(r"\.git/", partial(record, seen))
        with far.started("-v", "--", sys.executable, "-c", code) as process:
            assert process.stdout is not None
            status, password = process.stdout.readline().split()
            assert status == "200"
            shown = arguments() + b"".join(seen)
            out, err = process.communicate("\n", timeout=60)
        files = b"".join(path.read_bytes() for path in far.home.rglob("*") if path.is_file())
        assert b"wharf" in shown
        for secret in (password, world.bob):
            assert secret not in out + err
            assert secret.encode() not in shown + files


def record(seen: list[bytes]) -> None:
    seen.append(arguments())


def arguments() -> bytes:
    """The arguments of every process that can be seen."""
    found = b""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found += path.read_bytes()
    return found


@pytest.mark.slow
def test_a_helper_that_is_asked_for_a_token_does_not_hold_up_the_command(world: World, far: Desk) -> None:
    """Where a person keeps the token may take a while to open: it is asked only once the command runs."""
    far.run("--", "true")
    del far.environ["WHARF_TOKEN"]
    tools = far.home / "bin"
    tools.mkdir()
    ready = far.home / "ready"
    os.mkfifo(ready)
    gh = tools / "gh"
    gh.write_text(f"#!/bin/sh\nread line < {ready}\necho {world.bob}\n")
    gh.chmod(0o755)
    far.environ["PATH"] = f"{tools}:{far.environ['PATH']}"
    with far.started("--", sys.executable, "-c", "print('started', flush=True)\n" + VERSIONS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        ready.write_text("now\n")
        assert process.communicate(timeout=60) == ("['1.0']\n", "")
    shutil.rmtree(tools)
