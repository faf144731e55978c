"""A secret as a type that cannot be shown by accident."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, NoReturn, final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST = 12  # characters of a secret: GitHub's tokens have 40 and more

# GitHub's tokens (those of apps and jobs have some 520 characters, with dots and dashes), wharf's own, and what headers and
# addresses hold before an @.
_TOKENS = re.compile(r"\b(gh[a-z]|github_pat|wharf)_[A-Za-z0-9._~+/=-]{8,}|\b(Basic|Bearer) [A-Za-z0-9._~+/=:-]{8,}", re.ASCII)
_BEFORE_AN_AT = re.compile(r"(//)[^/@\s]+@")
_NAMES = re.compile(r"TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH", re.IGNORECASE)


def without_tokens(text: str, environ: Mapping[str, str] | None = None) -> str:
    """A text of anybody's without what looks like a token, and without the values of variables whose names say so."""
    for name, value in (environ or {}).items():
        if _NAMES.search(name):
            text = Secret(value).hidden_in(text)
    text = _TOKENS.sub(lambda found: f"{found[1]}_***" if found[1] else f"{found[2]} ***", text)
    return _BEFORE_AN_AT.sub(r"\1***@", text)


@final
class Secret:
    """A string that no `repr`, `str`, format, log or pickle shows. `reveal` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The plain text. Call it where the secret leaves the process on purpose, and nowhere else."""
        return self._value

    def hidden_in(self, text: str) -> str:
        """Somebody else's words, which may repeat the secret, without it. One that is as short as a word is none."""
        return text.replace(self._value, "***") if len(self._value) >= _SHORTEST else text

    def sha256(self) -> str:
        """The digest (lower-case hex) under which a high-entropy secret may be stored."""
        return hashlib.sha256(self._value.encode("utf-8", "surrogateescape")).hexdigest()

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.sha256(), other.sha256())

    def __hash__(self) -> int:
        return hash(self.sha256())

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")
