"""Assets that a promotion has another index name, too: looked at before the commit, and once more after it."""

from __future__ import annotations

import dataclasses
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.assets.asset_store import Incoming, Progress
from wharf.errors import StorageError
from wharf.github import release_tags
from wharf.github.asset_upload import ClosedError, Upload
from wharf.github.release_listing import MOST_ASSETS
from wharf.github.release_writing import side_by_side
from wharf.index import asset_location
from wharf.model import File

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Self

    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed
    from wharf.index.change import Named

_AT_ONCE: Final = 6


class PromotedAssets:
    """The assets of one promotion. A context manager: at its end nothing of it runs any more.

    - No lock is shared with whoever deletes. An asset of an immutable release cannot go; the others are looked at after the
      commit. Whoever deletes looks at the indexes once more afterwards, so one of the two notices.
    - An asset has the digest and the size that the record says, or nothing is promoted.
    - Core metadata is put only into a release that wharf made for that version.
    - A file that its record places in another repository is left to the readers, who say which ones they trust.
    """

    def __init__(self, github: GitHub, others: Collection[str]) -> None:
        self._github = github
        self._others = others
        self._releases: dict[int, Listed] = {}
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(_AT_ONCE, "promotion")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def check(self, files: Sequence[Named]) -> None:
        """Raise StorageError if an asset is not there, or is not what its record says."""
        ours = self._ours(files)
        self._look({release for _, release, _ in ours})
        for each, release, asset in ours:
            found = self._wrong(each, release, asset)
            if found is not None:
                raise StorageError(
                    f"The asset of {each.file.filename}, which its record names, {found}.",
                    "`wharf verify` tells more; remove the file from the index that has it, and publish it again.",
                )

    def missing(self, files: Sequence[Named]) -> Sequence[tuple[Named, str]]:
        """The files whose assets are not there, or are not what their records say; also those whose records name none."""
        found: list[tuple[Named, str]] = []
        ours: list[tuple[Named, int, int]] = []
        for each in files:
            try:
                ours += self._ours([each])
            except StorageError as error:
                found.append((each, error.message.rstrip(".")))
        self._look({release for _, release, _ in ours})
        for each, release, asset in ours:
            wrong = self._wrong(each, release, asset)
            if wrong is not None:
                found.append((each, f"its asset {wrong}"))
        return found

    def _wrong(self, each: Named, release: int, asset: int) -> str | None:
        """What is wrong with an asset whose release was looked at; None: nothing is."""
        listed = self._releases.get(release)
        stored = next((one for one in listed.assets if one.id == asset), None) if listed and not listed.draft else None
        told = stored is not None and stored.sha256 is not None
        same = stored is not None and stored.state == "uploaded" and stored.size == each.file.size
        if stored is None or not same or (told and stored.sha256 != each.file.sha256):
            return "is not there" if stored is None else "is another file"
        return None

    def announce(self, files: Sequence[tuple[Named, bytes]]) -> tuple[Sequence[Named], Sequence[Named]]:
        """Upload core metadata beside the assets of checked files, as far as their releases take more files."""
        wanted = [(each, data) for each, data in files if each.file.core_metadata and "metadata" not in each.file.location]
        done = side_by_side(self._pool, [partial(self._announced, each, data) for each, data in wanted])
        left = [each for (each, _), named in zip(wanted, done, strict=True) if named is None]
        return [named for named in done if named is not None], left

    def settle(self, committed: Sequence[Named]) -> None:
        """Raise StorageError if an asset is gone: somebody deleted it before this index named it."""
        looked = self._releases
        ours = [each for each in self._ours(committed) if each[1] not in looked or not looked[each[1]].immutable]
        self._look({release for _, release, _ in ours})
        for each, release, asset in ours:
            listed = self._releases.get(release)
            if listed is None or all(one.id != asset for one in listed.assets):
                raise StorageError(
                    f"{each.file.filename} was deleted at GitHub while an index took it up.",
                    f"`wharf remove {each.project}=={each.version} {each.file.filename}` in the index that took it up, "
                    "then publish it again.",
                )

    def _ours(self, files: Sequence[Named]) -> list[tuple[Named, int, int]]:
        """The files of this repository, each with the ids of its release and its asset. Raises what `locate` does."""
        found = []
        for each in files:
            place = asset_location.locate(each.file, self._others)
            if place.repository is None:
                release = asset_location.id_of(each.file.location.get("release"))
                if release is None:
                    raise StorageError(
                        f"The record of {each.file.filename} does not say in which release it is.",
                        "Remove it from the index that has it, and publish it again.",
                    )
                found.append((each, release, place.asset))
        return found

    def _look(self, numbers: set[int]) -> None:
        ordered = sorted(numbers)
        found = side_by_side(self._pool, [partial(self._github.rest.release, number) for number in ordered])
        for number, listed in zip(ordered, found, strict=True):
            if listed is None:
                self._releases.pop(number, None)
            else:
                self._releases[number] = listed

    def _announced(self, each: Named, data: bytes) -> Named | None:
        """The file with its core metadata beside it; None if that cannot come there, or not under its name."""
        place = asset_location.locate(each.file, self._others)
        release = asset_location.id_of(each.file.location.get("release")) if place.repository is None else None
        listed = None if release is None else self._releases.get(release)
        name = asset_location.metadata_name(place.name)
        if listed is None or listed.immutable or listed.mark is None or len(name) > asset_location.LONGEST_NAME:
            return None
        if not release_tags.is_of(listed.tag, each.project, each.version):
            return None
        file = File(filename=name, sha256=str(each.file.core_metadata), size=len(data), upload_time=each.file.upload_time)
        stored = listed.find(file)
        if stored is None and len(listed.assets) >= MOST_ASSETS:
            return None
        if stored is None:
            incoming = Incoming(dataclasses.replace(each, file=file), lambda: io.BytesIO(data))
            try:
                stored = Upload(self._github, listed, incoming, Progress(), self._stop).carry_out()
            except ClosedError:
                return None
        if stored.name != name:
            return None
        location = {**each.file.location, "metadata": stored.id}
        return dataclasses.replace(each, file=dataclasses.replace(each.file, location=location))
