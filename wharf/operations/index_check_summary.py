"""A check of an index as Markdown, for the page of a job. What it names may come from whoever made a pull request. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wharf.index.check_findings import LEVELS, Level

if TYPE_CHECKING:
    from wharf.operations.index_check import IndexChecked

MOST_LINES: Final = 100
"""Findings that are shown: GitHub takes 1 MiB for the summary of a step."""
WORDS: Final[dict[Level, str]] = {"error": "error(s)", "rights": "change(s) of rights", "warning": "warning(s)"}
"""What the levels are called behind a number."""

_TITLES: Final[dict[Level, str]] = {"error": "Errors", "rights": "Changes of rights", "warning": "Warnings"}
_PLAIN = re.compile("[A-Za-z0-9 ]")


def markdown(checked: IndexChecked, index: str) -> str:
    """The whole text, with a line feed at its end."""
    what = f"what changed since {checked.since[:12]}" if checked.since else "the whole index"
    lines = [
        f"### Index {escaped(index)}: {'no errors' if checked.ok else 'errors'}",
        "",
        f"Commit {escaped((checked.commit or 'none')[:12])}, {what}: {checked.releases} release(s), {counted(checked)}.",
        "",
    ]
    left = MOST_LINES
    for level in LEVELS:
        found = [each for each in checked.findings if each.level == level][:left]
        left -= len(found)
        if checked.counts[level]:
            lines += [f"#### {_TITLES[level]}", ""]
            lines += [f"- <code>{escaped(each.path or '/')}</code> {escaped(each.message)}" for each in found]
            more = checked.counts[level] - len(found)
            lines += [f"- and {more} more", ""] if more else [""]
    return "\n".join(lines)


def counted(checked: IndexChecked) -> str:
    """How many findings of each level there are."""
    return ", ".join(f"{checked.counts[level] or 'no'} {WORDS[level]}" for level in LEVELS)


def escaped(text: str) -> str:
    """Text that no reader of Markdown or HTML takes for anything else: no link, no name of a person, no markup."""
    return "".join(each if _PLAIN.match(each) else f"&#{ord(each)};" for each in text)
