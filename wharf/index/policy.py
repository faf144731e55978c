"""Which files of a project an index shows, by the rules of `[policy]` in its `wharf.toml` (docs/index-format.md). Pure."""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from wharf.index import policy_rules, policy_values
from wharf.index.policy_rules import RULES, RULES_OF_OWN, Judged
from wharf.index.version_patterns import VersionTest, is_pattern
from wharf.index.wharf_toml_error import wrong
from wharf.index.wharf_toml_values import MOST_GLOBS, table_of
from wharf.model import STATUSES, Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from wharf.index.policy_rules import Check, Hit

KEYS: Final = (*RULES, "own", "exception")
"""The keys of `[policy]`."""

_MOST_EXCEPTIONS: Final = 1000
_REASON: Final = re.compile(r"[^\x00-\x1f\x7f]{0,1000}")
_HIDING: Final = tuple(marker for marker in STATUSES if marker != "active")
_LAST: Final = datetime.max.replace(tzinfo=UTC)
_FIRST: Final = datetime.min.replace(tzinfo=UTC)
_CODE: Final = "1"  # raise it when the same rules give other verdicts than before

F = TypeVar("F", bound=Judged)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A file that is not shown: by which rule (its key, as in `policy.deny`), why in words, and until when at least (None: for
    as long as the rule holds).
    """

    filename: str
    rule: str
    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Verdict(Generic[F]):
    """What a policy lets through of a project, and what not; `until` is when that may change by time alone (None: never)."""

    shown: tuple[F, ...]
    hidden: tuple[Hidden, ...] = ()
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyException:
    """Rules that do not hold for some names and versions, until a moment (None: without an end)."""

    names: tuple[str, ...]
    rules: tuple[str, ...] = RULES
    until: datetime | None = None
    reason: str = ""

    def holds(self, moment: datetime) -> bool:
        """Whether it counts at a moment. It does not any more at the moment of its end."""
        return self.until is None or moment < self.until


@dataclass(frozen=True, kw_only=True)  # without slots: what is computed from the rules is kept with the value
class Policy:
    """The rules of `[policy]`, each under its own key, and the exceptions from them.

    `allow` None: everything is allowed. `yanked` and `sdists` False: they are hidden. `size` is in bytes. `own_rules` hold for
    the repository's own files too. `trusts_times`: a time in the future is taken as it is, not for that of a wrong clock.
    """

    deny: tuple[str, ...] = ()
    allow: tuple[str, ...] | None = None
    status: tuple[str, ...] = ()
    yanked: bool = True
    sdists: bool = True
    size: int | None = None
    newest: datetime | None = None
    cooldown: timedelta | None = None
    own_rules: tuple[str, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()
    trusts_times: bool = False

    @functools.cached_property
    def digest(self) -> str:
        """64 hex digits that change when anything in the policy does."""
        told = [_CODE, *(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self))]
        return hashlib.sha256("\n".join(told).encode()).hexdigest()

    @functools.cached_property
    def own(self) -> Policy | None:
        """The policy for the repository's own files, whose age counts from their publish; None: there is no rule for them.

        By time alone its verdicts change with the date in UTC only, where an exception ends. The repository itself said when
        its files were published, so that no clock has to be doubted.
        """
        lifted: dict[str, Any] = {
            each.name: each.default for each in fields(self) if each.name in RULES and each.name not in self.own_rules
        }
        rules = replace(self, **lifted, own_rules=(), exceptions=(), trusts_times=True)
        if rules == Policy(trusts_times=True):
            return None
        kept = [(each, tuple(rule for rule in each.rules if rule in self.own_rules)) for each in self.exceptions]
        return replace(rules, exceptions=tuple(replace(each, rules=left) for each, left in kept if left))

    def mark(self, name: str, moment: datetime) -> str:
        """What a verdict on a project depends on besides the project and the ages of its files, as hex digits.

        It changes with the policy, and when an exception for the project ends. Empty: the policy can hide none of its files.
        """
        status = Status(marker=self.status[0]) if self.status else Status()
        if not self._checks(name, status, moment):
            return ""
        return hashlib.sha256(f"{self.digest} {self.exceptions_for(name, moment)!r}".encode()).hexdigest()

    def exceptions_for(self, name: str, moment: datetime) -> tuple[PolicyException, ...]:
        """The exceptions that count at a moment for some version of a project, by its normal name (PEP 503)."""
        there = [each for each in self.exceptions if each.holds(moment)]
        return tuple(each for each in there if VersionTest(each.names, name, unreadable=False).any)

    def judge(self, name: str, status: Status, files: Sequence[F], moment: datetime) -> Verdict[F]:
        """What is shown of the files of a project, in their order, and what not; `name` is in its normal form (PEP 503).

        What a rule asks for and nobody knows is hidden. The verdict stays the same until `Verdict.until`, and is another one at
        that moment. So it is for each file with `Hidden.until`.
        """
        checks = self._checks(name, status, moment)
        lifts = _Lifts(name, self.exceptions_for(name, moment))
        shown, hidden, ends = [], [], []
        for file in files:
            hit, until = None, None
            left = iter(checks)
            for check in left:
                if (hit := check(file)) is not None:
                    until = hit.until
                    break
            if hit is not None and hit.rule in (lifted := lifts.ends(file.version)):
                others = [each for check in left if (each := check(file)) is not None]
                hit, until = _first_and_end([hit, *others], lifted, moment)
            if until is not None:
                ends.append(until)
            if hit is None:
                shown.append(file)
            else:
                hidden.append(Hidden(file.filename, f"policy.{hit.rule}", hit.reason, until))
        return Verdict(tuple(shown), tuple(hidden), min(ends, default=None))

    def _checks(self, name: str, status: Status, moment: datetime) -> list[Check]:
        """What hides a file of a project, in the order of RULES, without rules that can hide none of it."""
        found = [
            policy_rules.deny(self.deny, name),
            None if self.allow is None else policy_rules.allow(self.allow, name),
            policy_rules.status(self.status, status),
            None if self.yanked else policy_rules.yanked,
            None if self.sdists else policy_rules.sdists,
            None if self.size is None else policy_rules.size(self.size),
            None if self.newest is None else policy_rules.newest(self.newest, None if self.trusts_times else moment),
            None if self.cooldown is None else policy_rules.cooldown(self.cooldown, moment),
        ]
        return [each for each in found if each is not None]


class _Lifts:
    """Which rules some exceptions lift for a version of a project, and until when."""

    def __init__(self, name: str, exceptions: Sequence[PolicyException]) -> None:
        self._tests = [(each, VersionTest(each.names, name, unreadable=False)) for each in exceptions]
        self._known: dict[str, dict[str, datetime]] = {}

    def ends(self, version: str) -> Mapping[str, datetime]:
        """The moment at which each lifted rule holds again."""
        if not self._tests:
            return {}
        if version not in self._known:
            found: dict[str, datetime] = {}
            for each, test in self._tests:
                if test.pattern(version) is not None:
                    for rule in each.rules:
                        found[rule] = max(found.get(rule, _FIRST), each.until or _LAST)
            self._known[version] = found
        return self._known[version]


def _first_and_end(hits: Sequence[Hit], lifted: Mapping[str, datetime], moment: datetime) -> tuple[Hit | None, datetime | None]:
    """What hides a file at a moment, and the next moment at which that is another rule, or none; all of `hits` hold now."""
    spans = [(lifted.get(hit.rule, moment), hit.until or _LAST, hit) for hit in hits]
    spans = [(begin, end, hit) for begin, end, hit in spans if begin < end]
    changes, now = [], None
    for begin, end, hit in spans:
        if begin <= moment:
            now = hit
            changes.append(end)
            break
        changes.append(begin)  # from then on this rule, which is told before those behind it
    until = min(changes, default=_LAST)
    return now, None if until == _LAST else until


def parse(table: object) -> Policy:
    """The policy in the table `policy` of a `wharf.toml`. Raises StorageError for what is not understood, unknown keys too."""
    found = table_of(table, "policy", KEYS)
    exceptions = found.get("exception", [])
    if not isinstance(exceptions, list) or len(exceptions) > _MOST_EXCEPTIONS:
        raise wrong("policy.exception", f"at most {_MOST_EXCEPTIONS} tables, each as [[policy.exception]]")
    span, size, newest = (found.get(key) for key in ("cooldown", "size", "newest"))
    policy = Policy(
        deny=_patterns(found.get("deny", []), "policy.deny"),
        allow=None if "allow" not in found else _patterns(found["allow"], "policy.allow"),
        status=_words(found.get("status", []), "policy.status", _HIDING),
        yanked=_flag(found, "yanked"),
        sdists=_flag(found, "sdists"),
        size=policy_values.size(size),
        newest=policy_values.moment(newest),
        cooldown=policy_values.span(span),
        own_rules=_words(found.get("own", []), "policy.own", RULES_OF_OWN),
        exceptions=tuple(_exception(each) for each in exceptions),
    )
    if span is not None and policy.cooldown is None:
        raise wrong("policy.cooldown", 'a number of hours, days or weeks, as in "36h", "7d" or "2w"')
    if size is not None and policy.size is None:
        raise wrong("policy.size", 'a whole number with a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), as in "500MB"')
    if newest is not None and policy.newest is None:
        raise wrong("policy.newest", 'a date or a time in UTC, as in "2026-11-20" or "2026-11-20T10:00:00Z"')
    return policy


def _exception(table: object) -> PolicyException:
    key = "policy.exception"
    found = table_of(table, key, ("names", "rules", "until", "reason"))
    names = _patterns(found.get("names"), f"{key}.names")
    rules = _words(found.get("rules", [*RULES]), f"{key}.rules", RULES)
    if not names or not rules:
        raise wrong(f"{key}.{'rules' if names else 'names'}", "a list that is not empty; without `rules`, it lifts all rules")
    until, reason = policy_values.day(found.get("until")), found.get("reason", "")
    if until is None and "until" in found:
        raise wrong(f"{key}.until", 'a date, whose beginning in UTC is the end of the exception, as in "2026-12-24"')
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise wrong(f"{key}.reason", "one line of text, of at most 1000 characters")
    return PolicyException(names=names, rules=rules, until=until, reason=reason)


def _patterns(value: object, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MOST_GLOBS or not all(map(_is_pattern, value)):
        raise wrong(
            key, 'a list of names, with * for any letters, and versions behind them if wanted, as in ["acme-*", "lib<2"]'
        )
    return tuple(value)


def _is_pattern(value: object) -> bool:
    return isinstance(value, str) and is_pattern(value)


def _words(value: object, key: str, known: Sequence[str]) -> tuple[str, ...]:
    """A list of words that are known, as a tuple in their usual order, each one once."""
    if not isinstance(value, list) or not all(isinstance(each, str) and each in known for each in value):
        raise wrong(key, f"a list of some of {', '.join(known)}")
    return tuple(each for each in known if each in value)


def _flag(found: Mapping[str, object], key: str) -> bool:
    value = found.get(key, True)
    if not isinstance(value, bool):
        raise wrong(f"policy.{key}", "true or false")
    return value
