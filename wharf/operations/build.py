"""build: the index as a static site, by the page functions that the server has, too; only what changed is written again.

Everything is staged beside the site before the first file of it is replaced. What the site was built from is kept in it, and
says before anything is replaced what may be in between, so that a build that died is completed by the next.
"""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.distribution.file_names import Name
from wharf.index.index_name import has_address
from wharf.index.past_branch import PastBranch, clock_of
from wharf.operations import build_files, build_pages
from wharf.operations.build_links import direct_links, own_links
from wharf.operations.build_plan import UNKNOWN, BuildPlan, plan_build, unnamed_files
from wharf.operations.index_with_bases import read_as_shown
from wharf.pages import html
from wharf.repository.opening import check_index
from wharf.site import build_state, layout
from wharf.site.file_links import OwnLinks
from wharf.site.output_folder import SiteFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from wharf.repository.opening import Repository
    from wharf.site.build_state import BuildState
    from wharf.site.file_links import LeftOut, Links
    from wharf.sources.layers import Layers


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know how far it is: told the pages to make and those made, the files to fetch and those fetched."""

    pages: Callable[[int], None] = lambda _count: None
    page: Callable[[int], None] = lambda _count: None
    files: Callable[[int], None] = lambda _count: None
    file: Callable[[int], None] = lambda _count: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What came of a build: the projects of the site, those written again and those deleted, and what its pages do not show."""

    commit: str | None
    projects: int
    written: int
    deleted: int
    left_out: tuple[LeftOut, ...]


def build(
    repository: Repository,
    out: Path,
    *,
    with_files: bool = False,
    address: str = "",
    others: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Built:
    """Write the site into `out`. `with_files`: the distributions too, so that nothing else is needed to serve it.

    `address` is where people will find it, for its home page, and `others` are the addresses of further indexes by their names.
    Raises UsageError for a folder that is no site of this index, or where links could not work; NotFoundError; StorageError,
    and then the old site is as it was.
    """
    with ThreadPoolExecutor(1) as pool:
        fetched = pool.submit(repository.branch.fetch)  # while GitHub is asked whether the repository is public
        links: Links = own_links(repository) if with_files else direct_links(repository)
        fetched.result()
    check_index(repository)
    folder = SiteFolder(out)
    with folder.opened():
        return _carry_out(repository, folder, links, html.render_site_home(address, others or {}), progress or Progress())


def build_all(
    repository: Repository, out: Path, *, with_files: bool = False, address: str = "", progress: Progress | None = None
) -> dict[str, Built]:
    """Write the site of the repository's index into `out`, and below it one for each other index, in a folder of its name.

    The result is by index. Raises as `build` does; what was written before stays, and the next build continues.
    """
    own, root = repository.branch.index, address.rstrip("/")
    names = [own, *(name for name in repository.branch.indexes() if name != own and has_address(name))]
    done = {}
    for index in names:
        top = root or ("" if index == own else "..")  # without an address, a home page links to other folders of the site
        places = {name: top if name == own else f"{top}/{name}".lstrip("/") for name in names}
        done[index] = build(
            repository.of_index(index),
            out if index == own else out / index,
            with_files=with_files,
            address=places[index] if root else "",
            others={name: at for name, at in places.items() if name != index},
            progress=progress,
        )
    return done


def left_sites(out: Path, built: Iterable[str]) -> list[Path]:
    """The folders below `out` that have the site of an index which was not built: it is not there any more."""
    known = {*built}
    return sorted(path.parent for path in out.glob(f"*/{build_state.STATE}") if path.parent.name not in known)


def _carry_out(repository: Repository, folder: SiteFolder, links: Links, home: str, progress: Progress) -> Built:
    """One build into a folder that is taken, with that home page."""
    now = clock_of(repository.branch)
    source = read_as_shown(repository, now)
    plan = plan_build(repository, source, folder, links)
    made, lost = _make(repository, source, folder, plan, links, now, progress)
    kept = {name: told for name, told in plan.before.left_out.items() if name not in {*plan.changed, *plan.deleted}}
    left_out = kept | {name: [list(each) for each in told] for name, told in made.left_out.items()}
    # The next build looks again for what is missing today.
    trees = plan.after.trees | dict.fromkeys(lost, UNKNOWN)
    after = plan.after.model_copy(update={"left_out": left_out, "trees": trees})
    own = {"": {"index.html": home.encode()}, "simple": layout.list_pages(source.names())}
    paths = {layout.file_path(file) for file in made.files}
    _install(folder, plan, after, own, paths, unnamed_files(folder, plan, paths))
    return Built(
        commit=plan.after.commit,
        projects=len(after.trees),
        written=len(plan.changed),
        deleted=len(plan.deleted),
        left_out=tuple((name, why) for _, told in sorted(left_out.items()) for name, why in told),
    )


def _make(
    repository: Repository, source: Layers, folder: SiteFolder, plan: BuildPlan, links: Links, now: datetime, progress: Progress
) -> tuple[build_pages.Made, set[str]]:
    """Stage what is new. What came of it, and the projects with missing files, which their pages do not show."""
    progress.pages(len(plan.changed))
    if plan.after.commit is None:
        return build_pages.Made(), set()
    commits = [(layer.index, layer.snapshot.commit) for layer in source.layers if layer.snapshot.commit is not None]
    if isinstance(repository.branch, PastBranch) and plan.changed:
        for index, _ in commits:
            repository.branch.sibling(index).bring()
    job = build_pages.Job(
        git_dir=repository.branch.git_dir, commits=commits, out=folder.out, pages=folder.pages, links=links, now=now
    )
    made = build_pages.make(job, plan.changed, progress.page)
    wanted = [file for file in made.files if not folder.has(layout.file_path(file), file.size)]
    progress.files(len(wanted))
    lost = build_files.bring(repository, wanted, folder.out, progress.file)
    projects = {Name.parse(path.partition("/")[2]).project for path in lost}
    if isinstance(links, OwnLinks) and lost:
        without = dataclasses.replace(job, links=dataclasses.replace(links, lost=lost))
        made.left_out.update(build_pages.make(without, sorted(projects), progress.page).left_out)
        made.files = [file for file in made.files if layout.file_path(file) not in lost]
    return made, projects


def _install(
    folder: SiteFolder,
    plan: BuildPlan,
    after: BuildState,
    own: Mapping[str, Mapping[str, bytes]],
    paths: set[str],
    gone: list[str],
) -> None:
    """Put what is staged into its place. Nothing but names changes from here on, so that no full disk comes in between."""
    between = {**plan.before.trees, **dict.fromkeys((*plan.changed, *plan.deleted), UNKNOWN)}
    # Files that come before the page that names them: should that page never come, the next build takes them away.
    early = sorted({*gone, *folder.missing(paths)})
    states = {"between": after.model_copy(update={"trees": between, "gone": early}), "after": after}
    fresh = {
        where: {name: data for name, data in files.items() if folder.differs(where, name, data)} for where, files in own.items()
    }
    if folder.state == after and not any(fresh.values()):
        return
    for name, state in states.items():
        folder.stage(name, {build_state.STATE: build_state.render_state(state)})
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
