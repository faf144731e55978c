"""GitHub's own description of its REST API (OpenAPI 3.0), to hold answers against. docs/testing.md says where it is had."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from jsonschema import Draft7Validator

if TYPE_CHECKING:
    from pathlib import Path

# What GitHub answers to every path without saying so at each: "Troubleshooting the REST API".
EVERYWHERE = {"304", "301", "307", "400", "401", "403", "404", "409", "422", "429", "500", "502", "503", "504"}

_ANY_ERROR = {"allOf": [{"$ref": "#/components/schemas/basic-error"}, {"required": ["message", "documentation_url"]}]}


class Description:
    """The answers that GitHub says it gives."""

    def __init__(self, path: Path) -> None:
        document = json.loads(path.read_text())
        self._schemas = _nullable(document["components"])
        self._responses = document["components"]["responses"]
        self._paths = document["paths"]
        self._templates = sorted(self._paths, key=lambda each: (each.count("{"), -len(each)))

    def template(self, path: str) -> str | None:
        """The described path that a path is one of; those with the fewest gaps first."""
        return next((each for each in self._templates if _pattern(each).fullmatch(path)), None)

    def problems(self, method: str, path: str, status: int, content_type: str, body: bytes) -> list[str]:
        """What is wrong with an answer; empty: nothing."""
        template = self.template(path)
        method = "GET" if method == "HEAD" else method
        if template is None or method.lower() not in self._paths[template]:
            return [f"{method} {path} is not described"]
        answers = self._paths[template][method.lower()]["responses"]
        what = f"{method} {template} {status}"
        described = answers.get(str(status))
        if described is None:
            if str(status) not in EVERYWHERE:
                return [f"{method} {template} never answers {status}, but {sorted(answers)}"]
            described = {}
        if "$ref" in described:
            described = self._responses[described["$ref"].rpartition("/")[2]]
        content = described.get("content", {})
        if status < 400 and not content:
            return [f"{what} has a body, and none is described"] if body and status < 300 else []
        form = content_type.partition(";")[0]
        if form == "application/octet-stream" or form.startswith("application/vnd.github."):
            return []  # the bytes themselves, as the request's Accept asked for
        if form != "application/json" or not body:
            return [f"{what} is {content_type!r} of {len(body)} bytes, not JSON"]
        kind = next((each for each in content if each.startswith("application/json")), None)
        # Of some refusals only the occasion is described: their body is that of all refusals.
        schema = content[kind]["schema"] if kind else _ANY_ERROR
        return self._broken(what, schema, body)

    def _broken(self, what: str, schema: Any, body: bytes) -> list[str]:
        validator = self._validator(json.dumps(schema, sort_keys=True))
        return [
            f"{what}: {'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:300]}"
            for error in validator.iter_errors(json.loads(body))
            # An asset that is being uploaded, or was not, is in a state that the description does not list.
            if not (error.validator == "enum" and error.instance == "starter")
        ]

    @functools.lru_cache(maxsize=256)  # noqa: B019 - one description lives as long as the tests
    def _validator(self, schema: str) -> Draft7Validator:
        return Draft7Validator({**_nullable(json.loads(schema)), "components": self._schemas})


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    """`{path}` and `{ref}` may hold slashes, others not."""
    parts = re.split(r"(\{[^}]+\})", template)
    long = {"{path}", "{ref}", "{branch}", "{basehead}"}
    return re.compile("".join(".+" if p in long else "[^/]+" if p.startswith("{") else re.escape(p) for p in parts))


def _nullable(value: Any) -> Any:
    """OpenAPI's `nullable` in the words of JSON Schema."""
    if isinstance(value, list):
        return [_nullable(each) for each in value]
    if not isinstance(value, dict):
        return value
    # GitHub's alternatives overlap, so that "one of" cannot be meant: a plain error is also a rule violation, for example.
    words = {"oneOf": "anyOf"}
    kept = {key: each for key, each in value.items() if key not in {"nullable", "example", "examples"}}
    found = {words.get(key, key): _nullable(each) for key, each in kept.items()}
    if value.get("nullable") is True:
        return {"anyOf": [{"type": "null"}, found]}
    return found
