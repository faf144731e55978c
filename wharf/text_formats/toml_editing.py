"""People's TOML files, edited as text: everything else in them, comments too, stays as it is. Pure.

The result of an edit is read again by the standard library's parser and compared with what was there. So a library that loses
or alters something else is found out before anything is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias, cast

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from wharf.errors import UsageError
from wharf.text_formats import toml_and_json
from wharf.text_formats.edited_text import BY_HAND, spaced

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Table: TypeAlias = dict[str, object]


def put_toml(text: str, keys: Sequence[str], value: bool | str) -> str:
    """TOML with the value at the keys, which lead through tables that are made where they are missing."""
    document = tomlkit.parse(text)
    table: tomlkit.TOMLDocument | tomlkit.items.Table = document
    for key in keys[:-1]:
        if key not in table:
            table[key] = tomlkit.table()
        found = table[key]
        if not isinstance(found, tomlkit.items.Table):
            raise TypeError(f"{key} is not a table")
        table = found
    table[keys[-1]] = value
    return tomlkit.dumps(document)


def edited_toml(text: str, keys: Sequence[str], value: object) -> str:
    """TOML with that value at the keys, or without them (None). It says that and nothing else, in the same order.

    A table that was there only by the name of another one, as a in `[a.b]`, goes with that. Raises ValueError if it is not
    TOML, or cannot be edited so.
    """
    wanted = toml_and_json.toml(text)
    _set_plain(wanted, keys, value)
    results = [wanted, _without_empty(wanted, keys[:-1])] if value is None else [wanted]
    try:
        document = tomlkit.parse(text)
        _set_plain(document, keys, value)
        changed = tomlkit.dumps(document)
        found = toml_and_json.toml(changed)
        if any(found == each and _in_order(found.get(keys[0])) == _in_order(each.get(keys[0])) for each in results):
            return spaced(text, changed) if changed[len(text) :].lstrip().startswith("[") else changed
    except (TOMLKitError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"it cannot be edited as it is written ({type(error).__name__})") from None
    raise ValueError("it cannot be edited without touching what is beside it")


def _in_order(value: object) -> str:
    """A value as text, which has an order. Tables stand last, as in TOML: `[[a.b]]` comes after all plain keys of `[a]`."""
    if isinstance(value, dict):
        values = sorted(value.items(), key=lambda item: _is_table(item[1]))
        return f"{{{', '.join(f'{key!r}: {_in_order(each)}' for key, each in values)}}}"
    return f"[{', '.join(map(_in_order, value))}]" if isinstance(value, list) else repr(value)


def _is_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(isinstance(each, dict) for each in value))


def _set_plain(document: object, keys: Sequence[str], value: object) -> None:
    table: Any = document
    for key in keys[:-1]:
        if key not in table:
            if value is None:
                return
            table[key] = {}
        table = table[key]
    if value is not None:
        table[keys[-1]] = value
    elif keys[-1] in table:
        del table[keys[-1]]


def _without_empty(table: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The same without the tables at the keys that are empty."""
    if not keys or not isinstance(table.get(keys[0]), dict):
        return dict(table)
    below = _without_empty(table[keys[0]], keys[1:])
    return {key: below if key == keys[0] else value for key, value in table.items() if key != keys[0] or below}


def entries_in(text: str, keys: Sequence[str], file: str) -> list[Table]:
    """The tables of the list at the keys, none if there is no such list. Raises UsageError, which names file and line."""
    found: Any = _read_toml(text, file)
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else None
    if found == {}:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(f"{'.'.join(keys)} in {file} is not a list of tables.", "Fix it there.")
    return cast("list[Table]", found)


def put_entry(text: str, keys: Sequence[str], name: str, values: Mapping[str, str], file: str) -> str:
    """TOML with these values in the table of that `name` (case does not matter) in the list at the keys.

    A new table comes first in the list; one that is there keeps its place and its other keys. Raises UsageError, which names
    file and line, if it is not TOML, or if the edit cannot be made without touching something else.
    """
    before = entries_in(text, keys, file)
    place = next((at for at, each in enumerate(before) if str(each.get("name")).lower() == name.lower()), None)
    if place is not None and {**before[place], **values} == before[place]:
        return text
    wanted = _read_toml(text, file)
    _put_plain(wanted, keys, place, {"name": name, **values})
    try:
        changed = spaced(text, _put_styled(text, keys, place, {"name": name, **values}))
        if toml_and_json.toml(changed) == wanted:
            return changed
    except (TOMLKitError, ValueError, TypeError, RecursionError):
        pass  # the error below says it
    raise UsageError(
        f"{'.'.join(keys)} in {file} is written in a way that cannot be edited without touching what is beside it.",
        BY_HAND,
    )


def _read_toml(text: str, file: str) -> dict[str, Any]:
    try:
        tomlkit.parse(text)  # it knows the line; the standard library names it only in words
        return toml_and_json.toml(text)
    except ParseError as error:
        raise UsageError(f"{file} is not TOML (line {error.line}).", "Fix it; the client could not read it either.") from None
    except (TOMLKitError, ValueError, RecursionError):
        raise UsageError(f"{file} is not TOML.", "Fix it; the client could not read it either.") from None


def _put_plain(document: dict[str, Any], keys: Sequence[str], place: int | None, values: Mapping[str, str]) -> None:
    """The same edit of the values: what the text has to say afterwards."""
    table = document
    for key in keys[:-1]:
        table = table.setdefault(key, {})
    entries = table.setdefault(keys[-1], [])
    if place is None:
        entries.insert(0, dict(values))
    else:
        entries[place].update({**values, "name": entries[place]["name"]})


def _put_styled(text: str, keys: Sequence[str], place: int | None, values: Mapping[str, str]) -> str:
    """The edit itself, in the style that the list has."""
    document = tomlkit.parse(text)
    table: Any = document
    for key in keys[:-1]:
        if key not in table:
            table[key] = tomlkit.table(is_super_table=True)
        table = table[key]
    if keys[-1] not in table:
        table[keys[-1]] = tomlkit.aot()
    entries = table[keys[-1]]
    if place is not None:
        entries[place].update({key: value for key, value in values.items() if key != "name"})
        return tomlkit.dumps(document)
    entry: Any = tomlkit.table() if isinstance(entries, tomlkit.items.AoT) else tomlkit.inline_table()
    entry.update(values)
    if isinstance(entry, tomlkit.items.Table):
        entry.add(tomlkit.nl())
    entries.insert(0, entry)
    return tomlkit.dumps(document)
