"""A token that is renewed: when, by whom, and what becomes of a renewal that fails. In a time that the test moves on."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import NotAllowedError, StorageError, WharfError
from wharf.github.renewing_token import EARLY, NO_TOKEN_PAUSE, PAUSE, SETTLING, SOONEST, FixedToken, Issued, RenewingToken
from wharf.secret import Secret

HOUR = 3600.0


@dataclass
class Giver:
    """Gives `t1`, `t2` and so on, or the failure that stands for the next times."""

    life: float = HOUR
    now: float = 1000.0
    given: int = 0
    asked: int = 0
    failure: WharfError | None = None
    paused: list[float] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    ends: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source = RenewingToken(self.issue, pause=self.paused.append, clock=lambda: self.now, warn=self.warned.append)

    def issue(self) -> Issued:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        self.given += 1
        self.ends[f"t{self.given}"] = self.now + self.life
        return Issued(Secret(f"t{self.given}"), self.life)

    @property
    def token(self) -> str:
        return self.source.token().reveal()


def test_it_is_asked_for_once_and_renewed_before_its_end() -> None:
    giver = Giver()
    assert [giver.token for _ in range(3)] == ["t1"] * 3
    giver.now += HOUR - EARLY - 1
    assert (giver.token, giver.asked) == ("t1", 1)
    giver.now += 1
    assert (giver.token, giver.token, giver.asked) == ("t2", "t2", 2)


@pytest.mark.parametrize("life", [1.0, 20.0, 300.0, 400.0])
def test_a_token_that_lives_shortly_is_renewed_after_half_of_its_life(life: float) -> None:
    giver = Giver(life=life)
    assert giver.token == "t1"
    giver.now += life * 0.24
    assert giver.token == "t1"
    giver.now += life * 0.5
    assert giver.token == "t2"


def test_while_the_old_one_holds_a_failure_is_warned_of_and_tried_again_later() -> None:
    giver = Giver()
    assert giver.token == "t1"
    giver.now += HOUR - EARLY
    giver.failure = StorageError("GitHub is away.")
    assert [giver.token for _ in range(5)] == ["t1"] * 5
    assert (giver.asked, len(giver.warned)) == (2, 1)
    assert "GitHub is away." in giver.warned[0]
    giver.now += PAUSE
    assert (giver.token, giver.asked, len(giver.warned)) == ("t1", 3, 1), "the same reason is told once"
    giver.failure = None
    assert giver.token == "t1", "the pause is not over"
    giver.now += PAUSE
    assert giver.token == "t2"


def test_when_the_old_one_has_ended_a_failure_is_an_error_for_all_until_the_pause_is_over() -> None:
    giver = Giver(failure=NotAllowedError("It is not installed."))
    for _ in range(3):
        with pytest.raises(NotAllowedError, match="not installed"):
            _ = giver.token
    assert giver.asked == 1
    giver.now += NO_TOKEN_PAUSE
    giver.failure = None
    assert giver.token == "t1"
    giver.now += HOUR
    giver.failure = StorageError("GitHub is away.")
    with pytest.raises(StorageError):
        _ = giver.token
    assert giver.warned == [], "an error needs no warning"


def test_what_is_no_error_of_ours_is_not_kept() -> None:
    giver = Giver()
    giver.failure = StorageError("once")
    with pytest.raises(StorageError):
        _ = giver.token
    giver.failure = KeyError("a fault")  # type: ignore[assignment]
    giver.now += NO_TOKEN_PAUSE
    with pytest.raises(KeyError):
        _ = giver.token
    giver.failure = None
    assert giver.token == "t1", "the lock is free again"


def test_a_refused_token_is_renewed_once_for_all_who_had_it() -> None:
    giver = Giver()
    old = giver.source.token()
    giver.now += SOONEST
    assert [giver.source.refused(old) for _ in range(5)] == [True] * 5
    assert (giver.token, giver.asked, giver.paused) == ("t2", 2, [])


def test_a_refused_token_is_never_given_out_again() -> None:
    giver = Giver()
    old = giver.source.token()
    giver.now += SOONEST
    giver.failure = NotAllowedError("It is not installed.")
    with pytest.raises(NotAllowedError):
        giver.source.refused(old)
    with pytest.raises(NotAllowedError):
        _ = giver.token
    giver.now += NO_TOKEN_PAUSE
    giver.failure = None
    assert giver.token == "t2"


def test_a_token_that_was_just_made_is_given_a_moment_and_then_believed_to_be_refused_for_another_reason() -> None:
    giver = Giver()
    token = giver.source.token()
    assert giver.source.refused(token)
    assert (giver.paused, giver.asked) == ([1.0], 1)
    giver.now += SETTLING
    assert not giver.source.refused(token)
    assert (giver.paused, giver.asked, giver.token) == ([1.0], 1, "t1")


def test_one_thread_renews_and_the_others_go_on_with_the_token_that_holds() -> None:
    giver = Giver()
    assert giver.token == "t1"
    giver.now += HOUR - EARLY
    begun, may = threading.Event(), threading.Event()

    def slowly() -> Issued:
        begun.set()
        assert may.wait(60)
        return Giver.issue(giver)

    giver.source._issue = slowly
    with ThreadPoolExecutor() as pool:
        first = pool.submit(giver.source.token)
        assert begun.wait(60)
        assert [giver.token for _ in range(4)] == ["t1"] * 4
        may.set()
        assert first.result().reveal() == "t2"
    assert giver.token == "t2"


def test_without_a_token_all_wait_for_the_one_that_asks() -> None:
    giver = Giver()
    barrier = threading.Barrier(8)

    def ask() -> str:
        barrier.wait(60)
        return giver.token

    with ThreadPoolExecutor(8) as pool:
        found = [each.result() for each in [pool.submit(ask) for _ in range(8)]]
    assert (found, giver.asked) == (["t1"] * 8, 1)


def test_a_token_of_a_person_stays_what_it_is() -> None:
    source = FixedToken(Secret("x" * 20))
    assert source.token() == Secret("x" * 20)
    assert not source.refused(source.token())


@pytest.mark.slow
@given(
    life=st.floats(1, 7200),
    steps=st.lists(st.tuples(st.floats(0, 4000), st.sampled_from(["ask", "refuse", "fail", "mend"])), max_size=40),
)
def test_whatever_happens_no_token_is_given_out_after_its_end_or_after_its_refusal(
    life: float, steps: list[tuple[float, str]]
) -> None:
    giver, refused = Giver(life=life), set[str]()
    before = giver.asked
    for seconds, what in steps:
        giver.now += seconds
        if what in {"fail", "mend"}:
            giver.failure = StorageError("away") if what == "fail" else None
        try:
            token = giver.source.token()
            if what == "refuse":
                age = giver.now - (giver.ends[token.reveal()] - life)
                if age >= SOONEST:
                    refused.add(token.reveal())
                giver.source.refused(token)
        except StorageError:
            assert giver.failure is not None or giver.asked == before, "an error that is over is told until the pause ends"
        else:
            assert giver.now < giver.ends[token.reveal()]
        assert giver.asked - before <= 2, "at most once for the token, and once for its refusal"
        before = giver.asked
        for _ in itertools.repeat(None, 2):
            try:
                assert giver.token not in refused
            except StorageError:
                continue
        before = giver.asked
