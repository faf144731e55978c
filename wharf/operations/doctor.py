"""doctor: what a command would work on and with, what is wrong with it, and what to do about it.

It writes nothing but the cache. A failure while it looks is a finding, too.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.github.request_turns import Waiting
from wharf.index.git import Git
from wharf.index.index_name import DEFAULT_INDEX
from wharf.operations.doctor_findings import Diagnosis, Finding, findings_of, no_index
from wharf.operations.doctor_indexes import of_indexes
from wharf.operations.doctor_upstreams import of_listed
from wharf.system import disk_remedies

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharf.index.branch import Branch
    from wharf.repository.settings import Settings

_GIT = (2, 30)
_LITTLE = 1 << 30  # bytes free below which it is said
_IMPATIENT = Waiting(at_most=0.0)  # a look that has to wait is a finding


def diagnose(settings: Settings, environ: Mapping[str, str], waiting: Waiting = _IMPATIENT) -> Diagnosis:
    """Look at everything that the settings name. Raises nothing for what it finds."""
    named = f"{settings.place}, named by {settings.source}; index {settings.index!r}"
    found = [Finding(what="address", detail=named), *findings_of("git", _git)]
    if isinstance(settings.place, Path):
        place = settings.place
        found += findings_of("folder", lambda: _folder(place, settings))
        found += findings_of("folder", lambda: room("folder", place))
    else:
        from wharf.operations.doctor_github import GitHubDiagnosis
        from wharf.repository.opening import folder_of

        clone = settings.cache / folder_of(settings.place)
        cache = findings_of("cache", lambda: _cache(clone, settings.index))  # before the visit, which may refresh it
        found += GitHubDiagnosis(settings.place, settings, environ).findings(waiting)
        found += [*cache, *findings_of("cache", lambda: room("cache", clone))]
    found += findings_of("upstream", lambda: of_listed(settings.upstreams, environ))
    return Diagnosis(tuple(found))


def room(what: str, folder: Path) -> Iterator[Finding]:
    """Whether something can be written below a folder, which need not be there yet, and how much."""
    base = next(path for path in (folder, *folder.parents) if path.exists())
    if not base.is_dir():
        yield Finding(what=what, state="problem", detail=f"{base} is not a folder.", hint="Name another one, or move it away.")
        return
    if not os.access(base, os.W_OK | os.X_OK):
        number = errno.EROFS if os.statvfs(base).f_flag & os.ST_RDONLY else errno.EACCES
        hint = disk_remedies.hint(
            OSError(number, ""), disk_remedies.CACHE if what == "cache" else "name another one with --repo"
        )
        yield Finding(what=what, state="problem", detail=f"{base} cannot be written to.", hint=hint)
        return
    usage = shutil.disk_usage(base)
    free = f"{usage.free / 1e9:.1f} GB are free" if usage.total else "its file system does not say how much is free"
    text = f"{base} can be written to; {free}"
    if usage.total and usage.free < _LITTLE:
        yield Finding(what=what, state="warning", detail=text, hint=disk_remedies.hint(OSError(errno.ENOSPC, "")))
    else:
        yield Finding(what=what, detail=text)


def _git() -> Iterator[Finding]:
    words = Git(Path(os.devnull)).run("version").decode(errors="replace").strip()
    version = re.search(r"(\d+)\.(\d+)", words)
    if version is None or (int(version[1]), int(version[2])) < _GIT:
        hint = f"Install git {_GIT[0]}.{_GIT[1]} or later."
        yield Finding(what="git", state="problem", detail=f"{words} is too old, or no git.", hint=hint)
    else:
        yield Finding(what="git", detail=words)


def _folder(folder: Path, settings: Settings) -> Iterator[Finding]:
    """What is said of a store in a folder. It is opened only if there is one: opening makes what is not there."""
    from wharf.repository.opening import line_of, line_of_init, open_repository

    if not any((folder / name).exists() for name in ("index.git", "assets")):
        line = line_of_init(str(folder), settings.index)
        yield Finding(
            what="index", detail=f"there is no store in {folder} yet", hint=f"`{line}`, or the first publish, makes it."
        )
        return
    with open_repository(settings) as repository:
        tip, others = repository.branch.tip(), repository.branch.indexes()
        yield from findings_of("index", lambda: _rights(repository.branch))
        indexes = findings_of("indexes", lambda: of_indexes(repository.branch))
    if tip is not None:
        yield Finding(what="index", detail=f"the index {settings.index!r} is there, at commit {tip[:12]}")
    elif settings.index == DEFAULT_INDEX:
        line = line_of("publish", str(folder), settings.index, "dist/*")
        yield Finding(what="index", detail="the index is empty", hint=f"`{line}` fills it.")
    else:
        yield no_index(str(folder), settings.index, others, "" if others else ", or the first publish to it,")
    yield from indexes


def _rights(branch: Branch) -> Iterator[Finding]:
    """If the settings say who may publish what: whom that limits. Raises StorageError for settings that cannot be read."""
    if branch.snapshot().settings.upload:
        detail = "the index has [upload], which is about GitHub tokens: whoever may write to the folder may write all of it"
        yield Finding(what="rights", detail=detail)


def _cache(clone: Path, index: str) -> Iterator[Finding]:
    """What the cache holds of this repository. Its clones can be thrown away at any time."""
    heads = [path for ref in (f"refs/heads/wharf/{index}", "packed-refs") for path in clone.glob(f"*.git/{ref}")]
    moments = [path.stat().st_mtime for path in heads]
    if not moments:
        yield Finding(what="cache", detail=f"nothing of the index {index!r} yet in {clone}")
        return
    size = sum(_sizes(clone))
    age = _age(time.time() - max(moments))
    yield Finding(what="cache", detail=f"{size / 1e6:.1f} MB in {clone}; the index in it changed last {age} ago")


def _sizes(folder: Path) -> Iterator[int]:
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # git tidies up while it is looked at
                yield Path(where, name).stat().st_size


def _age(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} seconds"
