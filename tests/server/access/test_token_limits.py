"""Wharf tokens with limits: every route of a server over a folder, with every kind of token."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

import pytest

from tests.makers import make_wheel
from tests.matrix import first
from tests.server.running import soon
from tests.server.test_server import LIMIT, form, serving
from wharf.index import wharf_toml
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.repository.token_usage import TokenUsage
from wharf.repository.tokens import NewToken
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

# What each kind of token gets: a page, the list, a file, the home page, an upload of demo, of another project, of known bytes.
KINDS: Final = {
    "reads": (NewToken(name="t", scope="read"), 200, 403, 403),
    "publishes": (NewToken(name="t", scope="publish"), 200, 200, 200),
    "manages": (NewToken(name="t", scope="manage"), 200, 200, 200),
    "manages this project": (NewToken(name="t", scope="manage", projects=["demo"]), 200, 200, 403),
    "reads this index": (NewToken(name="t", scope="read", indexes=["main"]), 200, 403, 403),
    "for this index": (NewToken(name="t", scope="publish", indexes=["staging", "main"]), 200, 200, 200),
    "for another index": (NewToken(name="t", scope="publish", indexes=["staging"]), 403, 403, 403),
    "for this project": (NewToken(name="t", scope="publish", projects=["Dem*"]), 200, 200, 403),
    "for another project": (NewToken(name="t", scope="publish", projects=["acme-*"]), 200, 403, 403),
    "for both": (NewToken(name="t", scope="publish", indexes=["main"], projects=["demo", "other"]), 200, 200, 200),
    "for another index and this project": (NewToken(name="t", scope="publish", indexes=["x"], projects=["*"]), 403, 403, 403),
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    return make_wheel(tmp_path)


@pytest.fixture
def served(repository: Repository, wheel: Path) -> Iterator[httpx.Client]:
    publish(repository, [Input.of(wheel)], actor="ada")
    with serving(repository, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        yield client


@pytest.mark.parametrize("kind", first(4, KINDS))
def test_each_route_with_each_kind_of_token(
    served: httpx.Client, repository: Repository, wheel: Path, tmp_path: Path, kind: str
) -> None:
    new, reading, own, other = KINDS[kind]
    auth = ("__token__", repository.tokens.add(new).reveal())
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    file = f"/files/{sha256}/{wheel.name}"
    for path in ("/", "/simple/", "/simple/demo/", "/simple/demo/", file, file, f"{file}.metadata"):
        answer = served.get(path, auth=auth)
        assert answer.status_code == reading, path
        if reading == 403:
            assert "and not for the index 'main'" in answer.text
            assert "www-authenticate" not in answer.headers
    missing = served.get("/simple/nothing/", auth=auth).status_code
    assert missing == (404 if reading == 200 else 403)
    again = served.post("/legacy/", auth=auth, **form(wheel))
    assert again.status_code == own, again.text
    newer = served.post("/legacy/", auth=auth, **form(make_wheel(tmp_path / "new", "demo", "2.0")))
    assert newer.status_code == own, newer.text
    foreign = served.post("/legacy/", auth=auth, **form(make_wheel(tmp_path / "other", "other", "1.0")))
    assert foreign.status_code == other, foreign.text
    names = repository.branch.snapshot().overview()
    assert ("2.0" in names["demo"], "other" in names) == (own == 200, other == 200)
    stored = {path.name for path in (tmp_path / "store" / "assets").rglob("*.whl")}
    assert ("demo-2.0-py3-none-any.whl" in stored, "other-1.0-py3-none-any.whl" in stored) == (own == 200, other == 200)


def test_a_refused_upload_says_what_the_token_may(served: httpx.Client, repository: Repository, wheel: Path) -> None:
    token = repository.tokens.add(NewToken(name="ci", scope="publish", projects=["acme-*", "tool"])).reveal()
    answer = served.post("/legacy/", auth=("x", token), **form(wheel))
    assert (answer.status_code, answer.headers.get("content-type", "").split(";")[0]) == (403, "text/plain")
    assert "The token 'ci' may write acme-*, tool, and not demo." in answer.text
    assert "`wharf token create NAME --index main --project demo`" in answer.text


@pytest.mark.parametrize(
    ("token", "command"),
    [
        (NewToken(name="t", scope="read"), "--scope publish"),
        (NewToken(name="t", scope="read", indexes=["main", "x"]), "--scope publish --index main"),
        (NewToken(name="t", scope="read", indexes=["x"]), "--scope read --index main"),
        (NewToken(name="t", scope="publish", indexes=["x"]), "--index main"),
        (
            NewToken(name="t", scope="publish", indexes=["x"], projects=["acme-*", "tool"]),
            "--index main --project 'acme-*' --project tool",
        ),
    ],
)
def test_the_token_that_a_refusal_proposes_keeps_the_limits(
    served: httpx.Client, repository: Repository, wheel: Path, token: NewToken, command: str
) -> None:
    auth = ("x", repository.tokens.add(token).reveal())
    answer = served.post("/legacy/", auth=auth, **form(wheel))
    assert (answer.status_code, f"`wharf token create NAME {command}` makes one" in answer.text) == (403, True), answer.text


def test_the_settings_of_an_index_do_not_limit_wharf_tokens(served: httpx.Client, repository: Repository, wheel: Path) -> None:
    """`[upload]` is about GitHub tokens; over a folder there are none."""
    from tests.index.test_branch import edit_by_hand

    edit_by_hand(wheel.parent / "store", wharf_toml.PATH, wharf_toml.NEW + b'[upload]\n"*" = ["grace"]\n')
    token = repository.tokens.create("ci", "publish").reveal()
    assert served.post("/legacy/", auth=("x", token), **form(wheel)).status_code == 200


def test_a_limit_that_is_made_while_the_server_runs_holds_at_once(served: httpx.Client, repository: Repository) -> None:
    token = repository.tokens.create("ci", "publish").reveal()
    assert served.get("/simple/demo/", auth=("x", token)).status_code == 200
    repository.tokens.revoke("ci")
    secret = repository.tokens.add(NewToken(name="ci", scope="publish", indexes=["staging"])).reveal()
    assert served.get("/simple/demo/", auth=("x", token)).status_code == 401
    assert served.get("/simple/demo/", auth=("x", secret)).status_code == 403


def test_the_server_notes_the_day_of_use(served: httpx.Client, repository: Repository) -> None:
    secret = repository.tokens.create("ci", "read")
    repository.tokens.create("unused", "read")
    assert served.get("/simple/demo/", auth=("x", secret.reveal())).status_code == 200
    usage = TokenUsage(repository.tokens.path_of_usage)
    soon(lambda: [*usage.days()] == [secret.sha256()])


def test_open_reading_stays_open_to_whoever_sends_a_limited_token(repository: Repository, wheel: Path) -> None:
    publish(repository, [Input.of(wheel)], actor="ada")
    token = repository.tokens.add(NewToken(name="ci", scope="publish", indexes=["staging"])).reveal()
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        assert client.get("/simple/demo/", auth=("x", token)).status_code == 200
        assert client.post("/legacy/", auth=("x", token), **form(wheel)).status_code == 403
