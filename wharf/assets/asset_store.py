"""What the verbs need of a store for bytes: a folder, or the releases of a repository on GitHub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from wharf.errors import OneReleaseError
    from wharf.index.change import Named
    from wharf.model import File, Release

Opener: TypeAlias = "Callable[[], BinaryIO]"
"""Opens a file for reading, at its beginning."""
Refuse: TypeAlias = "Callable[[Sequence[Named], OneReleaseError], object]"
"""Is told which files are not stored, each for its own reason."""
Recorded: TypeAlias = "Callable[[str, str], Release | None]"
"""The record of a project's version as the index has it now."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A checked file on its way into the store. `beside` is its core metadata, where the index wants that stored next to it."""

    named: Named
    open: Opener
    beside: Incoming | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Who wants to know how far a publish is: told the file's name and the bytes, as they are read and as they are sent.

    Before anything is sent, `planned` is told how many contents it creates at GitHub, and the seconds that this takes at least.
    """

    read: Callable[[str, int], None] = lambda _name, _bytes: None
    sent: Callable[[str, int], None] = lambda _name, _bytes: None
    planned: Callable[[int, float], None] = lambda _contents, _seconds: None


class Intake(Protocol):
    """One publish under way."""

    def take(self, opener: Opener, limit: int, *, sealed: bool = False) -> AbstractContextManager[tuple[BinaryIO, Opener]]:
        """The bytes to check, of which no more than `limit` + 1 matter, and what opens the same bytes again, for `put`.

        If `sealed`, nobody else changes the file: where it may get a name in the store, it is not copied.
        """
        ...

    def put(
        self,
        new: Sequence[Incoming],
        known: Sequence[Incoming],
        recorded: Recorded,
        tip: str | None,
        refuse: Refuse | None = None,
    ) -> tuple[Sequence[Named], Callable[[], object]]:
        """Store the `new` files; each with its location, and what waits until they are stored and verified.

        `known` ones are in the index already, `tip` is its commit. Raises StorageError, as what waits does, and then the index
        shows nothing. It has to be waited for before the index names a file, and before the publish ends.

        With `refuse`, a file that the store does not take is no reason not to store the others.
        """
        ...

    def published_before(self) -> str | None:
        """For an index that is missing: the name of something that was published to it before; None if there is nothing."""
        ...

    def settle(self, committed: Sequence[Named]) -> None:
        """After the commit: raise StorageError if somebody deleted a file that it names, without knowing of the commit."""
        ...


class Reuse(Protocol):
    """Stored bytes that an index is going to name: as another one does, or as it did before."""

    def check(self, files: Sequence[Named]) -> None:
        """Raise StorageError if the bytes of a file are not stored as its record says."""
        ...

    def missing(self, files: Sequence[Named]) -> Sequence[tuple[Named, str]]:
        """The files whose bytes are not stored as their records say, each with what is wrong."""
        ...

    def announce(self, files: Sequence[tuple[Named, bytes]]) -> tuple[Sequence[Named], Sequence[Named]]:
        """Store core metadata beside checked files, where readers of a static site look for it.

        The files with their new locations, and those whose core metadata cannot be stored there any more.
        """
        ...

    def settle(self, committed: Sequence[Named]) -> None:
        """After the commit: raise StorageError if somebody deleted a file that it names, without knowing of the commit."""
        ...


class AssetStore(Protocol):
    """A place for the bytes of distributions."""

    def intake(self, progress: Progress) -> AbstractContextManager[Intake]:
        """Begin a publish."""
        ...

    def reuse(self) -> AbstractContextManager[Reuse]:
        """Begin a promotion or a restoration: until it ends, nobody deletes what it reads and names; or it notices."""
        ...

    def erase(
        self, files: Sequence[Named], named: Callable[[], Sequence[Named]], dealt_with: Callable[[int], None]
    ) -> tuple[Sequence[Named], str]:
        """Delete the bytes of files that have left the index, except those that `named` gives when nobody publishes.

        The files whose bytes are still stored, and why. After each file, `dealt_with` gets 1.
        """
        ...

    def left_of(self, releases: Sequence[Release]) -> Sequence[Named]:
        """Those files in `removed` of the releases whose bytes are still stored. Nothing is asked for if there are none."""
        ...

    def public_address(self, file: File) -> str | None:
        """Where everybody can fetch a file without wharf, if the place is public; None if there is no such address."""
        ...
