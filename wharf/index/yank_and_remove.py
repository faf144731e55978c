"""SetYanked and RemoveFiles: the changes to a release, or one file of it, that is in the index."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.errors import NotFoundError, UsageError, did_you_mean
from wharf.index import record
from wharf.index.change import Named, Outcome, Records
from wharf.model import File, Release, same_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

LONGEST_REASON = 1000
"""Characters of a reason. It stands at each file: 1,000 files still make a record that is read."""


def check_reason(reason: str) -> None:
    """A reason is one line of text, so that no commit message and no page can be made to say something else."""
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
class RemoveFiles:
    """Take a release or one file of it out of the index; the name stays reserved for the same bytes."""

    project: str
    version: str
    filename: str | None = None

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """The one release."""
        return ((self.project, self.version),)

    def apply(self, records: Records) -> Outcome:
        """The removed files are `changed`."""
        return _edit_files(records, self.project, self.version, self.filename, lambda _file: None)


def _edit_files(
    records: Records, project: str, version: str, filename: str | None, edit: Callable[[File], File | None]
) -> Outcome:
    """Apply `edit` (None: remove) to one file, or to all, of a release that must be there."""
    release = _find(records, project, version)
    chosen = [file for file in release.files if filename in {None, file.filename}]
    if not chosen:
        names = ", ".join(file.filename for file in release.files)
        raise NotFoundError(f"{project} {release.version} has no file {filename!r}.", f"It has: {names}." if names else "")
    after = {file.filename: edit(file) for file in chosen}
    kept = tuple(new for file in release.files if (new := after.get(file.filename, file)) is not None)
    gone = {file.filename: file.sha256 for file in chosen if after[file.filename] is None}
    changed = [file for file in chosen if after[file.filename] != file]
    same = [file for file in chosen if after[file.filename] == file]
    edits: dict[str, bytes | None] = {record.metadata_path(project, release.version, name): None for name in gone}
    if changed:
        updated = dataclasses.replace(release, files=kept, removed={**release.removed, **gone})
        edits[record.path(project, release.version)] = record.render(updated)
    return Outcome(
        edits=edits,
        changed=tuple(Named(project=project, version=release.version, file=after[file.filename] or file) for file in changed),
        unchanged=tuple(Named(project=project, version=release.version, file=file) for file in same),
    )


def _find(records: Records, project: str, version: str) -> Release:
    spellings = records.versions(project)
    for spelled in spellings:
        if same_version(spelled, version) and (release := records.release(project, spelled)) and release.files:
            return release
    if not spellings:
        near = did_you_mean(project, records.names())
        raise NotFoundError(f"There is no project {project!r} in this index.", f"{near}`wharf list` shows all.")
    raise NotFoundError(f"{project} has no version {version}.", f"`wharf show {project}` shows all.")
