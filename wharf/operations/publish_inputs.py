"""The files that a publish is given: each is read once, as the store takes it in, and checked."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from wharf.distribution import read_distribution
from wharf.distribution.file_names import Name, plain
from wharf.errors import ConflictError, InvalidDistributionError, TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from wharf.assets.asset_store import Intake, Opener, Progress
    from wharf.distribution.read_distribution import Distribution


CheckedInput: TypeAlias = "tuple[Distribution, Opener]"
"""A file that passed every check, and what opens the same bytes again."""


@dataclass(frozen=True, slots=True)
class Input:
    """A file to publish: the name it is to have, and how to open it for reading, at its beginning.

    `size` is in bytes, where it is known before the file is read. `checked` is the result of a check that was made before, by
    the only one who can change the file: then the file is not checked again. If `sealed`, `open` gives a file on the disk of
    the store that nobody writes to any more: one without a name (`system.unnamed_file`), or one that a session staged. A store
    may keep it without a copy.
    """

    filename: str
    open: Callable[[], BinaryIO]
    size: int | None = None
    checked: Distribution | None = None
    sealed: bool = False

    @staticmethod
    def of(path: Path) -> Input:
        """The file at a path, under its own name."""
        return Input(path.name, lambda: path.open("rb"), path.stat().st_size)

    def check(self, file: BinaryIO, limit: int, *, strict: bool) -> Distribution:
        """Check the file, which `file` gives; `strict`: what is worth a warning is refused.

        Raises InvalidDistributionError.
        """
        found = self.checked or read_distribution.read(file, self.filename, limit=limit)
        if strict and found.warnings:
            hint = "Correct it and build it again. --strict, --strict-uploads or `strict` in the settings made it an error."
            raise InvalidDistributionError(f"{plain(self.filename)}: {' '.join(found.warnings)}", hint)
        return found


def check_inputs(
    inputs: Iterable[Input], intake: Intake | None, limit: int, progress: Progress, *, strict: bool
) -> Sequence[CheckedInput]:
    """Read and check the files, `limit` bytes of each at most; without an `intake` nothing is stored (a dry run).

    A file that is given twice counts once. Raises InvalidDistributionError, which names all files that are refused, and
    ConflictError for two files that claim one name.
    """
    return _distinct(_all(inputs, lambda each: _check(each, intake, limit, progress, strict=strict)))


def _all(inputs: Iterable[Input], read: Callable[[Input], CheckedInput]) -> Iterator[CheckedInput]:
    """Check all files, each by `read`; where some are refused, one error names all of these."""
    refused: list[InvalidDistributionError] = []
    for each in inputs:
        try:
            yield read(each)
        except InvalidDistributionError as error:
            refused.append(error)
    if len(refused) > 1:
        raise InvalidDistributionError(
            f"{len(refused)} files are refused.\n" + "\n".join(f"{error.message}. {error.hint}" for error in refused),
            "Nothing was published. Leave them out, or fix them.",
        )
    if refused:
        raise refused[0]


def _check(each: Input, intake: Intake | None, limit: int, progress: Progress, *, strict: bool) -> CheckedInput:
    """Check one file, as the store takes it in."""
    Name.parse(each.filename)  # before a byte is copied: what is not a distribution, or is too large, is refused
    if each.size is not None and each.size > limit:
        raise TooLargeError(f"{plain(each.filename)}: larger than {limit} bytes", "Leave large files out of the distribution.")
    with ExitStack() as stack:
        if intake is None:
            file, opener = stack.enter_context(each.open()), each.open
        else:
            file, opener = stack.enter_context(intake.take(each.open, limit, sealed=each.sealed))
        found = each.check(file, limit, strict=strict)
    progress.read(found.filename, found.size)
    return found, opener


def _distinct(read: Iterable[CheckedInput]) -> Sequence[CheckedInput]:
    """The same file given twice counts once; two files that claim one name are a conflict."""
    kept: dict[object, CheckedInput] = {}
    for each in read:
        key = Name.parse(each[0].filename)
        other = kept.setdefault(key, each)[0]
        if other.sha256 != each[0].sha256:
            names = " and ".join(sorted({other.filename, each[0].filename}))
            raise ConflictError(
                f"{names} given twice with different bytes."
                if other.filename == each[0].filename
                else f"{names} are two names of one file.",
                "Give each distribution once: an old build folder may have come in between.",
            )
    return list(kept.values())
