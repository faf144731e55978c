"""Files of the store in a folder that are stored already, and that an index is going to name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.errors import OddFileError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wharf.index.change import Named


class SharedFiles:
    """Stored files that an index is going to name, while publishers share the lock of the folder.

    `size` gives the bytes that are stored under a digest and a file name, or None.
    """

    def __init__(self, size: Callable[[str, str], int | None]) -> None:
        self._size = size

    def check(self, files: Sequence[Named]) -> None:
        """Raise StorageError if a file is not there, or has another size."""
        for each in files:
            found = self._wrong(each)
            if found is not None:
                raise StorageError(
                    f"The bytes of {each.file.filename} {found}.",
                    "`wharf verify` tells more; publish the same file again, then run the same command again.",
                )

    def missing(self, files: Sequence[Named]) -> Sequence[tuple[Named, str]]:
        """The files that are not there, have another size, or are no regular files, each with what is wrong."""
        found: list[tuple[Named, str]] = []
        for each in files:
            try:
                wrong = self._wrong(each)
            except OddFileError as error:
                wrong = f"cannot be used: {error.message.rstrip('.')}"
            if wrong is not None:
                found.append((each, f"its bytes {wrong}"))
        return found

    def _wrong(self, each: Named) -> str | None:
        size = self._size(each.file.sha256, each.file.filename)
        if size == each.file.size:
            return None
        return "are not stored" if size is None else f"have {size} bytes instead of {each.file.size}"

    def announce(self, files: Sequence[tuple[Named, bytes]]) -> tuple[Sequence[Named], Sequence[Named]]:
        """Nothing is stored beside files in a folder: a site that is made of it has core metadata from the index."""
        del files
        return (), ()

    def settle(self, committed: Sequence[Named]) -> None:
        """Nobody deletes anything while publishers share the lock."""
