"""`wharf build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wharf.cli.at_option import at_document, at_option, say_moment
from wharf.cli.common_options import common_options
from wharf.cli.progress import counting
from wharf.cli.state import State, pass_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.index.moment import Moment
    from wharf.model import Json
    from wharf.operations.build import Built


@click.command(
    "build",
    epilog="""\b
Examples:
  wharf build site
  wharf build --repo owner/name --address https://packages.example.org site
  wharf build --with-files /var/www/packages
  wharf build --all-indexes site
  wharf build --at 2026-11-30 site-of-november
""",
)
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--with-files", is_flag=True, help="Put the distributions into the site, so that it needs nothing else.")
@click.option("--all-indexes", is_flag=True, help="Write all other indexes too, each into a folder of its name in OUT.")
@click.option("--address", default="", metavar="URL", help="Where people will find the site; its home page says it.")
@at_option
@common_options
@pass_state
def build_command(state: State, out: Path, with_files: bool, all_indexes: bool, address: str, moment: Moment | None) -> None:
    """Write the index as a static site into the folder OUT, or bring the site in it up to date.

    Links lead to the public addresses of the files. wharf leaves out and names what cannot be linked, and then the exit code
    is 7. With --with-files, any web server can serve the site, without network. wharf writes only what changed, and replaces
    nothing before all of it is there. An index that has bases shows their projects too. The next build without --at brings a
    site of the past to where the index is now.
    """
    from wharf.clients.index_address import parse_index_address
    from wharf.errors import RefusedError
    from wharf.operations.build import Progress, build, build_all, left_sites

    address = parse_index_address(address).root if address else ""
    with (
        state.repository(reading=True, whole=True, fetch="later", at=moment) as repository,
        counting(state, "pages", "files") as ((pages, page), (files, file)),
    ):
        own, progress = repository.branch.index, Progress(pages, page, files, file)
        if all_indexes:
            sites = build_all(repository, out, with_files=with_files, address=address, progress=progress)
        else:
            sites = {own: build(repository, out, with_files=with_files, address=address, progress=progress)}
        past = at_document(repository, moment)
        say_moment(state, repository)
    for name, why in (each for done in sites.values() for each in done.left_out):
        state.warn(f"left out: {name}: {why}")
    for folder in left_sites(out, sites) if all_indexes else ():
        state.warn(f"{folder} has the site of an index that is not there any more. Delete it if nobody needs it.")
    places = {name: out if name == own else out / name for name in sites}
    others: dict[str, Json] = {name: _document(sites[name], places[name]) for name in sites if name != own}
    state.result(
        _document(sites[own], out) | ({"indexes": others} if all_indexes else {}) | past,
        [line for name, done in sites.items() for line in _lines(done, places[name], with_files=with_files)],
    )
    if any(done.left_out for done in sites.values()):
        raise click.exceptions.Exit(RefusedError.exit_code)


def _document(done: Built, out: Path) -> dict[str, Json]:
    return {
        "site": str(out),
        "commit": done.commit,
        "projects": done.projects,
        "written": done.written,
        "deleted": done.deleted,
        "left_out": [{"name": name, "reason": why} for name, why in done.left_out],
    }


def _lines(done: Built, out: Path, *, with_files: bool) -> Iterator[str]:
    changes = f"{done.written} written" + (f", {done.deleted} deleted" if done.deleted else "")
    yield f"{out}: {done.projects} projects ({changes}), the index at {(done.commit or 'no commit yet')[:12]}"
    if done.left_out:
        more = "" if with_files else "; --with-files makes a site that has the files"
        yield f"{len(done.left_out)} left out{more}"
