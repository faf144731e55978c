"""Changes to `wharf.toml`: metadata beside the files, and settings as a person types them. All else in it stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from wharf.distribution.file_names import plain
from wharf.errors import StorageError, UsageError, did_you_mean
from wharf.index import name_globs, policy, wharf_toml
from wharf.index.change import Outcome, Records
from wharf.index.upstream_settings import MODE_AND_URL, THIS, UPSTREAM, is_upstream_name
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Iterable

CheckBases: TypeAlias = Callable[[tuple[str, ...]], Mapping[str, str]]
"""Gets the bases that an index is to have; gives the commits of the indexes that it looked at, by name, as in an Outcome.

Raises UsageError for a base that is not there, and for an index that would be a base of itself.
"""

CheckAddresses: TypeAlias = Callable[[Mapping[str, str]], None]
"""Gets the addresses of upstreams that become new, by their keys. Raises UsageError for one that the branch may not name."""

_SETTABLE: Final = tuple(key for key in wharf_toml.KEYS if key != "format")
_LISTS: Final = frozenset({"bases", "reserved", "shadow", "policy.deny", "policy.allow", "policy.status", "policy.own"})
_PARTS: Final = {"upstream": MODE_AND_URL, "policy": policy.KEYS}


@dataclass(frozen=True, slots=True)
class TurnOnMetadataAssets:
    """Store core metadata beside the files from now on, where the readers of a static site look for it."""

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """No release."""
        return ()

    def apply(self, records: Records) -> Outcome:
        """Where it is on already, nothing changes."""
        if wharf_toml.parse(records.index_file).metadata_assets:
            return Outcome()
        return Outcome(edits={wharf_toml.PATH: wharf_toml.with_metadata_assets(records.index_file)})


@dataclass(frozen=True, slots=True)
class Setting:
    """A key of `wharf.toml`, as the path through its tables, and its new value; None takes the key out."""

    keys: tuple[str, ...]
    value: object


@dataclass(frozen=True, slots=True)
class SetSettings:
    """Give keys of `wharf.toml` other values, in order.

    `check_bases` is asked at each try, if the bases change, and `check_addresses`, if upstreams get other addresses.
    """

    settings: tuple[Setting, ...]
    check_bases: CheckBases
    check_addresses: CheckAddresses = lambda _new: None

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        """No release."""
        return ()

    def apply(self, records: Records) -> Outcome:
        """What is so already, does not change. Raises UsageError for values that no reader would take, and as the checks do."""
        before = wharf_toml.parse(records.index_file)
        data = records.index_file
        for each in self.settings:
            data = _edited(data, each)
        if data == records.index_file:
            return Outcome()
        try:
            after = wharf_toml.parse(data)
        except StorageError as error:
            raise UsageError(
                error.message, "Nothing was changed. `wharf index settings NAME --explain` says what each key is for."
            ) from error
        named = before.upstream.addresses
        new = {key: url for key, url in after.upstream.addresses.items() if named.get(key) != url}
        if new:
            self.check_addresses(new)
        beside = self.check_bases(after.bases) if after.bases != before.bases else {}
        return Outcome(edits={wharf_toml.PATH: data}, beside=beside)


def parse_setting(text: str) -> Setting:
    """`KEY=VALUE` as typed. What is not TOML is a string, and one string will do for a list; no value takes the key out.

    Everything after `upload.` is a glob. `upstream.KEY`, `upstreams.NAME`, `upstreams.NAME.url` and `policy.KEY` are keys, too.
    Raises UsageError.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(
            f"{plain(repr(text), 80)} is not KEY=VALUE.", "Write it as in --set bases=main or --set 'reserved=[\"acme-*\"]'."
        )
    keys = _keys(key.strip())
    return Setting(keys, _value(keys, value.strip()))


def _keys(key: str) -> tuple[str, ...]:
    head, dot, rest = key.partition(".")
    shown = plain(repr(key), 80)
    if head == "format":
        raise UsageError(
            "The format of an index cannot be set.", "A new index has the format that this version of wharf writes."
        )
    if head == "upload" and dot:
        glob = rest[1:-1] if len(rest) > 1 and rest[0] == rest[-1] and rest[0] in "\"'" else rest
        if not name_globs.is_glob(glob):
            raise UsageError(
                f"{plain(repr(glob), 80)} cannot stand for names of projects.", "Write it as in --set 'upload.acme-*=alice'."
            )
        return head, glob
    if head in _PARTS and dot:
        return head, _part(head, rest, _PARTS[head])
    if head == "upstreams" and dot:
        return head, *_upstream(rest)
    if head in _SETTABLE and dot:
        raise UsageError(f"{head!r} has no parts, so {shown} is no key.", f"Write it as in --set {head}=VALUE.")
    if head not in _SETTABLE:
        near = did_you_mean(head, _SETTABLE)
        raise UsageError(f"{wharf_toml.PATH} has no key {shown}.", f"{near}There are: {', '.join(_SETTABLE)}.")
    return (head,)


def _part(head: str, part: str, known: Iterable[str]) -> str:
    """A key of a table whose keys are known."""
    if part not in known:
        near = did_you_mean(part, known)
        raise UsageError(f"{head!r} has no part {plain(repr(part), 80)}.", f"{near}There are: {', '.join(known)}.")
    return part


def _upstream(rest: str) -> tuple[str, ...]:
    """What comes behind `upstreams.`: a name, or the one key of its table."""
    name, dot, part = rest.partition(".")
    if name in {THIS, UPSTREAM}:
        raise UsageError(
            f"An upstream cannot be called {name!r}, because routes call something else so.",
            "Give it another name" + (", or set upstream.url." if name == UPSTREAM else "."),
        )
    if not is_upstream_name(name) or (dot and part != "url"):
        raise UsageError(
            f"{plain(repr(f'upstreams.{rest}'), 80)} is no key.",
            "Write it as in --set upstreams.gpu.url=https://example.com/simple/",
        )
    return (name, part) if dot else (name,)


def _value(keys: tuple[str, ...], text: str) -> object:
    if not text:
        return None
    value: object = text
    try:
        found = toml_and_json.toml(f"value = {text}")
        if len(found) == 1:  # with a line break it could be more than a value
            value = found["value"]
    except ValueError:
        pass  # it is a string
    is_list = (keys[0] == "upload" and len(keys) > 1) or ".".join(keys) in _LISTS
    if (is_list and isinstance(value, str)) or (
        keys in {("route",), ("retention",), ("policy", "exception")} and isinstance(value, dict)
    ):
        return [value]
    return value


def _edited(data: bytes, setting: Setting) -> bytes:
    from wharf.text_formats import toml_editing  # imported here, because every command reads the index and only few edit

    try:
        return toml_editing.edited_toml(data.decode(), setting.keys, setting.value).encode()
    except ValueError as error:
        raise UsageError(
            f"{'.'.join(setting.keys)} in {wharf_toml.PATH} cannot be set: {error}.",
            "Edit it in a clone of the branch, and push (docs/reference.md, 'When a record cannot be read', says how).",
        ) from error
