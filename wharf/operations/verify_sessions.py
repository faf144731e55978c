"""The upload sessions that a store has: those that are live, those that ran out, and what dead ones left."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from wharf.assets.upload_session import LONGEST
from wharf.assets.upload_session_states import PROCESSING
from wharf.errors import StorageError
from wharf.github.session_text import session_in
from wharf.operations.verify_findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from wharf.assets.session_folder import FolderSessions
    from wharf.assets.upload_session import UploadSession
    from wharf.github.release_listing import Listed
    from wharf.github.session_drafts import SessionDrafts


_UNREADABLE: Final = "cannot be read as an upload session: look at it, and delete"


def sessions_in_folder(store: FolderSessions, root: Path, now: datetime, *, repair: bool) -> Iterator[Finding]:
    """Those in a folder. With `repair`, what is over is deleted; a live one never."""
    for session in store.all():
        gone = False
        if session.is_over(now) and repair:
            with contextlib.suppress(StorageError):  # it stays, and is told
                store.purge(session.id)
                gone = store.get(session.id) is None
        yield from _told(session, f"sessions/{session.id}", now, repaired=gone)
    for path in store.unreadable():
        where = str(path.relative_to(root))
        yield Finding(kind="upload-session", path=where, detail=f"it {_UNREADABLE} its folder")


def sessions_on_github(store: SessionDrafts, listed: Iterable[Listed], now: datetime, *, repair: bool) -> Iterator[Finding]:
    """Those among listed releases. With `repair`, what is over is deleted; a live one never."""
    for each in listed:
        if not each.draft or each.session is None:
            continue
        path = f"releases/{each.tag} (draft {each.id})"
        found = session_in(each)
        if found is None:
            gone = now - each.touched > LONGEST and repair and store.delete_unreadable(each.id)
            yield Finding(kind="upload-session", path=path, detail=f"its text {_UNREADABLE} the draft", repaired=gone)
        else:
            gone = found.session.is_over(now) and repair and store.purge(found.session.id)
            yield from _told(found.session, path, now, repaired=gone)


def _told(session: UploadSession, path: str, now: datetime, *, repaired: bool) -> Iterator[Finding]:
    """What there is to say of a session; nothing of one that ended, while its end is told."""
    if not session.live and not session.is_over(now):
        return
    who = f"which {session.creator} began" if session.creator else "of somebody"
    what = f"{session.project} {session.version} for the index {session.index}, {len(session.files)} file(s), {who}"
    if session.is_over(now):
        how = "it ended"
    elif session.state == PROCESSING:
        how = "it is being published, or its publish died: whoever asks for its status ends that"
    else:
        how = f"it stays until {session.expires:%Y-%m-%d %H:%M} UTC"
    yield Finding(kind="upload-session", path=path, detail=f"an upload session of {what}: {how}", repaired=repaired)
