"""`wharf remove` over a server, where a glob or an age chooses: by the server's clock, and files by their names."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.server_world import Said, run_wharf
from tests.cli.test_odd_answers import INDEXES, PAGE, REMOVED
from tests.raw_server import Line, Server, answer

if TYPE_CHECKING:
    from collections.abc import Callable

INDEX = {"index": "main", "commit": None, "default": True, "bases": [], "order": ["main"], "base_of": [], "projects": 1}
LATER = "date: Thu, 31 Dec 2026 12:00:00 GMT"
AT_ONCE = "date: Mon, 30 Nov 2026 12:00:05 GMT"


def talk_with(page: dict[str, Any], asked: list[Any], *headers: str) -> Callable[[Line], None]:
    """A server that shows a project, and keeps what it is asked to remove."""

    def talk(line: Line) -> None:
        while True:
            head = line.hear(body=False)
            path = head.split()[1]
            if head.startswith("POST"):
                length = int(head.lower().partition("content-length: ")[2].split()[0])
                while len(line._rest) < length:
                    line._rest += line._more()
                asked.append(json.loads(line._rest))
                line._rest = b""
            found = {"/indexes": INDEXES, "/main": INDEX, "/remove": REMOVED}.get(path[path.rindex("/") :], page)
            line.say(answer(json.dumps(found).encode(), *headers))

    return talk


@pytest.fixture
def remove(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[Said, list[Any]]]:
    def run(page: dict[str, Any], *words: str, headers: tuple[str, ...] = (), code: int = 0) -> tuple[Said, list[Any]]:
        asked: list[Any] = []
        monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
        with Server(talk_with(page, asked, *headers)) as server:
            place = f"http://127.0.0.1:{server.port}/"
            said = run_wharf(capsys, "--server", place, "remove", *words, "--yes", "--json", code=code)
        return said, [each["releases"] for each in asked]

    return run


FILE = {"project": "demo", "version": "1.0", "file": "demo-1.0-py3-none-any.whl"}


@pytest.mark.parametrize(
    ("words", "headers", "asked", "younger"),
    [
        (("demo==1.*",), (), [[FILE]], []),
        (("demo==*", "--older-than", "1d"), (LATER,), [[FILE]], []),
        (("demo==1.0", "--older-than", "1d"), (LATER,), [[{**FILE, "file": None}]], []),
        (("demo==*", "--older-than", "1d"), (AT_ONCE,), [], [{"project": "demo", "version": "1.0"}]),
    ],
)
def test_what_is_chosen_is_named_file_by_file(
    remove: Callable[..., tuple[Said, list[Any]]],
    words: tuple[str, ...],
    headers: tuple[str, ...],
    asked: list[Any],
    younger: list[Any],
) -> None:
    said, sent = remove(PAGE, *words, headers=headers)
    assert (sent, said.document["younger"]) == (asked, younger)


@pytest.mark.parametrize("headers", [(), ("date: soon",), ("date: Fri, 31 Feb 2026 12:00:00 GMT",)])
def test_without_the_time_of_the_server_no_age_is_known(
    remove: Callable[..., tuple[Said, list[Any]]], headers: tuple[str, ...]
) -> None:
    said, sent = remove(PAGE, "demo==*", "--older-than", "1d", headers=headers, code=8)
    assert "does not say what time it is" in said.document["error"]["message"]
    assert sent == []


@pytest.mark.slow
def test_more_than_a_server_removes_at_once_is_said_before_it_is_asked(remove: Callable[..., tuple[Said, list[Any]]]) -> None:
    (file,) = PAGE["files"]
    files = [{**file, "filename": f"demo-1.0.dev{number}-py3-none-any.whl"} for number in range(1001)]
    page = {**PAGE, "versions": [f"1.0.dev{number}" for number in range(1001)], "files": files}
    said, sent = remove(page, "demo==*", code=2)
    assert "1001 files" in said.document["error"]["message"]
    assert sent == []
