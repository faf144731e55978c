"""The file names of distributions, and the sentences that refuse one."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from wharf.errors import InvalidDistributionError
from wharf.model import LONGEST_VERSION, is_filename, is_name, version_of

if TYPE_CHECKING:
    from packaging.tags import Tag

Kind: TypeAlias = Literal["wheel", "sdist"]
Suffix: TypeAlias = Literal[".whl", ".tar.gz", ".zip"]

REBUILD = "Rebuild it with `python -m build`."
_WHEEL = "Build a wheel with `python -m build`."
RENAME = "Keep the name that `python -m build` gave the file."

MAX_TAGS = 1000
"""Tags that one compressed tag set may stand for. Three sets of 40 in one file name would expand to 64,000."""

_SUFFIXES: tuple[Suffix, ...] = (".whl", ".tar.gz", ".zip")
_OTHER_SDIST = re.compile(r"\.(?:tar(?:\.[A-Za-z0-9]+)?|tgz|tbz2?|txz|tlz|tzst)$", re.ASCII)
_DUMB = re.compile(
    r"-\d[^-]*\.(?:(?:linux|win|cygwin|freebsd|solaris|aix)-[\w.-]+|macosx-[\d.]+-\w+|win32|mingw\w*)$", re.ASCII
)
_FEWEST = 5  # parts of a wheel's name between hyphens
_TAG = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?:-\w+(?:\.\w+)*){2}", re.ASCII)
"""As the newest packaging has it, whichever is installed: a name that one machine takes has to be read by all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What a file name says. Two names are equal when installers would take them for the same file.

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


def sdist_hint(project: str, version: str, suffix: str) -> str:
    """What to do about an sdist whose name does not say that it is of this project and version (PEP 625)."""
    name = f"{canonicalize_name(project).replace('-', '_')}-{Version(version)}{suffix}"
    means = f"If it is version {Version(version)} of {plain(project)}, call it {plain(name)}"
    return f"{means}: a version in a file name has no hyphen."


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
        raise _other_kind(filename)
    name = _parse_wheel(filename) if suffix == ".whl" else _parse_sdist(filename, suffix)
    if len(str(name.version)) > LONGEST_VERSION:
        raise invalid(filename, f"its version is longer than {LONGEST_VERSION} characters", RENAME)
    if not is_name(name.project):
        raise invalid(filename, f"the project name in the file name, {name.project!r}, is not valid", RENAME)
    return name


def _other_kind(filename: str) -> InvalidDistributionError:
    """The refusal of what is neither a wheel nor an sdist."""
    if _OTHER_SDIST.search(filename):
        return invalid(filename, "an sdist is a .tar.gz (PEP 625)", "Build it again with `python -m build --sdist`.")
    if filename.endswith(".egg"):
        return invalid(filename, "pip and uv install no eggs", _WHEEL)
    return invalid(filename, "neither a wheel (.whl) nor an sdist (.tar.gz, .zip)", "Build one with `python -m build`.")


def _parse_wheel(filename: str) -> Name:
    tags = count_tags("-".join(filename.removesuffix(".whl").split("-")[-3:]))
    if not tags:
        raise invalid(filename, "the file name does not end in three tags, as in demo-1.0-py3-none-any.whl", RENAME)
    if tags > MAX_TAGS:
        raise invalid(filename, f"the file name stands for {tags} tags, more than {MAX_TAGS}", RENAME)
    try:
        project, version, build, expanded = parse_wheel_filename(filename)
    except ValueError as error:  # InvalidWheelFilename, or what packaging says of a tag
        raise _no_wheel(filename, error) from error
    return Name(suffix=".whl", project=project, version=version, build=build, tags=expanded)


def _no_wheel(filename: str, error: ValueError) -> InvalidDistributionError:
    """The refusal of a name of a wheel, with the two that come of more than a slip."""
    parts = filename.removesuffix(".whl").split("-")
    version = version_of("-".join(parts[1:3]))
    if version is not None and _is_wheel("-".join([parts[0], str(version), *parts[3:]])):
        better = "-".join([parts[0], str(version), *parts[3:]])
        return invalid(
            filename, "the version in the file name has a hyphen", f"Rebuild it, so that it is called {plain(better)}.whl."
        )
    if len(parts) > _FEWEST and _is_wheel("-".join(parts[:-1])):
        cause = f"{plain(parts[-1])!r} behind its tags makes it a variant (PEP 825), which installers of today do not look for"
        return invalid(filename, cause, "Publish the wheel without a variant label.")
    return invalid(filename, f"not the name of a wheel: {plain(str(error))}", RENAME)


def _is_wheel(stem: str) -> bool:
    try:
        parse_wheel_filename(f"{stem}.whl")
    except ValueError:
        return False
    return True


def _parse_sdist(filename: str, suffix: Suffix) -> Name:
    try:
        project, version = parse_sdist_filename(filename)
    except InvalidSdistFilename as error:
        stem = filename.removesuffix(suffix)
        if _DUMB.search(stem):
            raise invalid(filename, "pip and uv install no archive of bdist_dumb", _WHEEL) from error
        head, _, tail = stem.rpartition("-")
        name, _, front = head.rpartition("-")
        better = version_of(f"{front}-{tail}")
        hint = RENAME if better is None or not is_name(canonicalize_name(name)) else sdist_hint(name, str(better), suffix)
        raise invalid(filename, f"not the name of an sdist: {plain(str(error))}", hint) from error
    return Name(suffix=suffix, project=project, version=version)
