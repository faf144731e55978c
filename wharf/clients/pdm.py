"""PDM and an index: `[[tool.pdm.source]]` of pyproject.toml. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.clients import setup_text
from wharf.text_formats import toml_editing

if TYPE_CHECKING:
    from wharf.clients.index_address import IndexAddress


def describe(address: IndexAddress, name: str, _file: str) -> setup_text.Setup:
    """What PDM needs. Source: PDM's "Configure the Project" and "Configurations"."""
    if address.run:
        return setup_text.Setup(
            client="pdm",
            environment=("PDM_PYPI_URL", "PDM_PYPI_USERNAME", "PDM_PYPI_PASSWORD"),
            notes=(
                "PDM needs no configuration: `wharf run -- pdm lock` tells it where the index is.",
                setup_text.public_packages("PDM", address),
            ),
        )
    return setup_text.Setup(
        client="pdm",
        text=f'[[tool.pdm.source]]\nname = "{name}"\nurl = "{address.simple}"\n',
        environment=("PDM_PYPI_USERNAME", "PDM_PYPI_PASSWORD"),
        notes=(
            setup_text.where_the_token_goes("PDM_PYPI"),
            f"The name {name!r} takes the public index's place. Beside it PDM would take the newest version of either, or, in a"
            " fixed order, ask the public one if this one refuses a token or has no version that fits.",
            setup_text.public_packages("PDM", address),
            *setup_text.without_encryption(address),
        ),
    )


def edit(address: IndexAddress, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The configuration with the index in it, and what to know about it. Raises UsageError."""
    keys = ("tool", "pdm", "source")
    changed = toml_editing.put_entry(text, keys, name, {"url": address.simple}, file)
    entries = toml_editing.entries_in(changed, keys, file)
    notes = [
        f"The source {each.get('name')!r} stands in {file} as well: PDM takes the newest version of either."
        for each in entries
        if str(each.get("name")).lower() != name
    ]
    return changed, (*notes, *setup_text.passwords_in(entries, name, file))
