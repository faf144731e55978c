"""A secret as a type that cannot be shown by accident."""

from __future__ import annotations

import hashlib
import hmac
from typing import NoReturn, final


@final
class Secret:
    """A string that no `repr`, `str`, format, log or pickle shows. `reveal` is the one way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The plain text. Call it where the secret leaves the process on purpose, and nowhere else."""
        return self._value

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
