"""What became of a session whose draft is a release by now: it is published when the index names the files, and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.assets.upload_session import SessionFile, UploadSession
from wharf.assets.upload_session_states import COMPLETED, PROCESSING
from wharf.index import asset_location
from wharf.model import same_version, version_of
from wharf.secret import Secret

if TYPE_CHECKING:
    from packaging.version import Version

    from wharf.github.release_listing import Listed, Stored
    from wharf.index.branch import Branch


def is_recorded(branch: Branch, listed: Listed, session: UploadSession) -> bool:
    """Whether the index of a session names assets of the release, or had its files and removed them. It may be fetched."""
    assets, names = {each.id for each in listed.assets}, session.files.keys()
    index = branch.sibling(session.index)
    for fetched in (False, True):
        if fetched:
            index.fetch()
        snapshot = index.snapshot()
        for version in snapshot.versions(session.project):
            record = snapshot.release(session.project, version) if same_version(version, session.version) else None
            if record is None:
                continue
            named = {number for file in record.files for number in asset_location.ids(file)}
            if named & assets or record.removed.keys() & names:
                return True
    return False


def session_of_release(listed: Listed, session_id: str) -> UploadSession | None:
    """The session that a release of wharf was, as far as the release tells; None for another release.

    It is PROCESSING: whether the index names the files, only that tells.
    """
    project, _, version = listed.tag.partition("_")[0].rpartition("-")
    parsed = version_of(version)
    if listed.mark is None or listed.index is None or parsed is None:
        return None
    assets = [each for each in listed.assets if each.sha256 and not each.name.endswith(asset_location.metadata_name(""))]
    files = [
        SessionFile(
            number=number,
            filename=_filename(each, parsed),
            size=each.size,
            hashes={"sha256": each.sha256 or ""},
            state=COMPLETED,
            sha256=each.sha256,
        )
        for number, each in enumerate(assets)
    ]
    moment = listed.touched.replace(microsecond=0)
    return UploadSession(
        id=session_id,
        token=Secret(""),
        index=listed.index,
        project=project,
        version=str(parsed),
        creator="",
        created=moment,
        expires=moment,
        state=PROCESSING,
        files={each.filename: each for each in files},
        taken=len(files),
    )


def _filename(asset: Stored, version: Version) -> str:
    """The name of a file: of all that file names have, GitHub changes the sign of an epoch alone."""
    return asset.name.replace(f"-{version.epoch}.", f"-{version.epoch}!", 1) if version.epoch else asset.name
