"""wharf's own tokens as they are stored: their limits, and the versions of the file."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from wharf.errors import NotAllowedError, StorageError, UsageError
from wharf.repository.locked_file import LockedFile
from wharf.repository.token_usage import TokenUsage
from wharf.repository.tokens import SOON, NewToken, Tokens

if TYPE_CHECKING:
    from pathlib import Path

LIMITED = NewToken(name="ci", scope="publish", indexes=["staging"], projects=["acme-*"], owner="alice", note="nightly jobs")
A, B = "a" * 64, "b" * 64


def written(tokens: Tokens) -> dict[str, Any]:
    return dict(json.loads(tokens.path.read_text()))


def test_the_file_has_version_1_for_as_long_as_that_says_all(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.create("old", "publish")
    assert written(tokens)["version"] == 1
    assert set(written(tokens)["tokens"][0]) == {"name", "scope", "sha256", "created"}
    tokens.add(LIMITED)
    assert written(tokens)["version"] == 2
    assert [each.name for each in tokens.all()] == ["old", "ci"]
    tokens.revoke("ci")
    assert written(tokens)["version"] == 1


@pytest.mark.parametrize("part", [{"indexes": ["staging"]}, {"projects": ["a"]}, {"owner": "alice"}, {"note": "x"}])
def test_what_version_1_cannot_say_makes_version_2(tmp_path: Path, part: dict[str, Any]) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.add(NewToken(name="ci", scope="publish", **part))
    assert written(tokens)["version"] == 2
    (token,) = tokens.all()
    for key, value in part.items():
        assert getattr(token, key) == (tuple(value) if isinstance(value, list) else value)


def test_a_scope_that_an_older_wharf_does_not_know_makes_version_3(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.add(LIMITED)
    tokens.create("boss", "manage")
    assert written(tokens)["version"] == 3
    tokens.path.write_text(tokens.path.read_text().replace('"version": 3', '"version": 2'))
    with pytest.raises(StorageError, match="cannot be read as a list of tokens"):
        tokens.all()
    tokens.path.write_text(tokens.path.read_text().replace('"version": 2', '"version": 3'))
    tokens.revoke("boss")
    assert written(tokens)["version"] == 2


def test_each_change_has_a_later_time_than_the_one_before_whatever_the_clock_says(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.create("aa", "publish")
    later = time.time_ns() + 3600 * 10**9
    os.utime(tokens.path, ns=(later, later))
    seen = [tokens.stamp()]
    for name, other in (("aa", "bb"), ("bb", "cc")):  # the file has as many bytes as before, and often the same number
        tokens.revoke(name)
        seen.append(tokens.stamp())
        tokens.create(other, "publish")
        seen.append(tokens.stamp())
    times = [each[0] for each in seen if each is not None]
    assert times == sorted(set(times))
    assert len(times) == 5


def test_a_token_ends_with_the_one_that_made_it(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    boss = tokens.create("boss", "manage").sha256()
    middle = tokens.add(NewToken(name="middle", scope="manage", made_by=boss)).sha256()
    tokens.add(NewToken(name="last", scope="read", made_by=middle))
    tokens.create("other", "read")
    assert written(tokens)["version"] == 3
    tokens.revoke("last")
    tokens.add(NewToken(name="last", scope="read", made_by=middle))
    tokens.revoke("boss")
    assert [each.name for each in tokens.all()] == ["other"]
    for ended in (boss, middle):
        with pytest.raises(NotAllowedError, match="has ended"):
            tokens.add(NewToken(name="late", scope="read", made_by=ended))
    assert written(tokens)["version"] == 1


def test_expired_tokens_that_others_made_leave_the_list(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    boss = tokens.create("boss", "manage").sha256()
    over = datetime(2020, 1, 1, tzinfo=UTC)
    tokens.create("by-a-command", "read", over)
    tokens.add(NewToken(name="made", scope="read", made_by=boss, expires=over))
    tokens.add(NewToken(name="next", scope="read", made_by=boss))
    assert [each.name for each in tokens.all()] == ["boss", "by-a-command", "next"]


def test_an_expired_token_makes_none(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    boss = tokens.create("boss", "manage", datetime(2020, 1, 1, tzinfo=UTC)).sha256()
    with pytest.raises(NotAllowedError, match="has ended"):
        tokens.add(NewToken(name="late", scope="read", made_by=boss))


def test_a_limit_in_a_file_of_version_1_is_not_read_as_no_limit(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.add(LIMITED)
    tokens.path.write_text(tokens.path.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(StorageError, match="cannot be read as a list of tokens"):
        tokens.all()


@pytest.mark.parametrize("version", [4, 17])
def test_a_newer_version_is_said_to_be_one_and_not_written_over(tmp_path: Path, version: int) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    text = json.dumps({"version": version, "tokens": [{"name": "x", "hours": "9-17"}]})
    tokens.path.write_text(text)
    with pytest.raises(StorageError, match=f"has version {version}; this wharf knows versions up to 3") as caught:
        tokens.all()
    assert "Update wharf" in caught.value.hint
    for act in (lambda: tokens.create("ci", "read"), lambda: tokens.revoke("x")):
        with pytest.raises(StorageError):
            act()
    assert tokens.path.read_text() == text


@pytest.mark.parametrize(
    "change",
    [{"indexes": []}, {"projects": []}, {"indexes": ["../x"]}, {"projects": ["a b"]}, {"owner": "a\nb"}, {"hours": "9"}],
)
def test_a_file_that_says_a_limit_in_an_odd_way_lets_nobody_in(tmp_path: Path, change: dict[str, Any]) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.add(LIMITED)
    found = written(tokens)
    found["tokens"][0] |= change
    tokens.path.write_text(json.dumps(found))
    with pytest.raises(StorageError):
        tokens.all()


@pytest.mark.parametrize(
    ("part", "why"),
    [
        ({"indexes": ["Staging"]}, "'Staging' cannot be the name of an index"),
        ({"indexes": ["simple"]}, "'simple' cannot be"),
        ({"indexes": [f"i{number}" for number in range(101)]}, "too many indexes"),
        ({"projects": ["a/b"]}, "'a/b' does not stand for names"),
        ({"projects": [""]}, "does not stand for names"),
        ({"projects": [f"p{number}" for number in range(101)]}, "too many names of projects"),
        ({"owner": ""}, "owner of a token must be one line"),
        ({"owner": "x" * 101}, "at most 100 characters"),
        ({"note": "a\x1b[2Jb"}, "note of a token must be one line"),
        ({"note": "x" * 301}, "at most 300 characters"),
        ({"name": "bad name"}, "cannot be the name of a token"),
    ],
)
def test_what_a_token_cannot_be_made_for_is_said(tmp_path: Path, part: dict[str, Any], why: str) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    with pytest.raises(UsageError, match=why):
        tokens.add(NewToken(**{"name": "ci", "scope": "publish", **part}))
    assert not tokens.path.exists()


def test_a_limit_that_is_given_twice_is_kept_once(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    tokens.add(NewToken(name="ci", scope="publish", indexes=["a", "b", "a"], projects=["x", "x"]))
    (token,) = tokens.all()
    assert (token.indexes, token.projects) == (("a", "b"), ("x",))
    assert [token.is_for(index) for index in ("a", "b", "main")] == [True, True, False]


def test_a_token_ends_soon_for_a_while_before_its_end(tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    end = datetime(2030, 1, 31, tzinfo=UTC)
    tokens.create("ci", "read", end)
    (token,) = tokens.all()
    moments = (end - SOON - timedelta(seconds=1), end - SOON, end - timedelta(seconds=1), end)
    assert [token.ends_soon(moment) for moment in moments] == [False, True, True, False]


# When tokens were used


def test_the_last_day_of_a_token_is_kept_and_what_is_gone_is_not(tmp_path: Path) -> None:
    usage = TokenUsage(tmp_path / "tokens-used.json")
    assert usage.days() == {}
    assert usage.note([A, B], date(2026, 1, 2), [A, B])
    assert usage.note([A], date(2026, 1, 1), [A, B])  # by a server whose clock is behind
    assert usage.days() == {A: date(2026, 1, 2), B: date(2026, 1, 2)}
    assert usage.note([A], date(2026, 1, 3), [A])
    assert usage.days() == {A: date(2026, 1, 3)}
    assert usage.path.stat().st_mode & 0o777 == 0o600


def test_nobody_waits_for_another_server(tmp_path: Path) -> None:
    usage = TokenUsage(tmp_path / "tokens-used.json")
    with LockedFile(usage.path):
        assert not usage.note([A], date(2026, 1, 2), [A])
    assert usage.days() == {}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"version": 2}', '{"used": {"x": "2026-01-01"}}', '{"used": {"' + A + '": "soon"}}']
)
def test_days_that_cannot_be_read_are_told_and_not_written_over(tmp_path: Path, text: str) -> None:
    usage = TokenUsage(tmp_path / "tokens-used.json")
    usage.path.write_text(text)
    for act in (usage.days, lambda: usage.note([A], date(2026, 1, 2), [A])):
        with pytest.raises(StorageError, match=r"tokens-used\.json"):
            act()
    assert usage.path.read_text() == text


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    usage = TokenUsage(tmp_path / "store" / "tokens-used.json")
    with pytest.raises(FileNotFoundError):
        usage.note([A], date(2026, 1, 2), [A])
    assert os.listdir(tmp_path) == []
