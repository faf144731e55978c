"""twine and an index: `.pypirc`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.clients import setup_text
from wharf.errors import UsageError
from wharf.text_formats import ini_editing

if TYPE_CHECKING:
    from wharf.clients.index_address import IndexAddress


_SERVERS = "pypi testpypi"  # those that twine knows where a .pypirc names none


def describe(address: IndexAddress, name: str, _file: str) -> setup_text.Setup:
    """What twine needs. Source: the Python Packaging User Guide's "The .pypirc file"."""
    if address.run:
        raise UsageError(
            "`wharf run` takes no uploads.", "`wharf publish dist/*` needs no configuration; for a server name it: --url URL."
        )
    return setup_text.Setup(
        client="twine",
        text=f"[distutils]\nindex-servers = {_SERVERS} {name}\n\n"
        f"[{name}]\nrepository = {address.legacy}\nusername = __token__\n",
        environment=("TWINE_PASSWORD",),
        notes=(
            "The token goes to TWINE_PASSWORD, or twine asks for it.",
            f"The command is `twine upload --repository {name} dist/*`. A static site takes no uploads.",
            "Leave --skip-existing out: twine refuses it from 6.2 on for any index but the public one. The same bytes again are"
            " no error here; other bytes under a name that is taken are one.",
            *setup_text.without_encryption(address),
        ),
    )


def edit(address: IndexAddress, name: str, text: str, file: str) -> tuple[str, tuple[str, ...]]:
    """The configuration with the index in it, and what to know about it. Raises UsageError."""
    changed = ini_editing.add_word(text, "distutils", "index-servers", name, _SERVERS, file)
    changed = ini_editing.put_ini(changed, name, {"repository": address.legacy, "username": "__token__"}, file)
    held = "password" in ini_editing.read_ini(changed, file)[name]
    return changed, (setup_text.password_held(name, file),) if held else ()
