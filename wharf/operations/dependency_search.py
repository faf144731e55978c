"""Which further releases a promotion takes along, so that what it brings can be installed from the target."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from packaging.version import Version

from wharf.distribution.dependencies import dependencies
from wharf.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wharf.distribution.dependencies import Dependency
    from wharf.index.snapshot import Snapshot
    from wharf.model import Project, Release
    from wharf.sources.layers import Layers

MOST_RELEASES: Final = 5000
"""Releases of one promotion, dependencies included."""
MOST_COMPARISONS: Final = 1_000_000
"""Parts of specifiers that are compared with versions, in one promotion: what hostile metadata can cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """A release that comes along, the requirement that it meets, and the release (`project version`) that has it."""

    release: Release
    requirement: str
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A requirement that neither index meets, or that cannot be followed: other indexes have to meet it."""

    requirement: str
    of: str


@dataclass(slots=True)
class DependencySearch:
    """The requirements of releases in `source`, met from what is chosen, from `target`, or from `source`, in this order.

    - A requirement counts if its marker can be true anywhere. One that needs an extra counts if that extra was asked for.
    - Of the source, the newest release that satisfies is chosen: no pre-release, unless it is asked for or there is nothing
      else; no yanked one, unless it is pinned exactly.
    - What is chosen is followed in its turn. What the target has, itself or through its bases, is not.
    """

    source: Snapshot
    target: Layers
    followed: list[Followed] = field(default_factory=list)
    left: dict[Left, None] = field(default_factory=dict)
    _chosen: dict[str, list[Release]] = field(default_factory=dict)
    _done: set[tuple[str, str, str]] = field(default_factory=set)
    _known: dict[str, tuple[Project | None, Project | None]] = field(default_factory=dict)
    _count: int = 0
    _comparisons: int = 0

    def follow(self, roots: Iterable[tuple[Release, frozenset[str]]]) -> None:
        """Find what these releases need, with these extras of each. Raises RefusedError beyond the bounds."""
        queue = list(roots)
        for release, _ in queue:
            self._choose(release)
        while queue:
            queue = list(self._next(queue))

    def _next(self, queue: Sequence[tuple[Release, frozenset[str]]]) -> Iterator[tuple[Release, frozenset[str]]]:
        """The releases that come along because of some others. What they need is read at once for all."""
        fresh = []
        for release, extras in queue:
            asked = {"", *extras}
            if any((release.project, release.version, extra) not in self._done for extra in asked):
                self._done |= {(release.project, release.version, extra) for extra in asked}
                fresh.append((release, extras))
        needs: list[tuple[Dependency, str]] = []
        for (release, extras), kept in zip(fresh, self.source.metadata_of([each for each, _ in fresh]), strict=True):
            of = f"{release.project} {release.version}"
            needs += [(each, of) for each in self._needs(kept, of) if each.applies(extras)]
        self._load({each.project for each, _ in needs})
        for each, of in dict.fromkeys(needs):
            found = self._meet(each, of)
            if found is not None:
                yield found, each.extras

    def _needs(self, kept: Mapping[str, bytes], of: str) -> Iterator[Dependency]:
        """The requirements of all files of a release, each one once."""
        seen = set()
        for filename, data in kept.items():
            if data not in seen:
                seen.add(data)
                read, odd = dependencies(data, filename)
                self.left |= {Left(requirement=text, of=of): None for text in odd}
                yield from read

    def _meet(self, need: Dependency, of: str) -> Release | None:
        """The release that is promoted for a requirement, now or already; None if nothing has to be."""
        source, target = self._known[need.project]
        if need.url:
            self.left[Left(requirement=need.text, of=of)] = None
            return None
        chosen = self._newest(self._chosen.get(need.project, ()), need)
        if chosen is not None:
            return chosen
        if target is not None and self._newest(target.releases, need) is not None:
            return None
        found = self._newest(source.releases, need) if source is not None else None
        if found is None:
            self.left[Left(requirement=need.text, of=of)] = None
            return None
        self._choose(found)
        self.followed.append(Followed(release=found, requirement=need.text, of=of))
        return found

    def _newest(self, releases: Sequence[Release], need: Dependency) -> Release | None:
        """The newest one that a requirement allows."""
        self._comparisons += (len(need.specifier) + 1) * len(releases)
        if self._comparisons > MOST_COMPARISONS:
            raise RefusedError(
                f"The requirements are more than are followed: {MOST_COMPARISONS:,} comparisons with versions.",
                "Name the releases yourself, without --with-dependencies.",
            )
        versions = {
            Version(each.version): each
            for each in releases
            if each.files and (need.is_exact or any(file.yanked is None for file in each.files))
        }
        allowed = list(need.specifier.filter(versions, prereleases=True))
        if not need.specifier.prereleases:
            allowed = [each for each in allowed if not each.is_prerelease] or allowed
        return versions[max(allowed)] if allowed else None

    def _load(self, names: set[str]) -> None:
        """Read the projects of these names in both indexes, at once. A record that cannot be read is left out."""
        fresh = sorted(names - self._known.keys())
        source, target = (
            {project.name: project for project, _ in snapshot.projects(fresh)} for snapshot in (self.source, self.target)
        )
        self._known |= {name: (source.get(name), target.get(name)) for name in fresh}

    def _choose(self, release: Release) -> None:
        self._count += 1
        if self._count > MOST_RELEASES:
            raise RefusedError(
                f"The promotion has more than {MOST_RELEASES:,} releases.", "Promote some of them first, in several commands."
            )
        self._chosen.setdefault(release.project, []).append(release)
