"""why: where an index looks for a project, what is hidden of it and by which rule, and what an installer gets in the end.

It goes the way that a server goes: the own projects first, then the names that never leave the repository, then the route.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from wharf.errors import StorageError
from wharf.index.all_indexes import AllIndexes
from wharf.index.policy import Hidden
from wharf.index.upstream_settings import THIS, is_folder
from wharf.model import same_version, version_key
from wharf.operations.index_with_bases import read_as_shown
from wharf.operations.open_upstream import cache_of, open_upstream
from wharf.repository_address import Address
from wharf.sources import public_index_address
from wharf.sources.upstream_files import version_in
from wharf.sources.upstream_verdict import STATUS, verdict_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from wharf.index.policy import Policy, PolicyException
    from wharf.index.upstream_settings import UpstreamSettings
    from wharf.index.wharf_toml import IndexSettings
    from wharf.repository.opening import Repository
    from wharf.repository.settings import Settings
    from wharf.sources.layers import Layers
    from wharf.sources.upstream_index import SeenProject
    from wharf.sources.upstream_project import LeftOut, UpstreamProject

Ask: TypeAlias = "Callable[[str, str], SeenProject | None]"
"""What the upstream at an address has of a project (PEP 503 form); None: nothing. Raises StorageError if it cannot be asked."""

Outcome = Literal["own", "stays", "unread", "off", "nowhere", "sent", "upstream", "missing", "away"]
"""What an installer gets.

own: the project of the index. stays: an empty page, because the name belongs to the repository. unread: an error, because
nobody can say whose the name is. off: 404, because no name is passed on. nowhere: an empty page, because a route says so. sent:
it is sent to an upstream. upstream: what an upstream has. missing: 404, because nobody has it. away: an error.
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """An index that has a name, or reserves it; `removed`: it was taken away, and its names stay."""

    index: str
    reserved: bool = False
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place where a name is looked for, and what it has.

    `source` is `this` or the name of an upstream, `where` the indexes that have the project, or the address. `asked` is False
    for a place that nobody has to ask. `versions` are those that are shown, oldest first; `files` counts the files that are
    there, hidden ones too.
    """

    source: str
    where: str
    asked: bool = True
    has: bool = False
    problem: str = ""
    files: int = 0
    versions: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    hidden: tuple[Hidden, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The way of a name through an index. `route` counts from 1; None: no route matches. `exceptions` hold now."""

    project: str
    version: str | None
    index: str
    claims: tuple[Claim, ...]
    unread: tuple[tuple[str, str], ...]
    mode: str | None
    route: int | None
    sources: tuple[str, ...]
    places: tuple[Place, ...] = ()
    exceptions: tuple[PolicyException, ...] = ()
    outcome: Outcome = "missing"

    @property
    def giver(self) -> Place | None:
        """The place that gives the project."""
        return self.places[-1] if self.places and self.outcome in {"own", "sent", "upstream", "away"} else None


