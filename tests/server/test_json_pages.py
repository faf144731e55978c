"""JSON pages: what readers of the older JSON API of the public index find, and what they do not."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers import core_metadata, make_sdist, make_wheel
from tests.server.over_github import JSON, World, _quick, world
from tests.server.running import soon
from tests.server.test_claimed_names import public
from tests.server.test_server import serving
from tests.server.test_several_indexes import OPEN, PASSES_ON, edit, put, staged
from wharf.distribution.metadata_fields import LONGEST_DESCRIPTION, fields_of
from wharf.index.index_name import NOT_TO_BE_MADE
from wharf.index.snapshot import Snapshot
from wharf.model import File, Project, Release, Status
from wharf.operations.remove import remove
from wharf.operations.set_status import set_status
from wharf.operations.yank import set_yanked
from wharf.pages.json_page import json_page, shown_release
from wharf.repository.tokens import NewToken
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import httpx

    from tests.upstream import Upstream
    from wharf.repository.opening import Repository

__all__ = ["_quick", "public", "staged", "world"]  # fixtures

FILE = File(filename="demo-1.0-py3-none-any.whl", sha256="0" * 64, size=1, upload_time=datetime(2026, 1, 2, tzinfo=UTC))
PROJECT = Project(name="demo", releases=(Release(project="demo", version="1.0", files=(FILE,)),))
LICENCE = ("License: MIT", "Project-URL: Source, https://example.org/demo", "Keywords: one,two", "Author: Ada")


@pytest.fixture
def client(staged: Repository) -> Iterator[httpx.Client]:
    with serving(staged, OPEN) as client:
        yield client


def document(client: httpx.Client, path: str) -> dict[str, Any]:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), (path, answer.text)
    found: dict[str, Any] = answer.json()
    return found


def wait_for(client: httpx.Client, path: str, version: str) -> dict[str, Any]:
    soon(lambda: (answer := client.get(path)).status_code == 200 and answer.json()["info"]["version"] == version)
    return document(client, path)


@pytest.mark.slow
def test_a_project_with_its_files_and_what_its_newest_release_says(
    client: httpx.Client, staged: Repository, tmp_path: Path
) -> None:
    wheel = make_wheel(tmp_path, "lib", "1.0", requires=["demo>1"], requires_python=">=3.9", fields=LICENCE)
    sdist = make_sdist(tmp_path, "lib", "0.9", metadata_version="2.1", fields=["License: BSD"])
    put(staged, "main", wheel, sdist, make_wheel(tmp_path, "lib", "2.0rc1"))
    found = wait_for(client, "/pypi/lib/json", "1.0")
    info = found["info"]
    assert (info["name"], info["summary"], info["license"], info["author"]) == ("lib", "A demonstration", "MIT", "Ada")
    assert (info["requires_dist"], info["requires_python"]) == (["demo>1"], ">=3.9")
    assert (info["keywords"], info["project_urls"]) == ("one,two", {"Source": "https://example.org/demo"})
    assert (info["home_page"], info["maintainer"], info["yanked"], info["yanked_reason"]) == (None, None, False, None)
    assert (found["vulnerabilities"], [*found["releases"]]) == ([], ["0.9", "1.0", "2.0rc1"])
    assert found["urls"] == found["releases"]["1.0"]
    page = {each["filename"]: each for each in client.get("/simple/lib/", headers=JSON).json()["files"]}
    files = [each for some in found["releases"].values() for each in some]
    assert [*page] == [each["filename"] for each in files]
    for each in files:
        like = page[each["filename"]]
        assert (each["digests"], each["size"], each["yanked"]) == (like["hashes"], like["size"], False)
        assert each["upload_time_iso_8601"] == like["upload-time"]
        assert hashlib.sha256(client.get(each["url"]).content).hexdigest() == each["digests"]["sha256"]
    assert [each["packagetype"] for each in files] == ["sdist", "bdist_wheel", "bdist_wheel"]
    assert [each["python_version"] for each in files] == ["source", "py3", "py3"]
    older = document(client, "/pypi/lib/0.9.0/json")
    assert (older["info"]["version"], older["info"]["license"], older["urls"]) == ("0.9", "BSD", found["releases"]["0.9"])
    assert "releases" not in older


def test_a_yanked_release_and_a_pre_release_stand_back() -> None:
    def release(version: str, yanked: str | None = None) -> Release:
        return Release(project="demo", version=version, files=(replace(FILE, yanked=yanked),))

    def shown(*releases: Release) -> str | None:
        found = shown_release(Project(name="demo", releases=releases))
        return None if found is None else found.version

    assert shown(release("1.0"), release("1.5", "broken"), release("2.0rc1")) == "1.0"
    assert shown(release("1.9"), release("1.10")) == "1.10"
    assert shown(release("1.0", ""), release("2.0rc1")) == "2.0rc1"
    assert shown(release("1.0", "a"), release("2.0rc1", "b")) == "1.0"
    assert shown(Release(project="demo", version="3.0")) is None


def test_where_the_pages_are(client: httpx.Client) -> None:
    wait_for(client, "/staging/pypi/next/json", "1.0")
    for path, version in (
        *(("/pypi/demo/json", "1.0"), ("/demo/json", "1.0"), ("/main/demo/json", "1.0"), ("/main/pypi/demo/json", "1.0")),
        *(("/staging/pypi/demo/json", "2.0"), ("/staging/demo/json", "2.0"), ("/staging/pypi/demo/1.0/json", "1.0")),
    ):
        found = document(client, path)
        assert found["info"]["version"] == version
        prefix = path.removesuffix("/json").removesuffix("/1.0").removesuffix("/demo").removesuffix("/pypi")
        for each in found["urls"]:
            assert each["url"].startswith(f"{client.base_url}{prefix}/files/".replace("//files", "/files"))
            assert client.get(each["url"]).status_code == 200
    for path, location in (
        *(("/pypi/De.mo/json", "../de-mo/json"), ("/pypi/DEMO/1.0/json", "../../demo/1.0/json")),
        *(("/DEMO/json", "../demo/json"), ("/staging/Demo/json/", "../../demo/json"), ("/pypi/demo/json/", "../../demo/json")),
    ):
        answer = client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (301, location), path
    for path in ("/pypi/next/json", "/next/json", "/pypi/demo/7.0/json", "/pypi/demo/%20/json", "/staging/pypi/nothing/json"):
        assert client.get(path).status_code == 404, path
    assert client.get("/nowhere/demo/json").status_code == 400, "as a page of an index that is not there"
    for path in ("/pypi/demo/json", "/demo/json", "/staging/pypi/demo/1.0/json"):
        assert client.post(path).status_code == client.delete(path).status_code == 405, path


@pytest.mark.slow
def test_no_word_of_addresses_is_a_project_at_the_short_address(
    client: httpx.Client, staged: Repository, tmp_path: Path
) -> None:
    words = sorted(NOT_TO_BE_MADE)
    put(staged, "main", *(make_wheel(tmp_path, word) for word in words))
    wait_for(client, f"/pypi/{words[-1]}/json", "1.0")
    for prefix in ("", "/main"):
        for word in words:
            assert document(client, f"{prefix}/pypi/{word}/json")["info"]["name"] == word
            assert client.get(f"{prefix}/{word}/json").headers["content-type"] != "application/json", word
            assert client.get(f"{prefix}/{word.upper()}/json").headers["content-type"] != "application/json", word
        assert client.get(f"{prefix}/simple/json", headers=JSON, follow_redirects=True).json()["name"] == "json"


def test_an_address_of_the_past_has_none(client: httpx.Client) -> None:
    for path in ("/@2026-01-01/pypi/demo/json", "/@2026-01-01/demo/json", "/staging/@2026-01-01/demo/json"):
        answer = client.get(path)
        assert answer.status_code in {400, 404}, path
        assert answer.headers["content-type"] == "text/plain; charset=utf-8", path


def test_links_and_validators_are_those_of_the_host_that_was_asked(client: httpx.Client) -> None:
    wait_for(client, "/pypi/demo/json", "1.0")
    tags: dict[str, str] = {}
    for host in ("localhost", "127.0.0.1:81", "localhost"):
        answer = client.get("/pypi/demo/json", headers={"Host": host})
        assert answer.json()["urls"][0]["url"].startswith(f"http://{host}/files/")
        assert tags.setdefault(host, answer.headers["etag"]) == answer.headers["etag"]
        again = client.get("/pypi/demo/json", headers={"Host": host, "If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = client.head("/pypi/demo/json", headers={"Host": host})
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    assert len({*tags.values()}) == 2
    assert client.get("/pypi/demo/json", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.slow
def test_what_is_hidden_on_pages_is_hidden_here(client: httpx.Client, staged: Repository, store: Path, tmp_path: Path) -> None:
    put(staged, "main", make_wheel(tmp_path, "demo", "1.1"), make_wheel(tmp_path, "bad", fields=["License: MIT"]))
    wait_for(client, "/pypi/bad/json", "1.0")
    tag = client.get("/pypi/demo/json").headers["etag"]
    set_yanked(staged, "demo", "1.1", None, reason="broken", actor="ada")
    found = wait_for(client, "/pypi/demo/json", "1.0")
    assert [each["yanked_reason"] for each in found["releases"]["1.1"]] == ["broken"]
    assert client.get("/pypi/demo/json").headers["etag"] != tag
    edit(store, "staging", "format = 1\nbases = ['main']\n[policy]\ndeny = ['demo==1.0']\nown = ['deny']\n")
    soon(lambda: client.get("/staging/pypi/demo/1.0/json").status_code == 404)
    assert [*document(client, "/staging/pypi/demo/json")["releases"]] == ["1.1", "2.0"]
    set_status(staged, "bad", Status(marker="quarantined", reason="malware"))
    soon(lambda: document(client, "/pypi/bad/json")["urls"] == [])
    found = document(client, "/pypi/bad/json")
    assert (found["releases"], found["info"]["license"]) == ({"1.0": []}, None)
    remove(staged, "demo", "1.1", None, reason="", actor="ada")
    soon(lambda: client.get("/pypi/demo/1.1/json").status_code == 404)
    assert [*document(client, "/pypi/demo/json")["releases"]] == ["1.0"]
    remove(staged, "demo", "1.0", None, reason="", actor="ada")
    soon(lambda: client.get("/pypi/demo/json").status_code == 404)


def test_who_may_not_read_an_index_gets_no_json_of_it(staged: Repository) -> None:
    reader = ("x", staged.tokens.add(NewToken(name="ada", scope="read", indexes=("lone",))).reveal())
    with serving(staged, Rules(open_reading=False, upload_limit=1)) as client:
        for path in ("/pypi/demo/json", "/pypi/nothing/json", "/demo/json", "/staging/pypi/demo/2.0/json", "/lone/single/json"):
            assert client.get(path).status_code == client.get(path, auth=("x", "wrong")).status_code == 401, path
            assert client.get(path, auth=reader).status_code == (200 if path.startswith("/lone/") else 403), path
        assert client.get("/lone/single/json", auth=reader).headers["cache-control"] == "private, no-cache"


def test_an_upstream_hears_of_no_name(staged: Repository, public: Upstream) -> None:
    with serving(staged, PASSES_ON) as client:
        for name in ("open", "demo", "nothing"):
            for path in (f"/pypi/{name}/json", f"/{name}/json", f"/staging/pypi/{name}/1.0/json"):
                assert client.get(path).status_code == (200 if name == "demo" else 404), path
    assert public.paths == []


@pytest.mark.slow
def test_over_github_who_may_read_the_repository_reads_its_pages(world: World, tmp_path: Path) -> None:
    world.put(world.wheel(), make_sdist(tmp_path, "older", metadata_version="2.1", fields=["License: BSD"]))
    stranger = world.hub.token("eve", {})
    with world.serving() as client:
        found = wait_for(client, "/pypi/demo/json", "1.0")
        assert client.get(found["urls"][0]["url"], follow_redirects=True).content == world.wheel().read_bytes()
        assert document(client, "/older/json")["info"]["license"] == "BSD"
        assert client.get("/pypi/demo/json", auth=("x", stranger)).status_code in {401, 403}


def test_a_page_is_made_once_and_a_version_that_is_not_there_reads_nothing(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait_for(client, "/pypi/demo/json", "1.0")
    reads: Counter[str] = Counter()
    read = Snapshot.projects

    def counted(snapshot: Snapshot, names: Iterable[str]) -> Any:
        names = [*names]
        reads.update(names)
        return read(snapshot, names)

    monkeypatch.setattr(Snapshot, "projects", counted)
    for number in range(20):
        host = {"Host": f"localhost:{number}"}
        assert client.get("/pypi/demo/json", headers=host).status_code == 200
        assert client.get(f"/pypi/demo/9.{number}/json", headers=host).status_code == 404
    assert not reads
    for _ in range(2):
        assert document(client, "/pypi/demo/1.0/json")["info"]["version"] == "1.0"
    assert reads == {"demo": 1}


FIELDS = ("Name", "License", "Keywords", "Project-URL", "Classifier", "Description", "X")


@pytest.mark.slow
@given(st.binary(max_size=300), st.lists(st.tuples(st.sampled_from(FIELDS), st.binary(max_size=30)), max_size=9))
def test_any_bytes_of_metadata_give_a_page(text: bytes, fields: list[tuple[str, bytes]]) -> None:
    data = b"".join(name.encode() + b": " + value + b"\n" for name, value in fields) + text
    made = json_page(PROJECT, PROJECT.releases[0], fields_of(data, FILE.filename), "http://host", whole=True)
    assert json.loads(json.dumps(made).encode())["info"]["version"] == "1.0"


def test_a_description_stands_behind_the_fields_or_is_one_of_them() -> None:
    for text, shown in (
        (core_metadata(description="# A title\n\ntext\n"), "# A title\n\ntext\n"),
        (core_metadata(description="one\n\ntwo").replace("\n", "\r\n"), "one\r\n\r\ntwo"),
        (core_metadata(fields=["Description: older\n        |form"]), "older\nform"),
        (core_metadata(), None),
        (core_metadata(description="x" * (LONGEST_DESCRIPTION + 1)), None),
    ):
        assert fields_of(text.encode(), "demo-1.0.tar.gz").get("description") == shown
