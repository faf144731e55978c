"""GitHub's limits as arithmetic: windows that are never exceeded, and waits that are as long as GitHub asks and no longer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import QuotaError, StorageError
from wharf.github.quota import FIRST_WAIT, READ, WRITE, Pace, Wait, Window
from wharf.github.quota_headers import rate, wait_after
from wharf.github.request_turns import Turns, Waiting

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC).timestamp()
SECONDARY = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


def headers(*, at: float = NOW, reset: float = NOW + 600, remaining: int = 0, limit: int = 5000, **more: str) -> dict[str, str]:
    return {
        "date": format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True),
        "x-ratelimit-limit": str(limit),
        "x-ratelimit-remaining": str(remaining),
        "x-ratelimit-reset": str(int(reset)),
        "x-ratelimit-resource": "core",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


@dataclass
class Time:
    """A clock that only sleeping moves, and what was told."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)
    told: list[tuple[str, float]] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds

    def waiting(self, at_most: float = 3600.0) -> Waiting:
        return Waiting(at_most, lambda reason, seconds: self.told.append((reason, seconds)), lambda: self.now, self.sleep)


@pytest.mark.parametrize(
    ("status", "after", "seconds"), [(403, "1", 1), (429, "37", 37), (403, "3600", 3600), (403, "999999", 86400)]
)
def test_retry_after_is_obeyed(status: int, after: str, seconds: float) -> None:
    found = wait_after(status, headers(remaining=10, retry_after=after), SECONDARY, tries=0, now=NOW)
    assert found is not None
    assert found.seconds == seconds
    assert "GitHub asks for a pause" in found.reason


def test_a_retry_after_of_nothing_is_not_obeyed_without_end() -> None:
    waits = [wait_after(403, {"retry-after": "0"}, "", tries=tries, now=NOW) for tries in range(6)]
    assert [wait and wait.seconds for wait in waits] == [0, 1, 3, 7, 15, 31]


def test_an_hour_that_ended_is_not_waited_for_without_end() -> None:
    """A second each time would be told to nobody and be counted nowhere."""
    for message in ("", "API rate limit exceeded"):
        waits = [wait_after(403, headers(reset=NOW - 5), message, tries=tries, now=NOW) for tries in range(6)]
        assert [wait and wait.seconds for wait in waits] == [1, 2, 4, 8, 16, 32]


@pytest.mark.parametrize("tries", [0, 40, 5000])
@pytest.mark.parametrize("after", ["0", "9" * 400, ""])
def test_no_number_of_tries_is_too_much_to_calculate_with(tries: int, after: str) -> None:
    assert wait_after(429, {"retry-after": after}, "", tries=tries, now=NOW) is not None


@pytest.mark.parametrize(
    "date",
    ["Mon, 01 Jan 99999999999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
     "Fri, 31 Dec 9999 23:59:59 GMT", "1 Jan 1 00:00:00 +0000", "soon"],
)  # fmt: skip
def test_a_date_that_no_clock_tells_is_not_believed(date: str) -> None:
    turns = Turns(Waiting())
    turns.learn({"date": date})
    assert abs(turns.skew or 0) < 40 * 365 * 86400


@pytest.mark.parametrize("skew", [-86400, -300, 0, 300, 86400])
def test_a_used_up_hour_is_waited_for_by_github_s_own_clock(skew: float) -> None:
    found = wait_after(403, headers(), "API rate limit exceeded for user ID 1000.", tries=3, now=NOW + skew)
    assert found is not None
    assert found.seconds == 601
    assert found.reason == "the 5000 requests of this hour are used up"


def test_without_a_date_our_own_clock_has_to_do() -> None:
    told = headers()
    del told["date"]
    found = wait_after(429, told, "", tries=0, now=NOW + 100)
    assert found is not None
    assert found.seconds == 501


@pytest.mark.parametrize("reset", [-100.0, 1e6, 1e18, 1e300])
def test_no_reset_is_believed_to_be_in_the_past_or_after_more_than_an_hour(reset: float) -> None:
    found = wait_after(403, headers(reset=NOW + reset), "", tries=0, now=NOW)
    assert found is not None
    assert 1 <= found.seconds <= 3601


