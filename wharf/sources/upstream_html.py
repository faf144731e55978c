"""The links of an upstream's page in HTML (PEP 503), in linear time. Pure.

pypi-simple reads the links. It gets nothing but links: `<a>` in `<a>`, endless comments and tags with half a million attributes
take HTML parsers hours. What is not well formed is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LONGEST_TAG: Final = 16 << 10
"""Characters of one tag, and of the text of one link."""

_MOST_TAGS = 200_000
# Every alternative takes what it has begun, or fails for the whole page: nothing is read twice.
_TOKEN = re.compile(
    r"(?P<text>[^<]++)|<!--(?s:.*?)-->|<!(?!--)[^<>]*+>|<\?[^<>]*+>"
    r"|<(?P<raw>script|style|title)\b[^<>]*+>(?s:.*?)</(?P=raw)\s*+>"
    r"""|(?P<tag><(?!(?:script|style|title)\b)(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9-]*+)(?=[\s/>])"""
    r"""(?:[^<>"']++|"[^"]*+"|'[^']*+')*+>)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Link:
    """A link: its text, its absolute address with the fragment, and its attributes."""

    text: str
    url: str
    attributes: Mapping[str, object]


def links(text: str, base: str, most: int) -> tuple[list[Link], Mapping[str, str]]:
    """The links of the page at `base`, and the first of each of its `pypi:` metas. Raises ValueError with what is wrong."""
    from pypi_simple import RepositoryPage, UnsupportedRepoVersionError, parse_links_stream  # a third of a second

    found, metas = _tokens(text, most)
    try:
        about = RepositoryPage.from_html("".join(metas)).pypi_meta
        read = [Link(each.text, each.url, each.attrs) for each in parse_links_stream([*metas, *found], base)]
    except UnsupportedRepoVersionError as error:
        raise ValueError("its version of the Simple API is not 1") from error
    return read, {key: values[0] for key, values in about.items()}


def _tokens(text: str, most: int) -> tuple[list[str], list[str]]:
    """The tags and texts of links, and the tags that say something of the page."""
    if text.count("<") > _MOST_TAGS:
        raise ValueError("it has too many tags")
    found: list[str] = []
    metas: list[str] = []
    inside, count, at = False, 0, 0
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise ValueError("its HTML is not well formed")
        at = token.end()
        name = (token["name"] or "").lower()
        if name in {"a", "meta", "base"} and at - token.start() > LONGEST_TAG:
            raise ValueError(f"it has a tag of more than {LONGEST_TAG} characters")
        if name == "a" and inside:
            found.append("</a>")
        if name == "a":
            inside = not token["end"]
            count += inside
            found += [token["tag"]] if inside else []
        elif name in {"meta", "base"} and not token["end"]:
            metas.append(token["tag"])
        elif inside and token["text"]:
            found.append(token["text"][:LONGEST_TAG])
        if count > most or len(metas) > 100:
            raise ValueError("it has too many links")
    return (found + ["</a>"] * inside), metas


def text_of(body: bytes, content_type: str) -> str:
    """The text of a page in HTML: UTF-8, unless its content type says latin-1. Raises ValueError."""
    latin = re.search(r"charset=\"?(iso-8859-1|latin-?1)\b", content_type, re.IGNORECASE)
    return body.decode("latin-1" if latin else "utf-8-sig")


def first(attributes: Mapping[str, object], names: Iterable[str]) -> str | None:
    """The first of these attributes that a link has."""
    return next((value for name in names if isinstance(value := attributes.get(name), str)), None)
