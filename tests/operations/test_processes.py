"""Many processes, and processes that die: nothing lost, nothing double, nothing half seen."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.free_port import free_port
from tests.makers import make_sdist, make_wheel
from wharf.operations.verify import verify
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

VICTIM = str(Path(__file__).with_name("victim.py"))


def wharf(store: Path, *words: object, step: int | None = None) -> subprocess.CompletedProcess[str]:
    start = ["-m", "wharf"] if step is None else [VICTIM, str(step)]
    command = [sys.executable, *start, "--repo", str(store), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def result(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def commits(store: Path) -> list[list[str]]:
    """Each commit with its parents."""
    command = ["git", f"--git-dir={store / 'index.git'}", "rev-list", "--parents", "wharf/main"]
    return [line.split() for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()]


def test_eight_processes_lose_nothing_and_double_nothing(tmp_path: Path, store: Path) -> None:
    """They share one project, and one file that all of them publish."""
    shared = make_wheel(tmp_path, "shared")
    rounds = 4
    files: dict[int, list[Path]] = {}
    for publisher in range(8):
        folder = tmp_path / str(publisher)
        folder.mkdir()
        files[publisher] = [make_wheel(folder, "common", f"{publisher}.{number}") for number in range(rounds)]

    running = []
    for publisher in range(8):
        script = " && ".join(
            f"{sys.executable} -m wharf --repo {store} publish --json {path} {shared}" for path in files[publisher]
        )
        running.append(subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    said = []
    for process in running:
        out, err = process.communicate(timeout=600)
        assert process.returncode == 0, err
        said += [json.loads(line) for line in out.splitlines()]

    published = [file["filename"] for each in said for file in each["published"]]
    assert len(published) == len(set(published)) == 8 * rounds + 1
    listed = result(wharf(store, "list", "--json"))["projects"]
    assert [(each["name"], len(each["versions"])) for each in listed] == [("common", 8 * rounds), ("shared", 1)]
    history = commits(store)
    assert len(history) == 8 * rounds
    assert all(len(line) == 2 for line in history[:-1])
    assert result(wharf(store, "verify", "--json")) == {
        "ok": True, "files": 8 * rounds + 1, "problems": [], "leftovers": [],
    }  # fmt: skip


def _steps(tmp_path: Path, words: list[str]) -> int:
    done = wharf(tmp_path / "counted", *words, step=0)
    assert done.returncode == 0, done.stderr
    return int(done.stderr.split("steps ")[1])


def _deaths(count: int, tries: int = 24) -> Iterator[int]:
    """Steps to die at, spread over the whole of a run, the first and the last among them."""
    yield from sorted({1 + round(number * (count - 1) / (tries - 1)) for number in range(tries)})


def test_a_publisher_killed_at_any_step_leaves_the_old_index_whole_and_can_be_run_again(tmp_path: Path, store: Path) -> None:
    old, wheel, sdist = make_wheel(tmp_path, "old"), make_wheel(tmp_path), make_sdist(tmp_path)
    words = ["publish", "--json", str(wheel), str(sdist)]
    result(wharf(tmp_path / "counted", "publish", "--json", old))  # as in each store below
    died = 0
    for step in _deaths(_steps(tmp_path, words)):
        folder = store / str(step)
        result(wharf(folder, "publish", "--json", old))
        before = commits(folder)
        killed = wharf(folder, *words, step=step)
        died += killed.returncode == -signal.SIGKILL
        listed = [each["name"] for each in result(wharf(folder, "list", "--json"))["projects"]]
        if commits(folder) == before:
            assert listed == ["old"]
        else:
            assert listed == ["demo", "old"]  # it died after the one step that makes all visible
        with open_repository(Settings(place=folder)) as repository:
            found = verify(repository)
            assert {each.kind for each in found.problems} <= {"unnamed-bytes"}
        again = result(wharf(folder, *words))
        assert len(again["published"]) + len(again["unchanged"]) == 2
        with open_repository(Settings(place=folder)) as repository:
            assert verify(repository).ok
            assert verify(repository, repair=True).ok
            assert verify(repository).leftovers == ()
            assert repository.branch.snapshot().overview() == {"demo": ("1.0",), "old": ("1.0",)}
        assert len(commits(folder)) == 2
    assert died > 20


def test_a_removal_killed_at_any_step_never_leaves_a_record_without_bytes(tmp_path: Path, store: Path) -> None:
    wheel = make_wheel(tmp_path)
    words = ["remove", "demo==1.0", "--yes", "--json"]
    counted = tmp_path / "counted"
    result(wharf(counted, "publish", "--json", wheel))
    for step in _deaths(_steps(tmp_path, words), tries=12):
        folder = store / str(step)
        result(wharf(folder, "publish", "--json", wheel))
        wharf(folder, *words, step=step)
        with open_repository(Settings(place=folder)) as repository:
            assert "missing-bytes" not in {each.kind for each in verify(repository).problems}
            assert verify(repository, repair=True).ok
        assert wharf(folder, *words).returncode in {0, 4}


def test_the_server_stops_gracefully_and_tells_its_address_when_it_answers(tmp_path: Path, store: Path) -> None:
    result(wharf(store, "publish", "--json", make_wheel(tmp_path)))
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json"]
    for stop in (signal.SIGTERM, signal.SIGINT):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        assert httpx.get(f"{url}/simple/demo/").status_code == 200
        taken = wharf(store, "serve", "--port", url.rpartition(":")[2], "--json")
        assert (taken.returncode, "--port 0" in taken.stdout) == (2, True)
        process.send_signal(stop)
        out, err = process.communicate(timeout=600)
        assert (process.returncode, out, err) == (0, "", "Stopping.\n")


@contextmanager
def served(store: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of a `wharf serve` with those options, reached through loopback, and the process."""
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["url"].rpartition(":")[2]
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_server_needs_no_streams(store: Path) -> None:
    """As a daemon that was started with all of them closed."""
    number = free_port()
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", str(number)]
    answers = httpx.Client(transport=httpx.HTTPTransport(retries=7))  # with growing pauses
    with answers, subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "-", *command]) as process:
        try:
            assert answers.get(f"http://127.0.0.1:{number}/healthz").status_code == 200
            process.terminate()
            assert process.wait(60) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("trusted", [True, False])
