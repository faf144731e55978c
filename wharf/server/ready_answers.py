"""Answers by the very words of the requests that they were given to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

from wharf.model import is_filename, normalize

if TYPE_CHECKING:
    from collections.abc import Collection

    from wharf.server.files.github_file import GitHubFile
    from wharf.server.http.answer import Answer, FileAnswer

Asked: TypeAlias = "tuple[str, bytes | None, bytes | None]"
"""What a request says: path, Accept and Accept-Encoding, as they came."""

Given: TypeAlias = "Answer | FileAnswer | GitHubFile"

MOST: Final = 8192
"""Requests whose answers are remembered; one more, and all are forgotten."""

_PAGE = re.compile(r"/simple/([^/]+)/$")
_FILE = re.compile(r"/files/.*/([^/]+)$")
_ANY = ""  # what belongs to no one project, and goes with any change


class ReadyAnswers:
    """The answers that lie ready, each with the index that it is of.

    `drop` costs what it drops, and not what there is: it runs in the event loop's thread, at each commit.
    """

    def __init__(self) -> None:
        self._answers: dict[Asked, tuple[str, Given]] = {}
        self._asked: dict[tuple[str, str], set[Asked]] = {}  # by index and project

    def __contains__(self, asked: Asked) -> bool:
        return asked in self._answers

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, asked: Asked) -> tuple[str, Given] | None:
        """The index and the answer, or None."""
        return self._answers.get(asked)

    def put(self, asked: Asked, index: str, given: Given) -> None:
        """Remember an answer."""
        if len(self._answers) >= MOST:
            self.clear()
        self.pop(asked)
        self._answers[asked] = index, given
        self._asked.setdefault((index, _project_in(asked[0])), set()).add(asked)

    def pop(self, asked: Asked) -> None:
        """Forget an answer, if it is there."""
        found = self._answers.pop(asked, None)
        if found is not None:
            key = found[0], _project_in(asked[0])
            self._asked[key].discard(asked)
            if not self._asked[key]:
                del self._asked[key]

    def drop(self, index: str, names: Collection[str] | None) -> None:
        """Forget what an index shows of these projects, and what is of no one project; with None, all that it shows."""
        keys = [key for key in self._asked if key[0] == index] if names is None else [(index, name) for name in (*names, _ANY)]
        for key in keys:
            for asked in self._asked.pop(key, ()):
                del self._answers[asked]

    def clear(self) -> None:
        """Forget all of them."""
        self._answers.clear()
        self._asked.clear()


def _project_in(path: str) -> str:
    """The project whose page or file has that path; the empty name for what is neither."""
    page = _PAGE.search(path)
    if page is not None:
        return normalize(page[1])
    file = _FILE.search(path)
    return _ANY if file is None else project_of(file[1].removesuffix(".metadata"))


def project_of(filename: str) -> str:
    """The project that a file of that name belongs to; for what no distribution is called, a name that no project has."""
    if not is_filename(filename):
        return "-"
    # Not Name.parse: that expands a wheel's tags, up to 1,000 of them, and remembers them, for whatever a client makes up.
    stem = filename.removesuffix(".tar.gz").removesuffix(".zip")
    return normalize(filename.partition("-")[0] if filename.endswith(".whl") else stem.rpartition("-")[0])
