"""build: the index as a static site, by the same page functions as the server's; only what changed is written anew.

Everything is staged beside the site before the first file of it is replaced. What the site was built from is kept in it, and
says before anything is replaced what may be in between, so that a build that died is completed by the next.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wharf.assets.folder_store import FolderStore
from wharf.distribution.file_names import Name
from wharf.errors import NoIndexError, NotAllowedError, NotFoundError, UsageError
from wharf.operations import build_files, build_pages
from wharf.pages import html, page_format
from wharf.repository.opening import check_index
from wharf.site import layout
from wharf.site.layout import Direct, Own, State
from wharf.site.output_folder import SiteFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from wharf.index.snapshot import Snapshot
    from wharf.repository.opening import Repository
    from wharf.site.layout import LeftOut, Reach

CODE: Final = "2"
"""To be raised when the same index gives other files than before."""
_UNKNOWN: Final = "0" * 40  # the git id of a folder whose pages may be in between


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know how far it is: told the pages to make and those made, the files to fetch and those fetched."""

    pages: Callable[[int], None] = lambda _count: None
    page: Callable[[int], None] = lambda _count: None
    files: Callable[[int], None] = lambda _count: None
    file: Callable[[int], None] = lambda _count: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What came of a build: the projects of the site, those written anew and those deleted, and what its pages do not show."""

    commit: str | None
    projects: int
    written: int
    deleted: int
    left_out: tuple[LeftOut, ...]


def build(
    repository: Repository, out: Path, *, with_files: bool = False, address: str = "", progress: Progress | None = None
) -> Built:
    """Write the site into `out`. `with_files`: the distributions too, so that nothing else is needed to serve it.

    `address` is where people will find it, for its home page. Raises UsageError for a folder that is no site of this index, or
    where links could not work; NotFoundError; StorageError, and then the old site is as it was.
    """
    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(repository.branch.fetch)  # while GitHub is asked whether the repository is public
        reach: Reach = _own(repository) if with_files else _direct(repository)
        fetched.result()
    check_index(repository)
    folder = SiteFolder(out)
    with folder.opened():
        return _carry_out(repository, folder, reach, address, progress or Progress())


def _direct(repository: Repository) -> Direct:
    """Links to the files where they lie, if everybody may fetch them there. Raises UsageError if not."""
    from wharf.github.release_store import Releases

    github, releases = repository.github, repository.assets
    if github is None or not isinstance(releases, Releases):
        raise UsageError(
            "The files of a folder have no address of their own that a site could link to.",
            "--with-files makes a site that has them.",
        )
    if github.rest.about().private:
        raise UsageError(
            f"{github.address} is private: links from a static site to its files work for nobody.",
            "Use `wharf run -- COMMAND` or `wharf serve`; or --with-files, and put the site behind a login of your own.",
        )
    public = []
    for slug in releases.others:
        try:
            if not github.rest.about(slug).private:
                public.append(slug)
        except (NotFoundError, NotAllowedError):
            continue
    return layout.Direct(github.address, frozenset(public))


def _own(repository: Repository) -> Own:
    """Links to the site's own files."""
    others = None if isinstance(repository.assets, FolderStore) else repository.assets.others
    return Own(others)


def _carry_out(repository: Repository, folder: SiteFolder, reach: Reach, address: str, progress: Progress) -> Built:
    """One build into a folder that is taken."""
    snapshot = repository.branch.snapshot()
    plan = _plan(repository, snapshot, folder, reach)
    made, lost = _make(repository, snapshot, folder, plan, reach, progress)
    kept = {name: told for name, told in plan.before.left_out.items() if name not in {*plan.changed, *plan.deleted}}
    left_out = kept | {name: [list(each) for each in told] for name, told in made.left_out.items()}
    # What is not to be had today is looked for again next time.
    trees = plan.after.trees | dict.fromkeys(lost, _UNKNOWN)
    after = plan.after.model_copy(update={"left_out": left_out, "trees": trees})
    own = {"": {"index.html": html.render_site_home(address).encode()}, "simple": layout.list_pages(snapshot.names())}
    paths = {layout.file_path(file) for file in made.files}
    _install(folder, plan, after, own, paths, _gone(folder, plan, paths))
    return Built(
        commit=snapshot.commit,
        projects=len(after.trees),
        written=len(plan.changed),
        deleted=len(plan.deleted),
        left_out=tuple((name, why) for _, told in sorted(left_out.items()) for name, why in told),
    )


