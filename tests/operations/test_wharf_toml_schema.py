"""The published schema of `wharf.toml` takes what the parser takes, and nothing else, for all that a schema can say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
import tomlkit
from hypothesis import given
from hypothesis import strategies as st

import wharf
from wharf.errors import StorageError
from wharf.index import wharf_toml
from wharf.index.index_name import WORDS_OF_ADDRESSES
from wharf.index.upstream_settings import Mode
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
    assert set(SCHEMA["properties"]) == {*wharf_toml.KEYS}
    assert set(MEANINGS) == set(wharf_toml.KEYS)


URL = {"url": "https://mirror.example.com/simple/"}
ROUTE = {"names": ["acme-*"], "from": ["this"]}
ADDRESSES = [
    *(
        "https://a",
        "http://a/",
        "http://a.b:8080/x/%41~y/",
        "https://[::1]:8443/simple",
        "https://1.2.3.4/",
        "/srv/wheels",
        "/ü x/",
    ),
    *(
        "",
        "a",
        "ftp://a/",
        "HTTPS://a/",
        "https:/a",
        "https:///a",
        "https://",
        "//a",
        "/",
        "/\x01",
        "/a\nb",
        "/" + "x" * 1001,
        "./x",
        "~/x",
    ),
    *(
        "https://u:p@a/",
        "https://u@a/",
        "https://a/?q",
        "https://a/#f",
        "https://a\\b/",
        "https://a/\\b",
        "https://a /",
        "https://a/ ",
    ),
    *(
        "https://a\t.b/",
        "https://a/\t",
        "https://a/\n",
        "https://a\n",
        "https://ä.example/",
        "https://a/ü",
        "https://a./",
        "https://a..b/",
        "https://.a/",
    ),
    *(
        "https://-a/",
        "https://a-/",
        "https://" + "a" * 64 + "/",
        "https://" + "a." * 20 + "a/",
        "https://" + "a." * 21 + "a/",
        "https://a%2eb/",
        "https://a/%2",
        "https://a/%zz",
    ),
    *(
        "https://a:0/",
        "https://a:65535/",
        "https://a:65536/",
        "https://a:/",
        "https://a:08/",
        "https://[::1%25eth0]/",
        "https://[::1",
        "https://[a.b]x/",
    ),
    *("https://a" + "/x" * 30, "https://a" + "/x" * 31, "https://a/" + "x" * 250, "https://a/" + "x" * 251),
]

PATTERNS = [
    *("a", "Acme_*", "a==1", "a ==1.*, <2 ", "a~=1.2", "a!=1", "a" * 200, "a" * 201, "a<" + "1" * 100, "a<" + "1" * 101, "a\n"),
    *(
        "",
        "a b",
        "a=",
        "a===1",
        "a<",
        "<1",
        "a@1",
        "a;b",
        "a>1,",
        "a" + ",".join([">1"] * 10),
        "a" + ",".join([">1"] * 11),
        "ä",
    ),
]
RULE = {"names": ["acme-*"]}
LIMITS: list[dict[str, Any]] = [
    {},
    {"keep-newest": 1, "keep-days": 1},
    *({"keep-newest": number} for number in (100_000, 100_001, 0, -1, True, "1")),
    *({"keep-days": number} for number in (36_500, 36_501, 0, -1, False, "1d")),
    {"keep": 1},
]
EXCEPTION = {"names": ["a"]}
POLICIES: list[Any] = [
    *({key: [pattern]} for key in ("deny", "allow") for pattern in PATTERNS),
    *({"deny": ["a"] * count} for count in (0, 1000, 1001)),
    *({"cooldown": text} for text in ("7d", "9999w", "10000w", "0d", "1h", "1m", "7", "7 d", "7d\n", "")),
    *({"size": text} for text in ("1B", "999999999TiB", "1000000000B", "1kB", "1KB", "1 MB", "1.5GB", "0B", "1GiB\n", "")),
    *(
        {"newest": text}
        for text in ("2026-11-20", "2026-11-20T10:00:00Z", "2026-11-20T10:00:00.5Z", "1980-01-01", "9000-12-31")
    ),
    *(
        {"newest": text}
        for text in ("1979-12-31", "9001-01-01", "2026-13-01", "2026-11-20T10:00:00", "2026-11-20T25:00:00Z", "")
    ),
    *({"status": value} for value in ([], ["archived", "archived"], ["active"], "archived", [1])),
    *({"own": value} for value in ([], ["deny", "newest"], ["cooldown"], "deny")),
    *({key: value} for key in ("yanked", "sdists") for value in (True, False, 0, "no")),
    *({"exception": [EXCEPTION] * count} for count in (0, 1, 1000, 1001)),
    *({"exception": json.loads(text)} for text in ("{}", "[{}]", "[1]")),
    *({"exception": [{"names": names}]} for names in ([], ["a<2"], [""], "a")),
    *({"exception": [{**EXCEPTION, "rules": rules}]} for rules in ([], ["cooldown"], ["own"], "deny")),
    *({"exception": [{**EXCEPTION, "until": until}]} for until in ("2026-12-24", "2026-12-24T00:00:00Z", "", 1)),
    *({"exception": [{**EXCEPTION, "reason": text}]} for text in ("", "é", "a\tb", "a\n", "a" * 1000, "a" * 1001, 1)),
    *({"exception": [{**EXCEPTION, "untill": "2026-12-24"}]}, {"denny": []}, [], "deny", False),
]


@pytest.mark.slow
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
        *({"keep-past": text} for text in ("90d", "0d", "0h", "00d", "9999w", "10000w", "1m", "90", "90d\n", "")),
        *({"retention": [RULE] * count} for count in (0, 100, 101)),
        *({"retention": [{"names": ["a"] * count}]} for count in (0, 1000, 1001)),
        *({"retention": [{**RULE, **each}]} for each in LIMITS),
        *({"retention": [{**RULE, kind: each}]} for kind in ("dev", "pre") for each in LIMITS),
        *({"retention": json.loads(value)} for value in ('[{"keep-days": 1}]', "{}", "[[]]", '"x"', "[1]", "false")),
        *({"retention": [{**RULE, **json.loads(value)}]} for value in ('{"dev": 1}', '{"rc": {}}', '{"keep": 1}')),
        *({"upstream": json.loads(value)} for value in ("{}", "[]", "false", '{"mode": "on"}', '{"mode": 1}', '{"more": 1}')),
        *({"upstream": {"mode": mode}} for mode in get_args(Mode)),
        *({"upstream": {"url": url}} for url in ADDRESSES),
        *({"upstreams": {f"a{number}": URL for number in range(count)}} for count in (16, 17)),
        *(
            {"upstreams": {name: URL}}
            for name in ("gpu", "this", "upstream", "this-", "a" * 64, "a" * 65, "A", "-a", "a\n", "")
        ),
        *({"upstreams": json.loads(value)} for value in ("[]", "false", '{"a": {}}', '{"a": "x"}', '{"a": {"url": 1}}')),
        {"upstreams": {"gpu": {**URL, "user": "x"}}},
        *({"route": [ROUTE] * count} for count in (100, 101)),
        *({"route": [{"names": ["a"] * count, "from": []}]} for count in (0, 1000, 1001)),
        *({"route": [{"names": [name], "from": []}]} for name in ("a" * 201, "a b", "Acme_*", "")),
        *(
            {"route": [{**ROUTE, "from": json.loads(value)}]}
            for value in ('["this", "upstream"]', '["this", "this"]', "[]", "[1]")
        ),
        *({"route": [{**ROUTE, "from": json.loads(value)}]} for value in ('["A"]', r'["this\n"]', '"x"')),
        *({"route": json.loads(value)} for value in ('[{"names": ["a"]}]', '[{"from": []}]', "{}", "[[]]", '"x"', "[1]")),
        {"route": [{**ROUTE, "form": []}]},
        *({"policy": each} for each in POLICIES),
        *({"policy": {}, "upstream": {"mode": mode}} for mode in get_args(Mode)),
        *({"unknown": json.loads(value)} for value in ('{"a": 1}', "[1]", '"x"')),
        *({"upload": json.loads(value)} for value in ("[]", '"x"', '{"a": "x"}', '{"a b": []}')),
        {"keep-past": 90},
        {"metadata-assets": 1},
        {"bases": ["a", "a"]},
        {},
    ],
)
def test_at_the_edges_both_say_the_same(table: dict[str, Any]) -> None:
    assert is_valid({"format": 1, **table}) == is_taken({"format": 1, **table})


@pytest.mark.slow
def test_what_a_schema_cannot_say_is_refused_as_well() -> None:
    table = {"format": 1, "route": [{"names": ["torch"], "from": ["this", "gpu"]}]}
    assert is_valid(table)
    assert not is_taken(table)
    assert is_taken({**table, "upstreams": {"gpu": URL}})
    assert not is_taken({"format": 1, "upstream": {"url": "https://[1:2]/"}})
    half = {"names": ["a"] * 500, "from": []}
    assert is_taken({"format": 1, "route": [half, half]})
    assert not is_taken({"format": 1, "route": [half, half, ROUTE]})
    rule = {"names": ["a"] * 500}
    assert is_taken({"format": 1, "retention": [rule, rule]})
    assert not is_taken({"format": 1, "retention": [rule, rule, RULE]})
    for policy in ({"deny": ["a<x"]}, {"deny": ["a~=1"]}, {"newest": "2026-02-30"}):
        assert is_valid({"format": 1, "policy": policy})
        assert not is_taken({"format": 1, "policy": policy})


def test_dates_of_toml_are_taken() -> None:
    """They have no type in JSON: editors show them to a schema as text."""
    day = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert is_taken({"format": 1, "policy": {"newest": day, "exception": [{**EXCEPTION, "until": day.date()}]}})


def test_without_a_format_it_is_nothing() -> None:
    assert not is_valid({})
    assert not is_taken({})


_TEXT = st.one_of(st.from_regex(r"[A-Za-z0-9._*?\[\]!@/:-]{0,9}", fullmatch=True), st.text(max_size=4))
_NAMES = st.sampled_from(["main", "dev", "simple", "a-b", "A", ""])
_UPLOADERS = st.one_of(st.sampled_from(["alice", "@acme/team", "repo:acme/build", "x[bot]"]), _TEXT)
_ODD = st.one_of(st.booleans(), st.integers(-5, 5), _TEXT, st.lists(st.integers(0, 2), max_size=2))


def _list(of: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.lists(of, max_size=3), _ODD)


_ADDRESSES = st.one_of(
    st.sampled_from(ADDRESSES),
    st.from_regex(r"https?://[a-z0-9.:@%_-]{0,9}(?:/[a-z%2?#]{0,5}){0,3}", fullmatch=True),
    st.from_regex(r"[/a-z]{0,4}", fullmatch=True),
    _ODD,
)
_SOURCES = st.sampled_from(["this", "upstream", "gpu", "cpu", "A", ""])
_ROUTES = st.fixed_dictionaries(
    {"names": _list(_TEXT), "from": st.one_of(st.lists(_SOURCES, max_size=3), _ODD)}, optional={"form": _ODD}
)
_NUMBERS = {key: st.one_of(st.integers(-1, 110_000), _ODD) for key in ("keep-newest", "keep-days")}
_LIMITS = st.one_of(st.fixed_dictionaries({}, optional=_NUMBERS), _ODD)
_RULES = st.fixed_dictionaries({"names": _list(_TEXT)}, optional={**_NUMBERS, "dev": _LIMITS, "pre": _LIMITS, "rc": _ODD})
_TABLES = st.fixed_dictionaries(
    {"format": st.one_of(st.just(1), st.just(1), st.just(1), st.booleans(), st.integers(0, 3), _TEXT)},
    optional={
        "metadata-assets": st.one_of(st.booleans(), _ODD),
        "bases": _list(_NAMES),
        "reserved": _list(_TEXT),
        "shadow": _list(_TEXT),
        "upload": st.one_of(st.dictionaries(_TEXT, _list(_UPLOADERS), max_size=3), _ODD),
        "upstream": st.one_of(
            st.fixed_dictionaries({}, optional={"mode": st.one_of(st.sampled_from(get_args(Mode)), _ODD), "url": _ADDRESSES}),
            _ODD,
        ),
        "upstreams": st.one_of(
            st.dictionaries(_SOURCES, st.one_of(st.fixed_dictionaries({"url": _ADDRESSES}), _ODD), max_size=3), _ODD
        ),
        "route": st.one_of(st.lists(_ROUTES, max_size=2), _ODD),
        "policy": st.one_of(st.sampled_from(POLICIES), st.dictionaries(st.sampled_from(["deny", "size", "own"]), _ODD)),
        "keep-past": st.one_of(st.from_regex(r"[0-9]{1,5}[hdwm]", fullmatch=True), _ODD),
        "retention": st.one_of(st.lists(_RULES, max_size=2), _ODD),
        "something": _ODD,
    },
)


def _names_known_upstreams(table: dict[str, Any]) -> bool:
    """Whether routes name none but upstreams that the table has: no schema can say that. The table is valid otherwise."""
    known = {"this", "upstream", *table.get("upstreams", {})}
    return all(known.issuperset(route["from"]) for route in table.get("route", []))


@pytest.mark.slow
@given(_TABLES)
def test_any_table_is_valid_exactly_when_it_is_taken(table: dict[str, Any]) -> None:
    assert (is_valid(table) and _names_known_upstreams(table)) == is_taken(table)
