"""What a person types for a project or a release."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from packaging.utils import InvalidName, canonicalize_name

from wharf.distribution.file_names import Name, plain
from wharf.errors import InvalidDistributionError, UsageError
from wharf.index import policy_values
from wharf.model import version_of
from wharf.operations.removal_choice import WantedRemoval

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

_NAME: Final = "Write a name as in my-project."
_NAME_OR_RELEASE: Final = "Write a name as in my-project, or a release as in my-project==1.0."

_VERSION_GLOB: Final = re.compile(r"[A-Za-z0-9._+!*?\[\]-]{1,200}", re.ASCII)


def parse_name(text: str, hint: str = _NAME) -> str:
    """A project's name in its normal form. Raises UsageError."""
    try:
        return str(canonicalize_name(text, validate=True))
    except InvalidName as error:
        raise UsageError(f"{plain(text)!r} is not the name of a project.", hint) from error


def parse_spec(text: str) -> tuple[str, str | None]:
    """`PROJECT` or `PROJECT==VERSION` as name and version. Raises UsageError."""
    name, equals, version = text.partition("==")
    if not equals:
        return parse_name(name.strip(), _NAME_OR_RELEASE), None
    parsed = version_of(version)
    if parsed is None:
        raise UsageError(f"{plain(version)!r} is not a version.", "Write it as in demo==1.0.")
    return parse_name(name.strip(), _NAME_OR_RELEASE), str(parsed)


def parse_release(text: str, after: str | None = None) -> tuple[str, str]:
    """`PROJECT==VERSION` as name and version. `after`: the next word, which may be the version. Raises UsageError."""
    name, version = parse_spec(text)
    if version is None:
        raise UsageError(f"{plain(text)!r} names no version.", _meant(text, after) or _shown(name))
    return name, version


def parse_removals(words: Sequence[str]) -> list[WantedRemoval]:
    """Releases as `PROJECT==VERSION`, in which VERSION may be a glob; or one of them and the name of a file in it.

    Raises UsageError.
    """
    file = words[1] if len(words) == 2 and "==" not in words[1] else None
    wanted = []
    for text in words[:1] if file is not None else words:
        name, _, version = (part.strip() for part in text.partition("=="))
        if not any(each in version for each in "*?["):
            project, spelled = parse_release(text, file)
            wanted.append(WantedRemoval(project=project, version=spelled, filename=file))
        elif not _VERSION_GLOB.fullmatch(version):
            raise UsageError(f"{plain(repr(version))} is no glob over versions.", "Write it as in 'demo==*.dev*'.")
        elif file is not None:
            raise UsageError(f"{plain(file)} is one file, and {plain(text)} may be several releases.", "Name one release.")
        else:
            wanted.append(WantedRemoval(project=parse_name(name), version=version, is_glob=True))
    return wanted


def parse_age(text: str) -> timedelta:
    """A span of time, as in `36h`, `30d` or `4w`. Raises UsageError."""
    found = policy_values.span(text)
    if found is None:
        raise UsageError(f"{plain(repr(text))} is no span of time.", "Write hours, days or weeks, as in 36h, 30d or 4w.")
    return found


def _shown(name: str) -> str:
    return f"Write it as in {name}==1.0; `wharf show {name}` shows the versions."


def _meant(text: str, after: str | None) -> str | None:
    """How to write what was typed: `demo 1.0`, or the name of a file."""
    parsed = None if after is None else version_of(after)
    if parsed is not None:
        return f"Write {parse_name(text)}=={parsed}."
    try:
        file = Name.parse(text)
    except InvalidDistributionError:
        return None
    return f"Write {file.project}=={file.version} {text}, or without the file for the whole release."
