"""The text of the draft that is an upload session: a sentence for people, and the session in a comment. Pure.

The text is all that is kept of a session beside its files, which are assets of the draft. What GitHub says of those is not in
the text: a file is complete when the draft has an asset with its digest.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from wharf.assets import session_json
from wharf.assets.upload_session import LONGEST, MOST_FILES, SessionFile, UploadSession
from wharf.assets.upload_session_states import COMPLETED, ERROR, PENDING
from wharf.errors import RefusedError
from wharf.github import release_listing
from wharf.model import File
from wharf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.github.release_listing import Listed

LONGEST_TEXT: Final = 125_000
"""Characters of the text of a release."""
MOST_WRITES: Final = 32
"""The last writes whose marks a text keeps."""

_LARGEST: Final = 1 << 20  # bytes of a session, unpacked
_NUMBER, _RANDOM = 16, 11  # characters of the release's id in the id and in the token of a session
_SAID: Final = re.compile(r"1 writes=((?:[0-9a-f]{12},?)*) ([A-Za-z0-9+/=]+)\s*", re.ASCII)
_NOBODY: Final = "0" * _NUMBER


@dataclass(frozen=True, slots=True)
class DraftedSession:
    """A session as its draft has it. `writes` are marks of the last writes, of which each begins with that of its writer."""

    listed: Listed
    session: UploadSession
    writes: tuple[str, ...]

    @property
    def writer(self) -> str:
        """The mark of the server process that wrote last."""
        return self.writes[-1][:6] if self.writes else ""


def id_of(release: int, session_id: str) -> str:
    """The id of a session whose draft has that id: a session is found without a list."""
    return f"{release:0{_NUMBER}x}{session_id[_NUMBER:]}"


def release_of(session_id: str) -> int:
    """The release that the id of a session names."""
    return int(session_id[:_NUMBER], 16)


def token_of(release: int, token: Secret) -> Secret:
    """The token of a session whose draft has that id: this before the 256 random bits."""
    number = base64.urlsafe_b64encode(release.to_bytes(8, "big")).decode().rstrip("=")
    return Secret(number + token.reveal()[-43:])


def release_of_token(token: Secret) -> int | None:
    """The release that a token names; None for what is no token of a session on GitHub."""
    text = token.reveal()
    if len(text) != _RANDOM + 43:
        return None
    try:
        return int.from_bytes(base64.urlsafe_b64decode(text[:_RANDOM] + "="), "big")
    except binascii.Error:
        return None


def session_text(session: UploadSession, writes: Iterable[str], *, publishing: bool = False) -> str:
    """The text of the draft. `publishing`: it has the mark, too, by which an ordinary publish finds its files stored.

    Raises RefusedError for a session that is too long for the text of a release.
    """
    project, version, index = session.project, session.version, session.index
    if publishing:
        head = release_listing.text(index, project, version, files_of(session))
    else:
        head = (
            f"{project} {version} on its way into the index `{index}`: an upload session, which ends at "
            f"{session.expires:%Y-%m-%d %H:%M} UTC. No installer sees anything of it. wharf reads the lines below: do not "
            "change them. Whoever deletes this draft ends the session.\n"
        )
    for slimmer in (False, True):
        said = base64.b64encode(zlib.compress(session_json.session_bytes(_as_written(session, slimmer=slimmer)), 9)).decode()
        text = f"{head}\n<!-- wharf session=1 writes={','.join([*writes][-MOST_WRITES:])} {said} -->\n"
        if len(text) <= LONGEST_TEXT:
            return text
    raise RefusedError(
        f"The session of {project} {version} has no room for more files: the text of a release on GitHub has "
        f"{LONGEST_TEXT} characters at most.",
        "Publish it, and begin another session for the others; or declare sha256 alone.",
    )


def same_text(one: UploadSession, other: UploadSession) -> bool:
    """Whether two states of a session have the same text, and differ in nothing but what GitHub says of the assets."""
    return _as_written(one) == _as_written(other)


def without_words(session: UploadSession) -> UploadSession:
    """The session without what the checks of complete files said: not worth a write for each file."""
    files = {
        name: replace(each, requires_python=None, notices=()) if each.state == COMPLETED else each
        for name, each in session.files.items()
    }
    return replace(session, files=files)


def session_in(listed: Listed) -> DraftedSession | None:
    """The session of a draft; None for one that is none, or whose text is not understood."""
    found = _SAID.fullmatch(listed.session or "")
    if found is None or not listed.draft:
        return None
    try:
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(base64.b64decode(found[2], validate=True), _LARGEST)
        session = session_json.session_of(data)
    except (ValueError, zlib.error):
        return None
    if not unpacked.eof or not session.id.startswith(_NOBODY) or len(session.files) > MOST_FILES:
        return None
    last = listed.touched + LONGEST  # the creation that GitHub names may be that of a commit
    session = replace(
        session,
        id=id_of(listed.id, session.id),
        token=token_of(listed.id, session.token),
        expires=min(session.expires, last),
        files=dict(_as_stored(session, listed)),
    )
    return DraftedSession(listed, session, tuple(each for each in found[1].split(",") if each))


def files_of(session: UploadSession) -> list[File]:
    """The files of a session that are complete, as an index would name them."""
    return [
        File(filename=each.filename, sha256=each.sha256, size=each.size, upload_time=session.created)
        for each in session.files.values()
        if each.state == COMPLETED and each.sha256
    ]


def declared(file: SessionFile) -> str | None:
    """The sha256 of a file, as its bytes had it or as its client said."""
    return file.sha256 or file.hashes.get("sha256")


def _as_stored(session: UploadSession, listed: Listed) -> Iterable[tuple[str, SessionFile]]:
    """The files with what GitHub says of their assets."""
    stored = {
        (release_listing.letters(each.name), each.sha256, each.size) for each in listed.assets if each.state == "uploaded"
    }
    for name, each in session.files.items():
        sha256 = declared(each)
        if each.state == ERROR:
            yield name, each
        elif (release_listing.letters(name), sha256, each.size) in stored:
            yield name, replace(each, state=COMPLETED, sha256=sha256)
        else:
            yield name, replace(each, state=PENDING, sha256=None)


def _as_written(session: UploadSession, *, slimmer: bool = False) -> UploadSession:
    """The session as its text has it: the same for each release, and without what assets say. `slimmer`: with sha256 alone."""
    files = {}
    for name, each in session.files.items():
        sha256 = declared(each)
        hashes = {"sha256": sha256} if slimmer and each.state == COMPLETED and sha256 else each.hashes
        own = None if hashes.get("sha256") == each.sha256 else each.sha256
        files[name] = replace(each, hashes=hashes, sha256=own, state=ERROR if each.state == ERROR else PENDING)
    return replace(session, id=_NOBODY + session.id[_NUMBER:], token=Secret(session.token.reveal()[-43:]), files=files)
