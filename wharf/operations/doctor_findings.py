"""What doctor finds: one fact each, and the words for an index that is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wharf.errors import NotAllowedError, WharfError, did_you_mean
from wharf.system import disk_remedies

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One fact: a word for it, how it is (a problem prevents work), in words, and what to do about it (may be empty)."""

    what: str
    state: Literal["ok", "warning", "problem"] = "ok"
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All findings."""

    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing prevents work."""
        return not any(each.state == "problem" for each in self.findings)


def findings_of(what: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What a look finds; an error that ends it is the last finding."""
    found: list[Finding] = []
    try:
        found.extend(look())
    except NotAllowedError as error:
        found.append(Finding(what="token", state="problem", detail=error.message, hint=error.hint))
    except WharfError as error:
        found.append(Finding(what=what, state="problem", detail=error.message, hint=error.hint))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        found.append(
            Finding(what=what, state="problem", detail=f"{place}{error.strerror or error}.", hint=disk_remedies.hint(error))
        )
    return found


def no_index(where: str, index: str, others: Iterable[str], too: str = "") -> Finding:
    """An index that is not there may be a typing error. `too` is what makes it, too."""
    from wharf.repository.opening import line_of_making

    names = sorted(others)
    there = ", ".join(names) or "none"
    return Finding(
        what="index",
        state="warning",
        detail=f"there is no index {index!r} yet (there are: {there})",
        hint=f"{did_you_mean(index, names)}`{line_of_making(where, index, names)}`{too} makes it.",
    )