def _make(
    repository: Repository, snapshot: Snapshot, folder: SiteFolder, plan: _Plan, reach: Reach, progress: Progress
) -> tuple[build_pages.Made, set[str]]:
    """Stage what is new. What came of it, and the projects whose files are not all to be had: their pages are without those."""
    progress.pages(len(plan.changed))
    if snapshot.commit is None:
        return build_pages.Made(), set()
    job = build_pages.Job(
        git_dir=repository.branch.git_dir, commit=snapshot.commit, out=folder.out, pages=folder.pages, reach=reach
    )
    made = build_pages.make(job, plan.changed, progress.page)
    wanted = [file for file in made.files if not folder.has(layout.file_path(file), file.size)]
    progress.files(len(wanted))
    lost = build_files.bring(repository, wanted, folder.out, progress.file)
    projects = {Name.parse(path.partition("/")[2]).project for path in lost}
    if isinstance(reach, Own) and lost:
        without = dataclasses.replace(job, reach=dataclasses.replace(reach, lost=lost))
        made.left_out.update(build_pages.make(without, sorted(projects), progress.page).left_out)
        made.files = [file for file in made.files if layout.file_path(file) not in lost]
    return made, projects


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """The projects to write and to delete, between the state that the site is in and the one that it is to have."""

    before: State
    after: State
    changed: list[str]
    deleted: list[str]


def _plan(repository: Repository, snapshot: Snapshot, folder: SiteFolder, reach: Reach) -> _Plan:
    """Raises UsageError for the site of another index, and NoIndexError for one that there is not any more."""
    after = State(
        origin=_digest(repository.where if repository.github is None else repository.github.address.web.lower()),
        index=repository.branch.index,
        commit=snapshot.commit,
        key=_digest(
            page_format.CODE, CODE, reach.address.web if isinstance(reach, Direct) else "", *sorted(reach.others or ())
        ),
        trees=snapshot.tree_ids(),
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
            "Bring the index back; or delete the folder of the site, if it is to be empty.",
        )
    if before.key != after.key:
        before = before.model_copy(update={"trees": dict.fromkeys(before.trees, _UNKNOWN), "left_out": {}})
    changed = sorted(name for name, tree in after.trees.items() if before.trees.get(name) != tree)
    return _Plan(before=before, after=after, changed=changed, deleted=sorted(before.trees.keys() - after.trees.keys()))


def _gone(folder: SiteFolder, plan: _Plan, paths: set[str]) -> list[str]:
    """The files of the site that its pages will not name any more."""
    if not (folder.out / "files").is_dir():
        return []
    old = {path for name in (*plan.changed, *plan.deleted) for path in folder.old_files(name)}
    return sorted((old | set(plan.before.gone)) - paths)


def _install(
    folder: SiteFolder,
    plan: _Plan,
    after: State,
    own: Mapping[str, Mapping[str, bytes]],
    paths: set[str],
    gone: list[str],
) -> None:
    """Put what is staged into its place. Nothing but names changes from here on, so that no full disk comes in between."""
    between = {**plan.before.trees, **dict.fromkeys((*plan.changed, *plan.deleted), _UNKNOWN)}
    # Files that come before the page that names them: should that page never come, the next build takes them away.
    early = sorted({*gone, *folder.missing(paths)})
    states = {"between": after.model_copy(update={"trees": between, "gone": early}), "after": after}
    fresh = {
        where: {name: data for name, data in files.items() if folder.differs(where, name, data)} for where, files in own.items()
    }
    if folder.state == after and not any(fresh.values()):
        return
    for name, state in states.items():
        folder.stage(name, {layout.STATE: layout.render_state(state)})
    for where, files in fresh.items():
        folder.stage(f"own/{where}", files)
    folder.prepare((*plan.changed, *plan.deleted), paths, gone)
    folder.begin("between")
    folder.install_files(sorted(paths))
    for name in plan.changed:
        folder.install_project(name)
    for name in plan.deleted:
        folder.drop_project(name)
    for where, files in fresh.items():
        folder.install_own(where, files)
    for path in gone:
        folder.drop_file(path)
    folder.end("after")


def _digest(*texts: str) -> str:
    """What stands for some texts and tells none of them: a public site says nothing of where it was built."""
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:32]
