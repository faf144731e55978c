"""What a build has to do: the projects to write and to delete, by what the site was built from and what the index is now."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.errors import NoIndexError, UsageError
from wharf.pages import page_format
from wharf.site.build_state import BuildState
from wharf.site.file_links import DirectLinks

if TYPE_CHECKING:
    from wharf.repository.opening import Repository
    from wharf.site.file_links import Links
    from wharf.site.output_folder import SiteFolder
    from wharf.sources.layers import Layers

CODE: Final = "2"
"""Raise it when the same index gives other files than before."""
UNKNOWN: Final = "0" * 40
"""In the place of the git id of a project's folder: its pages may be in between, and have to be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """The projects to write and to delete, between the state that the site is in and the one that it is to have."""

    before: BuildState
    after: BuildState
    changed: list[str]
    deleted: list[str]


def plan_build(repository: Repository, source: Layers, folder: SiteFolder, links: Links) -> BuildPlan:
    """What there is to do. Raises UsageError for the site of another index, NoIndexError for one that is not there any more."""
    after = BuildState(
        origin=_digest(repository.where if repository.github is None else repository.github.address.web.lower()),
        index=repository.branch.index,
        commit=source.layers[0].snapshot.commit,
        key=_digest(
            page_format.CODE, CODE, links.address.web if isinstance(links, DirectLinks) else "", *sorted(links.others or ())
        ),
        trees={name: source.validator(name) or UNKNOWN for name in source.names()},
    )
    before = folder.state or after.model_copy(update={"key": "", "trees": {}})
    if (before.origin, before.index) != (after.origin, after.index):
        raise UsageError(
            f"The site in {folder.out} was built from another index, or this one was renamed or moved; it is not touched.",
            "Name another folder, or delete that one.",
        )
    if after.commit is None and before.trees:  # or every page would go, and installers ask the next index after a 404
        raise NoIndexError(
            f"There is no index {after.index!r} in {repository.where} any more, so the site in {folder.out} is not touched.",
            "Bring the index back; or delete the folder of the site, if it should be empty.",
        )
    if before.key != after.key:
        before = before.model_copy(update={"trees": dict.fromkeys(before.trees, UNKNOWN), "left_out": {}})
    changed = sorted(name for name, tree in after.trees.items() if before.trees.get(name) != tree)
    return BuildPlan(before=before, after=after, changed=changed, deleted=sorted(before.trees.keys() - after.trees.keys()))


def unnamed_files(folder: SiteFolder, plan: BuildPlan, paths: set[str]) -> list[str]:
    """The files of the site that its pages will not name any more."""
    if not (folder.out / "files").is_dir():
        return []
    old = {path for name in (*plan.changed, *plan.deleted) for path in folder.old_files(name)}
    return sorted((old | set(plan.before.gone)) - paths)


def _digest(*texts: str) -> str:
    """A digest of some texts that shows none of them: a public site does not say where it was built."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
