"""Pages: one document, three formats, and how a client gets the one it asked for."""

import dataclasses
import html.parser
import json
import re
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.utils import canonicalize_name

from tests.accepts import ACCEPTS, LATEST, V1_HTML, V1_JSON
from wharf.index.git_objects import joint_id
from wharf.model import File, Project, Release, Status
from wharf.pages import content_negotiation, document, page_format
from wharf.pages.etag import page_etag
from wharf.pages.page_format import Format

JSON, HTML, PLAIN = Format.JSON, Format.HTML, Format.PLAIN_HTML
FILE = File(
    filename="demo-1!1.0+local-py3-none-any.whl",
    sha256="a" * 64,
    size=123,
    upload_time=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    requires_python="<4,>=3.11",
    yanked="",
    core_metadata="b" * 64,
    location={"asset": 7},
    extra={"x-later": 1},
)
PROJECT = Project(name="demo", releases=(Release(project="demo", version="1!1.0+local", files=(FILE,)),))


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def _html(project: Project) -> _Links:
    parsed = _Links()
    parsed.feed(page_format.render(document.project(project), HTML).decode())
    return parsed


def test_json_says_all_that_the_standard_has_and_nothing_private() -> None:
    assert json.loads(page_format.render(document.project(PROJECT), JSON)) == {
        "meta": {"api-version": "1.4"},
        "name": "demo",
        "project-status": {"status": "active"},
        "versions": ["1!1.0+local"],
        "files": [
            {
                "filename": "demo-1!1.0+local-py3-none-any.whl",
                "url": "../../files/" + "a" * 64 + "/demo-1%211.0%2Blocal-py3-none-any.whl",
                "hashes": {"sha256": "a" * 64},
                "size": 123,
                "upload-time": "2026-01-02T03:04:05.000000Z",
                "requires-python": "<4,>=3.11",
                "yanked": True,
                "core-metadata": {"sha256": "b" * 64},
            }
        ],
    }


def test_html_says_the_same_in_attributes() -> None:
    (link,) = [attributes for tag, attributes in _html(PROJECT).tags if tag == "a"]
    assert link == {
        "href": "../../files/" + "a" * 64 + "/demo-1%211.0%2Blocal-py3-none-any.whl#sha256=" + "a" * 64,
        "data-requires-python": "<4,>=3.11",
        "data-yanked": "",
        "data-core-metadata": "sha256=" + "b" * 64,
        "data-dist-info-metadata": "sha256=" + "b" * 64,
    }


def test_a_status_is_shown_and_quarantine_offers_nothing() -> None:
    archived = dataclasses.replace(PROJECT, status=Status(marker="archived", reason="<moved>"))
    metas = [attributes for tag, attributes in _html(archived).tags if tag == "meta"]
    assert {"name": "pypi:project-status", "content": "archived"} in metas
    assert {"name": "pypi:project-status-reason", "content": "<moved>"} in metas
    silent = [attributes for tag, attributes in _html(dataclasses.replace(PROJECT, status=Status(marker="archived"))).tags]
    assert {"name": "pypi:project-status", "content": "archived"} in silent, "a status needs no reason"
    closed = document.project(dataclasses.replace(PROJECT, status=Status(marker="quarantined")))
    assert closed["files"] == []
    assert closed["project-status"] == {"status": "quarantined"}


@pytest.mark.slow
@given(reason=st.text(), python=st.text())
def test_nothing_hostile_leaves_its_attribute(reason: str, python: str) -> None:
    file = dataclasses.replace(FILE, yanked=reason, requires_python=python)
    release = dataclasses.replace(PROJECT.releases[0], files=(file,))
    parsed = _html(dataclasses.replace(PROJECT, releases=(release,)))
    assert [tag for tag, _ in parsed.tags if tag not in {"html", "head", "meta", "title", "body", "h1", "br"}] == ["a"]


def test_the_list_links_every_project() -> None:
    listed = document.projects(["a", "b-c"])
    assert json.loads(page_format.render(listed, JSON)) == {
        "meta": {"api-version": "1.4"},
        "projects": [{"name": "a"}, {"name": "b-c"}],
    }
    parsed = _Links()
    parsed.feed(page_format.render(listed, PLAIN).decode())
    assert [attributes["href"] for tag, attributes in parsed.tags if tag == "a"] == ["a/", "b-c/"]


@pytest.mark.parametrize(("accept", "form"), [*ACCEPTS, ("a" * 5000, None)])
def test_the_best_format_that_a_client_takes(accept: str, form: Format | None) -> None:
    assert content_negotiation.format_of(accept) is form


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((V1_JSON, JSON), (V1_JSON.replace("+", " "), JSON), (V1_JSON.upper(), JSON), (LATEST.replace("+", " "), JSON)),
        *((V1_HTML, HTML), (V1_HTML.replace("+", " "), HTML), ("text/html", PLAIN), (" text/html ", PLAIN)),
        *(("json", None), ("text/xml", None), ("", None), ("*/*", None), (f"{V1_JSON}, text/html", None)),
    ],
)
def test_the_format_that_an_address_names(name: str, form: Format | None) -> None:
    assert content_negotiation.format_named(name) is form


@pytest.mark.slow
@given(st.text(max_size=80))
def test_any_accept_header_has_an_answer(accept: str) -> None:
    assert content_negotiation.format_of(accept) in {JSON, HTML, PLAIN, None}
    assert content_negotiation.takes_gzip(accept) in {True, False}


@pytest.mark.parametrize(
    ("header", "takes"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("gzip, deflate, br", True),
        ("br;q=1.0, gzip;q=0.8, *;q=0.1", True),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("x-gzip", True),
        ("br,x-gzip;q=0", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_only_for_those_who_take_it(header: str, takes: bool) -> None:
    assert content_negotiation.takes_gzip(header) is takes


def test_links_are_quoted_so_that_they_come_back_whole() -> None:
    link = document.relative_link(FILE)
    assert unquote(link.rpartition("/")[2]) == FILE.filename
    assert canonicalize_name(PROJECT.name) == PROJECT.name


def test_a_validator_tells_apart_all_that_decides_about_the_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = ("a" * 40, "b" * 40)
    etags = [page_etag(git_id, form, zipped=zipped) for git_id in ids for form in Format for zipped in (False, True)]
    assert len(set(etags)) == len(etags)
    assert all(re.fullmatch(r'"[0-9a-z_-]+"', each) for each in etags)  # strong, and quoted (RFC 9110, section 8.8.3)
    monkeypatch.setattr("wharf.pages.etag.CODE", "other code")
    assert page_etag(ids[0], JSON, zipped=False) not in etags


def test_the_list_has_another_validator_when_a_name_comes_or_goes() -> None:
    assert joint_id(["a", "b"]) == joint_id(["a", "b"])
    assert len({joint_id(names) for names in ([], ["a"], ["b"], ["a", "b"], ["ab"])}) == 5
