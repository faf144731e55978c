"""Which releases an index drops by the rules of `[[retention]]` in its `wharf.toml` (docs/index-format.md). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal

from packaging.version import Version

from wharf.index import policy_values
from wharf.index.name_globs import matches
from wharf.index.wharf_toml_error import wrong
from wharf.index.wharf_toml_values import MOST_GLOBS, globs, table_of
from wharf.model import version_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from wharf.model import Release

KEEP_PAST: Final = timedelta(days=90)
"""For how long the past of an index is kept whose settings do not say."""
MOST_RULES: Final = 100
MOST_VERSIONS: Final = 100_000
"""The largest `keep-newest`."""
MOST_DAYS: Final = 36_500
"""The largest `keep-days`."""

Kind = Literal["final", "pre", "dev"]
"""Releases that are counted apart: dev releases, pre-releases that are none of them, and all others (PEP 440)."""

_LIMITS = ("keep-newest", "keep-days")
_NOTHING = re.compile(r"0[hdw]", re.ASCII)
_WORDS: Final[dict[Kind, str]] = {"final": "releases", "pre": "pre-releases", "dev": "dev releases"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is kept of one kind: a release stays if either limit keeps it. Without limits, all of them stay.

    `newest` is a number of versions, `days` an age.
    """

    newest: int | None = None
    days: int | None = None

    @property
    def keeps_all(self) -> bool:
        """Whether nothing is ever dropped."""
        return self.newest is None and self.days is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionRule:
    """What is kept of the projects whose names match one of the globs."""

    names: tuple[str, ...]
    final: Limits = Limits()
    pre: Limits = Limits()
    dev: Limits = Limits()

    def limits(self, kind: Kind) -> Limits:
        """Those of one kind."""
        return {"final": self.final, "pre": self.pre, "dev": self.dev}[kind]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A release that a rule does not keep: the rule's number, from 1 on, and why."""

    release: Release
    rule: int
    reason: str


def kind_of(version: str) -> Kind:
    """The kind of a version. A dev release of a pre-release (`1.0a1.dev3`) is a dev release."""
    found = version_of(version)
    if found is None or not found.is_prerelease:
        return "final"
    return "dev" if found.is_devrelease else "pre"


def rule_for(rules: Sequence[RetentionRule], name: str) -> int | None:
    """The number, from 1 on, of the first rule that matches a project (PEP 503 form); None: all of it is kept."""
    return next((number for number, rule in enumerate(rules, 1) if matches(rule.names, name)), None)


def dropped(
    rules: Sequence[RetentionRule], name: str, releases: Iterable[Release], now: datetime, is_held: Callable[[Release], bool]
) -> tuple[Dropped, ...]:
    """The releases of a project that the rules do not keep, the oldest version first.

    - A release is as old as its newest file. Without files it is no release any more.
    - A release that `is_held` stays: another index names a file of it. It is asked last.
    - Releases of which every file is yanked take no place among the newest.
    """
    number = rule_for(rules, name)
    if number is None:
        return ()
    found: list[Dropped] = []
    by_kind: dict[Kind, list[Release]] = {"final": [], "pre": [], "dev": []}
    for release in sorted((each for each in releases if each.files), key=_by_version, reverse=True):
        by_kind[kind_of(release.version)].append(release)
    for kind, some in by_kind.items():
        limits, newer = rules[number - 1].limits(kind), 0
        for release in some if not limits.keeps_all else ():
            age = now - max(file.upload_time for file in release.files)
            kept = limits.newest is not None and newer < limits.newest
            kept = kept or (limits.days is not None and age <= timedelta(days=limits.days))
            if not kept and not is_held(release):
                found.append(Dropped(release, number, _reason(limits, kind)))
            newer += any(file.yanked is None for file in release.files)
    return tuple(sorted(found, key=lambda each: _by_version(each.release)))


def explained(keep_past: timedelta, rules: Sequence[RetentionRule]) -> list[str]:
    """What is kept, in words: the past, then a line for each rule."""
    past = "Nothing of the past is kept" if not keep_past else f"The past of {policy_values.span_in_words(keep_past)} is kept"
    lines = [f"{past}: `wharf prune` and `wharf verify --repair` delete what is older."] if rules else []
    for number, rule in enumerate(rules, 1):
        names = ", ".join(rule.names[:8]) + (f" and {len(rule.names) - 8} more" if len(rule.names) > 8 else "")
        kinds = (("releases", rule.final), ("pre-releases", rule.pre), ("dev releases", rule.dev))
        lines.append(
            f"Retention {number}, of {names}: " + "; ".join(f"{what}: {_kept(limits)}" for what, limits in kinds) + "."
        )
    return lines


def parse_keep_past(value: object) -> timedelta:
    """The value of `keep-past`. Raises StorageError for what is no span of time."""
    found = policy_values.span(value)
    if isinstance(value, str) and _NOTHING.fullmatch(value):
        return timedelta()
    if found is None:
        raise wrong(
            "keep-past", 'a number (at most 9999) of hours, days or weeks, as in "36h", "90d" or "520w"; "0d" keeps nothing'
        )
    return found


def parse(value: object) -> tuple[RetentionRule, ...]:
    """The rules in `retention`. Raises StorageError for what is not understood, unknown keys too."""
    if not isinstance(value, list) or len(value) > MOST_RULES:
        raise wrong("retention", f"at most {MOST_RULES} tables, each one as [[retention]] with names")
    found = tuple(_rule(each, f"retention {number}") for number, each in enumerate(value, 1))
    if sum(len(rule.names) for rule in found) > MOST_GLOBS:
        raise wrong("retention", f"tables that have at most {MOST_GLOBS} names together")
    return found


def _rule(value: object, key: str) -> RetentionRule:
    table = table_of(value, key, ("names", *_LIMITS, "dev", "pre"))
    names = globs(table.get("names"), f"{key}: names")
    if not names:
        raise wrong(f"{key}: names", 'a list of one project name or more, as in ["acme-*"]')
    pre, dev = (table_of(table.get(kind, {}), f"{key}: {kind}", _LIMITS) for kind in ("pre", "dev"))
    return RetentionRule(
        names=names,
        final=_limits(table, key),
        pre=_limits(pre, f"{key}: pre"),
        dev=_limits(dev, f"{key}: dev"),
    )


def _limits(table: dict[str, object], key: str) -> Limits:
    return Limits(
        newest=_number(table, "keep-newest", key, MOST_VERSIONS, "versions"),
        days=_number(table, "keep-days", key, MOST_DAYS, "days"),
    )


def _number(table: dict[str, object], name: str, key: str, most: int, what: str) -> int | None:
    value = table.get(name)
    if name not in table:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise wrong(f"{key}: {name}", f"a number of {what}, from 1 to {most}")
    return value


def _reason(limits: Limits, kind: Kind) -> str:
    counted = f"not among the newest {limits.newest} {_WORDS[kind]}"
    old = f"older than {policy_values.span_in_words(timedelta(days=limits.days or 0))}"
    return " and ".join([*([] if limits.newest is None else [counted]), *([] if limits.days is None else [old])])


def _kept(limits: Limits) -> str:
    if limits.keeps_all:
        return "all"
    newest = [] if limits.newest is None else [f"the newest {limits.newest}"]
    days = [] if limits.days is None else [f"those of the last {policy_values.span_in_words(timedelta(days=limits.days))}"]
    return " and ".join([*newest, *days])


def _by_version(release: Release) -> Version:
    return Version(release.version)
