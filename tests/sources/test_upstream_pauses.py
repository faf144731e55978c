"""When an upstream that failed is asked again."""

from __future__ import annotations

from wharf.sources.upstream_pauses import PAUSE, Pauses


def test_after_a_pause_one_asks_and_the_others_wait_until_that_is_known() -> None:
    now = [100.0]
    pauses = Pauses(lambda: now[0])
    until = pauses.failed("demo", "it is away", all_of_it=True)
    assert until == now[0] + PAUSE
    now[0] = until
    assert pauses.reason("demo") is None
    waits = pauses.reason("other")
    assert waits is not None
    assert waits[0] > until
    pauses.succeeded("demo")
    assert pauses.reason("other") is None
    assert pauses.problem is None
