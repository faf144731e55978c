"""The published schema of `wharf.toml` takes what the parser takes, and nothing else, for all that a schema can say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

import wharf
from wharf.errors import StorageError
from wharf.index import wharf_toml
from wharf.index.index_name import WORDS_OF_ADDRESSES
from wharf.operations.index_settings import MEANINGS

FILE = Path(wharf.__file__).parents[1] / "docs" / "wharf-toml.schema.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def is_valid(table: dict[str, Any]) -> bool:
    return bool(VALIDATOR.is_valid(table))


def is_taken(table: dict[str, Any]) -> bool:
    try:
        wharf_toml.parse(tomlkit.dumps(table).encode())
    except StorageError:
        return False
    return True


def test_the_schema_is_one_and_has_each_key() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["properties"]) == {*wharf_toml.KEYS, *wharf_toml.LATER}
    assert set(MEANINGS) == set(wharf_toml.KEYS)


@pytest.mark.parametrize(
    "table",
    [
        *({"bases": [f"b{number}" for number in range(count)]} for count in (16, 17)),
        *({"reserved": ["a"] * count} for count in (1000, 1001)),
        *({"shadow": ["a" * count]} for count in (200, 201)),
        *({"upload": {"a": ["x"] * count}} for count in (100, 101)),
        *({"upload": {f"a{number}": [] for number in range(count)}} for count in (1000, 1001)),
        *({"upload": {"a" * count: []}} for count in (200, 201)),
        *({"bases": [word]} for word in sorted(WORDS_OF_ADDRESSES)),
        *({"bases": [word]} for word in ("simples", "a" * 64, "a" * 65, "a\n", "simple\n", "-a", "A", "ä", "")),
        *({"reserved": [word]} for word in ("a\n", "\na", "a b", "[!a]*?", "²", "")),
        *(
            {"upload": {"a": [word]}}
            for word in ("a[bot]", "a[bot]\n", "@a/b", "@a", "@a/b/c", "repo:a/b", "repo:a", "a b", "")
        ),
        *({"format": each} for each in (2, True, "1", 0, -1)),
        *({key: json.loads(value)} for key in wharf_toml.LATER for value in ("{}", "[]", '"1d"', "false")),
        *({"unknown": json.loads(value)} for value in ('{"a": 1}', "[1]", '"x"')),
        *({"upload": json.loads(value)} for value in ("[]", '"x"', '{"a": "x"}', '{"a b": []}')),
        {"metadata-assets": 1},
        {"bases": ["a", "a"]},
        {},
    ],
)
def test_at_the_edges_both_say_the_same(table: dict[str, Any]) -> None:
    assert is_valid({"format": 1, **table}) == is_taken({"format": 1, **table})


def test_without_a_format_it_is_nothing() -> None:
    assert not is_valid({})
    assert not is_taken({})


_TEXT = st.one_of(st.from_regex(r"[A-Za-z0-9._*?\[\]!@/:-]{0,9}", fullmatch=True), st.text(max_size=4))
_NAMES = st.sampled_from(["main", "dev", "simple", "a-b", "A", ""])
_UPLOADERS = st.one_of(st.sampled_from(["alice", "@acme/team", "repo:acme/build", "x[bot]"]), _TEXT)
_ODD = st.one_of(st.booleans(), st.integers(-5, 5), _TEXT, st.lists(st.integers(0, 2), max_size=2))


def _list(of: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(of, max_size=3), _ODD)


_TABLES = st.fixed_dictionaries(
    {"format": st.one_of(st.just(1), st.just(1), st.just(1), st.booleans(), st.integers(0, 3), _TEXT)},
    optional={
        "metadata-assets": st.one_of(st.booleans(), _ODD),
        "bases": _list(_NAMES),
        "reserved": _list(_TEXT),
        "shadow": _list(_TEXT),
        "upload": st.one_of(st.dictionaries(_TEXT, _list(_UPLOADERS), max_size=3), _ODD),
        "keep-past": _ODD,
        "something": _ODD,
    },
)


@given(_TABLES)
def test_any_table_is_valid_exactly_when_it_is_taken(table: dict[str, Any]) -> None:
    assert is_valid(table) == is_taken(table)
