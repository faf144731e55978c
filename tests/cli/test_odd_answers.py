"""`wharf --server URL VERB` and answers of any form: an error that names the server, never a fault of wharf."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cli.server_world import run_wharf
from tests.makers import make_wheel
from tests.raw_server import Line, Server, answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHA256 = "5" * 64
TIME = "2026-11-30T12:00:00Z"
FILE: dict[str, Any] = {
    "project": "demo",
    "version": "1.0",
    "filename": "demo-1.0-py3-none-any.whl",
    "sha256": SHA256,
    "size": 7,
}
GONE = {key: value for key, value in FILE.items() if key != "size"}
WHERE = {"index": "main", "commit": "c" * 40}
INDEXES: dict[str, Any] = {"indexes": [{"name": "main", "commit": None, "default": True, "bases": [], "problem": None}]}
PAGE: dict[str, Any] = {
    **WHERE,
    "meta": {"api-version": "1.4"},
    "name": "demo",
    "project-status": {"status": "deprecated", "reason": "old"},
    "versions": ["0.9", "1.0"],
    "files": [
        {
            "filename": FILE["filename"],
            "url": "../../demo.whl",
            "hashes": {"sha256": SHA256},
            "size": 7,
            "upload-time": TIME,
            "requires-python": ">=3.9",
            "yanked": "why",
            "core-metadata": {"sha256": SHA256},
        }
    ],
    "_removed": {"0.9": {"demo-0.9.tar.gz": SHA256}},
}
ENTRY = {"commit": "c" * 40, "time": TIME, "actor": "ada", "verb": "yank", "what": "demo 1.0", "whole": True, "reason": "x"}
TOKEN: dict[str, Any] = {"name": "ci", "scope": "manage", "expires": TIME, "indexes": ["main"], "projects": ["demo"]}
TERMS = {**TOKEN, "owner": "ada", "note": "x"}
REMOVED = {**WHERE, "removed": [FILE], "gone": [GONE], "younger": [{"project": "demo", "version": "3"}], "kept": [FILE]}
RESTORED = {
    **WHERE,
    "to": {"moment": "2026-11-30", "commit": "d" * 40},
    "back": [FILE],
    "left": [FILE],
    "changed": [{**FILE, "yanked": None}],
    "lost": [{**FILE, "reason": "gone"}],
    "unread": ["x"],
    "not_announced": ["y"],
}
PROMOTED = {
    **WHERE,
    "from": "staging",
    "promoted": [FILE],
    "unchanged": [FILE],
    "dependencies": [{"project": "a", "version": "1", "requirement": "a", "of": "demo"}],
    "left": [{"requirement": "b", "of": "demo"}],
    "not_announced": ["x"],
    "otherwise_yanked": ["y"],
    "proposal": None,
}
ANSWERS: dict[str, tuple[tuple[str, ...], Any]] = {
    "indexes": (("list",), INDEXES),
    "list": (("list",), {**WHERE, "projects": [{"name": "demo", "versions": ["1.0"]}], "next": None}),
    "show": (("show", "demo"), PAGE),
    "show version": (("show", "demo==1.0"), PAGE),
    "log": (
        ("log", "--since", "2026-11-29"),
        {**WHERE, "entries": [{**ENTRY, "run": "", "releases": [{"project": "demo", "version": "1.0"}]}], "next": None},
    ),
    "yank": (("yank", "demo==1.0"), {**WHERE, "changed": [FILE], "unchanged": [FILE]}),
    "unyank": (("unyank", "demo==1.0"), {**WHERE, "changed": [FILE], "unchanged": [FILE]}),
    "status": (
        ("status", "demo", "archived"),
        {**WHERE, "project": "demo", "status": "archived", "reason": None, "changed": True},
    ),
    "remove": (("remove", "demo==1.0", "--yes"), REMOVED),
    "remove, chosen": (("remove", "demo==1.*", "--older-than", "1h", "--yes"), PAGE),
    "remove, asked": (("remove", "demo==1.0"), REMOVED),
    "promote": (("promote", "demo==1.0", "--from", "staging"), PROMOTED),
    "restore": (("restore", "--to", "2026-11-30", "--yes"), RESTORED),
    "restore, asked": (("restore", "--to", "2026-11-30"), RESTORED),
    "token list": (("token", "list"), {"tokens": [{**TERMS, "created": TIME, "last_used": "2026-11-30"}]}),
    "token create": (("token", "create", "ci", "--scope", "read", "--expires", "9d"), {**TERMS, "token": "wharf_x"}),
    "token revoke": (("token", "revoke", "ci"), {"revoked": "ci"}),
    "publish": (
        ("publish", "WHEEL"),
        {
            "status": "published",
            "expires-at": TIME,
            "notices": ["x"],
            "_wharf_commit": None,
            "links": {
                "session": "/-/s",
                "upload": "/-/u",
                "publish": "/-/p",
                "_wharf_batch": "/-/b",
                "complete": "/-/c",
                "file-upload-session": "/-/f",
            },
            "mechanism": {"file_url": "/-/b"},
            "files": {FILE["filename"]: {"status": "completed", "link": "/-/f", "size": 7, "hashes": {"sha256": SHA256}}},
        },
    ),
}
ANYTHING = st.sampled_from(["", "odd", "\x1b[2J", "\ud800", "http://[", -1, 10**400, {}]) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something is in a document."""
    yield at
    for key, each in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(each, (*at, key))


