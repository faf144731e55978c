"""The look at GitHub releases: one list of all of them tells names, sizes and digests, so that nothing is downloaded.

GitHub has no digests of old assets: only their bytes are fetched and hashed.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from wharf.errors import NotAllowedError, NotFoundError, StorageError
from wharf.github.release_states import LEFT_AFTER, Remedy, left_over
from wharf.index import asset_location
from wharf.operations.kept_by_past import KeptByPast, kept_by_past, kept_until, unread_of
from wharf.operations.verify_findings import Finding, Findings, named_files, unnamed_detail
from wharf.operations.verify_sessions import sessions_on_github

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from wharf.github.api import GitHub
    from wharf.github.release_listing import Listed, Stored
    from wharf.github.release_store import Releases
    from wharf.index.asset_location import AssetLocation
    from wharf.model import File, Release
    from wharf.operations.verify_findings import NamedFiles
    from wharf.repository.opening import Repository

_OURS: Final = (".whl", ".tar.gz", ".zip", ".metadata")
"""How the names of wharf's assets end. Anything else in a wharf release was put there by a person."""
_YOUNG = "no index names it, and it is less than a day old: publish the same files again, or leave it to a later --repair"


class ReleasesAudit:
    """The assets of wharf's releases against those that the indexes name."""

    def __init__(self, repository: Repository, releases: Releases) -> None:
        self._repository = repository
        self._releases = releases
        self._github: GitHub = releases.github
        self._all = list(releases.github.rest.releases())
        self._assets = {asset.id: (listed, asset) for listed in self._all for asset in listed.assets}

    def path(self, file: File) -> str:
        """Tag and stored name."""
        return f"releases/{file.location.get('tag')}/{file.location.get('name')}"

    def has(self, file: File) -> bool:
        """By the list of releases; for a place elsewhere, which `check` asks for, it is yes."""
        try:
            place = self._releases.place(file)
        except (StorageError, NotAllowedError):
            return True
        return place.repository is not None or place.asset in self._assets

    def check(self, release: Release, file: File) -> Iterator[Finding]:
        """Compare with GitHub's digest, or with the bytes where there is none."""
        again = f"`wharf remove {release.project}=={release.version} {file.filename}`, then publish the same file again"
        try:
            place = self._releases.place(file)
            if place.repository is not None:
                with self._github.asset(place.asset, slug=place.repository):
                    return  # it is there; another repository's digests are its own affair
        except (StorageError, NotFoundError, NotAllowedError) as error:
            yield Finding(kind="missing-bytes", path=self.path(file), detail=f"{error.message} {error.hint}")
            return
        listed, stored = self._assets.get(place.asset) or self._passed_over(place.asset, file)
        if listed is not None and listed.draft:
            detail = f"{file.filename} is in a release that was made a draft again: publish it on GitHub's page"
            yield Finding(kind="missing-bytes", path=self.path(file), detail=detail)
        elif listed is None or stored is None or stored.state != "uploaded":
            state = "is gone" if stored is None else "was not uploaded whole"
            detail = f"{release.project} {release.version} names {file.filename}, whose asset {state}: {again}"
            yield Finding(kind="missing-bytes", path=self.path(file), detail=detail)
        elif stored.size != file.size or (stored.sha256 or self._hashed(stored)) != file.sha256:
            detail = f"the bytes of {file.filename} have another digest or size: {again}"
            yield Finding(kind="other-bytes", path=self.path(file), detail=detail)
        elif (listed.tag, stored.name) != (place.tag, place.name):
            was = f"{place.tag}/{place.name}, and is {listed.tag}/{stored.name} now"
            detail = f"{file.filename} was recorded as {was}: whoever follows the public address does not find it; name it back"
            yield Finding(kind="missing-bytes", path=self.path(file), detail=detail)
        elif place.metadata is not None and (why := self._beside(listed, place, file)):
            detail = f"the core metadata beside {file.filename}, where sites announce it, {why}: {again}"
            yield Finding(kind="missing-bytes", path=self.path(file), detail=detail)

    def _passed_over(self, asset: int, file: File) -> tuple[Listed | None, Stored | None]:
        """An asset that the list does not have, and its release: one that is deleted while a list is read shifts its pages."""
        number = asset_location.id_of(file.location.get("release"))
        listed = None if number is None else self._github.rest.release(number)
        stored = next((each for each in listed.assets if each.id == asset), None) if listed is not None else None
        if listed is None or stored is None:
            return None, None
        self._assets |= {each.id: (listed, each) for each in listed.assets}
        return listed, stored

    def _beside(self, listed: Listed, place: AssetLocation, file: File) -> str:
        """What is wrong with the core metadata beside a file; empty if nothing is."""
        release, stored = self._assets.get(place.metadata or 0, (None, None))
        if release is not listed or stored is None or stored.state != "uploaded":
            return "is gone"
        same = stored.sha256 is None or stored.sha256 == file.core_metadata
        return "" if same and stored.name == asset_location.metadata_name(place.name) else "is that of another file"

    def delete_unnamed(self, *, repair: bool) -> Findings:
        """Only what is wharf's, unnamed before and after the list was made, not kept by the past, and a day old, is deleted."""
        self._repository.branch.fetch()
        named = named_files(self._repository)
        ids, past = _ids(named), KeptByPast()
        ours = {listed.id: listed for listed in self._all if listed.mark is not None}  # a list that shifts has some twice
        if any(not ids.issuperset(asset.id for asset in listed.assets) for listed in ours.values()):
            past = kept_by_past(self._repository)
        # The branch of an index may have been deleted by mistake: what its releases hold is needed when it is brought back.
        now, sessions = self._github.now(), self._releases.sessions(self._repository.branch)
        sure = {listed.id: named.certain and past.certain and listed.index in named.indexes for listed in ours.values()}
        drafts = [
            self._draft(listed, repair=repair and sure[listed.id])
            for listed in ours.values()
            if listed.draft and listed.session is None and Remedy.REPAIR in left_over(listed, ids | past.assets.keys()).remedies
        ]
        unnamed = {
            asset.id: self._unnamed(listed, asset, repair=repair and sure[listed.id], named=named, past=past)
            for listed in ours.values()
            for asset in listed.assets
            if not listed.draft and asset.id not in ids and asset.name.endswith(_OURS)
        }
        problems = [each for each in unnamed.values() if each.kind == "unnamed-bytes"]
        problems += self._taken_up({id_ for id_, each in unnamed.items() if each.repaired})
        return problems, (
            *unread_of(named, past),
            *drafts,
            *sessions_on_github(sessions, {each.id: each for each in self._all}.values(), now, repair=repair),
            *(each for each in unnamed.values() if each.kind != "unnamed-bytes"),
        )

    def _taken_up(self, deleted: set[int]) -> Iterator[Finding]:
        """What an index names since it was deleted: a publish took it up in that moment, and looked before it was gone."""
        if not deleted:
            return
        for file in named_files(self._repository).files:
            if asset_location.ids(file) & deleted:
                detail = f"{file.filename} was published again while it was deleted: remove it, publish it again"
                yield Finding(kind="missing-bytes", path=self.path(file), detail=detail)

    def _draft(self, listed: Listed, *, repair: bool) -> Finding:
        old = self._old(listed.touched)
        if repair and old:  # the list may be minutes old, and the publish that died may have been taken up again
            now = self._github.rest.release(listed.id)
            old = now is None or (now.draft and self._old(now.touched))
        detail = "a draft of a publish that died" if old else "a draft, maybe of a publish at work"
        if repair and old:
            self._github.rest.delete_release(listed.id)
        return Finding(
            kind="temporary", path=f"releases/{listed.tag} (draft {listed.id})", detail=detail, repaired=repair and old
        )

    def _unnamed(self, listed: Listed, asset: Stored, *, repair: bool, named: NamedFiles, past: KeptByPast) -> Finding:
        path = f"releases/{listed.tag}/{asset.name}"
        if asset.id in past.assets:
            return Finding(kind="kept-for-past", path=path, detail=kept_until(past.assets[asset.id]))
        if not self._old(asset.updated):
            return Finding(kind="temporary", path=path, detail=_YOUNG)
        if Remedy.REPAIR not in left_over(listed, ()).remedies:
            detail = "no index names it; the release is immutable, and nothing in it can be deleted"
            return Finding(kind="temporary", path=path, detail=detail)
        if repair:
            self._github.rest.delete_asset(asset.id)
        detail = unnamed_detail(certain=named.certain, past=past.certain)
        if listed.index not in named.indexes:
            detail = (
                f"they are of the index {listed.index!r}, whose branch is gone: bring it back; or, if it was meant to go, "
                f"`wharf init --index {listed.index} {self._github.address}` makes it again, and then they can be deleted"
            )
        return Finding(kind="unnamed-bytes", path=path, detail=detail, repaired=repair)

    def _old(self, moment: datetime) -> bool:
        return self._github.now() - moment > LEFT_AFTER

    def _hashed(self, stored: Stored) -> str:
        found = hashlib.sha256()
        with self._github.asset(stored.id) as answer:
            if isinstance(answer, str):
                with self._github.open(answer) as download:
                    for chunk in download.chunks:
                        found.update(chunk)
            else:
                for chunk in answer.chunks:
                    found.update(chunk)
        return found.hexdigest()


def _ids(named: NamedFiles) -> set[int]:
    """The assets that an index names, also where it says that they lie in another repository: maybe it is this one."""
    return {id_ for file in named.files for id_ in asset_location.ids(file)}
