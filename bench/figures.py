"""Figures: measured side by side, told as ratios, held against targets that are shown and never asserted."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bound for a figure, or for its ratio to the rival's."""

    bound: float
    at_least: bool = False
    ratio: bool = False

    def text(self) -> str:
        """As it is printed: `ratio >= 0.8`, `<= 4`."""
        return f"{'ratio ' if self.ratio else ''}{'>=' if self.at_least else '<='} {self.bound:g}"

    def met(self, figure: float, ratio: float | None) -> bool:
        """Whether the figure, or the ratio, keeps the bound."""
        value = ratio if self.ratio and ratio is not None else figure
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the result: a median in `unit`, and what a rival needed for the same."""

    bench: str
    what: str
    figure: float
    unit: str
    rival: str = ""
    rival_figure: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


Samples = dict[str, list[float]]
"""What each side measured, round by round."""


def interleaved(rounds: int, sides: Mapping[str, Callable[[], float]]) -> Samples:
    """Measure A B C, C B A, ...: what else the machine does, and how warm it is by now, meets all sides alike."""
    found: Samples = {name: [] for name in sides}
    for number in range(rounds):
        for name in [*sides] if number % 2 == 0 else [*sides][::-1]:
            found[name].append(sides[name]())
    return found


def compared(bench: str, what: str, unit: str, samples: Samples, target: Target | None = None) -> list[Row]:
    """A row for each rival of the first side; the ratio is the median of the rounds' ratios. The target is for the first."""
    (_, own), *rivals = samples.items()
    rows = []
    for number, (rival, theirs) in enumerate(rivals):
        ratio = statistics.median(one / other for one, other in zip(own, theirs, strict=True))
        row = alone(bench, what, unit, own, None)
        row = dataclasses.replace(row, rival=rival, rival_figure=statistics.median(theirs), ratio=ratio)
        rows.append(_held(row, target) if number == 0 else row)
    return rows


def alone(bench: str, what: str, unit: str, own: Sequence[float], target: Target | None) -> Row:
    """A row without a rival."""
    return _held(Row(bench=bench, what=what, unit=unit, figure=statistics.median(own)), target)


def _held(row: Row, target: Target | None) -> Row:
    if target is None:
        return row
    return dataclasses.replace(row, target=target.text(), met=target.met(row.figure, row.ratio))


def tell(text: str) -> None:
    """Say something that is no figure, on stderr."""
    print(text, file=sys.stderr, flush=True)


def show(rows: Sequence[Row]) -> None:
    """Print rows as a table."""
    for row in rows:
        rival = ratio = ""
        if row.rival_figure is not None and row.ratio is not None:
            rival, ratio = f"{row.rival} {row.rival_figure:,.4g}", f"x {row.ratio:.2f}"
        verdict = "" if row.met is None else f"{row.target}: {'met' if row.met else 'MISSED'}"
        figure = f"{row.figure:,.4g}" if row.figure < 1000 else f"{row.figure:,.0f}"
        print(f"{row.bench:<13} {row.what:<46} {figure:>9} {row.unit:<5} {rival:<26} {ratio:<8} {verdict}".rstrip(), flush=True)


def document(rows: Sequence[Row], left_out: Sequence[str]) -> str:
    """All rows, and what was left out, as one JSON document."""
    return json.dumps({"rows": [dataclasses.asdict(row) for row in rows], "left_out": list(left_out)}, indent=1)