def test_a_secondary_limit_that_does_not_say_how_long_doubles_from_a_minute() -> None:
    for message in (SECONDARY, "You have triggered an abuse detection mechanism."):
        waits = [wait_after(403, headers(remaining=10), message, tries=tries, now=NOW) for tries in range(4)]
        assert [wait and wait.seconds for wait in waits] == [60, 120, 240, 480]
    assert wait_after(429, {}, "", tries=0, now=NOW) is not None


@pytest.mark.parametrize("status", [200, 401, 404, 409, 422, 500, 503])
def test_what_is_no_refusal_by_a_limit_is_not_waited_for(status: int) -> None:
    assert wait_after(status, headers(retry_after="5"), SECONDARY, tries=0, now=NOW) is None
    assert wait_after(403, headers(remaining=10), "Resource not accessible by integration", tries=0, now=NOW) is None
    assert wait_after(403, {}, "Bad", tries=0, now=NOW) is None


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "Wed, 21 Oct 2026 07:28:00 GMT", "²"])
def test_a_retry_after_that_is_no_number_counts_as_none(value: str) -> None:
    found = wait_after(403, headers(remaining=10, retry_after=value), SECONDARY, tries=0, now=NOW)
    assert found is not None
    assert found.seconds == FIRST_WAIT


@pytest.mark.slow
@given(
    st.dictionaries(
        st.sampled_from(list(headers(retry_after=""))),
        st.text("0123456789.-+einfa \0", max_size=12) | st.sampled_from(["nan", "inf", "1e9"]),
    )
)
def test_any_headers_give_a_bounded_wait_or_none(said: dict[str, str]) -> None:
    found = wait_after(429, said, "", tries=0, now=NOW)
    assert found is not None
    assert 0 <= found.seconds <= 86400


@pytest.mark.parametrize("text", ["nan", "inf", "1e3", "", "9" * 400, "9" * 5000])
def test_a_reset_that_is_no_moment_is_not_waited_for(text: str) -> None:
    found = wait_after(429, headers() | {"x-ratelimit-reset": text}, "", tries=0, now=NOW)
    assert found is not None
    assert found.seconds == FIRST_WAIT


def test_the_primary_limit_as_an_answer_tells_it() -> None:
    found = rate(headers(remaining=4321), NOW + 5000)
    assert found is not None
    assert (found.resource, found.limit, found.remaining, found.reset_in) == ("core", 5000, 4321, 600)
    assert rate({}, NOW) is None
    assert rate(headers() | {"x-ratelimit-remaining": "many"}, NOW) is None


# A window, seen from outside: when units were sent.


def _most(sent: list[tuple[float, int]], seconds: float) -> int:
    """The most units that any stretch shorter than the window holds."""
    return max((sum(units for then, units in sent if start <= then < start + seconds) for start, _ in sent), default=0)


def test_what_is_left_of_a_window_can_be_made_to_last() -> None:
    window = Window(10, 60, "full")
    assert window.spacing(0, 3) == 0
    window.book(0, 4)
    assert window.spacing(0, 3) == 30, "two go in what is left, and then comes more"
    window.book(20, 4)
    assert window.spacing(20, 3) == 40, "it takes until then for one"
    assert window.spacing(59, 3) == 10.5, "the six that are free then have to last for 21 seconds"


STEPS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5), st.booleans()), max_size=60)


@given(STEPS)
def test_no_window_is_ever_exceeded_and_none_waits_before_it_is_full(steps: list[tuple[int, int, bool]]) -> None:
    window = Window(10, 60, "full")
    now, sent = 0.0, list[tuple[float, int]]()
    for pause, units, booked in steps:
        now += pause
        window.forget(now)
        moment = window.earliest(now, units)
        held = sum(count for then, count in sent if then > now - 60)
        assert (moment == now) is (held + units <= 10)
        if moment > now:  # a moment earlier there was no room
            assert sum(count for then, count in sent if then + 60 >= moment) + units > 10
        if booked:  # else it was too long to wait
            window.book(moment, units)
            sent.append((moment, units))
    assert _most(sent, 60) <= 10


