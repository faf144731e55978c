"""The file names that upload sessions publish just now: no other upload gets one of them before that has ended."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wharf.distribution.file_names import Name
from wharf.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from wharf.index.guarded_change import Check
    from wharf.index.wharf_toml import IndexSettings


class ReservedNames:
    """Those of one server. Safe to use from several threads.

    A name is that of a file in any spelling. Another server over the same repository does not know of it: then the first commit
    decides.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: Counter[tuple[str, Name]] = Counter()

    @contextlib.contextmanager
    def held(self, index: str, filenames: Iterable[str]) -> Iterator[None]:
        """Reserve names in an index for as long as this lasts. Who publishes the same session meanwhile holds them, too."""
        keys = [(index, Name.parse(each)) for each in filenames]
        with self._lock:
            self._held.update(keys)
        try:
            yield
        finally:
            with self._lock:
                self._held.subtract(keys)
                for key in keys:
                    if not self._held[key]:
                        del self._held[key]

    def guard(self, check: Check, index: str, filename: str) -> Check:
        """The same check for the upload of a file, which is refused with ConflictError while its name is reserved."""
        return _Unreserved(check, self, index, filename)

    def refuse(self, index: str, filename: str) -> None:
        """Raise ConflictError if a name is reserved."""
        if self._held and self._held[index, Name.parse(filename)]:
            raise ConflictError(
                f"{filename} is in an upload session that is being published at this moment.",
                "Wait until that has ended: if it fails, the name is free again.",
            )


@dataclass(frozen=True, slots=True)
class _Unreserved:
    """Asked at each try to commit, as the check is."""

    check: Check
    reserved: ReservedNames
    index: str
    filename: str

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        self.check(settings, projects)
        self.reserved.refuse(self.index, self.filename)

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        self.check.of_settings(settings, keys)
