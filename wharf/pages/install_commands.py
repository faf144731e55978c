"""What a person types to install from an index: each command works as it is printed, for packages with public dependencies too.

uv asks the index that `--index` names first, and the public index for names that this index does not have. pip asks one index
alone. So pip gets a command only where the index passes other names on; elsewhere it gets a sentence that says what is needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Login: TypeAlias = Literal["none", "github", "token"]
"""What a reader sends: nothing, a GitHub token, or a token that `wharf token create` made."""

_WORD = {"github": "$(gh auth token)", "token": "TOKEN"}


@dataclass(frozen=True, slots=True)
class Advice:
    """Commands, one a line, and sentences about them."""

    commands: tuple[str, ...]
    notes: tuple[str, ...] = ()


def for_server(simple: str, *, falls_through: bool, login: Login = "none") -> Advice:
    """For the index at `simple` (with a slash at its end) of a server that runs with or without `--fall-through`."""
    uv = _uv(simple, login)
    if falls_through:
        return Advice((uv, f"pip install --index-url {simple} PROJECT"))
    return Advice(
        (uv,), ("pip asks one index only: start the server with --fall-through, so that pip finds public packages here too.",)
    )


def for_site(simple: str) -> Advice:
    """The same for a static site, which passes no name on."""
    return Advice(
        (_uv(simple, "none"),),
        (
            "pip asks one index only, and a static site redirects no name. So this works only if the index has all that "
            f"PROJECT needs: pip install --index-url {simple} PROJECT",
            "Do not use --extra-index-url: with it, either index can win a name.",
        ),
    )


def _uv(simple: str, login: Login) -> str:
    if login == "none":
        return f"uv pip install --index {simple} PROJECT"
    variables = f"UV_INDEX_WHARF_USERNAME=x UV_INDEX_WHARF_PASSWORD={_WORD[login]}"
    return f"{variables} uv pip install --index wharf={simple} PROJECT"
