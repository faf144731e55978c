"""What a static site remembers of how it was built: the file `wharf-site.json` in it. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from wharf.errors import StorageError, UsageError
from wharf.model import is_name
from wharf.site.layout import is_file_path
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from wharf.model import Json


STATE: Final = "wharf-site.json"

FORMAT: Final = 1
"""The format of that file which this version reads and writes."""

MAX_STATE: Final = 64 << 20
"""Bytes of a state that are read: a project takes some 100."""

_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)

_Pair = Annotated[list[str], Field(min_length=2, max_length=2)]


class BuildState(BaseModel):
    """What a site was built from.

    `origin` and `index` say of which index it is; `commit` is where that was. `key` stands for all else that the pages depend
    on. `trees` has the git id of each project's folder as its pages show it, `left_out` what they do not show. `gone` are
    files (`<sha256>/<filename>`) that the next build has to delete if this one died.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    format: int = FORMAT
    origin: str
    index: str
    commit: str | None
    key: str
    trees: dict[str, str] = {}
    left_out: Annotated[dict[str, list[_Pair]], Field(alias="left-out")] = {}
    gone: list[str] = []


def parse(data: bytes, where: str) -> BuildState:
    """The state of the site at `where`. Raises UsageError for what is not a state that wharf wrote, and for a newer format."""
    try:
        found: Any = toml_and_json.json_value(data)
        if isinstance(found, dict) and isinstance(found.get("format"), int) and found["format"] > FORMAT:
            raise UsageError(
                f"The site in {where} has the format {found['format']}; this version knows {FORMAT} only.",
                "Update wharf, or name a new folder.",
            )
        state = BuildState.model_validate_json(data)
    except (ValueError, ValidationError) as error:
        raise not_ours(where, f"its {STATE} is not wharf's") from error
    names = all(is_name(name) and _ID.fullmatch(tree) for name, tree in state.trees.items())
    if not names or not all(map(is_file_path, state.gone)) or state.format != FORMAT:
        raise not_ours(where, f"its {STATE} is not wharf's")
    return state


def not_ours(where: str, why: str) -> UsageError:
    """The refusal of a folder that somebody else made."""
    return UsageError(f"{where} is not a wharf site ({why}), and is not touched.", "Name a folder that is not there yet.")


def render_state(state: BuildState) -> bytes:
    """The bytes of a state: the same for the same. Raises StorageError for one that is too long to be read again."""
    document: Json = state.model_dump(mode="json", by_alias=True)
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    if len(data) >= MAX_STATE:
        raise StorageError(
            f"The index is too large for one site: its {STATE} would have {len(data)} bytes.", "Split the index."
        )
    return data
