"""Which of the paths that a person gave are distributions to publish, and which only go with one.

`dist/*` has signatures, attestations and lists of digests beside the distributions. These are not distributions, and not a
mistake.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wharf.distribution.file_names import Name
from wharf.errors import InvalidDistributionError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

BUILT = Path("dist")
"""Where build tools put what they build."""

_DISTRIBUTION = re.compile(r"\.(?:whl|tar\.gz|zip)")
_BESIDE = re.compile(
    r"\.(?:asc|sig|gpg|minisig|sigstore|sigstore\.json|bundle|publish\.attestation|slsa\.attestation|attestation|intoto\.jsonl"
    r"|md5|sha1|sha224|sha256|sha384|sha512|blake2b?|sha256sum|sha512sum|metadata|provenance)"
)
"""What is put behind the name of a distribution to name what goes with it."""
_LIST = re.compile(r"(?:(?:md5|sha1|sha256|sha512|b2)sums?|checksums?)(?:\.(?:txt|md5|sha256|sha512))?", re.IGNORECASE)
_BUILD = "Build one with `python -m build`, or name the files, as in `wharf publish dist/*`."


@dataclass(frozen=True, slots=True)
class FileSelection:
    """The distributions, and a sentence for each path that was skipped."""

    files: tuple[Path, ...]
    passed_over: tuple[str, ...]


def select_files(given: Sequence[Path | str]) -> FileSelection:
    """The files to publish; a folder means the distributions in it, and no path at all those in `dist`.

    Raises UsageError, which names all paths that are no files, and where there is nothing to publish. An empty path is what a
    shell makes of a variable that is not set: it does not mean the folder in which one is.
    """
    if "" in given:
        raise UsageError("One of the paths is empty.", "See whether a variable in the command is set.")
    paths = [Path(each) for each in given]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise UsageError(f"{', '.join(missing)} {'are' if len(missing) > 1 else 'is'} not there.", _BUILD)
    if not paths and not BUILT.is_dir():
        raise UsageError(f"There is nothing to publish: no file was named, and there is no folder {BUILT} here.", _BUILD)
    files: list[Path] = []
    others: list[Path] = []
    for path in paths or (BUILT,):
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
            files += (found := [each for each in inside if _looks_like_one(each)])
            others += [each for each in inside if each not in found]
            if not found:
                raise UsageError(f"There are no wheels and no sdists in the folder {path}.", _BUILD)
        else:
            files.append(path)
    odd = [str(path) for path in files if not path.is_file()]
    if odd:
        raise UsageError(f"{', '.join(odd)} {'are not regular files' if len(odd) > 1 else 'is not a regular file'}.", _BUILD)
    return _without_companions(files, others)


def _without_companions(files: Sequence[Path], others: Sequence[Path]) -> FileSelection:
    """Take out what goes with another one of the files; `others` are no distributions anyway."""
    goes_with = {path: _goes_with(path, files) for path in (*files, *others)}
    why = {
        path: f"it goes with {other}" if other else "it is neither a wheel nor an sdist" for path, other in goes_with.items()
    }
    passed = [path for path in goes_with if goes_with[path] or path in others]
    chosen = tuple(path for path in files if path not in passed)
    return FileSelection(chosen, tuple(f"{path} is skipped: {why[path]}." for path in passed))


def _looks_like_one(path: Path) -> bool:
    """Whether a file in a folder is meant as a distribution.

    Many things are packed as .zip, so the suffix alone is not enough.
    """
    if not _DISTRIBUTION.fullmatch(_suffix(path)):
        return False
    try:
        return path.suffix != ".zip" or bool(Name.parse(path.name))
    except InvalidDistributionError:
        return False


def _goes_with(path: Path, files: Sequence[Path]) -> str:
    """What a file goes with, in words; empty for one that stands for itself."""
    name = _BESIDE.sub("", path.name) if _LIST.fullmatch(_BESIDE.sub("", path.name)) else path.name
    for other in files:
        rest = path.name.removeprefix(other.name)
        if other != path and other.parent == path.parent and rest != path.name and _BESIDE.fullmatch(rest):
            return other.name
    listed = _LIST.fullmatch(name) and any(_DISTRIBUTION.fullmatch(_suffix(other)) for other in files)
    return "the distributions" if listed else ""


def _suffix(path: Path) -> str:
    """The end of a name that says what a distribution is."""
    return ".tar.gz" if path.name.endswith(".tar.gz") else path.suffix
