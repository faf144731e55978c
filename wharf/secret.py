"""A secret as a type that cannot be shown by accident."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, NoReturn, final

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST = 12  # characters of a secret: GitHub's tokens have 40 and more

# GitHub's tokens: 36 letters and digits, or some 520 characters with dots and dashes; and wharf's own. A file can be named so.
_TOKENS = re.compile(
    r"(\bgh[oprsu]|github_pat|gh[oprsu](?=_(?:eyJ|[A-Za-z0-9]{36})))_"
    r"(?![A-Za-z0-9_.+-]{0,250}\.(?:whl|tar\.gz|zip)\b)[A-Za-z0-9_.+/=-]{30,}"
    r"|(wharf)_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_.-])|\b(Basic|Bearer) [A-Za-z0-9._~+/=:-]{20,}"
    # A JWT, and a private key: of one that is cut off, all that follows.
    r"|(?:\beyJ[A-Za-z0-9_-]{10,}|eyJ[A-Za-z0-9_-]{10,300})\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?:(?!-----END)[\s\S])*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?",
    re.ASCII,
)
_IN_ADDRESSES = (
    (re.compile(r"([A-Za-z+]{2,12}:/+)[^\s'\"`]*(?:@|%40)[^\s'\"`)]*"), r"\1***"),
    (re.compile(r"([A-Za-z+]{2,12}:/+[^\s'\"`?]*[?])[^\s'\"`)]+"), r"\1***"),
    (re.compile(r"((?<![A-Za-z0-9_./-])[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+@)(?!v[0-9])[^\s'\"`)]+"), r"\1***"),  # owner/name@TOKEN
)
_STAGES = re.compile(r"(/-/+stage/+)[^/\s?]{4,}", re.IGNORECASE)  # mistyped ones show nothing, and have the token all the same
_IN_LOGS = re.compile(
    r"(?<![A-Za-z0-9])(wharf_|github_pat_|gh[a-z]_|eyJ)[\w.-]{8,}|(?<=//)[^/@\s]+@"
    # Behind a letter or a digit, as where a word or an escape ends, a whole one: a shorter one is the end of a file name.
    r"|(wharf_|github_pat_|gh[a-z]_)(eyJ|[A-Za-z0-9_-]{30})[\w.-]*|eyJ[\w-]{10,}\.[\w-]{10,}[\w.-]*"
)
SECRET_NAMES = re.compile("TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|(?:API|APP|PRIVATE)_?KEY", re.IGNORECASE)
"""Names of environment variables that hold secrets."""


def holds_token(text: str) -> bool:
    """Whether a text has in it what looks like a GitHub token, a wharf token, a JWT or a private key."""
    return _TOKENS.search(text) is not None


def without_tokens(text: str, environ: Mapping[str, str] | None = None) -> str:
    """A text of anybody's without what looks like a token, and without the values of variables whose names say so."""
    for name, value in (environ or {}).items():
        if SECRET_NAMES.search(name) or "AUTH" in name.upper():
            text = Secret(value).hidden_in(text)
    text = _TOKENS.sub(_shortened, text)
    for pattern, instead in _IN_ADDRESSES:
        text = pattern.sub(instead, text)
    return _STAGES.sub(r"\1***", text)


def _shortened(found: re.Match[str]) -> str:
    """What is shown of a secret: the word that it begins with."""
    prefix, word = found[1] or found[2], found[3]
    return f"{prefix}_***" if prefix else f"{word} ***" if word else "***"


def for_log(text: str) -> str:
    """What a client sent, without what begins like a token: a part of one too, as clients cut and mistype them."""
    return _IN_LOGS.sub("***", _STAGES.sub(r"\1***", text))


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
