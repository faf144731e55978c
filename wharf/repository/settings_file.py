"""A file with settings: the person's config.toml, or the table `[tool.wharf]` of a pyproject.toml. Pure."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from wharf.errors import UsageError
from wharf.github.push_or_api import CommitWay
from wharf.repository import listed_upstreams
from wharf.repository_address import parse
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

_KEYS = {
    "repo": str,
    "server": str,
    "index": str,
    "commit": str,
    "max-wait": float,
    "repositories": list,
    "strict": bool,
    "app": dict,
    "upstreams": dict,
}
_LONGEST = 10_000_000  # seconds that can be allowed for waiting
_OWN_KEYS = frozenset({"max-wait", "repositories", "app", "upstreams"})  # what a file that others may have written must not say


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedApp:
    """The GitHub App that a person's own file names: its id, its key's file (from `folder`), and the host that knows it."""

    id: str
    key: str
    folder: Path
    host: str
    source: str


@dataclass(frozen=True, slots=True)
class SettingsFile:
    """The settings in one file. `own`: it is the person's, not one of a working tree that anybody may have written."""

    path: Path
    table: Mapping[str, Any]
    own: bool

    @property
    def source(self) -> str:
        """The file in words."""
        return str(self.path) if self.own else f"[tool.wharf] in {self.path}"


def parse_settings_file(data: bytes, path: Path, *, own: bool) -> SettingsFile | None:
    """The settings in a `config.toml` (`own`), or in the table `[tool.wharf]` of a `pyproject.toml`, None if it has none.

    Raises UsageError, which names file and key, for what is no setting.
    """
    try:
        found = toml_and_json.toml(data.decode())
    except ValueError as error:
        raise UsageError(f"{path} is not TOML: {error}.", "Fix it; wharf reads its settings there.") from error
    tool = found if own else found.get("tool", {})
    table = tool if own or not isinstance(tool, dict) else tool.get("wharf")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise UsageError(
            f"tool.wharf in {path} is not a table.", 'Write `[tool.wharf]`, and below it, for example, `repo = "owner/name"`.'
        )
    config = SettingsFile(path, table, own)
    for key, value in table.items():
        _check(config, key, value)
    return config


def _check(config: SettingsFile, key: str, value: object) -> None:
    kind = _KEYS.get(key)
    if kind is None:
        near = difflib.get_close_matches(key, _KEYS, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(_KEYS)}."
        raise UsageError(f"{config.source} has a setting {key!r}, which wharf does not know.", hint)
    if key in _OWN_KEYS and not config.own:
        raise UsageError(
            f"{config.source} may not say {key!r}: anybody who changes that file could.", "Say it in your own config.toml."
        )
    texts = isinstance(value, list) and all(isinstance(each, str) for each in value)
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LONGEST
    if not (texts if kind is list else number if kind is float else isinstance(value, kind)):
        wanted = {
            dict: "a table",
            str: "a text",
            float: "a number of seconds",
            list: "a list of owner/name",
            bool: "true or false",
        }[kind]
        raise UsageError(f"{key!r} in {config.source} must be {wanted}, not {value!r}.", "Fix it there.")
    if key == "commit" and value not in get_args(CommitWay):
        raise UsageError(
            f"{key!r} in {config.source} must be one of {', '.join(get_args(CommitWay))}, not {value!r}.", "Fix it there."
        )
    if key == "app" and isinstance(value, dict):
        _check_app(config, value)
    if key == "upstreams":
        listed_upstreams.parse(value, config.path.parent, config.source)
    if isinstance(value, list) and (wrong := [each for each in value if parse(each) is None]):
        raise UsageError(
            f"{key!r} in {config.source} names {wrong[0]!r}, which is not of the form owner/name.", "Fix it there."
        )


def _check_app(config: SettingsFile, table: Mapping[str, object]) -> None:
    number, key = table.get("id"), table.get("key")
    whole = isinstance(number, int | str) and not isinstance(number, bool) and isinstance(key, str)
    if not whole or table.keys() != {"id", "key"} or "-----BEGIN" in str(key):
        raise UsageError(
            f"'app' in {config.source} must have an id and a key, and nothing else.",
            'Write `[app]`, and below it, for example, `id = 12345` and `key = "app.pem"`, the file of the private key.',
        )
