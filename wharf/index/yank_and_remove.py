"""SetYanked and RemoveFiles: the changes to releases, or files of them, that are in the index."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotFoundError, UsageError, did_you_mean
from wharf.index import record
from wharf.index.change import Named, Outcome, Records
from wharf.model import File, Release, same_version, version_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from packaging.version import Version

LONGEST_REASON = 1000
"""Characters of a reason. It stands at each file: 1,000 files still make a record that is read."""


def check_reason(reason: str) -> None:
    """A reason is one line of text, so that no commit message and no page can be made to say something else."""
    if any("\ud800" <= each <= "\udfff" for each in reason):
        raise UsageError("The reason holds bytes or half characters that are no text.", "Give it in UTF-8.")
    if not reason.isprintable():
        raise UsageError("The reason holds a control character or a line break.", "Give it as one line of text.")
    if len(reason) > LONGEST_REASON:
        raise UsageError(
            f"The reason has {len(reason)} characters, and every page of the project would carry it once a file.",
            f"Give the gist in {LONGEST_REASON} characters at most, and an address that says more.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetYanked:
    """Yank a release or one file of it with a reason (PEP 592), or take that back (`reason` None)."""

    project: str
    version: str
    filename: str | None = None
    reason: str | None

    def __post_init__(self) -> None:
        check_reason(self.reason or "")

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """The one release."""
        return ((self.project, self.version),)

    def apply(self, records: Records) -> Outcome:
        """Files that are in that state already are `unchanged`; a yank without a reason keeps the reason that is there."""

        def yank(file: File) -> File:
            same = file.yanked == self.reason or (self.reason == "" and file.yanked is not None)
            return file if same else dataclasses.replace(file, yanked=self.reason)

        return _edit_files(records, self.project, self.version, self.filename, yank)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What leaves the index of one release: the files of these names; None: all files that it has by then."""

    project: str
    version: str
    filenames: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFiles:
    """Take files of any number of releases out of the index, all or none; their names stay reserved for the same bytes.

    - What left the index before is left as it is, and is no error. What was never there is one.
    - The records of a project are read at once, however many of them leave.
    """

    leaving: tuple[Leaving, ...]

    @classmethod
    def of(cls, project: str, version: str, filename: str | None = None) -> RemoveFiles:
        """The change for one release, or one file of it."""
        names = None if filename is None else frozenset({filename})
        return cls(leaving=(Leaving(project=project, version=version, filenames=names),))

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """Every release that loses a file."""
        return {(each.project, each.version) for each in self.leaving}

    def apply(self, records: Records) -> Outcome:
        """The removed files are `changed`, what left before is in `gone`.

        Raises NotFoundError for a file, a release or a project that never was there.
        """
        by_project: dict[str, dict[Version | str, list[Leaving]]] = {}
        for each in self.leaving:
            by_project.setdefault(each.project, {}).setdefault(version_key(each.version), []).append(each)
        edits: dict[str, bytes | None] = {}
        changed: list[Named] = []
        gone: list[Release] = []
        for project, wanted in by_project.items():
            for key, release in _found(records, project, wanted).items():
                names = _names(release, wanted[key])
                files = [file for file in release.files if file.filename in names]
                changed += [Named(project=project, version=release.version, file=file) for file in files]
                edits |= removal_of(release, names)
                before = {name: sha256 for name, sha256 in release.removed.items() if name in names}
                if before:
                    gone.append(Release(project=project, version=release.version, removed=before))
        return Outcome(edits=edits, changed=tuple(changed), gone=tuple(gone))


def removal_of(release: Release, filenames: Collection[str]) -> dict[str, bytes | None]:
    """The bytes by path after files of a release left the index; nothing if none of its files has such a name."""
    gone = {file.filename: file.sha256 for file in release.files if file.filename in filenames}
    if not gone:
        return {}
    kept = tuple(file for file in release.files if file.filename not in gone)
    after = dataclasses.replace(release, files=kept, removed={**release.removed, **gone})
    edits: dict[str, bytes | None] = {record.metadata_path(release.project, release.version, name): None for name in gone}
    return edits | {record.path(release.project, release.version): record.render(after)}


def _found(records: Records, project: str, wanted: Mapping[Version | str, Sequence[Leaving]]) -> dict[Version | str, Release]:
    """The records of the wanted versions, which may have no files any more. Raises NotFoundError and RecordError."""
    spellings: dict[Version | str, list[str]] = {key: [] for key in wanted}
    there = records.versions(project)
    for each in there:
        if (key := version_key(each)) in spellings:
            spellings[key].append(each)
    found: dict[Version | str, Release] = {}
    for release in records.releases(project, [each for some in spellings.values() for each in some]):
        key = version_key(release.version)
        if key not in found or (release.files and not found[key].files):
            found[key] = release
    for key, some in wanted.items():
        if key not in found:
            raise _missing(records, project, some[0].version, there)
    return found


def _names(release: Release, wanted: Sequence[Leaving]) -> set[str]:
    """The names that are meant: of a release without files, all that left it. Raises NotFoundError for others."""
    names: set[str] = set()
    for each in wanted:
        if each.filenames is None:
            names |= {file.filename for file in release.files} or {*release.removed}
            continue
        for name in each.filenames:
            if release.file(name) is None and name not in release.removed:
                raise _no_file(release, name)
            names.add(name)
    return names


def _edit_files(records: Records, project: str, version: str, filename: str | None, edit: Callable[[File], File]) -> Outcome:
    """Apply `edit` to one file, or to all, of a release that must be there."""
    release = _find(records, project, version)
    chosen = [file for file in release.files if filename in {None, file.filename}]
    if not chosen:
        raise _no_file(release, str(filename))
    after = {file.filename: edit(file) for file in chosen}
    changed = [file for file in chosen if after[file.filename] != file]
    edits: dict[str, bytes | None] = {}
    if changed:
        files = tuple(after.get(file.filename, file) for file in release.files)
        edits[record.path(project, release.version)] = record.render(dataclasses.replace(release, files=files))
    return Outcome(
        edits=edits,
        changed=tuple(Named(project=project, version=release.version, file=after[file.filename]) for file in changed),
        unchanged=tuple(
            Named(project=project, version=release.version, file=file) for file in chosen if after[file.filename] == file
        ),
    )


def _find(records: Records, project: str, version: str) -> Release:
    spellings = records.versions(project)
    for spelled in spellings:
        if same_version(spelled, version) and (release := records.release(project, spelled)) and release.files:
            return release
    raise _missing(records, project, version, spellings)


def _missing(records: Records, project: str, version: str, spellings: Collection[str]) -> NotFoundError:
    if not spellings:
        near = did_you_mean(project, records.names())
        return NotFoundError(f"There is no project {project!r} in this index.", f"{near}`wharf list` shows all.")
    return NotFoundError(f"{project} has no version {version}.", f"`wharf show {project}` shows all.")


def _no_file(release: Release, filename: str) -> NotFoundError:
    names = ", ".join(file.filename for file in release.files[:20])
    return NotFoundError(f"{release.project} {release.version} has no file {filename!r}.", f"It has: {names}." if names else "")
