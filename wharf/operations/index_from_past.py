"""A new index that begins as another one was at a moment: it shares that history, and nothing is copied.

What holds today holds in it: rights and states of projects are those of today, so that nobody gets a right or a hidden file by
going back. Files whose bytes are gone, or that were removed for ever, leave it with the commit that makes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.index import record, wharf_toml
from wharf.index.change import Outcome
from wharf.index.yank_and_remove import Leaving, RemoveFiles
from wharf.operations.bases_check import BasesCheck
from wharf.operations.manage_indexes import busy, check_free, check_name, tries
from wharf.operations.restore import coming_back
from wharf.repository.at_moment import repository_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wharf.index.branch import Branch
    from wharf.index.change import Named
    from wharf.index.moment import Moment
    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class FromPast:
    """The new index: its commit, and the commit of the source index that it begins at (the same one if nothing had to change).

    `left_out` are the files that the moment had and the index has not, each with the reason. `of_today` are the keys of rights
    whose values are those of today, because they were others then.
    """

    commit: str
    source: str
    past: str
    bases: tuple[str, ...]
    left_out: tuple[tuple[Named, str], ...]
    of_today: tuple[str, ...]


def create_from_past(repository: Repository, source: str, moment: Moment, actor: str | None = None) -> FromPast:
    """Make the index of the repository's branch as `source`, another index of it, was at a moment.

    Raises as `create` does for the name and the bases, and as `repository_at`; StorageError where the settings of today cannot
    be read, and where a file was deleted at that moment.
    """
    branch = repository.branch
    check_name(branch.index)
    for _ in tries():
        check_free(repository, branch.index, ())
        origin = repository.of_index(source)
        with repository_at(origin, moment) as then, repository.assets.reuse() as reuse:
            past, today = then.branch.snapshot(), origin.branch.snapshot()
            back, lost = coming_back(then, origin, reuse)
            of_today = wharf_toml.changed_rights(past.index_file, today.index_file)
            settings = today if of_today else past
            removed = RemoveFiles(leaving=tuple(map(_leaving, lost))).apply(past) if lost else Outcome()
            outcome = Outcome(
                edits={
                    **removed.edits,
                    **({wharf_toml.PATH: today.index_file} if of_today else {}),
                    **_states(then.branch, past, origin.branch, today),
                },
                changed=removed.changed,
                beside=BasesCheck(branch)(settings.settings.bases),
            )
            commit = branch.begin(actor, outcome, str(past.commit))
            if commit is not None:
                reuse.settle(back)
                if settings.settings.bases:
                    BasesCheck(branch).check_landed()
                return FromPast(
                    commit=commit,
                    source=source,
                    past=str(past.commit),
                    bases=settings.settings.bases,
                    left_out=tuple(lost),
                    of_today=tuple(of_today),
                )
    raise busy(repository)


def _leaving(lost: tuple[Named, str]) -> Leaving:
    named, _ = lost
    return Leaving(project=named.project, version=named.version, filenames=frozenset({named.file.filename}))


def _states(then: Branch, past: Snapshot, now: Branch, today: Snapshot) -> Mapping[str, bytes | None]:
    """What makes the states of projects those of today. A project that is not there any more keeps its own."""
    there = today.tree_ids()
    names = [name for name, tree in past.tree_ids().items() if there.get(name, tree) != tree]
    before, after = _state_ids(then, past), _state_ids(now, today)
    paths = [f"{record.folder(name)}/project.json" for name in names]
    changed = [path for path in paths if before.get(path) != after.get(path)]
    wanted: Sequence[str] = [after[path] for path in changed if path in after]
    data = dict(zip(wanted, (each.data for each in now.objects.must(wanted)), strict=True))
    return {path: data[after[path]] if path in after else None for path in changed}


def _state_ids(branch: Branch, snapshot: Snapshot) -> dict[str, str]:
    entries = branch.contents(snapshot.commit).entries() if snapshot.commit else ()
    return {path: entry.id for path, entry in entries if path.endswith("/project.json") and entry.is_file}
