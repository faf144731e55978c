"""The description of the management API (OpenAPI 3.1), for programs and for people. It says nothing of the indexes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from wharf.pages.html import render_api
from wharf.server.http.answer import Answer, uncached, uncached_page
from wharf.server.http.problem_answers import MEDIA_TYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMES: Final = {
    "basic": {"type": "http", "scheme": "basic", "description": "The token is the password; any user name."},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The token."},
}


def openapi_answers(document: dict[str, Any], *, home: str, path: str) -> dict[str, Answer]:
    """The answers at `home` and `path`, made of what FastAPI says of its routes."""
    described = _described(document)
    page = render_api(described["info"]["description"], list(_rows(described)))
    return {
        path: uncached(200, json.dumps(described).encode() + b"\n", "application/json"),
        home: uncached_page(page.encode()),
    }


def _described(document: dict[str, Any]) -> dict[str, Any]:
    """The document with how to log in, and with problems under their own media type alone."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    for _, _, operation in _operations(document):
        for status, answer in operation["responses"].items():
            if int(status) >= 400:
                answer["content"] = {MEDIA_TYPE: answer["content"]["application/json"]}
    return document


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method.upper(), operation


def _rows(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a person reads of each route."""
    for path, method, operation in _operations(document):
        query = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
        yield {
            "method": method,
            "path": path,
            "query": query,
            "says": operation["description"],
            "body": list(_keys(document, operation)),
        }


def _keys(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    """The keys of the body."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schema = media["schema"]
        for each in (schema, *schema.get("anyOf", ())):
            name = each.get("$ref", "").rpartition("/")[2]
            yield from document["components"]["schemas"].get(name, {}).get("properties", {})
