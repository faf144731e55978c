"""poetry and an index: `[[tool.poetry.source]]` of pyproject.toml. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.clients import setup_text
from wharf.text_formats import toml_editing

if TYPE_CHECKING:
    from wharf.clients.index_address import IndexAddress


def describe(address: IndexAddress, name: str, _file: str) -> setup_text.Setup:
    """What poetry needs. Source: Poetry's "Repositories"."""
    prefix = f"POETRY_HTTP_BASIC_{name.upper().replace('-', '_')}"
    notes = (
        ["The commands are `wharf run -- poetry lock`, `wharf run -- poetry install`.", *setup_text.other_name("poetry", name)]
        if address.run
        else [setup_text.where_the_token_goes(prefix)]
    )
    return setup_text.Setup(
        client="poetry",
        text=f'[[tool.poetry.source]]\nname = "{name}"\nurl = "{address.simple}"\npriority = "primary"\n',
        environment=(f"{prefix}_USERNAME", f"{prefix}_PASSWORD"),
        notes=(
            *notes,
            "A primary source takes the public index's place. A supplemental one is asked only for names that the public index "
            "does not have: whoever registers one of your names there wins it.",
            setup_text.public_packages("poetry", address),
            "For a static site: `poetry source add --priority=supplemental PyPI` adds the public index behind this one. With "
            "an index that wants a token, poetry asks it for your names too as soon as the token is refused.",
            *setup_text.without_encryption(address),
        ),
    )


def edit(address: IndexAddress, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The configuration with the index in it, and what to know about it. Raises UsageError."""
    keys = ("tool", "poetry", "source")
    mine = [each for each in toml_editing.entries_in(text, keys, file) if str(each.get("name")).lower() == name.lower()]
    values = {"url": address.simple}
    if not any(each.get("priority") == "explicit" for each in mine):  # explicit is safe too: the project says what is from here
        values["priority"] = "primary"
    changed = toml_editing.put_entry(text, keys, name, values, file)
    entries = toml_editing.entries_in(changed, keys, file)
    notes = [
        f"The source {each.get('name')!r} in {file} is primary as well: poetry takes the newest version of either."
        for each in entries
        if str(each.get("name")).lower() != name.lower() and each.get("priority", "primary") == "primary"
    ]
    return changed, (*notes, *setup_text.passwords_in(entries, name, file))