REQUESTS = st.lists(
    st.tuples(st.floats(0, 3).map(lambda value: value**4), st.sampled_from([READ, WRITE]), st.booleans(), st.integers(1, 120)),
    max_size=12,
)


@pytest.mark.slow
@given(REQUESTS, st.sampled_from([0.0, 5.0, 70.0, 10_000.0]))
def test_no_limit_of_github_s_is_exceeded_whatever_is_asked(
    groups: list[tuple[float, int, bool, int]], patience: float
) -> None:
    pace, now, sent = Pace(), 0.0, list[tuple[float, int, bool]]()
    for pause, points, creates, count in groups:
        now += pause
        for _ in range(count):
            wait = pace.next(now, points=points, creates=creates)
            assert wait.seconds >= 0
            if wait.seconds > patience:  # given up: not booked
                continue
            pace.book(now + wait.seconds, points=points, creates=creates)
            sent.append((now + wait.seconds, points, creates))
    creating = [(then, 1) for then, _, creates in sent if creates]
    slack = 1 - 1e-9  # sums of floats
    assert _most([(then, points) for then, points, _ in sent], 60 * slack) <= 900
    assert _most(creating, 60 * slack) <= 80
    assert _most(creating, 3600 * slack) <= 500


def test_a_burst_goes_at_once_until_the_minute_is_full() -> None:
    pace, now = Pace(), 50.0
    for _ in range(80):
        assert pace.next(now, points=WRITE, creates=True).seconds == 0
        pace.book(now, points=WRITE, creates=True)
    assert pace.next(now, points=READ, creates=False).seconds == 0, "reading goes on"
    assert pace.next(now, points=WRITE, creates=True) == Wait(61, "GitHub takes 80 new contents a minute")
    pace.book(now + 61, points=WRITE, creates=True)
    assert pace.next(now + 1, points=READ, creates=False).seconds == 0, "also while another waits"
    pace.book(now + 1, points=READ, creates=False)
    pace.give_back(now + 61, points=WRITE, creates=True)
    assert pace.next(now + 20, points=WRITE, creates=True).seconds == 41
    assert pace.next(now + 61, points=WRITE, creates=True).seconds == 0


def test_one_that_gave_up_makes_no_room_for_others() -> None:
    pace = Pace()
    for _ in range(80):
        pace.book(0.0, points=READ, creates=True)
    for _ in range(819):
        pace.book(1.0, points=READ, creates=False)
    assert pace.next(2.0, points=WRITE, creates=True).seconds == 59
    assert pace.next(2.0, points=READ, creates=True).seconds == 59, "the 80 are not forgotten before their time"


def test_the_hour_is_a_window_too() -> None:
    time, sent = Time(), []
    turns = Turns(time.waiting(at_most=7200))
    for _ in range(501):
        turns.take(WRITE, creates=True)
        sent.append(time.now - 1000)
    assert [sent[index] for index in (0, 79, 80, 499, 500)] == [0, 0, 61, 366, 3601]
    assert time.told[-1] == ("GitHub takes 500 new contents an hour", 3235.0)


def test_points_are_paced_too() -> None:
    time = Time()
    turns = Turns(time.waiting())
    for _ in range(900):
        turns.take(READ, creates=False)
    assert time.slept == []
    turns.take(READ, creates=False)
    assert time.told == [("GitHub takes 900 points of requests a minute", 61.0)]


def test_a_wait_is_told_before_it_begins() -> None:
    order: list[str] = []
    time = Time()
    waiting = Waiting(
        100, lambda _reason, _seconds: order.append("told"), lambda: time.now, lambda _seconds: order.append("slept")
    )
    Turns(waiting).close(Wait(5, "why"))
    assert order == ["told", "slept"]


def test_a_wait_beyond_the_allowed_one_is_an_error_that_says_how_to_allow_it() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=100))
    turns.close(Wait(60, "GitHub asks for a pause"))
    with pytest.raises(QuotaError, match=r"^GitHub asks for a pause: it continues at ..:..:.., and that is too long") as caught:
        turns.close(Wait(41, "GitHub asks for a pause"))
    assert caught.value.retry_after == 41
    assert "--max-wait" in caught.value.hint
    assert (caught.value.exit_code, caught.value.http_status, caught.value.code) == (8, 503, "quota")
    assert time.slept == [60], "it does not wait first"


