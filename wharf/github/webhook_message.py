"""What a message of a GitHub webhook says ("Webhook events and payloads"). Pure; another file checks its signature."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from wharf.text_formats.toml_and_json import json_value

if TYPE_CHECKING:
    from wharf.model import Json


def content(message: bytes, content_type: str) -> dict[str, Json]:
    """What a message says. GitHub sends JSON, or a form with JSON in it; of what is neither, or not whole, nothing."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        message = parse_qs(message.decode("utf-8", "replace")).get("payload", [""])[0].encode()
    try:
        found = json_value(message)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
