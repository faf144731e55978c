"""Which format and encoding a client asked for. Answers depend on the headers' text alone, so callers keep them."""

from __future__ import annotations

import functools

import mimeparse

from wharf.pages import Format

# A tie goes to the last: a client that takes anything gets what every installer ever written can read.
_OFFERED = [Format.JSON.value, Format.HTML.value, Format.PLAIN_HTML.value]
_ALIASES = {
    "application/vnd.pypi.simple.latest+json": Format.JSON.value,
    "application/vnd.pypi.simple.latest+html": Format.HTML.value,
}
MAX_HEADER = 1000
"""A longer Accept or Accept-Encoding (in characters) is not looked at: nothing acceptable stands in it."""


@functools.lru_cache(maxsize=256)
def format_of(accept: str) -> Format | None:
    """The best format for an Accept header (PEP 691, "Version + Format Selection"); None: nothing that it takes is here (406).

    A missing or empty header takes anything.
    """
    if not accept.strip():
        return Format.PLAIN_HTML
    if len(accept) > MAX_HEADER:
        return None
    for alias, name in _ALIASES.items():
        accept = accept.replace(alias, name)
    try:
        best = mimeparse.best_match(_OFFERED, accept)
    except mimeparse.MimeTypeParseException:
        return None
    return Format(best) if best else None


def format_named(name: str) -> Format | None:
    """The format that `?format=` names (PEP 691, "URL Parameter")."""
    name = _ALIASES.get(name, name)
    return Format(name) if name in _OFFERED else None


@functools.lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    quality = {"gzip": 0.0, "*": 0.0}
    for part in accept_encoding[:MAX_HEADER].lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, value = parameter.strip().partition("=")
        try:
            quality[name.strip()] = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            quality[name.strip()] = 0.0
        if name.strip() == "gzip":
            return quality["gzip"] > 0
    return quality["*"] > 0
