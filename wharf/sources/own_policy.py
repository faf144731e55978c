"""An index and its bases as one source, without the own files that its policy hides (`own` in `[policy]`)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.index.git_objects import joint_id
from wharf.sources.layers import Layers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from wharf.errors import RecordError
    from wharf.index.policy import Hidden, Policy, Verdict
    from wharf.model import File, Project, Status
    from wharf.sources.layers import Layer


def layers_as_shown(layers: Sequence[Layer], now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Layers:
    """What an index shows: by the rules that its policy has for own files, if there are any. The first layer is the index."""
    policy = layers[0].snapshot.settings.policy
    own = None if policy is None else policy.own
    return Layers(layers) if own is None else LayersUnderPolicy(layers, own, now)


class LayersUnderPolicy(Layers):
    """The same projects as `Layers` has, without the files that a policy hides.

    - A version is shown with the files of one index, also where the policy hides all of them.
    - A project of which all is hidden is there, and empty.
    - The validator of a project of which the policy can hide files changes with the policy, and when an exception for it ends.
      That of any other project is the one of `Layers`, so that indexes with another policy share the answer.

    `policy` is one for own files (`Policy.own`), which no clock changes but at the ends of its exceptions.
    """

    def __init__(self, layers: Sequence[Layer], policy: Policy, now: Callable[[], datetime]) -> None:
        super().__init__(layers)
        self._policy = policy
        self._now = now
        # What holds of the exceptions, and the marks that were made then: one value, because threads look at it too.
        self._marks: tuple[list[bool], dict[str, str]] = ([], {})

    @property
    def until(self) -> datetime | None:
        """The next moment at which what is shown may change by time alone: an exception ends. None: never."""
        now = self._now()
        return min(
            (each.until for each in self._policy.exceptions if each.until is not None and each.until > now), default=None
        )

    def overview(self) -> dict[str, tuple[str, ...]]:
        """As `Layers.overview`; reads the records of projects of which the policy can hide files."""
        found = super().overview()
        for project, _ in self.projects([name for name in found if self._mark(name)]):
            found[project.name] = project.versions
        return {name: versions for name, versions in found.items() if versions}

    def validator(self, name: str) -> str | None:
        """That of the project as it is, together with what its policy is at this moment."""
        found = super().validator(name)
        if found is None:
            return None
        mark = self._mark(name)
        return found if not mark else joint_id([found, mark])

    def projects(self, names: Iterable[str]) -> Iterator[tuple[Project, list[RecordError]]]:
        """As `Layers.projects`, with the files that are shown."""
        for project, broken in super().projects(names):
            verdict = self._verdict(project)
            shown = {each.file.filename for each in verdict.shown}
            yield (project if not verdict.hidden else _only(project, shown)), broken

    def core_metadata(self, name: str, filename: str) -> bytes | None:
        """As `Layers.core_metadata`; None for a hidden file too."""
        return None if self.hidden_file(name, filename) is not None else super().core_metadata(name, filename)

    def hidden_file(self, name: str, filename: str) -> Hidden | None:
        """Why a file of a project (PEP 503 form) is hidden; None if it is not, or if there is none."""
        return next((each for each in self.hidden_files(name) if each.filename == filename), None)

    def may_hide(self, name: str) -> bool:
        """Whether the policy can hide files of a project (PEP 503 form), now or later."""
        return bool(self._mark(name))

    def hidden_files(self, name: str) -> tuple[Hidden, ...]:
        """The files of a project that are hidden. May raise StorageError for damage."""
        if not self._mark(name):
            return ()
        found = next(iter(super().projects([name])), None)
        return () if found is None else self._verdict(found[0]).hidden

    def _verdict(self, project: Project) -> Verdict[_OwnFile]:
        files = [_OwnFile(file, release.version) for release in project.releases for file in release.files]
        return self._policy.judge(project.name, project.status, files, self._now())

    def _mark(self, name: str) -> str:
        """What the policy says of a project at this moment (`Policy.mark`), for projects that were asked for."""
        now = self._now()
        holding = [each.holds(now) for each in self._policy.exceptions]
        before, marks = self._marks
        if holding != before:
            marks = {}
            self._marks = holding, marks
        if name not in marks:
            marks[name] = self._policy.mark(name, now)
        return marks[name]


def verdict_on(
    policy: Policy, name: str, status: Status, version: str, file: File, now: datetime
) -> tuple[Hidden | None, datetime | None]:
    """Why a policy for own files hides one file of a project (PEP 503 form), wherever its record was found; None: it does not.

    And until when that holds; None: for as long as the policy does.
    """
    verdict = policy.judge(name, status, [_OwnFile(file, version)], now)
    return next(iter(verdict.hidden), None), verdict.until


@dataclass(frozen=True, slots=True)
class _OwnFile:
    """A file of the repository, as a policy looks at it."""

    file: File
    version: str

    @property
    def filename(self) -> str:
        return self.file.filename

    @property
    def size(self) -> int:
        return self.file.size

    @property
    def yanked(self) -> str | None:
        return self.file.yanked

    @property
    def since(self) -> datetime:
        return self.file.upload_time


def _only(project: Project, shown: set[str]) -> Project:
    """The project with these files alone."""
    releases = [
        replace(release, files=tuple(file for file in release.files if file.filename in shown)) for release in project.releases
    ]
    return replace(project, releases=tuple(releases))
