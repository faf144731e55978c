"""uv and an index: `[[tool.uv.index]]` of pyproject.toml, or `[[index]]` of uv.toml. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.clients import setup_text
from wharf.text_formats import toml_editing

if TYPE_CHECKING:
    from wharf.clients.index_address import IndexAddress


def describe(address: IndexAddress, name: str, file: str) -> setup_text.Setup:
    """What uv needs. Source: uv's "Package indexes"."""
    prefix = f"UV_INDEX_{name.upper().replace('-', '_')}"
    if address.run:
        notes = [
            "The commands are `wharf run -- uv sync`, `wharf run -- uv add …`.",
            *setup_text.other_name("uv", name),
        ]
    else:
        notes = [setup_text.where_the_token_goes(prefix)]
    return setup_text.Setup(
        client="uv",
        text=f'[[{".".join(_keys(file))}]]\nname = "{name}"\nurl = "{address.simple}"\n',
        environment=(f"{prefix}_USERNAME", f"{prefix}_PASSWORD"),
        notes=(
            *notes,
            "uv takes a name from the first index that has it, and asks the public one last: what is yours stays yours.",
            *setup_text.without_encryption(address),
        ),
    )


def _keys(file: str) -> tuple[str, ...]:
    return ("index",) if file.rpartition("/")[2] == "uv.toml" else ("tool", "uv", "index")


def edit(address: IndexAddress, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The configuration with the index in it, and what to know about it. Raises UsageError."""
    keys = _keys(file)
    changed = toml_editing.put_entry(text, keys, name, {"url": address.simple}, file)
    notes = []
    for each in toml_editing.entries_in(changed, keys, file):
        if str(each.get("name")).lower() == name.lower():
            break
        if not each.get("explicit") and not each.get("default"):
            notes.append(f"{each.get('name')!r} stands before this index in {file}: uv asks it first.")
    return changed, (*notes, *setup_text.passwords_in(toml_editing.entries_in(changed, keys, file), name, file))
