"""The tags of wharf's releases: `<project>-<version>`, then `…_2`, `…_3`, and which of them exist. Pure but for `existing`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from wharf.model import same_version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.github.api import GitHub
    from wharf.model import Json

_AT_ONCE: Final = 200  # looked up in one query


def numbered(base: str, number: int) -> str:
    """The tag of that number."""
    return base if number == 1 else f"{base}_{number}"


def number_of(tag: str, base: str) -> int | None:
    """1 for the tag `base` itself, N for `base_N`; None for any other."""
    if tag == base:
        return 1
    rest = tag.removeprefix(f"{base}_")
    return int(rest) if rest != tag and re.fullmatch(r"[1-9][0-9]{0,5}", rest) and int(rest) > 1 else None


def is_of(tag: str, project: str, version: str) -> bool:
    """Whether a tag is one that wharf gives to releases of that version, in whichever spelling (1.0, 1.0.0)."""
    base = tag.partition("_")[0]
    spelled = base.removeprefix(f"{project}-")
    return spelled != base and number_of(tag, base) is not None and same_version(spelled, version)


def existing(github: GitHub, tags: Sequence[str]) -> set[str]:
    """Those tags that exist, asked for by their exact names in one query for all ("refs" has none for several)."""
    found: set[str] = set()
    address = github.address
    for at in range(0, len(tags), _AT_ONCE):
        names: dict[str, Json] = {f"t{number}": f"refs/tags/{tag}" for number, tag in enumerate(tags[at : at + _AT_ONCE])}
        head = "".join(f", ${each}: String!" for each in names)
        fields = " ".join(f"{each}: ref(qualifiedName: ${each}) {{ id }}" for each in names)
        query = f"query($owner: String!, $name: String!{head}) {{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
        data = github.graphql(query, {"owner": address.owner, "name": address.name, **names}).get("repository")
        found |= {tag for name, tag in zip(names, tags[at:], strict=False) if isinstance(data, dict) and data.get(name)}
    return found
