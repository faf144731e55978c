"""pip and an index: `pip.conf`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.clients import setup_text
from wharf.text_formats import ini_editing

if TYPE_CHECKING:
    from wharf.clients.index_address import IndexAddress


def describe(address: IndexAddress, _name: str, _file: str) -> setup_text.Setup:
    """What pip needs. Source: pip's "Configuration"."""
    if address.run:
        return setup_text.Setup(
            client="pip",
            environment=("PIP_INDEX_URL",),
            notes=(
                "pip needs no configuration: `wharf run --fall-through -- pip install …` tells it where the index is.",
                setup_text.public_packages("pip", address),
            ),
        )
    notes = [f"The token goes to ~/.netrc, readable by you alone: machine {address.host} login x password TOKEN"]
    return setup_text.Setup(
        client="pip",
        text=f"[global]\nindex-url = {address.simple}\n",
        notes=(*notes, setup_text.public_packages("pip", address), *setup_text.without_encryption(address)),
    )


def _option(name: str) -> str:
    """One spelling of an option's name, as pip sees it."""
    return name.lower().replace("_", "-").removeprefix("--")


def edit(address: IndexAddress, _name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The configuration with the index in it, and what to know about it. Raises UsageError."""
    before = ini_editing.read_ini(text, file, _option)
    notes = [
        f"[{section}] of {file} has an {option} as well: "
        + ("it wins over ours there." if option == "index-url" else "pip takes the newest version of any of them.")
        for section, options in before.items()
        for option in ("index-url", "extra-index-url")
        if option in options and (section, option) != ("global", "index-url")
    ]
    return ini_editing.put_ini(text, "global", {"index-url": address.simple}, file, _option), tuple(notes)
