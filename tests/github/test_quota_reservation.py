"""Room for whole publishes: in no order of them does one wait long where that can be helped, and no limit is exceeded."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.github.test_quota import Time, _most
from wharf.errors import QuotaError
from wharf.github.quota import READ, WRITE, Wait
from wharf.github.quota_by_token import Tallies
from wharf.github.quota_reservation import CREATIONS, DENSE, reserve
from wharf.github.request_turns import Turns
from wharf.secret import Secret

PATIENCE = 20.0


def publish(turns: Turns, time: Time) -> float:
    """One publish that waits for its room; how long."""
    room = reserve(turns, PATIENCE)
    time.now += room.seconds
    room.give_back()
    for _ in range(CREATIONS):
        turns.take(WRITE, creates=True)
    for _ in range(8):
        turns.take(READ, creates=False)
    return room.seconds


@pytest.mark.slow
@settings(max_examples=10)
@given(st.floats(0, 4))
@example(0.05)
@example(0.375)
def test_who_publishes_one_after_the_other_never_waits_long(each: float) -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    waits, moments = [], []
    for _ in range(100):
        waits.append(publish(turns, time))
        moments += [(time.now, 1)] * CREATIONS
        time.now += each
    assert max(waits) < 2 * DENSE
    assert _most(moments, 60) <= 80
    assert time.now - 1000 < max(100 * each, 300 / 80 * 61) + 61, "no slower than the limit makes it"


def test_a_burst_that_fits_waits_for_nothing() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    assert [publish(turns, time) for _ in range(12)] == [0.0] * 12


def test_those_who_come_at_once_are_spread_and_the_last_are_told_how_long_it_is() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    rooms, refused = [], []
    for _ in range(30):
        try:
            rooms.append(reserve(turns, PATIENCE))
        except QuotaError as error:
            refused.append(error)
    waits = [room.seconds for room in rooms]
    assert waits == sorted(waits)
    assert len(waits) == 26, "as many as a minute takes"
    assert waits[:12] == [0.0] * 12
    assert 0 < min(wait for wait in waits if wait) < max(waits) <= PATIENCE
    assert refused
    assert all(PATIENCE < error.retry_after <= 61 for error in refused)
    assert {error.reason for error in refused} == {"GitHub takes 80 new contents a minute"}
    for room in (*rooms, *rooms):  # twice does no harm
        room.give_back()
    time.now += 100
    assert reserve(turns, 0.0).seconds == 0


def test_many_files_of_one_version_are_held_by_the_points() -> None:
    """Each costs one new content only, and reads as much as any."""
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    waits = []
    for _ in range(120):
        room = reserve(turns, PATIENCE)
        time.now += room.seconds
        waits.append(room.seconds)
        room.give_back()
        turns.take(WRITE, creates=True)
        for _ in range(12):
            turns.take(READ, creates=False)
    assert DENSE < max(waits) <= PATIENCE


def test_no_room_is_given_in_a_pause() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    with pytest.raises(QuotaError):
        turns.close(Wait(30, "a pause"))
    with pytest.raises(QuotaError) as caught:
        reserve(turns, PATIENCE)
    assert (caught.value.retry_after, caught.value.reason) == (30, "a pause")
    time.now += 15
    assert reserve(turns, PATIENCE).seconds == 15


def test_limits_are_remembered_by_token_and_by_user() -> None:
    time, tallies = Time(), Tallies()
    one, two, other = Secret("one"), Secret("two"), Secret("other")

    def turns(token: Secret) -> Turns:
        return Turns(time.waiting(at_most=0), tallies.of(token))

    tallies.belongs(one, "alice")
    with pytest.raises(QuotaError):
        turns(one).close(Wait(30, "a pause"))
    with pytest.raises(QuotaError):
        turns(one).take(READ, creates=False)
    turns(two).take(READ, creates=False)
    tallies.belongs(two, "alice")
    with pytest.raises(QuotaError):
        turns(two).take(READ, creates=False)
    with pytest.raises(QuotaError):
        turns(two).close(Wait(90, "a longer one"))
    time.now += 31
    with pytest.raises(QuotaError) as caught:
        turns(one).take(READ, creates=False)
    assert (caught.value.retry_after, caught.value.reason) == (59, "a longer one")
    turns(other).take(READ, creates=False)
    with pytest.raises(QuotaError):
        turns(other).close(Wait(600, "of a token whose user is not known yet"))
    assert tallies.belongs(other, "alice").closed_until == time.now + 600


def test_made_up_tokens_drive_out_none_that_is_used() -> None:
    tallies, used = Tallies(), Secret("used")
    first = tallies.of(used)
    for number in range(5000):
        tallies.of(Secret(f"made up {number}"))
        assert number % 1000 or tallies.of(used) is first
