"""A policy over one large page of an upstream: 5,000 files of 500 versions, judged once."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from figures import Row, Target, alone, interleaved

from wharf.index import policy
from wharf.model import Status, version_of

if TYPE_CHECKING:
    from plan import Plan

_ROUNDS = 15
_FILES, _VERSIONS = 5000, 500
_NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_RULES: dict[str, object] = {
    "deny": ["evil", "bad-*"],
    "allow": ["demo", "acme-*"],
    "status": ["quarantined"],
    "yanked": False,
    "sdists": False,
    "size": "500MB",
    "newest": "2026-12-24",
    "cooldown": "7d",
}
_SIDES: dict[str, dict[str, object]] = {
    "each rule": _RULES,
    "each rule, versions compared": _RULES | {"deny": ["demo<0.5", "demo==7.*"], "allow": ["demo>=0.1"]},
    "each rule, an exception for all": _RULES | {"exception": [{"names": ["*"], "rules": ["cooldown"], "until": "2026-12-24"}]},
}


@dataclass(frozen=True, slots=True)
class _Wheel:
    filename: str
    version: str
    size: int
    yanked: str | None
    since: datetime


def run(plan: Plan) -> list[Row]:
    """The time that the processor takes for one judgement, with nothing remembered of the versions from an earlier one."""
    files = [
        _Wheel(
            filename=f"demo-{number % _VERSIONS // 10}.{number % 10}-{number // _VERSIONS}-py3-none-any.whl",
            version=f"{number % _VERSIONS // 10}.{number % 10}",
            size=number * 150_000,
            yanked="" if number % 50 == 0 else None,
            since=_NOW - timedelta(minutes=5 * number),
        )
        for number in range(_FILES)
    ]

    def judged(rules: dict[str, object]) -> float:
        parsed = policy.parse(rules)
        version_of.cache_clear()
        begin = time.process_time()
        parsed.judge("demo", Status(), files, _NOW)
        return (time.process_time() - begin) * 1000

    samples = interleaved(plan.rounds(_ROUNDS), {what: partial(judged, rules) for what, rules in _SIDES.items()})
    return [alone("policy", f"{_FILES:,} files: {what}", "ms", found, Target(bound=20)) for what, found in samples.items()]
