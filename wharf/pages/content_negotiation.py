"""Which format and encoding a client asked for. Answers depend on the headers' text alone, so callers keep them."""

from __future__ import annotations

import functools

import mimeparse

from wharf.pages.page_format import Format

_EXPRESSIVE = (Format.JSON, Format.HTML, Format.PLAIN_HTML)
"""The formats, the one that says most first: it wins a tie between formats that the client names."""
_NAMED = 110
"""How well mimeparse says that a range fits if it names the type; one with a wildcard fits less."""
_ALIASES = {
    "application/vnd.pypi.simple.latest+json": Format.JSON.value,
    "application/vnd.pypi.simple.latest+html": Format.HTML.value,
}
MAX_HEADER = 1000
"""A longer Accept or Accept-Encoding (in characters) is not looked at: nothing acceptable stands in it."""


@functools.lru_cache(maxsize=256)
def format_of(accept: str) -> Format | None:
    """The best format for an Accept header (PEP 691, "Version + Format Selection"); None: nothing that it takes is here (406).

    A missing or empty header takes anything. Where several formats have the same weight, one that is named goes before one
    that a wildcard takes. Of those named the one that says most is chosen; of those that a wildcard takes plain HTML, which
    every installer ever written can read.
    """
    if not accept.strip(", \t"):
        return Format.PLAIN_HTML
    if len(accept) > MAX_HEADER:
        return None
    ranges = _ranges(accept)

    def rank(form: Format) -> tuple[float, float, int]:
        weight, fitness = mimeparse.quality_and_fitness_parsed(form.value, ranges)
        place = _EXPRESSIVE.index(form)
        return weight, fitness, -place if fitness >= _NAMED else place

    best = max(_EXPRESSIVE, key=rank)
    return best if rank(best)[0] > 0 else None


def _ranges(accept: str) -> list[tuple[str, str, dict[str, str]]]:
    """The media ranges of an Accept header; anything else is ignored. Types are written in any case (RFC 9110, 8.3.1).

    mimeparse takes the first of two that fit equally well, so the one of more weight comes first.
    """
    found = []
    for part in accept.lower().split(","):
        name, mark, parameters = part.strip().partition(";")
        name = name.strip()
        try:
            found.append(mimeparse.parse_media_range(f"{_ALIASES.get(name, name)}{mark}{parameters}"))
        except mimeparse.MimeTypeParseException:
            continue
    return sorted(found, key=lambda each: float(each[2]["q"]), reverse=True)


def format_named(name: str) -> Format | None:
    """The format that `?format=` names (PEP 691, "URL Parameter"). A blank is a `+` that was written as it is."""
    name = name.strip().lower().replace(" ", "+")
    name = _ALIASES.get(name, name)
    return next((form for form in Format if form.value == name), None)


@functools.lru_cache(maxsize=256)
def takes_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip (RFC 9110, section 12.5.3)."""
    quality = {"gzip": 0.0, "*": 0.0}
    for part in accept_encoding[:MAX_HEADER].lower().split(","):
        name, _, parameter = part.strip().removeprefix("x-").partition(";")
        key, _, value = parameter.strip().partition("=")
        try:
            quality[name.strip()] = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            quality[name.strip()] = 0.0
        if name.strip() == "gzip":
            return quality["gzip"] > 0
    return quality["*"] > 0
