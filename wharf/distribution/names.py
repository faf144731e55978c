"""The file names of distributions, and the sentences that refuse one."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, parse_sdist_filename, parse_wheel_filename

from wharf.errors import InvalidDistributionError
from wharf.model import is_filename, is_name

if TYPE_CHECKING:
    from packaging.tags import Tag
    from packaging.version import Version

Kind: TypeAlias = Literal["wheel", "sdist"]
Suffix: TypeAlias = Literal[".whl", ".tar.gz", ".zip"]

REBUILD = "Rebuild it with `python -m build`."
RENAME = "Keep the name that `python -m build` gave the file."

_LONGEST_VERSION = 200  # characters: longer ones are no folders of a release on the branch
MAX_TAGS = 1000
"""Tags that one compressed tag set may stand for. Three sets of 40 in one file name would expand to 64,000."""

_SUFFIXES: tuple[Suffix, ...] = (".whl", ".tar.gz", ".zip")
_TAG = re.compile(r"\w+(?:\.\w+)*(?:-\w+(?:\.\w+)*){2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A file name as what it says. Two names are equal when installers would take them for the same file.

    `project` is the PEP 503 name; versions compare as PEP 440 says (1.0 is 1.0.0); `build` and `tags` are those of a wheel, the
    tags expanded (PEP 425), and empty for an sdist. An sdist as .tar.gz and one as .zip are two files.
    """

    suffix: Suffix
    project: str
    version: Version
    build: tuple[()] | tuple[int, str] = ()
    tags: frozenset[Tag] = frozenset()

    @property
    def kind(self) -> Kind:
        """What the suffix stands for."""
        return "wheel" if self.suffix == ".whl" else "sdist"

    @staticmethod
    def parse(filename: str) -> Name:
        """The parts of `filename` (PEP 427 for wheels, PEP 625 and its elders for sdists); results are remembered.

        Raises InvalidDistributionError for a name that is not one plain word of ASCII, has another suffix or does not parse.
        """
        return _parse(filename)


def plain(text: str, limit: int = 300) -> str:
    """`text` fit for a message: what does not print is escaped, and what is over `limit` characters cut off."""
    cut = text if len(text) <= limit else text[:limit] + "…"
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)


def invalid(filename: str, cause: str, hint: str = REBUILD) -> InvalidDistributionError:
    """The error that refuses `filename` for `cause`, the second half of a sentence."""
    return InvalidDistributionError(f"{plain(filename)}: {cause}", hint)


def count_tags(text: str) -> int:
    """How many tags the compressed tag set `text` stands for, before repeats; 0 if it is none."""
    if not _TAG.fullmatch(text):
        return 0
    return math.prod(part.count(".") + 1 for part in text.split("-"))


@functools.lru_cache(maxsize=8192)
def _parse(filename: str) -> Name:
    suffix = next((suffix for suffix in _SUFFIXES if filename.endswith(suffix)), None)
    if not is_filename(filename):
        raise invalid(filename, "the file name is more than one word of at most 250 ASCII letters, digits and ._+!~-", RENAME)
    if suffix is None:
        raise invalid(filename, "neither a wheel (.whl) nor an sdist (.tar.gz, .zip)", "Build one with `python -m build`.")
    name = _parse_wheel(filename) if suffix == ".whl" else _parse_sdist(filename, suffix)
    if len(str(name.version)) > _LONGEST_VERSION:
        raise invalid(filename, f"its version is longer than {_LONGEST_VERSION} characters", RENAME)
    if not is_name(name.project):
        raise invalid(filename, f"the project name in the file name, {name.project!r}, is not valid", RENAME)
    return name


def _parse_wheel(filename: str) -> Name:
    tags = count_tags("-".join(filename.removesuffix(".whl").split("-")[-3:]))
    if not tags:
        raise invalid(filename, "the file name does not end in three tags, as in demo-1.0-py3-none-any.whl", RENAME)
    if tags > MAX_TAGS:
        raise invalid(filename, f"the file name stands for {tags} tags, more than {MAX_TAGS}", RENAME)
    try:
        project, version, build, expanded = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise invalid(filename, f"not the name of a wheel: {plain(str(error))}", RENAME) from error
    return Name(suffix=".whl", project=project, version=version, build=build, tags=expanded)


def _parse_sdist(filename: str, suffix: Suffix) -> Name:
    try:
        project, version = parse_sdist_filename(filename)
    except InvalidSdistFilename as error:
        raise invalid(filename, f"not the name of an sdist: {plain(str(error))}", RENAME) from error
    return Name(suffix=suffix, project=project, version=version)
