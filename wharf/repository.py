"""A repository: the branch that holds the index, the store that holds the bytes, and the tokens, as one thing to open."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.branch import Branch
from wharf.errors import NotFoundError, StorageError
from wharf.folder import Folder
from wharf.settings import DEFAULT_INDEX, Settings
from wharf.tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The embedded store: `index.git`, `assets/` and `tokens.json` in one folder."""

    folder: Path
    branch: Branch
    assets: Folder
    tokens: Tokens

    @contextmanager
    def every_index(self) -> Iterator[list[Branch]]:
        """A branch per index of the repository: assets are shared by all of them."""
        branches = [Branch(self.folder / "index.git", name) for name in self.branch.indexes()]
        try:
            yield branches
        finally:
            for branch in branches:
                branch.close()


@contextmanager
def open_repository(settings: Settings, *, reading: bool = False) -> Iterator[Repository]:
    """The repository that the settings name, made on first use.

    Raises StorageError if the folder cannot be used. With `reading`, an index that is not there is a NotFoundError, except
    for the default one, which is empty until something is published.
    """
    folder = settings.folder
    assets = Folder(folder)
    branch = Branch(folder / "index.git", settings.index)
    try:
        assets.create()
        if not (folder / "index.git").exists() and next(assets.assets(), None) is not None:
            raise StorageError(
                f"{folder} has files in assets/ and no index.git: the index is lost.",
                "Restore index.git from a backup; or move assets/ away, and publish the files in it again.",
            )
        branch.create(assets.scratch())
    except OSError as error:
        raise StorageError(
            f"The folder {folder} cannot be used as a store: {error.strerror}.", "Name another one with --repo or WHARF_REPO."
        ) from error
    with branch:
        if reading and settings.index != DEFAULT_INDEX and branch.tip() is None:
            raise NotFoundError(
                f"There is no index {settings.index!r} in {folder}.",
                f"Publishing to it makes it: wharf publish --index {settings.index} dist/*",
            )
        yield Repository(folder=folder, branch=branch, assets=assets, tokens=Tokens(folder / "tokens.json"))