def _damaged(data: st.DataObject, document: Any) -> Any:
    """The document with something in it that is not there, or is something else."""
    place = data.draw(st.sampled_from([*_places(document)]))
    other = data.draw(ANYTHING)
    if not place:
        return other
    found = copy.deepcopy(document)
    inner = found
    for key in place[:-1]:
        inner = inner[key]
    if data.draw(st.booleans()):
        inner[place[-1]] = other
    else:
        del inner[place[-1]]
    return found


def _serving(said: dict[str, Any]) -> Any:
    """A server that has an index, and says of everything else what `said` has."""

    def talk(line: Line) -> None:
        while True:
            head = line.hear().partition("\r\n")[0]
            document = INDEXES if head.endswith("/indexes HTTP/1.1") and not said["indexes"] else said["document"]
            document = PAGE if "/projects/demo HTTP" in head and said["publishes"] else document
            line.say(answer(json.dumps(document).encode()))

    return talk


@pytest.mark.slow
@pytest.mark.parametrize("verb", ANSWERS)
def test_an_answer_in_another_form_is_an_error_that_names_the_server(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
    words, whole = ANSWERS[verb]
    typed = [str(make_wheel(tmp_path, version="3.0")) if each == "WHEEL" else each for each in words]
    said: dict[str, Any] = {"document": whole, "indexes": verb == "indexes", "publishes": verb == "publish"}
    with Server(_serving(said)) as server:
        place = f"127.0.0.1:{server.port}"

        def run() -> None:
            told = run_wharf(capsys, "--server", f"http://{place}/", "--max-wait", "0", "--json", *typed, code=None)
            assert told.code in {0, 2, 4, 5, 8}, told
            if told.code == 8:
                error = told.document["error"]
                assert error["hint"], told
                assert "127.0.0.1" in error["message"] or verb == "publish", told
            run_wharf(capsys, "--server", f"http://{place}/", "--max-wait", "0", *typed, code=told.code)

        @settings(max_examples=12, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(st.data())
        def try_one(data: st.DataObject) -> None:
            said["document"] = _damaged(data, whole)
            run()

        run()
        try_one()


@pytest.mark.slow
@pytest.mark.parametrize("verb", [each for each in ANSWERS if each not in {"indexes", "publish"}])
def test_each_key_that_is_missing_is_named(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
    words, whole = ANSWERS[verb]
    said: dict[str, Any] = {"document": whole, "indexes": False, "publishes": False}
    with Server(_serving(said)) as server:
        for key in whole:
            said["document"] = {name: value for name, value in whole.items() if name != key}
            told = run_wharf(capsys, "--server", f"http://127.0.0.1:{server.port}/", "--json", *words, code=8)
            error = told.document["error"]
            assert (error["code"], f"({key}: Field required)" in error["message"]) == ("odd-answer", True), told


@pytest.mark.parametrize(
    ("verb", "place", "value"),
    [
        ("log", ("entries", 0, "time"), "yesterday"),
        ("log", ("entries", 0, "time"), "2026-11-30T12:00:00"),
        ("log", ("entries", 0, "time"), "0001-01-01T00:00:00+14:00"),
        ("token list", ("tokens", 0, "expires"), "never"),
        ("token create", ("expires",), "9999-12-31T23:59:59-14:00"),
        ("show", ("files", 0, "size"), 10**400),
        ("show", ("files", 0, "size"), -1),
        ("show", ("files", 0, "size"), True),
        ("show", ("files", 0, "url"), "http://["),
        ("show", ("files", 0, "filename"), "../x"),
        ("show", ("versions", 0), "odd"),
        ("list", ("next",), "again"),
        ("indexes", ("indexes", 0, "default"), "true"),
    ],
)
def test_a_value_that_cannot_be_is_an_error_of_the_server(
    verb: str, place: tuple[Any, ...], value: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WHARF_TOKEN", "wharf_" + "x" * 43)
    words, whole = ANSWERS[verb]
    document = copy.deepcopy(whole)
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    assert place[-1] in inner if isinstance(inner, dict) else inner
    inner[place[-1]] = value
    said = {"document": document, "indexes": verb == "indexes", "publishes": False}
    with Server(_serving(said)) as server:
        told = run_wharf(capsys, "--server", f"http://127.0.0.1:{server.port}/", "--json", *words, code=8)
    assert "127.0.0.1" in told.document["error"]["message"]