def test_forwarded_headers_are_believed_only_of_a_trusted_proxy(store: Path, trusted: bool) -> None:
    options = ["--trusted-proxy", "127.0.0.1"] if trusted else []
    with served(store, *options) as (url, process):
        page = httpx.get(url, headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"})
        assert (f"https{url.removeprefix('http')}/simple/" in page.text) is trusted
        assert "evil.example" not in page.text
    process.communicate()


def test_an_output_that_cannot_be_written_is_an_exit_code_and_no_traceback(store: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "list", "--json"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=600)
    assert (done.returncode, "Traceback" in done.stderr) == (8, False)


def test_a_private_server_asks_for_a_token_on_this_machine_too(store: Path) -> None:
    token = result(wharf(store, "token", "create", "dev", "--scope", "read", "--json"))["token"]
    with served(store, "--auth", "tokens") as (url, process):
        assert httpx.get(f"{url}/simple/").status_code == 401
        assert httpx.get(f"{url}/simple/", auth=("x", token)).status_code == 200
    process.communicate()
    with served(store, "--trusted-proxy", "127.0.0.1") as (url, process):
        assert httpx.get(f"{url}/simple/").status_code == 200
    assert "--auth tokens" in process.communicate()[1]


def test_a_public_server_warns_and_answers_to_the_names_that_it_was_given(store: Path) -> None:
    with served(store, "--host", "0.0.0.0", "--auth", "public", "--allowed-host", "pkg.example") as (url, process):
        for host, status in (("pkg.example", 200), ("other.example", 421)):
            assert httpx.get(f"{url}/simple/", headers={"Host": host}).status_code == status
        assert httpx.get(f"{url}/simple/").status_code == 200
    assert "Without TLS" in process.communicate()[1]


def test_a_reader_never_sees_half_of_a_commit(tmp_path: Path, store: Path) -> None:
    """One command publishes ten projects; whoever sees one of them sees all."""
    files = [make_wheel(tmp_path, f"p{number}") for number in range(10)]
    result(wharf(store, "publish", "--json", make_wheel(tmp_path, "old")))
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        url = json.loads(process.stdout.readline())["url"]
        publisher = subprocess.Popen(
            [sys.executable, "-m", "wharf", "--repo", str(store), "publish", *map(str, files)], stdout=subprocess.DEVNULL
        )
        seen: set[int] = set()
        with httpx.Client(headers={"Accept": "application/vnd.pypi.simple.v1+json"}) as client:
            end = time.monotonic() + 60
            while len(seen) < 2:
                assert time.monotonic() < end
                seen.add(len(client.get(f"{url}/simple/").json()["projects"]))
            assert seen == {1, 11}
            assert all(client.get(f"{url}/simple/p{number}/").json()["files"] for number in range(10))
        assert publisher.wait(60) == 0
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=600)
