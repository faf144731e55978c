"""Which files a removal takes out of the index: releases by name and version, by a glob over versions, by their age."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING

from wharf.errors import NotFoundError, did_you_mean
from wharf.index.yank_and_remove import Leaving, RemoveFiles
from wharf.model import version_key, version_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from wharf.index.change import Outcome, Records
    from wharf.model import Release


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedRemoval:
    """What a person asks for: a version of a project (or a glob over the normal forms of versions), or one file of it."""

    project: str
    version: str
    filename: str | None = None
    is_glob: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalChoice:
    """What leaves the index, and what that comes to now. `younger` are releases that are too young, `notes` say what is odd.

    What a glob or an age chose are files by their names: what is published after this leaves with none of them.
    """

    leaving: tuple[Leaving, ...]
    outcome: Outcome
    younger: tuple[Release, ...]
    notes: tuple[str, ...]


def choose(snapshot: Records, wanted: Iterable[WantedRemoval], older_than: datetime | None = None) -> RemovalChoice:
    """What is meant, by the index as it is. With `older_than`, only releases whose newest file was uploaded before that.

    Raises NotFoundError for a project, a version or a file that never was there; and for a glob that matches no version, but
    with `older_than` that is a note. Raises RecordError.
    """
    leaving: list[Leaving] = []
    younger: list[Release] = []
    notes: list[str] = []
    for each in wanted:
        if not each.is_glob and older_than is None:
            leaving += RemoveFiles.of(each.project, each.version, each.filename).leaving
            continue
        found = snapshot.releases(each.project, _spellings(snapshot, each))
        there = [release for release in found if release.files]
        old = [release for release in there if older_than is None or _newest(release) < older_than]
        younger += [release for release in there if release not in old]
        if each.is_glob:
            leaving += [_all_of(release) for release in old]
            notes += _odd(snapshot, each, found, there, aged=older_than is not None)
        elif old or not there:
            names = None if each.filename is None else frozenset({each.filename})
            leaving += [Leaving(project=each.project, version=each.version, filenames=names)]
    outcome = RemoveFiles(leaving=tuple(leaving)).apply(snapshot)
    return RemovalChoice(leaving=tuple(leaving), outcome=outcome, younger=tuple(younger), notes=tuple(notes))


def _spellings(snapshot: Records, wanted: WantedRemoval) -> list[str]:
    """The versions of the project that are meant, as they are spelled there."""
    there = snapshot.versions(wanted.project)
    if not wanted.is_glob:
        return [each for each in there if version_key(each) == version_key(wanted.version)]
    pattern = re.compile(translate(wanted.version.lower()))
    return [each for each in there if pattern.fullmatch(str(version_of(each)))]


def _odd(
    snapshot: Records, wanted: WantedRemoval, found: Sequence[Release], there: Sequence[Release], *, aged: bool
) -> list[str]:
    """A note for a glob that chooses nothing. Raises NotFoundError where it never matched anything."""
    if found and not there:
        return [
            f"All {len(found)} release(s) that match {wanted.project}=={wanted.version} left the index before. "
            "`wharf verify --repair` deletes what may be stored of them, and so does `wharf remove` with an exact version."
        ]
    if found:
        return []
    if not snapshot.versions(wanted.project):
        near = did_you_mean(wanted.project, snapshot.names())
        raise NotFoundError(f"There is no project {wanted.project!r} in this index.", f"{near}`wharf list` shows all.")
    none = f"No version of {wanted.project} matches {wanted.version!r}."
    if not aged:
        raise NotFoundError(none, f"`wharf show {wanted.project}` shows all. A glob stands for the normal form of a version.")
    return [none]


def _all_of(release: Release) -> Leaving:
    names = frozenset(file.filename for file in release.files)
    return Leaving(project=release.project, version=release.version, filenames=names)


def _newest(release: Release) -> datetime:
    return max(file.upload_time for file in release.files)
