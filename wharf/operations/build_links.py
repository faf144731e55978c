"""Where the links of a site lead: which files everybody can fetch from GitHub, and which the site has itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.assets.folder_store import FolderStore
from wharf.errors import NotAllowedError, NotFoundError, UsageError
from wharf.site import file_links
from wharf.site.file_links import DirectLinks, OwnLinks

if TYPE_CHECKING:
    from wharf.repository.opening import Repository


def direct_links(repository: Repository) -> DirectLinks:
    """Links to the files where they lie, if everybody may fetch them there. Raises UsageError if not."""
    from wharf.github.release_store import Releases

    github, releases = repository.github, repository.assets
    if github is None or not isinstance(releases, Releases):
        raise UsageError(
            "The files of a folder have no address that a site could link to.",
            "--with-files makes a site that has them.",
        )
    if github.rest.about().private:
        raise UsageError(
            f"{github.address} is private: links from a static site to its files work for nobody.",
            "Use `wharf run -- COMMAND` or `wharf serve`; or --with-files, and put the site behind your own login.",
        )
    public = []
    for slug in releases.others:
        try:
            if not github.rest.about(slug).private:
                public.append(slug)
        except (NotFoundError, NotAllowedError):
            continue
    return file_links.DirectLinks(github.address, frozenset(public))


def own_links(repository: Repository) -> OwnLinks:
    """Links to the site's own files."""
    others = None if isinstance(repository.assets, FolderStore) else repository.assets.others
    return OwnLinks(others)
