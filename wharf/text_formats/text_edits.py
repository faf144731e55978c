"""Edits of people's configuration files as text: everything else in them, comments too, stays as it is. Pure.

What an edit made is read again by the standard library's parsers and compared with what was there: a library that loses or
alters something else is found out before anything is written.
"""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import configupdater
import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from wharf.errors import UsageError
from wharf.text_formats import parsing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Table: TypeAlias = dict[str, object]
Ini: TypeAlias = dict[str, dict[str, str]]
"""The sections of an INI file; the names of options as the file's owner compares them."""

_BY_HAND = "Edit it by hand: the same command without --write shows the text."


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


def entries_in(text: str, keys: Sequence[str], file: str) -> list[Table]:
    """The tables of the list at the keys, none if there is no such list. Raises UsageError, which names file and line."""
    found: Any = _read_toml(text, file)
    for key in keys:
        found = found.get(key, {}) if isinstance(found, dict) else None
    if found == {}:
        return []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(f"{'.'.join(keys)} in {file} is not a list of tables.", "Mend it there.")
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
        changed = _spaced(text, _put_styled(text, keys, place, {"name": name, **values}))
        if parsing.toml(changed) == wanted:
            return changed
    except (TOMLKitError, ValueError, TypeError, RecursionError):
        pass  # it says what is said below
    raise UsageError(
        f"{'.'.join(keys)} in {file} is written in a way that cannot be edited without touching what is beside it.",
        _BY_HAND,
    )


def read_ini(text: str, file: str, same: Callable[[str], str] = str.lower) -> Ini:
    """The sections and options of an INI file. Raises UsageError, which names file and line; never with the line itself."""
    parser = configparser.RawConfigParser(default_section="")  # [DEFAULT] is a section like others to whom only edits
    parser.optionxform = same  # type: ignore[method-assign,assignment] # the documented way
    try:
        parser.read_string(text)
    except configparser.Error as error:
        lines = [number for number, _ in getattr(error, "errors", ())]
        line = lines[0] if lines else getattr(error, "lineno", None)
        at = f" (line {line})" if line else ""
        raise UsageError(f"{file} is not an INI file{at}.", "Mend it; the client could not read it either.") from None
    return {section: dict(parser.items(section)) for section in parser.sections()}


def put_ini(text: str, section: str, values: Mapping[str, str], file: str, same: Callable[[str], str] = str.lower) -> str:
    """An INI file with these options in that section; `same` gives one spelling to the names that mean the same option.

    Raises UsageError as `read_ini` does, or if the edit cannot be made without touching something else.
    """
    before = read_ini(text, file, same)
    wanted = {**before, section: {**before.get(section, {}), **values}}

    def edit(updater: _Updater) -> None:
        for option, value in values.items():
            if before.get(section, {}).get(option) != value:
                updater.set(section, option, value)

    return text if wanted == before else _edited(text, section, edit, wanted, file, same)


def add_word(text: str, section: str, option: str, word: str, default: str, file: str) -> str:
    """An INI file in which that option, a list of words, has one more; a missing option has the `default`, as words too.

    Raises UsageError as `put_ini` does.
    """
    before = read_ini(text, file)
    value = before.get(section, {}).get(option)
    if word in (value or "").split():
        return text
    new = f"{default if value is None else value} {word}".strip() if "\n" not in (value or "") else f"{value}\n{word}"
    wanted = {**before, section: {**before.get(section, {}), option: new}}

    def edit(updater: _Updater) -> None:
        if value is not None and "\n" in value:
            updater[section][option].append(word, prepend_newline=value.startswith("\n"))  # keeps comments between the words
        else:
            updater.set(section, option, new)

    return _edited(text, section, edit, wanted, file, str.lower)


def _edited(
    text: str, section: str, edit: Callable[[_Updater], None], wanted: Ini, file: str, same: Callable[[str], str]
) -> str:
    updater = _Updater(same)
    if text and not text.endswith("\n"):
        text += "\n"
    try:
        updater.read_string(text)
        if not updater.has_section(section):
            updater.add_section(section)
        edit(updater)
        changed = _spaced(text, str(updater))
        if read_ini(changed, file, same) == wanted:
            return changed
    except (configparser.Error, ValueError):
        pass  # it says what is said below
    raise UsageError(f"{file} is written in a way that cannot be edited without touching what is beside it.", _BY_HAND)


def _spaced(before: str, after: str) -> str:
    """What was appended to a text, with one empty line before it and none behind."""
    if after == before or not after.startswith(before):
        return after
    added = after[len(before) :].strip("\n")
    return f"{before.rstrip(chr(10))}\n\n{added}\n".lstrip("\n")


class _Updater(configupdater.ConfigUpdater):
    """One that compares the names of options as the file's owner does."""

    def __init__(self, same: Callable[[str], str]) -> None:
        self._same = same
        super().__init__()

    def optionxform(self, optionstr: str) -> str:
        return self._same(optionstr)


def _read_toml(text: str, file: str) -> dict[str, Any]:
    try:
        tomlkit.parse(text)  # for the line; the standard library tells it in words only
        return parsing.toml(text)
    except ParseError as error:
        raise UsageError(f"{file} is not TOML (line {error.line}).", "Mend it; the client could not read it either.") from None
    except (TOMLKitError, ValueError, RecursionError):
        raise UsageError(f"{file} is not TOML.", "Mend it; the client could not read it either.") from None


def _put_plain(document: dict[str, Any], keys: Sequence[str], place: int | None, values: Mapping[str, str]) -> None:
    """The same edit of what the text says: what it has to come to."""
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
