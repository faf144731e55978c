"""A repository of the simulator as it stood once, with its releases: made by one test, copied for the others."""

from __future__ import annotations

import shutil
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo


@dataclass(frozen=True, kw_only=True)
class Template:
    """A repository, its git folder, the bytes of its assets, and folders of the machines that worked with it.

    Invariants: nothing of it changes after `keep`; a copy shares no mutable value and no file with it.
    """

    repo: Repo
    number: str
    last_id: int
    host: str
    folder: Path

    def copy(self, hub: Hub, machines: Path) -> Repo:
        """The repository in another hub that has none yet, and the machines' folders below `machines`."""
        shutil.copytree(self.folder / "assets", hub.root / "assets", dirs_exist_ok=True)
        git_dir = hub.root / "repos" / self.number
        shutil.copytree(self.folder / "repo", git_dir)
        shutil.copytree(self.folder / "machines", machines, dirs_exist_ok=True)
        if hub.host != self.host:
            for cache in list(machines.rglob(self.host)):
                cache.rename(cache.with_name(hub.host))
        repo = _copied(self.repo, hub, git_dir)
        hub.adopt(repo, self.last_id)
        return repo


def keep(hub: Hub, repo: Repo, machines: Path, names: tuple[str, ...], folder: Path) -> Template:
    """What `repo` is now, kept in `folder`, with the folders of those machines."""
    shutil.copytree(repo.git_dir, folder / "repo")
    shutil.copytree(hub.root / "assets", folder / "assets")
    (folder / "machines").mkdir()
    for name in names:
        shutil.copytree(machines / name, folder / "machines" / name)
    kept = _copied(repo, hub, folder / "repo")
    return Template(repo=kept, number=repo.git_dir.name, last_id=hub.next_id(), host=hub.host, folder=folder)


def _copied(repo: Repo, hub: Hub, git_dir: Path) -> Repo:
    copied = deepcopy(repo, {id(repo.hub): hub})
    copied.git_dir = git_dir
    for release in copied.releases:
        for asset in release.assets:
            asset.data = hub.root / "assets" / asset.data.name
    return copied