def test_after_an_error_nobody_sends_before_the_pause_is_over() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    with pytest.raises(QuotaError):
        turns.close(Wait(30, "a pause"))
    time.now += 10
    with pytest.raises(QuotaError) as caught:
        turns.take(READ, creates=False)
    assert caught.value.retry_after == 20
    time.now += 20
    turns.take(READ, creates=False)
    assert (time.slept, time.told) == ([], [])


def test_the_hundred_and_first_in_a_hurry_is_an_error_and_takes_nobody_s_place() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    for _ in range(80):
        turns.take(WRITE, creates=True)
    for _ in range(100):
        with pytest.raises(QuotaError, match="80 new contents a minute"):
            turns.take(WRITE, creates=True)
    time.now += 61
    for _ in range(80):
        turns.take(WRITE, creates=True)


def test_a_pause_holds_all_threads_and_is_told_and_counted_once() -> None:
    time, gate = Time(), threading.Barrier(8)

    def sleep(seconds: float) -> None:
        gate.wait(60)  # all of them wait at the same time
        time.now = max(time.now, 1000 + seconds)

    told: list[float] = []
    turns = Turns(Waiting(100, lambda _reason, seconds: told.append(seconds), lambda: time.now, sleep))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: turns.close(Wait(60, "a pause")), range(8)))
    assert told == [60]
    time.now = 2000.0
    with pytest.raises(QuotaError):
        turns.close(Wait(41, "a pause"))
    assert told == [60]


def test_what_is_hardly_a_wait_is_neither_told_nor_counted() -> None:
    time = Time()
    turns = Turns(time.waiting(at_most=0))
    for _ in range(50):
        turns.close(Wait(1.0, "a breath"))
    assert (len(time.slept), time.told) == (50, [])


@pytest.mark.parametrize("skew", [-7200, 0, 7200])
def test_the_time_at_github_is_learned(skew: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wharf.github.request_turns.time.time", lambda: NOW)
    turns = Turns(Waiting())
    turns.learn(headers(at=NOW + skew, reset=NOW + skew + 60, remaining=7))
    assert turns.skew == skew
    assert turns.rates["core"].reset_in == 60
    turns.learn({})
    assert (turns.skew, turns.rates["core"].remaining) == (0, 7)


def test_who_waits_is_let_go_when_the_person_gives_up() -> None:
    told = threading.Event()
    turns = Turns(Waiting(3600, lambda _reason, _seconds: told.set()))  # it really waits
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(turns.close, Wait(3000, "a pause"))
        assert told.wait(60)
        with turns.interrupted():
            error = waiting.exception(60)
    assert isinstance(error, StorageError)
    assert "interrupted" in error.message
    turns.pause(0.0)  # and afterwards it waits as before


def test_nobody_waits_for_a_request_that_the_limits_allow() -> None:
    turns = Turns(Waiting(at_most=0))
    with turns.interrupted():
        for _ in range(80):
            turns.take(WRITE, creates=True)


def test_one_whom_a_pause_overtook_is_counted_when_it_goes() -> None:
    time, slept = Time(), list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            return  # that of `close` below: another thread's
        time.now += seconds
        if len(slept) == 1:
            turns.close(Wait(3600, "a pause"))

    turns = Turns(Waiting(10_000, clock=lambda: time.now, sleep=sleep))
    for _ in range(81):
        turns.take(WRITE, creates=True)
    assert slept == [61, 3600, 3600]
    for _ in range(79):
        turns.take(WRITE, creates=True)
    assert len(slept) == 3
    turns.take(WRITE, creates=True)
    assert slept[3:] == [61]


def test_a_refused_request_gives_its_place_back() -> None:
    time = Time()
    turns = Turns(time.waiting())
    for _ in range(200):
        turns.give_back(turns.take(WRITE, creates=True), WRITE, creates=True)
    for _ in range(80):
        turns.take(WRITE, creates=True)
    assert time.slept == []
    turns.give_back(time.now - 1e9, WRITE, creates=True)  # forgotten long ago
    turns.take(WRITE, creates=True)
    assert time.slept == [61]
