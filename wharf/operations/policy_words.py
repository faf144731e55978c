"""What the policy of an index means, in words. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.index.policy_rules import RULES
from wharf.index.policy_values import moment_in_words, span_in_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wharf.index.policy import Policy, PolicyException

_MOST = 8  # patterns of a list, and exceptions, that are shown


def explained(policy: Policy) -> list[str]:
    """A line for each rule and each exception, in the order in which rules are told."""
    lines = [f"policy.{rule} hides {what}." for rule, what in _rules(policy)]
    if policy.own_rules:
        lines.append(f"For the files of this repository too: {', '.join(policy.own_rules)}. The other rules are for upstreams.")
    elif lines:
        lines.append("These rules are for files of upstreams, and not for those of this repository.")
    lines += map(_exception, policy.exceptions[:_MOST])
    left = len(policy.exceptions) - _MOST
    return [*lines, f"And {left} more exception(s)."] if left > 0 else lines


def _rules(policy: Policy) -> Iterator[tuple[str, str]]:
    if policy.deny:
        yield "deny", f"what matches {_some(policy.deny)}"
    if policy.allow is not None:
        yield "allow", f"everything but {_some(policy.allow)}" if policy.allow else "everything"
    if policy.status:
        yield "status", f"all files of projects that are {' or '.join(policy.status)}"
    if not policy.yanked:
        yield "yanked", "yanked files"
    if not policy.sdists:
        yield "sdists", "sdists"
    if policy.size is not None:
        yield "size", f"files of more than {policy.size:,} bytes"
    if policy.newest is not None:
        yield "newest", f"files that are newer than {moment_in_words(policy.newest)}"
    if policy.cooldown is not None:
        yield "cooldown", f"files that are younger than {span_in_words(policy.cooldown)}"


def _exception(each: PolicyException) -> str:
    rules = "all rules" if {*each.rules} == {*RULES} else ", ".join(each.rules)
    until = "" if each.until is None else f" until {moment_in_words(each.until)}"
    return f"Exception from {rules} for {_some(each.names)}{until}{f': {each.reason}' if each.reason else '.'}"


def _some(patterns: Sequence[str]) -> str:
    left = len(patterns) - _MOST
    return ", ".join(patterns[:_MOST]) + (f" and {left} more" if left > 0 else "")
