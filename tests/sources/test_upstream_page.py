"""Pages of upstreams, honest ones and others: what is shown, what is left out, what is refused."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wharf.errors import StorageError
from wharf.model import Status, is_name, normalize, version_of
from wharf.sources import first_sight, upstream_page
from wharf.sources.http_freshness import lifetime
from wharf.sources.upstream_files import version_in
from wharf.sources.upstream_page import UNKNOWN
from wharf.sources.upstream_page_store import KeptPage, decoded, encoded, validator_of
from wharf.sources.upstream_project import LeftOut, UpstreamFile, UpstreamProject

UP = "https://up.example.com/simple/"
PAGE = f"{UP}demo/"
SHA = "ab" * 32
WHEEL = "demo-1.0-py3-none-any.whl"


def parsed(*files: Any, page: str = PAGE, upstream: str = UP, status: Any = None) -> UpstreamProject:
    body = json.dumps({"meta": {"api-version": "1.1"}, "name": "demo", "files": files, "project-status": status}).encode()
    return upstream_page.parse("demo", page, upstream, body, "application/json")


def file(**more: Any) -> dict[str, Any]:
    return {"filename": WHEEL, "url": f"/f/{WHEEL}", "hashes": {"sha256": SHA}, **more}


def html(text: str, content_type: str = "text/html") -> UpstreamProject:
    return upstream_page.parse("demo", PAGE, UP, text.encode(), content_type)


def test_all_that_the_simple_api_says_of_a_file_is_kept() -> None:
    found = parsed(
        file(**{
            "size": 7, "upload-time": "2026-01-02T03:04:05.678Z", "requires-python": ">=3.9", "yanked": "broken",
            "core-metadata": {"sha256": SHA.upper()}, "provenance": "https://up.example.com/p",
        }),
        status={"status": "archived", "reason": "old"},
    )  # fmt: skip
    time = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert found == UpstreamProject(
        name="demo",
        files=(
            UpstreamFile(
                filename=WHEEL, version="1.0", url=f"https://up.example.com/f/{WHEEL}", sha256=SHA, size=7, upload_time=time,
                since=time, requires_python=">=3.9", yanked="broken", core_metadata=SHA, provenance="https://up.example.com/p",
            ),
        ),
        status=Status(marker="archived", reason="old"),
    )  # fmt: skip


def test_html_says_the_same() -> None:
    found = html(
        f"""<!DOCTYPE html><!-- x > y --><html><head><title>a < b</title><style>a > b {{}}</style>
        <meta name="pypi:repository-version" content="1.4"><meta name="pypi:project-status" content="archived">
        <base href="https://up.example.com/base/"></head><body><h1>Links</h1>
        <a href="f/{WHEEL}#sha256={SHA}" data-requires-python="&gt;=3.9" data-yanked="a &quot;b&quot;" rel=x
           data-dist-info-metadata='sha256={SHA}'><b>{WHEEL}</b></a><br/>
        <A HREF="f/demo-2.0.tar.gz#sha256={SHA}" data-core-metadata="true">demo-2.0.tar.gz</A>
        <a href="f/demo-3.0.tar.gz#md5=abc">demo-3.0.tar.gz</a></body></html>"""
    )
    assert found.status == Status(marker="archived")
    assert [(each.url, each.requires_python, each.yanked, each.core_metadata) for each in found.files] == [
        (f"https://up.example.com/base/f/{WHEEL}", ">=3.9", 'a "b"', SHA),
        ("https://up.example.com/base/f/demo-2.0.tar.gz", None, None, None),
    ]
    assert found.left_out == (LeftOut("demo-3.0.tar.gz", "it has no sha256"),)


@pytest.mark.parametrize(
    ("filename", "version"),
    [
        ("demo-1.0-py3-none-any.whl", "1.0"), ("Demo-1.0+cu1-1a-cp39-cp39-linux_x86_64.manylinux1_x86_64.whl", "1.0+cu1"),
        ("demo-1.0.tar.gz", "1.0"), ("DEMO-1.0a1.zip", "1.0a1"), ("demo-1.0.tar.bz2", "1.0"), ("demo-1.0.tgz", "1.0"),
        ("demo-1.0-py3-none.whl", None), ("demo_x-1.0-py3-none-any.whl", None), ("demo-x-1.0.tar.gz", None),
        ("demo-1.0-py2.7.egg", None), ("demo-1.0.win32.exe", None), ("demo.tar.gz", None), ("demo-.tar.gz", None),
        ("demo-final-py3-none-any.whl", None), ("demo-1.0-x-py3-none-any.whl", None), (".whl", None), ("-1.0.zip", None),
    ],
)  # fmt: skip
def test_a_filename_is_one_of_the_project(filename: str, version: str | None) -> None:
    assert version_in("demo", filename) == version


def test_the_name_of_an_sdist_is_split_where_the_project_ends() -> None:
    assert version_in("a-b", "a-b-1.0.tar.gz") == "1.0"
    assert version_in("a-b", "a_b-1.0.tar.gz") == "1.0"
    assert version_in("a-b", "a.b-1.0.tar.gz") == "1.0"
    assert version_in("a", "a-b-1.0.tar.gz") is None
    assert version_in("a-b", "A--B-1.0.tar.gz") == "1.0"
    assert version_in("a1", "a12-1.0.tar.gz") is None
    assert version_in("a-b", "ab-1.0.tar.gz") is None


_NAMES = st.text("ab1-_.", min_size=1, max_size=12)


@given(_NAMES, st.text("ab1-_.", max_size=8))
def test_names_are_split_as_pip_splits_them(name: str, rest: str) -> None:
    normal, stem = normalize(name), f"{name}-1.0{rest}"
    if not is_name(normal):
        return
    ends = [at for at, char in enumerate(stem) if char == "-" and normalize(stem[:at]) == normal]
    version = version_of(stem[ends[0] + 1 :]) if ends else None
    assert version_in(normal, f"{stem}.tar.gz") == (None if version is None else str(version))


def test_filenames_of_nothing_but_hyphens_take_no_time() -> None:
    found = parsed(*(file(filename=f"d{'-' * 240}{number}.zip") for number in range(1000)))
    assert found.files == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"filename": "other-1.0-py3-none-any.whl"}, {"filename": f"../{WHEEL}"}, {"filename": 3},
        {"filename": "demo-1.0\n.zip"},
        {"hashes": {}}, {"hashes": {"sha256": "x" * 64}}, {"hashes": [SHA]}, {"hashes": {"sha256": SHA + "\n"}},
        {"hashes": None},
        {"url": "javascript:alert(1)"}, {"url": "file:///etc/passwd"}, {"url": "data:,x"}, {"url": "ftp://up.example.com/x"},
        {"url": "https://user:pass@up.example.com/x"}, {"url": "https://up.example.com\\@evil.example.com/"},
        {"url": "http://other.example.com/x"}, {"url": "https://other.example.com:0/x"},
        {"url": "https://other.example.com:99999/"},
        {"url": "/x\ny"}, {"url": "/x y"}, {"url": "/é"}, {"url": "https://[::1"}, {"url": ["x"]}, {"url": "/" + "x" * 5000},
        {"url": "//user@up.example.com/x"}, {"url": "https://"}, {"url": "https:///x"},
        {"size": -1}, {"size": True}, {"size": 1.5}, {"size": "7"}, {"size": 1 << 60},
        {"yanked": 1}, {"yanked": ["x"]}, {"requires-python": 3}, {"requires-python": ">=3\x00"},
        {"requires-python": "x" * 3000},
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_trusted_is_left_out_with_a_reason(wrong: dict[str, Any]) -> None:
    good = {**file(), "filename": "demo-2.0.tar.gz"}
    found = parsed({**file(), **wrong}, good)
    assert [each.filename for each in found.files] == ["demo-2.0.tar.gz"]
    (left,) = found.left_out
    assert left.reason
    assert "pass@" not in left.reason


def test_what_is_no_file_at_all_is_left_out() -> None:
    assert parsed(None, 3, [], "x", {}).files == ()


@pytest.mark.parametrize(
    "url", [f"https://other.example.com/{WHEEL}", f"https://up.example.com:443/{WHEEL}", f"//b.example/{WHEEL}"]
)
def test_links_over_https_may_lead_to_other_hosts(url: str) -> None:
    assert len(parsed(file(url=url)).files) == 1


def test_an_upstream_over_http_links_to_itself() -> None:
    here = "http://127.0.0.1:8000/simple/"
    assert len(parsed(file(), page=f"{here}demo/", upstream=here).files) == 1
    assert not parsed(file(url="http://127.0.0.1:8001/x"), page=f"{here}demo/", upstream=here).files


@pytest.mark.parametrize(
    ("said", "kept"), [(True, ""), ("", ""), (False, None), (None, None), ("a\nb", "a b"), ("x" * 3000, "x" * 2000)]
)
def test_a_yank_is_never_lost(said: object, kept: str | None) -> None:
    assert parsed(file(yanked=said)).files[0].yanked == kept


@pytest.mark.parametrize(
    "time", ["2026-01-01T00:00:00", "yesterday", 3, "0001-01-01T00:00:00+23:59", "0999-01-01T00:00:00Z", "9" * 200, "", None]
)
def test_a_time_that_is_none_counts_as_unknown(time: object) -> None:
    assert parsed(file(**{"upload-time": time})).files[0].upload_time is None


@pytest.mark.parametrize("core", [True, False, None, {}, {"sha256": "x"}, {"sha512": SHA}, [SHA], {"sha256": 3}])
def test_core_metadata_without_a_digest_is_not_announced(core: object) -> None:
    assert parsed(file(**{"core-metadata": core})).files[0].core_metadata is None


def test_a_filename_of_two_files_is_left_out_altogether() -> None:
    other = file(hashes={"sha256": "cd" * 32})
    assert parsed(file(), file()).files == parsed(file()).files
    found = parsed(file(), other, file())
    assert found.files == ()
    assert [each.filename for each in found.left_out] == [WHEEL]


@pytest.mark.parametrize("marker", ["quarantined", "deprecated", "active"])
def test_statuses_are_kept_and_others_are_told_apart_from_none(marker: str) -> None:
    assert parsed(status={"status": marker}).status.marker == marker
    for none in (None, {}, {"status": None}):
        assert parsed(status=none).status == Status()
    for other in ({"status": "x", "reason": 3}, {"status": marker.upper()}, {"status": [marker]}, [marker], marker.upper()):
        assert parsed(status=other).status == Status(marker=UNKNOWN)


GOOD = {"meta": {"api-version": "1.0"}, "name": "demo", "files": []}


WRONG: list[dict[str, Any]] = [
    {"name": "other"}, {"name": None}, {"name": ["demo"]}, {"meta": None}, {"meta": {"api-version": "2.0"}},
    {"meta": {"api-version": 1.0}}, {"meta": {}}, {"files": None}, {"files": {}}, {"name": "x" * 10_000}, {"x": "\ud800"},
]  # fmt: skip
BODIES = (
    *(b"", b"null", b"[]", b"{", b"{}", b"\xff", b'{"a": NaN', b"[" * 100_000, b"9" * 100_000, b'"\\ud800"', b"\xed\xa0\x80"),
    b"[" + b"[]," * 1_000_000 + b"1]",
    b"[" + b"1," * 5_000_000 + b"1]",
    *(json.dumps({**GOOD, **wrong}).encode() for wrong in WRONG),
)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_what_is_no_page_of_the_project_is_refused(body: bytes) -> None:
    with pytest.raises(StorageError):
        upstream_page.parse("demo", PAGE, UP, body, "application/vnd.pypi.simple.v1+json; charset=utf-8")


def test_numbers_and_keys_that_parsers_disagree_about_change_no_file() -> None:
    body = (
        b'{"meta": {"api-version": "1.0"}, "name": "other", "name": "demo", "files": [], "x": NaN, "y": 1e999, "files": ['
        + json.dumps(file()).encode()
        + b"]}"
    )
    assert len(upstream_page.parse("demo", PAGE, UP, body, "application/json").files) == 1


BOMBS = (
    "<div>" * 20_000,
    "<b>" * 1_000_000,
    "<!--" * 300_000,
    "<!--x>" * 300_000,
    "<" * 300_000,
    "<a href='x'>" * 2_000,
    '<a href="' * 90_000,
    "<a " + " ".join(f"x{number}=1" for number in range(100_000)) + ">x</a>",
    "<script>" * 100_000,
    "</script>" * 10_000,
    "<!" * 300_000,
    "&" * 300_000,
    "<a href=x>" + "x" * 1_000_000,
    '<meta name="pypi:x" content="1">' * 200,
    '<meta name="pypi:repository-version" content="2.0">',
)


@pytest.mark.parametrize("bomb", BOMBS, ids=range(len(BOMBS)))
def test_html_that_takes_parsers_hours_takes_none_here(bomb: str) -> None:
    with contextlib.suppress(StorageError):
        assert html(bomb).files == ()


@pytest.mark.parametrize("kind", ["", "text/plain", "application/xml", "image/png"])
def test_what_is_neither_json_nor_html_is_refused(kind: str) -> None:
    with pytest.raises(StorageError):
        html("x", kind)


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([WHEEL, SHA, "demo", "1.0"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = ("filename", "url", "hashes", "size", "upload-time", "requires-python", "yanked", "core-metadata", "provenance")


@pytest.mark.slow
@given(st.lists(st.dictionaries(st.sampled_from(_KEYS), _ANY).map(lambda wrong: {**file(), **wrong}) | _ANY, max_size=3), _ANY)
def test_nothing_but_a_storage_error_comes_of_json(files: list[Any], status: Any) -> None:
    found = parsed(*files, status=status)
    assert validator_of(found)
    for each in found.files:
        assert each.filename == WHEEL
        each.url.encode("ascii")


_PARTS = (
    "<a ", "href='", "x", ">", "</a>", "<", "<!--", "-->", "<base href=", "'", '"', "&#xD800;", "<meta ", "name=pypi:x ",
    "content=1", WHEEL, f"#sha256={SHA}", "<script>", "http://[", "\x00", "é",
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(st.sampled_from(_PARTS) | st.text(max_size=5), max_size=20))
def test_nothing_but_a_storage_error_comes_of_html(parts: list[str]) -> None:
    try:
        found = html("".join(parts).encode("utf-8", "replace").decode())
    except StorageError:
        return
    assert encoded(_kept(found, {}))


def _kept(project: UpstreamProject, sights: first_sight.Sights) -> KeptPage:
    return KeptPage(project=project, sights=sights, got=datetime(2026, 1, 1, tzinfo=UTC), lifetime=1.5)


_TIMES = st.none() | st.datetimes(timezones=st.just(UTC), min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1))  # noqa: DTZ001
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_FILES = st.builds(
    UpstreamFile,
    filename=st.integers(0, 5).map(lambda number: f"demo-{number}.tar.gz"), version=_TEXT, url=_TEXT, sha256=st.just(SHA),
    size=st.none() | st.integers(0, 1 << 50), upload_time=_TIMES, requires_python=st.none() | _TEXT, yanked=st.none() | _TEXT,
    core_metadata=st.none() | st.just(SHA), provenance=st.none() | _TEXT,
)  # fmt: skip


@pytest.mark.slow
@given(st.lists(_FILES, unique_by=lambda each: each.filename), st.lists(_FILES, unique_by=lambda each: each.filename), _TEXT)
def test_a_kept_page_comes_back_as_it_was(before: list[UpstreamFile], files: list[UpstreamFile], reason: str) -> None:
    sights = first_sight.seen(before, None, datetime(2026, 1, 1, tzinfo=UTC))
    sights = first_sight.seen(files, sights, datetime(2026, 1, 2, tzinfo=UTC))
    project = UpstreamProject(
        name="demo", files=first_sight.dated(files, sights), status=Status(reason=reason), left_out=(LeftOut("x", reason),)
    )
    page = replace(_kept(project, sights), etag='"a"', validator=validator_of(project))
    data = encoded(page)
    assert decoded("demo", data) == replace(page, size=len(data))
    assert decoded("other", data) is None


@given(st.integers(0, 400), st.binary(min_size=1, max_size=3))
@settings(max_examples=30)
def test_a_page_that_was_changed_on_disk_is_none(at: int, harm: bytes) -> None:
    data = encoded(_kept(UpstreamProject(name="demo", left_out=(LeftOut("x" * 300, ""),)), {}))
    harmed = data[:at] + harm + data[at + len(harm) :]
    assert harmed == data or decoded("demo", harmed) is None
    assert decoded("demo", data[:at]) is None


def test_first_sight_only_makes_files_younger() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)
    one = UpstreamFile(filename="a", version="1", url="u", sha256=SHA, upload_time=early + timedelta(days=1))
    for before in (None, {}, {first_sight.key(one): None}, {first_sight.key(one): early}):
        (dated,) = first_sight.dated([one], first_sight.seen([one], before, late))
        assert dated.since is not None
        assert one.upload_time is not None
        assert dated.since >= one.upload_time


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 600), ({"cache-control": "max-age=100"}, 100), ({"cache-control": "max-age=100", "age": "40"}, 60),
        ({"cache-control": "max-age=1"}, 30), ({"cache-control": "max-age=99999999999"}, 86400),
        ({"cache-control": "no-store, max-age=900"}, 30), ({"cache-control": "no-cache"}, 30),
        ({"cache-control": 'public, s-maxage="70", max-age=900'}, 70), ({"cache-control": "max-age=x"}, 600),
        ({"expires": "Thu, 01 Jan 2026 00:02:00 GMT", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 120),
        ({"expires": "0"}, 30), ({"cache-control": "max-age=" + "9" * 5000}, 600),
    ],
)  # fmt: skip
def test_how_long_an_answer_holds(headers: dict[str, str], seconds: float) -> None:
    assert lifetime(headers) == seconds
