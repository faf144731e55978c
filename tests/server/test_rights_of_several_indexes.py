"""Every address of a server for several indexes, with every kind of wharf token: 403 elsewhere, and never 404 or 401."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.makers import make_wheel
from tests.matrix import first
from tests.server.over_github import JSON
from tests.server.test_server import LIMIT, form, serving
from tests.server.test_several_indexes import put, staged
from wharf.repository.tokens import NewToken
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.repository.opening import Repository

__all__ = ["staged"]  # a fixture

INDEXES: Final = ("main", "staging", "lone")
# A token, the indexes that it reads, and those to which it uploads acme-x, and other.
KINDS: Final = [
    (NewToken(name="t", scope="publish", indexes=["staging"], projects=["acme-*"]), {"staging"}, {"staging"}, set[str]()),
    (NewToken(name="t", scope="publish"), {*INDEXES}, {*INDEXES}, {*INDEXES}),
    (NewToken(name="t", scope="read", indexes=["staging"]), {"staging"}, set[str](), set[str]()),
    (NewToken(name="t", scope="publish", indexes=["main"]), {"main"}, {"main"}, {"main"}),
    (NewToken(name="t", scope="publish", indexes=["main", "lone"]), {"main", "lone"}, {"main", "lone"}, {"main", "lone"}),
    (NewToken(name="t", scope="publish", projects=["acme-*"]), {*INDEXES}, {*INDEXES}, set[str]()),
    (NewToken(name="t", scope="publish", indexes=["removed"]), set[str](), set[str](), set[str]()),
]


@pytest.mark.slow
@pytest.mark.parametrize(("new", "reads", "own", "other"), first(2, KINDS))
def test_each_address_with_each_kind_of_token(
    staged: Repository, tmp_path: Path, new: NewToken, reads: set[str], own: set[str], other: set[str]
) -> None:
    auth = ("__token__", staged.tokens.add(new).reveal())
    reader = ("x", staged.tokens.create("reader", "read").reveal())
    with serving(staged, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        for index in INDEXES:
            prefixes = ("", "/main") if index == "main" else (f"/{index}",)
            for prefix in prefixes:
                page = client.get(f"{prefix}/simple/", headers=JSON, auth=reader)
                name = page.json()["projects"][0]["name"]
                shown = client.get(f"{prefix}/simple/{name}/", headers=JSON, auth=reader)
                files = [shown.url.join(each["url"]).path for each in shown.json()["files"]]
                assert files
                for path in (f"{prefix}/simple/", f"{prefix}/simple/{name}/", f"{prefix}/simple/nothing/", *files):
                    missing = path.endswith("/nothing/")
                    for _ in range(2):  # the second answer is one that lies ready
                        status = client.get(path, auth=auth).status_code
                        assert status == ((404 if missing else 200) if index in reads else 403), path
                for project, allowed in (("acme-x", own), ("other", other)):
                    wheel = make_wheel(tmp_path / index, project, "1.0")
                    answer = client.post(f"{prefix}/legacy/", auth=auth, **form(wheel))
                    assert answer.status_code == (200 if index in allowed else 403), (prefix, project, answer.text)
                    assert (project in staged.of_index(index).branch.snapshot().names()) == (index in allowed)


def test_a_token_of_an_index_reads_what_its_bases_have_below_its_own_address(staged: Repository, tmp_path: Path) -> None:
    put(staged, "main", make_wheel(tmp_path / "base", "base-only", "1.0"))
    auth = ("x", staged.tokens.add(NewToken(name="ci", scope="read", indexes=["staging"])).reveal())
    with serving(staged, Rules(open_reading=False, upload_limit=LIMIT)) as client:
        page = client.get("/staging/simple/base-only/", headers=JSON, auth=auth)
        (file,) = page.json()["files"]
        link = page.url.join(file["url"]).path
        assert client.get(link, auth=auth).status_code == 200
        assert client.get(link.replace("/staging/", "/main/"), auth=auth).status_code == 403
        assert client.get("/simple/base-only/", auth=auth).status_code == 403