@dataclass(slots=True)
class _Walk:
    """A walk through the places of a project: the first that has it ends the walk."""

    name: str
    version: str | None
    settings: IndexSettings
    ask: Ask
    now: datetime
    places: list[Place] = field(default_factory=list)

    def own(self, source: Layers) -> bool:
        """Look at the index with its bases."""
        found = next(iter(source.projects([self.name])), None)
        if found is None:
            self.places.append(Place(source=THIS, where=", ".join(layer.index for layer in source.layers)))
            return False
        project, broken = found
        hidden = source.hidden_files(self.name)
        files = [(file.filename, release.version) for release in project.releases for file in release.files]
        if project.status.marker == "quarantined":
            hidden += tuple(Hidden(filename, STATUS, "the project is quarantined") for filename, _ in files)
            files = []
        holders = [layer.index for layer in source.layers if self.name in layer.trees]
        place = Place(source=THIS, where=", ".join(holders), has=True, problem="; ".join(each.message for each in broken))
        self._put(place, files, hidden)
        return True

    def upstreams(self, upstream: UpstreamSettings) -> Outcome:
        """Look at the upstreams of the route, in their order."""
        sources = upstream.upstreams(self.name)
        if not sources:
            return "nowhere"
        for source in sources:
            address = upstream.address(source) or public_index_address.default(os.environ).address
            sent = upstream.mode == "redirect" and not is_folder(address)
            if sent and source == sources[-1]:
                self.places.append(Place(source=source, where=address, asked=False))
                return "sent"
            try:
                found = self.ask(address, self.name)
            except StorageError as error:
                self.places.append(Place(source=source, where=address, problem=error.message))
                return "away"
            if found is None:
                self.places.append(Place(source=source, where=address))
                continue
            stale = "" if found.stale_since is None else f"it is away, and this is of {found.stale_since:%Y-%m-%d %H:%M} UTC"
            there = Place(source=source, where=address, has=True, problem=stale, left_out=found.project.left_out)
            self._judge(there, found.project)
            return "sent" if sent else "upstream"
        return "missing"

    def _judge(self, place: Place, project: UpstreamProject) -> None:
        verdict = verdict_on(project, self.settings.policy, self.now)
        self._put(place, [(file.filename, file.version) for file in verdict.shown], verdict.hidden)

    def _put(self, place: Place, shown: Sequence[tuple[str, str]], hidden: Iterable[Hidden]) -> None:
        """Add what a place has, of the version that was asked for."""
        kept = [(filename, version) for filename, version in shown if self._is_asked_for(version)]
        told = tuple(each for each in hidden if self._is_asked_for(version_in(self.name, each.filename)))
        self.places.append(
            replace(
                place,
                files=len(kept) + len(told),
                versions=tuple(dict.fromkeys(sorted((version for _, version in kept), key=_sort_key))),
                shown=tuple(filename for filename, _ in kept),
                hidden=told,
            )
        )

    def _is_asked_for(self, version: str | None) -> bool:
        return self.version is None or (version is not None and same_version(version, self.version))


def asking(settings: Settings, environ: Mapping[str, str]) -> Ask:
    """How upstreams are asked by whoever has these settings: as by a server of theirs, and with its cache."""
    folder = cache_of(settings.cache / "files", settings.place)

    def ask(address: str, name: str) -> SeenProject | None:
        index = open_upstream(
            address, folder, on_github=isinstance(settings.place, Address), listed=settings.upstreams, environ=environ
        )
        try:
            return index.project(name)
        finally:
            index.close()

    return ask


def explain(repository: Repository, name: str, version: str | None, *, ask: Ask, now: datetime) -> Explanation:
    """What becomes of a name (PEP 503 form), or of one version of it. The indexes are those that are here.

    Raises StorageError if the index itself cannot be read. What keeps an upstream from being asked is part of the result.
    """
    source = read_as_shown(repository, now)
    settings = source.layers[0].snapshot.settings
    found = AllIndexes(repository.branch).read({})
    claims = [
        *(Claim(index) for index, each in found.snapshots.items() if name in each.names()),
        *(Claim(index) for index, names in found.names.items() if name in names and index not in found.snapshots),
        *(Claim(index, reserved=True) for index, each in found.snapshots.items() if each.settings.reserves(name)),
        *(Claim(index, removed=True) for index, each in found.removed.items() if name in each.names()),
        *(Claim(index, reserved=True, removed=True) for index, each in found.removed.items() if each.settings.reserves(name)),
    ]
    route = settings.upstream.route(name)
    walk = _Walk(name, version, settings, ask, now)
    outcome: Outcome
    if walk.own(source):
        outcome = "own"
    elif claims:
        outcome = "stays"
    elif found.broken:
        outcome = "unread"
    else:
        outcome = "off" if settings.upstream.mode is None else walk.upstreams(settings.upstream)
    policy = _policy(settings, outcome)
    return Explanation(
        project=name,
        version=version,
        index=repository.branch.index,
        claims=tuple(claims),
        unread=tuple((index, str(error)) for index, error in sorted(found.broken.items())),
        mode=settings.upstream.mode,
        route=None if route is None else route + 1,
        sources=settings.upstream.sources(name),
        places=tuple(walk.places),
        exceptions=() if policy is None else policy.exceptions_for(name, now),
        outcome=outcome,
    )


def _policy(settings: IndexSettings, outcome: Outcome) -> Policy | None:
    """The policy that was asked about what an installer gets."""
    if settings.policy is None:
        return None
    return settings.policy.own if outcome == "own" else settings.policy


def _sort_key(version: str) -> tuple[bool, Any]:
    """Versions in their order, and what is none (PEP 440) before them."""
    key = version_key(version)
    return not isinstance(key, str), key
