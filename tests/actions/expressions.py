"""`${{ }}`: GitHub's page "Evaluate expressions in workflows and actions"."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.actions.words import NotKnown, WorkflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TOKEN = re.compile(
    r"\s*(?:(?P<number>-?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))|(?P<string>'(?:[^']|'')*')"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_-]*)|(?P<op>&&|\|\||[=!<>]=|[!<>().,*]|\[|\]))"
)
_WHOLE = re.compile(r"\$\{\{((?:[^}']|'[^']*'|\}(?!\}))*)\}\}")
_STATUS = {"success", "failure", "always", "cancelled"}


class Strict(dict[str, Any]):
    """A context whose properties are all known: another name is a slip of the pen, not an empty string."""


@dataclass(frozen=True)
class Scope:
    """What an expression sees: contexts by name, and how the steps or jobs before it went (None: it may not ask)."""

    contexts: Mapping[str, Any]
    status: Callable[[str], bool] | None = None


def text(template: Any, scope: Scope) -> str:
    """A value of a workflow file with its expressions replaced, as the string that a step gets."""
    return as_text(value(template, scope))


def value(template: Any, scope: Scope) -> Any:
    """A value with its expressions replaced; one that is an expression and nothing else keeps its type."""
    if not isinstance(template, str):
        return template
    whole = _WHOLE.fullmatch(template.strip())
    if whole is not None:
        return evaluate(whole[1], scope)
    if "${{" in _WHOLE.sub("", template):
        raise WorkflowError(f"an expression does not end: {template}")
    return _WHOLE.sub(lambda match: as_text(evaluate(match[1], scope)), template)


def condition(template: Any, scope: Scope) -> bool:
    """An `if`: an expression with or without its braces, and success() unless it asks for another status."""
    if template is None:
        template = "success()"
    source = as_text(template)
    whole = _WHOLE.fullmatch(source.strip())
    if whole is None and "${{" in source:
        raise NotKnown(f"an `if` that is an expression in part: {source}")
    source = whole[1] if whole else source
    asks = any(match["name"] in _STATUS for match in _TOKEN.finditer(source) if match["name"])
    return truth(evaluate(source if asks else f"success() && ({source})", scope))


def evaluate(source: str, scope: Scope) -> Any:
    """The value of one expression."""
    parser = _Parser(source, scope)
    found = parser.either()
    if parser.tokens[parser.at][1]:
        raise WorkflowError(f"{parser.tokens[parser.at][1]!r} is too much in {source!r}")
    return found


class _Parser:
    """Evaluates while it reads: both sides of && and || are evaluated, which has no effects here."""

    def __init__(self, source: str, scope: Scope) -> None:
        self.scope = scope
        self.at = 0
        self.tokens: list[tuple[str, str]] = []
        end = 0
        while source[end:].strip():
            match = _TOKEN.match(source, end)
            if match is None or match.lastgroup is None:
                raise WorkflowError(f"not an expression: {source!r}")
            self.tokens.append((match.lastgroup, match[match.lastgroup]))
            end = match.end()
        self.tokens.append(("end", ""))

    def take(self, *words: str) -> str | None:
        kind, word = self.tokens[self.at]
        if kind == "op" and word in words:
            self.at += 1
            return word
        return None

    def need(self, word: str) -> None:
        if self.take(word) is None:
            raise WorkflowError(f"{word!r} is missing before {self.tokens[self.at][1]!r}")

    def either(self) -> Any:
        left = self.both()
        while self.take("||"):
            right = self.both()
            left = left if truth(left) else right
        return left

    def both(self) -> Any:
        left = self.compared()
        while self.take("&&"):
            right = self.compared()
            left = right if truth(left) else left
        return left

    def compared(self) -> Any:
        left = self.unary()
        while word := self.take("==", "!=", "<", "<=", ">", ">="):
            left = _compare(word, left, self.unary())
        return left

    def unary(self) -> Any:
        if self.take("!"):
            return not truth(self.unary())
        found = self.primary()
        while word := self.take(".", "["):
            if word == ".":
                kind, name = self.tokens[self.at]
                if kind != "name":
                    raise NotKnown(f"a property that is no name: {name!r}")
                self.at += 1
                found = _property(found, name)
            else:
                found = _property(found, self.either())
                self.need("]")
        return found

    def primary(self) -> Any:
        if self.take("("):
            found = self.either()
            self.need(")")
            return found
        kind, word = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return float(int(word, 16)) if "x" in word else float(word)
        if kind == "string":
            return word[1:-1].replace("''", "'")
        if kind != "name":
            raise WorkflowError(f"{word!r} is no value")
        if word in {"true", "false", "null"}:
            return {"true": True, "false": False, "null": None}[word]
        if self.take("("):
            arguments = []
            while not self.take(")"):
                arguments.append(self.either())
                if not self.take(","):
                    self.need(")")
                    break
            return self.call(word, arguments)
        if word not in self.scope.contexts:
            raise WorkflowError(f"Unrecognized named-value: '{word}'")
        return self.scope.contexts[word]

    def call(self, name: str, arguments: list[Any]) -> Any:
        if name in _STATUS:
            if self.scope.status is None or arguments:
                raise WorkflowError(f"Unrecognized function: '{name}'")
            return self.scope.status(name)
        if name not in _FUNCTIONS:
            raise NotKnown(f"the function {name}")
        return _FUNCTIONS[name](*arguments)


def _property(of: Any, name: Any) -> Any:
    if isinstance(of, dict):
        wanted = as_text(name).lower()
        for key, found in of.items():
            if key.lower() == wanted:
                return found
        if isinstance(of, Strict):
            raise NotKnown(f"{name!r}; here are {', '.join(of)}")
        return None
    if isinstance(of, list) and isinstance(name, float):
        return of[int(name)] if 0 <= int(name) < len(of) else None
    return None


def truth(found: Any) -> bool:
    return not (
        found is None or found is False or found == "" or found == 0 or (isinstance(found, float) and math.isnan(found))
    )


def as_text(found: Any) -> str:
    if found is None:
        return ""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return str(int(found)) if found.is_integer() else str(found)
    if isinstance(found, (int, str)):
        return str(found)
    return "Object" if isinstance(found, dict) else "Array"


def _number(found: Any) -> float:
    if found is None or found == "":
        return 0.0
    if isinstance(found, (bool, int, float)):
        return float(found)
    try:
        return float(found)
    except (TypeError, ValueError):
        return math.nan


def _compare(word: str, left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        one, two = left.lower(), right.lower()  # GitHub ignores case
        return {"==": one == two, "!=": one != two, "<": one < two, "<=": one <= two, ">": one > two, ">=": one >= two}[word]
    if isinstance(left, (dict, list)) or isinstance(right, (dict, list)):
        return (left is right) == (word == "==")
    a, b = _number(left), _number(right)
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[word]


def _format(template: str, *values: Any) -> str:
    def one(match: re.Match[str]) -> str:
        return match[0][0] if match[0] in {"{{", "}}"} else as_text(values[int(match[1])])

    return re.sub(r"\{\{|\}\}|\{(\d+)\}", one, template)


def _contains(where: Any, what: Any) -> bool:
    if isinstance(where, list):
        return any(_compare("==", each, what) for each in where)
    return as_text(what).lower() in as_text(where).lower()


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "contains": _contains,
    "startsWith": lambda text, start: as_text(text).lower().startswith(as_text(start).lower()),
    "endsWith": lambda text, end: as_text(text).lower().endswith(as_text(end).lower()),
    "format": _format,
    "join": lambda some, between=",": as_text(between).join(
        as_text(each) for each in (some if isinstance(some, list) else [some])
    ),
    "toJSON": lambda found: json.dumps(found, indent=2, ensure_ascii=False),
    "fromJSON": json.loads,
}
