"""Errors, secrets, settings and tokens."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wharf import errors
from wharf.errors import ConflictError, NotFoundError, StorageError, UsageError, WharfError
from wharf.model import is_filename, is_name, same_version
from wharf.repository import settings
from wharf.repository.tokens import Tokens
from wharf.secret import Secret


def test_every_error_has_its_own_word_and_the_promised_exit_codes() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, WharfError)]
    assert len({kind.code for kind in kinds}) == len(kinds)
    promised = {
        "usage": 2, "invalid-distribution": 3, "not-found": 4, "conflict": 5, "not-allowed": 6, "refused": 7, "storage": 8,
    }  # fmt: skip
    assert {kind.code: kind.exit_code for kind in kinds if kind.code in promised} == promised


def test_a_secret_is_shown_by_nothing_but_reveal() -> None:
    secret = Secret("hunter2")
    shown = f"{secret} {secret!r} {[secret]} {secret!s}"
    try:
        raise ValueError(secret)
    except ValueError:
        shown += traceback.format_exc()
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"
    for write in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            write(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert len({secret, Secret("hunter2")}) == 1


def _resolve(index: str | None = None) -> settings.Settings:
    options = {} if index is None else {"index": index}
    return settings.resolve(options, {}, (), data=Path("/data/wharf"), cache=Path("/cache/wharf"))


@pytest.mark.parametrize("index", ["", "Main", "a/b", "../x", "simple", "files", "legacy", "pypi", "healthz", "-x", "a b"])
def test_an_index_name_that_cannot_be_is_told(index: str) -> None:
    with pytest.raises(UsageError):
        _resolve(index)


@pytest.mark.parametrize(
    ("text", "good"),
    [("foo", True), ("f-o-o", True), ("a", True), ("Foo", False), ("f_o", False), ("f--o", False), ("-f", False),
     ("f/o", False), ("", False), ("é", False), ("a\n", False), ("x" * 201, False)],
)  # fmt: skip
def test_a_name_is_in_its_normal_form(text: str, good: bool) -> None:
    assert is_name(text) is good


@pytest.mark.parametrize("text", ["", "../a", "a/b", "a\\b", "a b", "a\n", ".hidden", "ü.whl", "a\0", "x" * 251])
def test_a_file_name_has_no_path_and_no_control_character(text: str) -> None:
    assert not is_filename(text)


def test_versions_are_equal_in_any_spelling() -> None:
    assert same_version("1.0", "1.0.0")
    assert same_version("1!2.0rc1", "1!2.0-RC.1")
    assert not same_version("1.0", "1.0.post1")
    assert not same_version("x", "1.0")


def test_a_token_is_kept_as_its_digest_only_and_only_for_its_owner(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "data" / "tokens.json")
    assert tokens.all() == []
    assert tokens.stamp() is None
    secret = tokens.create("ci", "publish")
    assert secret.reveal() not in tokens.path.read_text()
    assert tokens.path.stat().st_mode & 0o777 == 0o600
    (kept,) = tokens.all()
    assert (kept.name, kept.scope, kept.sha256, kept.expires) == ("ci", "publish", secret.sha256(), None)
    with pytest.raises(ConflictError):
        tokens.create("ci", "read")
    tokens.revoke("ci")
    with pytest.raises(NotFoundError):
        tokens.revoke("ci")


def test_an_expired_token_makes_room_for_one_of_its_name(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.create("ci", "publish", datetime.now(UTC) - timedelta(seconds=1))
    tokens.create("ci", "read")
    assert [token.scope for token in tokens.all()] == ["read"]


def test_many_writers_lose_no_token(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: tokens.create(f"t{number}", "read"), range(24)))
    assert len(tokens.all()) == 24
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tokens.json", "tokens.json.lock"]


@pytest.mark.parametrize("text", ["", "[]", '{"tokens": [{"name": "x"}]}', '{"version": 4}', "\0"])
def test_a_broken_file_of_tokens_is_told_and_not_written_over(tmp_path: Path, text: str) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.path.write_text(text)
    with pytest.raises(StorageError, match=r"tokens\.json"):
        tokens.all()
    with pytest.raises(StorageError):
        tokens.create("ci", "read")
    assert tokens.path.read_text() == text


def test_somebody_else_s_words_are_shown_without_a_secret_that_they_repeat() -> None:
    assert Secret("ghp_0123456789").hidden_in("you sent ghp_0123456789, ghp_01234") == "you sent ***, ghp_01234"
    assert Secret("name").hidden_in("the name of a thing") == "the name of a thing"
    assert Secret("").hidden_in("nothing") == "nothing"
