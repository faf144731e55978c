"""A reader of GraphQL documents: one operation, arguments, variables, aliases, inline fragments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(r'\s+|,|#[^\n]*|(\.\.\.|[A-Za-z_]\w*|-?\d+(?:\.\d+)?|"(?:\\.|[^"\\])*"|[!$():=@\[\]{|}&])')
_ESCAPE = re.compile(r'\\(["\\/nrt])')


class SyntaxFault(Exception):  # noqa: N818
    """The document cannot be read."""


@dataclass(slots=True)
class Field:
    """`on`: the type that it was asked of, where an inline fragment says one."""

    name: str
    alias: str
    arguments: dict[str, Any] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    on: str | None = None


@dataclass(slots=True)
class Operation:
    """`declared` and `used`: the names of variables."""

    kind: str
    fields: list[Field]
    declared: set[str]
    used: set[str]


class _Reader:
    def __init__(self, text: str, variables: Mapping[str, Any]) -> None:
        self.variables = variables
        self.used: set[str] = set()
        self.tokens: list[str] = []
        at = 0
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise SyntaxFault(f'Parse error on "{text[at]}"')
            if match.group(1):
                self.tokens.append(match.group(1))
            at = match.end()
        self.tokens.append("")
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at]

    def next(self, wanted: str | None = None) -> str:
        token = self.tokens[self.at]
        if not token or (wanted is not None and token != wanted):
            raise SyntaxFault(f'Parse error on "{token}"' if token else "Unexpected end of document")
        self.at += 1
        return token

    def skip_to(self, wanted: str) -> list[str]:
        """What stood before it."""
        found = []
        while self.peek() != wanted:
            found.append(self.next())
        return found

    def value(self) -> Any:
        token = self.next()
        if token == "$":
            self.used.add(self.peek())
            return self.variables.get(self.next())
        if token == "[":
            found = []
            while self.peek() != "]":
                found.append(self.value())
            self.next("]")
            return found
        if token == "{":
            return self.pairs("}")
        if token.startswith('"'):
            return _ESCAPE.sub(lambda match: {"n": "\n", "r": "\r", "t": "\t"}.get(match[1], match[1]), token[1:-1])
        if re.fullmatch(r"-?\d+", token):
            return int(token)
        return {"true": True, "false": False, "null": None}.get(token, token)

    def pairs(self, end: str) -> dict[str, Any]:
        found = {}
        while self.peek() != end:
            name = self.next()
            self.colon()
            found[name] = self.value()
        self.next(end)
        return found

    def colon(self) -> None:
        self.next(":")

    def selection(self) -> list[Field]:
        self.next("{")
        found: list[Field] = []
        while self.peek() != "}":
            if self.peek() == "...":
                condition = self.skip_to("{")
                inner = self.selection()
                for one in inner:
                    one.on = one.on or (condition[2] if condition[1:2] == ["on"] else None)
                found += inner
                continue
            name = alias = self.next()
            if self.peek() == ":":
                self.colon()
                name = self.next()
            one = Field(name, alias)
            if self.peek() == "(":
                self.next()
                one.arguments = self.pairs(")")
            if self.peek() == "{":
                one.fields = self.selection()
            found.append(one)
        self.next("}")
        return found


def parse(text: str, variables: Mapping[str, Any]) -> Operation:
    """The document's operation, variables put in. Raises SyntaxFault."""
    reader = _Reader(text, variables)
    head = reader.skip_to("{")
    declared = {name for sign, name in pairwise(head) if sign == "$"}
    fields = reader.selection()
    if reader.peek():
        raise SyntaxFault("Only one operation, without named fragments, is read here")
    return Operation(head[0] if head else "query", fields, declared, reader.used)
