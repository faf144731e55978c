"""`wharf why`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wharf.cli.common_options import common_options
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from wharf.index.policy import Hidden, PolicyException
    from wharf.model import Json
    from wharf.operations.why import Claim, Explanation, Place

_FEW = 5  # files that a line names


@click.command("why", epilog="\b\nExamples:\n  wharf why requests\n  wharf why requests==2.99.0 --index staging\n")
@click.argument("spec", metavar="PROJECT[==VERSION]")
@common_options
@pass_state
def why_command(state: State, spec: str) -> None:
    """Say what an installer gets of a project, and why: whose the name is, where it is looked for, which rule hides what.

    Upstreams are asked as a server asks them, with what is kept in the cache.
    """
    import os
    from datetime import UTC, datetime

    from wharf.operations.release_spec import parse_spec
    from wharf.operations.why import asking, explain

    name, version = parse_spec(spec)
    with state.repository(reading=True, fetch="may", whole=True) as repository:
        found = explain(repository, name, version, ask=asking(state.settings(), os.environ), now=datetime.now(UTC))
    state.result(_document(found), _lines(found))


def _lines(found: Explanation) -> Iterator[str]:
    what = found.project if found.version is None else f"{found.project} {found.version}"
    yield f"{what}, by the index {found.index}:"
    yield f"- name: {_whose(found)}"
    if found.outcome != "own":
        yield f"- {_route(found)}"
    for number, place in enumerate(found.places, 1):
        yield f"{number}. {_place(place, found)}"
        yield from (f"   {line}" for line in _hidden(place, found.project))
    for each in found.exceptions:
        yield f"- exception: {_exception(each)}"
    yield f"An installer gets: {_gets(found)}"


def _whose(found: Explanation) -> str:
    if found.claims:
        return "; ".join(map(_claim, found.claims)) + ". It is looked for in no upstream"
    if found.unread:
        said = "; ".join(f"{index}: {problem}" for index, problem in found.unread)
        return f"an index that cannot be read may own it ({said})"
    return "no index of this repository owns or reserves it"


def _claim(claim: Claim) -> str:
    return f"the {'removed ' * claim.removed}index {claim.index} {'reserves' if claim.reserved else 'owns'} it"


def _route(found: Explanation) -> str:
    way = ", then ".join(found.sources) or "nowhere"
    return f"route: no route matches, so {way}" if found.route is None else f"route[{found.route}]: {way}"


def _place(place: Place, found: Explanation) -> str:
    where = f"{place.source}: {place.where}" if place.source != "this" else f"this: the index {place.where}"
    if not place.asked:
        return f"{where}, which the client asks itself"
    if not place.has:
        return f"{where} cannot be asked. {place.problem}" if place.problem else f"{where} has no project {found.project}"
    what = _files(place.files)
    of = "" if found.version is None else f" of version {found.version}"
    return f"{where} has {what}{of}{f' ({place.problem})' if place.problem else ''}"


def _hidden(place: Place, project: str) -> Iterator[str]:
    groups: dict[str, dict[tuple[str, datetime | None], list[str]]] = {}
    for each in place.hidden:
        groups.setdefault(each.rule, {}).setdefault((each.reason, each.until), []).append(each.filename)
    for rule, reasons in groups.items():
        said = list(reasons.items())
        for (reason, until), names in said[:_FEW]:
            yield f"{rule} hides {_some(names)}: {reason}{'' if until is None else f', until {_moment(until)}'}"
        if more := sum(len(names) for _, names in said[_FEW:]):
            yield f"{rule} hides {_files(more, ' more')}: `wharf why {project}==VERSION` or --json names them"
    left_out: dict[str, list[str]] = {}
    for left in place.left_out:
        left_out.setdefault(left.reason, []).append(left.filename)
    yield from (f"left out: {_some(names)}: {reason}" for reason, names in left_out.items())


def _files(count: int, more: str = "") -> str:
    return f"{count}{more} file{'' if count == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_FEW]) + (f" and {len(names) - _FEW} more" if len(names) > _FEW else "")


def _exception(each: PolicyException) -> str:
    until = "without an end" if each.until is None else f"until {_moment(each.until)}"
    because = f" ({each.reason})" if each.reason else ""
    return f"{', '.join(f'policy.{rule}' for rule in each.rules)} not for {', '.join(each.names)}, {until}{because}"


def _gets(found: Explanation) -> str:
    giver = found.giver
    if found.outcome in {"own", "upstream"} and giver is not None:
        if not giver.shown:
            return "a page without files" if found.version is None else f"no file of version {found.version}"
        return f"{_files(len(giver.shown))} of {giver.source}, newest version first: {_some(giver.versions[::-1])}"
    if found.outcome == "sent" and giver is not None:
        return f"a redirect to {giver.where}{found.project}/"
    return {
        "stays": "an empty page: the name belongs to this repository",
        "unread": "an error (503), until every index can be read",
        "off": "404: `upstream.mode` is not set, and only a server with --fall-through passes the name on",
        "nowhere": "an empty page: the route of the name leads nowhere",
        "away": "an error: what comes after a place that cannot be asked is not asked",
    }.get(found.outcome, "404: no place of the route has the project")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _document(found: Explanation) -> dict[str, Json]:
    return {
        "project": found.project,
        "version": found.version,
        "index": found.index,
        "claims": [{"index": each.index, "reserved": each.reserved, "removed": each.removed} for each in found.claims],
        "unread": [{"index": index, "problem": problem} for index, problem in found.unread],
        "mode": found.mode,
        "route": found.route,
        "from": list(found.sources),
        "places": [_place_document(each) for each in found.places],
        "exceptions": [_exception_document(each) for each in found.exceptions],
        "outcome": found.outcome,
    }


def _place_document(place: Place) -> dict[str, Json]:
    return {
        "source": place.source,
        "where": place.where,
        "asked": place.asked,
        "has": place.has,
        "problem": place.problem or None,
        "versions": list(place.versions),
        "files": list(place.shown),
        "hidden": [_hidden_document(each) for each in place.hidden],
        "left_out": [{"filename": each.filename, "reason": each.reason} for each in place.left_out],
    }


def _hidden_document(hidden: Hidden) -> dict[str, Json]:
    """The entry of a page under `_hidden`, with null where that has no `until`."""
    from wharf.pages.document import hidden_entry

    return {"until": None, **hidden_entry(hidden)}


def _exception_document(each: PolicyException) -> dict[str, Json]:
    from wharf.index.record import format_time

    return {
        "names": list(each.names),
        "rules": list(each.rules),
        "until": None if each.until is None else format_time(each.until),
        "reason": each.reason or None,
    }
