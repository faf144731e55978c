"""People's INI files, read and edited as text: everything else in them, comments too, stays as it is. Pure.

The result of an edit is read again by the standard library's parser and compared with what was there. So a library that loses
or alters something else is found out before anything is written.
"""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING, TypeAlias

import configupdater

from wharf.errors import UsageError
from wharf.text_formats.edited_text import BY_HAND, spaced

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


Ini: TypeAlias = dict[str, dict[str, str]]
"""The sections of an INI file; the names of options as the file's owner compares them."""


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
        raise UsageError(f"{file} is not an INI file{at}.", "Fix it; the client could not read it either.") from None
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
        changed = spaced(text, str(updater))
        if read_ini(changed, file, same) == wanted:
            return changed
    except (configparser.Error, ValueError):
        pass  # the error below says it
    raise UsageError(f"{file} is written in a way that cannot be edited without touching what is beside it.", BY_HAND)


class _Updater(configupdater.ConfigUpdater):
    """One that compares the names of options as the file's owner does."""

    def __init__(self, same: Callable[[str], str]) -> None:
        self._same = same
        super().__init__()

    def optionxform(self, optionstr: str) -> str:
        return self._same(optionstr)
