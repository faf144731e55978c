"""Whatever bytes a reader of foreign text is given, it gives a value or raises its own error: no other, and in good time."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wharf import repository_address, secret
from wharf.distribution.file_names import Name
from wharf.distribution.requirements import is_specifier
from wharf.errors import InvalidDistributionError, RecordError, StorageError, UsageError
from wharf.github import replies
from wharf.github.quota_headers import rate, wait_after
from wharf.index import record, wharf_toml
from wharf.model import version_of
from wharf.operations.release_spec import parse_spec
from wharf.pages import content_negotiation
from wharf.repository import settings_file
from wharf.server.files.signed_links import life_of
from wharf.site import build_state, layout
from wharf.text_formats import toml_and_json

if TYPE_CHECKING:
    from collections.abc import Callable

DIGITS = "9" * 5000
NASTY = st.sampled_from(
    [
        *(
            DIGITS,
            f"-{DIGITS}",
            f"0x{DIGITS}",
            f"1e{DIGITS}",
            f"1.{DIGITS}",
            "[" * 3000,
            "]" * 3000,
            '{"a":' * 3000,
            "{a=" * 1000,
        ),
        *("NaN", "1e999", "-Infinity", "inf", "-1", str(1 << 63), "1_0", "true", "null", "\u0661\u0662", "\xb2"),
        *("\\ud800", "\0", "\u2028", "\ufeff", "'" * 99, '"""', "#", "==", "@", "://", "%00", "..", "/", ";q=", ","),
        *("1970-01-01T00:00:00Z", "9999-12-31T23:59:59+14:00", "0000-00-00"),
    ]
)
KEYS = ["meta", "api-version", "1.4", "name", "demo", "versions", "files", "_wharf", "removed", "format", "reserved", "repo"]
TEXTS = st.lists(NASTY | st.sampled_from(KEYS) | st.text(max_size=8), max_size=6).map("".join)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | TEXTS
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=8
)
JSONS = VALUES.map(json.dumps) | TEXTS
TABLES = st.sampled_from(["format", "repo", "x", "[tool.wharf]\nrepo", "reserved", "max-wait"])
TOMLS = st.tuples(TABLES, TEXTS).map(" = ".join) | TEXTS

ENTRY = {
    "filename": "demo-1.0.tar.gz",
    "url": "demo-1.0.tar.gz",
    "hashes": {"sha256": "a" * 64},
    "size": 1,
    "upload-time": "2026-01-01T00:00:00Z",
    "requires-python": ">=3",
    "yanked": "x",
    "core-metadata": False,
    "_wharf": {},
    "more": 1,
}
RECORDS = st.tuples(st.sampled_from([*ENTRY, "files", "name", "versions", "meta", "else"]), VALUES)


def _headers(text: str) -> dict[str, str]:
    return dict.fromkeys(("x-ratelimit-reset", "x-ratelimit-limit", "x-ratelimit-remaining", "retry-after", "date"), text)


READERS: dict[str, tuple[Callable[[str], object], type[Exception]]] = {
    "json": (lambda text: toml_and_json.json_value(text.encode("utf-8", "surrogatepass")), ValueError),
    "toml": (toml_and_json.toml, ValueError),
    "wharf.toml": (lambda text: wharf_toml.parse(text.encode("utf-8", "surrogatepass")), StorageError),
    "config.toml": (
        lambda text: settings_file.parse_settings_file(text.encode("utf-8", "surrogatepass"), Path("config.toml"), own=True),
        UsageError,
    ),
    "pyproject.toml": (
        lambda text: settings_file.parse_settings_file(
            text.encode("utf-8", "surrogatepass"), Path("pyproject.toml"), own=False
        ),
        UsageError,
    ),
    "site": (lambda text: build_state.parse(text.encode("utf-8", "surrogatepass"), "out"), UsageError),
    "page": (lambda text: list(layout.files_of(text.encode("utf-8", "surrogatepass"), "demo")), StorageError),
    "state": (lambda text: record.parse_status(text.encode("utf-8", "surrogatepass"), project="demo"), RecordError),
    "reply": (
        lambda text: replies.body_json({"content-type": "application/json"}, text.encode("utf-8", "surrogatepass")),
        StorageError,
    ),
    "address": (repository_address.parse, UsageError),
    "spec": (parse_spec, UsageError),
    "version": (version_of, UsageError),
    "specifier": (is_specifier, UsageError),
    "file name": (Name.parse, InvalidDistributionError),
    "accept": (content_negotiation.format_of, UsageError),
    "accept-encoding": (content_negotiation.takes_gzip, UsageError),
    "format": (content_negotiation.format_named, UsageError),
    "limits": (lambda text: rate(_headers(text), 0.0), UsageError),
    "wait": (lambda text: wait_after(403, _headers(text), text, tries=1, now=0.0), UsageError),
    "signed address": (lambda text: life_of(f"https://x/?X-Amz-Expires={text}&se={text}", datetime.now(UTC)), UsageError),
    "message": (lambda text: secret.without_tokens(text, {"A_TOKEN": text}), UsageError),
}
OF_FILES = {"json", "site", "page", "state", "reply"}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@pytest.mark.parametrize("reader", READERS)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_value_or_its_own_error(reader: str, data: st.DataObject) -> None:
    read, error = READERS[reader]
    text = data.draw(JSONS if reader in OF_FILES else TOMLS if "toml" in reader else TEXTS)
    said = ""
    try:
        read(text)
    except error as told:
        said = str(told)
    assert len(said) < 5000


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(RECORDS)
def test_a_record_is_read_and_written_again_or_told(changed: tuple[str, object]) -> None:
    key, value = changed
    document: dict[str, object] = {"meta": {"api-version": "1.4"}, "name": "demo", "versions": ["1.0"], "files": [ENTRY]}
    document |= {"files": [{**ENTRY, key: value}]} if key in ENTRY and key != "_wharf" else {key: value}
    try:
        found = record.parse(json.dumps(document).encode(), project="demo", version="1.0")
    except RecordError:
        return
    again = record.render(found)
    assert record.render(record.parse(again, project="demo", version="1.0")) == again


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (toml_and_json.toml, f"a = {DIGITS}"),
        (toml_and_json.json_value, DIGITS.encode()),
        (toml_and_json.strict_json, DIGITS.encode()),
    ],
)
def test_a_number_without_end_is_told_in_words_about_the_document(read: Callable[[object], object], data: object) -> None:
    with pytest.raises(ValueError, match=r"^it has an integer of more than 64 bits$"):
        read(data)
