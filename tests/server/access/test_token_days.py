"""What happens once a day and token: its use is noted, and its end is told."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from wharf.repository.locked_file import LockedFile
from wharf.repository.token_usage import TokenUsage
from wharf.repository.tokens import Token
from wharf.server.access.token_days import AGAIN, TokenDays

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

A, B = "a" * 64, "b" * 64
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Time:
    """A moment that a test moves on."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds - 1000)

    def clock(self) -> float:
        return self.seconds


def token(digest: str, name: str = "ci", *, days: float | None = None, owner: str | None = None) -> Token:
    expires = None if days is None else START + timedelta(days=days)
    return Token(name=name, scope="read", sha256=digest, created=START, expires=expires, owner=owner)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def usage(tmp_path: Path) -> TokenUsage:
    return TokenUsage(tmp_path / "tokens-used.json")


def days_of(usage: TokenUsage, time: Time) -> TokenDays:
    return TokenDays(usage, now=time.now, clock=time.clock)


def test_a_token_is_noted_once_a_day(usage: TokenUsage, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    written = []
    note = TokenUsage.note

    def count(self: TokenUsage, digests: set[str], day: date, known: Mapping[str, Token]) -> bool:
        written.append(sorted(digests))
        return note(self, digests, day, known)

    monkeypatch.setattr(TokenUsage, "note", count)
    days, tokens = days_of(usage, time), {A: token(A), B: token(B, "dev")}
    for _ in range(3):
        days.used.add(A)
        days.look(tokens)
    days.used.add(B)
    days.look(tokens)
    assert written == [[A], [B]]
    assert usage.days() == {A: date(2026, 3, 1), B: date(2026, 3, 1)}
    time.seconds += 86400
    days.look(tokens)
    assert usage.days()[A] == date(2026, 3, 1)  # nobody used it since
    days.used.add(A)
    days.look(tokens)
    assert usage.days() == {A: date(2026, 3, 2), B: date(2026, 3, 1)}


def test_a_revoked_token_is_not_noted(usage: TokenUsage, time: Time) -> None:
    days = days_of(usage, time)
    days.used.add(A)
    days.look({})
    assert list(usage.path.parent.iterdir()) == []


def test_where_nothing_can_be_written_it_is_told_once_and_tried_again(
    usage: TokenUsage, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    usage.path.mkdir()  # nobody can write over a folder, whoever runs the tests
    days, tokens = days_of(usage, time), {A: token(A)}
    days.used.add(A)
    for _ in range(3):
        days.look(tokens)
        time.seconds += AGAIN
    assert [each.getMessage()[:45] for each in caplog.records] == [
        "When tokens are used last is not noted in " + str(usage.path)[:3]
    ]
    usage.path.rmdir()
    days.look(tokens)
    assert usage.days() == {A: time.now().date()}


def test_another_server_that_writes_is_waited_for_without_waiting(
    usage: TokenUsage, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    days, tokens = days_of(usage, time), {A: token(A)}
    days.used.add(A)
    with LockedFile(usage.path):
        days.look(tokens)
    assert usage.days() == {}
    days.look(tokens)
    assert A in usage.days()
    assert caplog.records == []


def test_a_token_that_ends_soon_is_told_once_a_day(usage: TokenUsage, time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    days = days_of(usage, time)
    tokens = {A: token(A, days=3, owner="alice"), B: token(B, "dev", days=15)}
    for _ in range(3):
        days.look(tokens)
    days.look(dict(tokens))  # the file was read again
    told = [each.getMessage() for each in caplog.records]
    assert told == ["The token 'ci' of alice ends on 2026-03-04 12:00 UTC. `wharf token create` makes another one."]
    caplog.clear()
    time.seconds += 86400
    days.look(tokens)
    assert [each.getMessage().split()[2] for each in caplog.records] == ["'ci'", "'dev'"]
    caplog.clear()
    time.seconds += 2 * 86400
    days.look(tokens)
    assert [each.getMessage().split()[2] for each in caplog.records] == ["'dev'"]  # the other one has ended
