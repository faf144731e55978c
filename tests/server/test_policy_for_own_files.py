"""The policy of an index over the repository's own files, as a server keeps it: on pages, and at the addresses of files."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import httpx
import pytest

from tests.makers import make_wheel
from tests.server.over_github import JSON
from tests.server.running import running, soon
from tests.server.test_several_indexes import OPEN, edit, files, put, staged
from wharf.server import answer_maker
from wharf.server.app import make_app

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository

__all__ = ["staged"]  # a fixture

WHEEL = "demo-1.0-py3-none-any.whl"
END = datetime(2026, 12, 24, tzinfo=UTC)
HIDES = "format = 1\nbases = ['main']\n[policy]\ndeny = ['demo==1.0']\nown = ['deny']\n"
EXCEPTION = "[[policy.exception]]\nnames = ['demo']\nuntil = 2026-12-24\n"


@contextmanager
def serving(repository: Repository, at: list[datetime]) -> Iterator[httpx.Client]:
    with running(make_app(repository, OPEN, now=lambda: at[0])) as url, httpx.Client(base_url=url, timeout=60) as client:
        yield client


def page(client: httpx.Client, index: str, name: str = "demo") -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/{index}/simple/{name}/", headers=JSON).raise_for_status().json()
    return found


def address(client: httpx.Client, index: str) -> str:
    """Where an index has demo 1.0."""
    path = f"/{index}/simple/demo/"
    return urljoin(path, next(str(each["url"]) for each in page(client, index)["files"] if each["filename"] == WHEEL))


@pytest.mark.slow
def test_a_hidden_file_is_on_no_page_and_at_no_address_of_its_index(staged: Repository, store: Path) -> None:
    with serving(staged, [END]) as client:
        there, of_base = address(client, "staging"), address(client, "main")
        assert client.get(there).status_code == client.get(f"{there}.metadata").status_code == 200
        edit(store, "staging", HIDES)
        soon(lambda: files(client, "/staging/simple/demo/") == ["demo-2.0-py3-none-any.whl"])
        assert page(client, "staging")["_hidden"] == [
            {"filename": WHEEL, "rule": "policy.deny", "reason": '"demo==1.0" is denied'}
        ]
        for path in (there, f"{there}.metadata", there):
            refused = client.get(path)
            assert refused.status_code == 403
            assert WHEEL in refused.text
            assert '"demo==1.0" is denied (policy.deny)' in refused.text
        assert client.get(there.replace("demo-1.0", "demo-7.0")).status_code == 404
        assert client.get(of_base).status_code == 200
        assert files(client, "/main/simple/demo/") == [WHEEL]
        assert "_hidden" not in page(client, "main")


def test_no_cache_on_the_way_keeps_a_file_for_longer_than_its_exception(staged: Repository, store: Path) -> None:
    edit(store, "staging", HIDES + EXCEPTION)
    with serving(staged, [END - timedelta(days=1)]) as client:
        for index, kept in (("staging", False), ("main", True)):
            path = address(client, index)
            for each in (path, f"{path}.metadata"):
                answer = client.get(each)
                assert answer.status_code == 200
                assert ("immutable" in answer.headers["cache-control"]) is kept
                assert ("no-cache" in answer.headers["cache-control"]) is not kept


def test_a_project_of_which_all_is_hidden_has_an_empty_page(staged: Repository, store: Path) -> None:
    edit(store, "staging", HIDES.replace("demo==1.0", "demo"))
    with serving(staged, [END]) as client:
        assert files(client, "/staging/simple/demo/") == []
        assert len(page(client, "staging")["_hidden"]) == 2


def test_with_the_end_of_an_exception_the_file_is_hidden_without_a_commit(staged: Repository, store: Path) -> None:
    edit(store, "staging", HIDES + EXCEPTION)
    at = [END - datetime.resolution]
    with serving(staged, at) as client:
        there = address(client, "staging")
        for _ in range(2):
            assert len(files(client, "/staging/simple/demo/")) == 2
            tag = client.get("/staging/simple/demo/", headers=JSON).headers["etag"]
            assert client.get(there).status_code == 200
        at[0] = END
        assert client.get("/staging/simple/demo/", headers={**JSON, "if-none-match": tag}).status_code == 200
        assert files(client, "/staging/simple/demo/") == ["demo-2.0-py3-none-any.whl"]
        assert client.get(there).status_code == 403


def test_pages_that_a_policy_cannot_change_are_not_made_again(
    staged: Repository, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = answer_maker.AnswerMaker.page

    def counted(self: answer_maker.AnswerMaker, name: str, *rest: Any) -> Any:
        made.append(name)
        return make(self, name, *rest)

    monkeypatch.setattr(answer_maker.AnswerMaker, "page", counted)
    put(staged, "main", make_wheel(tmp_path, "other"))
    with serving(staged, [END]) as client:
        for index in ("main", "staging"):
            files(client, f"/{index}/simple/demo/")
            files(client, f"/{index}/simple/other/")
        assert made == ["demo", "other", "demo"], "staging shows the same of other as main"
        edit(store, "staging", HIDES)
        soon(lambda: files(client, "/staging/simple/demo/") == ["demo-2.0-py3-none-any.whl"])
        del made[:]
        for index in ("main", "staging"):
            files(client, f"/{index}/simple/demo/")
            files(client, f"/{index}/simple/other/")
        assert made == []
