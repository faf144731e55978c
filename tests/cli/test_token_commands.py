"""`wharf token`: what a token is limited to, and what is listed of it."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_main import Run, document, run
from wharf.cli.main import main
from wharf.repository.token_usage import TokenUsage
from wharf.repository.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["run"]


@pytest.fixture
def tell(run: Run, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `wharf ...` on the store, and gives all that a person reads."""
    del run  # it names the store

    def tell(*words: str) -> str:
        with pytest.raises(SystemExit) as left:
            main(words)
        out, err = capsys.readouterr()
        assert left.value.code == 0, err
        return out + err

    return tell


def tokens_of(store: Path) -> Tokens:
    return Tokens(store / "tokens.json")


def test_an_index_that_is_not_there_is_warned_of(run: Run, tell: Callable[..., str]) -> None:
    run("index", "create", "staging")
    assert "There is no index 'stagign' yet. Did you mean staging?" in tell("token", "create", "a", "--index", "stagign")
    assert "There is no index 'other' yet." in tell("token", "create", "b", "--index", "other", "--index", "staging")
    assert "There is no index" not in tell("token", "create", "c", "--index", "staging", "--index", "main")


def test_a_token_with_limits_an_owner_and_a_note(run: Run, store: Path) -> None:
    words = (
        "--index",
        "staging",
        "--index",
        "dev",
        "--project",
        "acme-*",
        "--project",
        "tool",
        "--owner",
        "alice",
        "--note",
        "CI",
    )
    said = document(run("token", "create", "ci", *words, "--json"))
    assert (said["indexes"], said["projects"]) == (["staging", "dev"], ["acme-*", "tool"])
    (token,) = tokens_of(store).all()
    assert (token.indexes, token.projects, token.owner, token.note) == (("staging", "dev"), ("acme-*", "tool"), "alice", "CI")
    listed = run("token", "list")
    for part in ("index staging, dev", "writes acme-*, tool", "owner alice", "note: CI", "no use noted", "created 20"):
        assert part in listed
    (entry,) = document(run("token", "list", "--json"))["tokens"]
    assert {key: entry[key] for key in ("indexes", "projects", "owner", "note", "last_used")} == {
        "indexes": ["staging", "dev"],
        "projects": ["acme-*", "tool"],
        "owner": "alice",
        "note": "CI",
        "last_used": None,
    }


@pytest.mark.parametrize("before", [(), ("--index", "staging")])
def test_no_other_word_about_the_index_limits_a_token(
    tell: Callable[..., str], store: Path, monkeypatch: pytest.MonkeyPatch, before: tuple[str, ...]
) -> None:
    monkeypatch.setenv("WHARF_INDEX", "dev")
    said = tell(*before, "token", "create", "ci")
    assert "may read all indexes, and publish there" in said
    (token,) = tokens_of(store).all()
    assert token.indexes is None
    assert json.loads((store / "tokens.json").read_text())["version"] == 1


def test_what_a_token_may_is_said_when_it_is_made(tell: Callable[..., str]) -> None:
    assert "may read the index staging, and publish acme-* there" in tell(
        "token", "create", "a", "--index", "staging", "--project", "acme-*"
    )
    assert "may read the index staging;" in tell("token", "create", "b", "--index", "staging", "--scope", "read")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--project", "a b"), "'a b' does not stand for names of projects"),
        (("--index", "Main"), "'Main' cannot be the name of an index"),
        (("--index", "files"), "'files' cannot be the name of an index"),
        (("--scope", "read", "--project", "a"), "this one only reads"),
        (("--owner", ""), "The owner of a token must be one line"),
    ],
)
def test_odd_limits_are_refused(run: Run, store: Path, words: tuple[str, ...], why: str) -> None:
    assert why in run("token", "create", "ci", *words, code=2)
    assert tokens_of(store).all() == []


def test_the_day_of_the_last_use_is_listed(run: Run, tell: Callable[..., str], store: Path) -> None:
    run("token", "create", "ci")
    (token,) = tokens_of(store).all()
    usage = TokenUsage(tokens_of(store).path_of_usage)
    usage.note([token.sha256], date(2026, 5, 6), [token.sha256])
    assert "last used 2026-05-06" in run("token", "list")
    assert document(run("token", "list", "--json"))["tokens"][0]["last_used"] == "2026-05-06"
    usage.path.write_text("oops")
    assert "When tokens were used last is not known" in tell("token", "list")


def test_a_token_that_ends_soon_is_told(run: Run, tell: Callable[..., str], store: Path) -> None:
    run("token", "create", "first")
    now = datetime.now(UTC)
    tokens_of(store).create("soon", "read", now + timedelta(days=13))
    tokens_of(store).create("later", "read", now + timedelta(days=15))
    tokens_of(store).create("over", "read", now - timedelta(days=1))
    said = tell("token", "list")
    assert "The token 'soon' expires" in said
    assert "'later'" not in said
    assert "'over'" not in said


def test_a_list_of_a_newer_version_is_an_error(run: Run, store: Path) -> None:
    run("token", "create", "ci")
    (store / "tokens.json").write_text('{"version": 4}')
    answer: dict[str, Any] = document(run("token", "list", "--json", code=8))
    assert "has version 4" in answer["error"]["message"]
