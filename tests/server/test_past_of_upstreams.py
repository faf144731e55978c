"""Names of upstreams at addresses of the past: what never leaves, what is shown of them, and how often they are asked."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.index.test_branch import git
from tests.makers import make_wheel
from tests.server.dated_commits import date_tip, days_ago, written
from tests.server.over_github import JSON
from tests.server.running import soon
from tests.server.test_several_indexes import edit, files, put
from tests.server.test_upstreams import Clock, links, page, serving
from tests.upstream import Fault, Upstream
from wharf.operations import manage_indexes
from wharf.operations.remove import remove
from wharf.server.fall_through import PAST_TURNS
from wharf.server.upstream.judged_projects import JudgedProject, JudgedProjects
from wharf.server.upstream.open_upstreams import AT_ONCE
from wharf.sources.public_index_address import PublicIndex

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from wharf.repository.opening import Repository
    from wharf.server.http.answer import Answer

BEGAN, FREED, LATE, GONE, LEFT, RESERVED = 300, 200, 150, 120, 100, 50
"""Days ago: main begins, and other; main frees old-*; it gets late; it gets gone, and removes it; other is removed; main
reserves new-*.
"""
OURS = ("demo", "late", "gone", "elsewhere", "acme-x", "new-thing", "Acme.X")
MOMENTS = (299, 250, 199, 130, 119, 110, 99, 49, 1)
PROXY = 'mode = "proxy"'
WRONG = (
    *("", "@", "now", "HEAD", "main", "refs", "today", "-1", "0", "abcdef", "g" * 40, "a" * 41, "A" * 40, "2026"),
    *("2026-1-1", "2026-13-01", "2026-02-30", "0000-01-01", "9999-12-31", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00"),
    *("2026-01-01T00:00:00+00:00", "2026-01-01t00:00:00z", "2026-01-01T24:00:00Z", "2026-01-01T23:59:60Z", "2026-01-01%00"),
    *("2026-01-01%0a", "%20", "%EF%BC%92%EF%BC%90%EF%BC%92%EF%BC%96-01-01", "--upload-pack=x", "a" * 5000, "main@2026-01-01"),
)


@dataclass
class Past:
    """A repository with a history, and an upstream that has all names of it and more."""

    repository: Repository
    store: Path
    upstream: Upstream
    commits: dict[int, str]
    """Of main, by the days ago."""
    folder: Path

    def settle(self, days: int | None, more: str = "", *, mode: str = PROXY, reserved: str = '"acme-*", "new-*"') -> None:
        """Other settings for main, so many days ago or now."""
        text = f'format = 1\nreserved = [{reserved}]\n[upstream]\n{mode}\nurl = "{self.upstream.simple}"\n{more}'
        edit(self.store, "main", text)
        if days is not None:
            self.commits[days] = date_tip(self.store, "main", days_ago(days))

    def offer(self, name: str, version: str, days: float) -> str:
        wheel = make_wheel(self.folder / "upstream", name, version)
        return self.upstream.add(wheel, upload_time=written(days_ago(days))).filename


@pytest.fixture
def past(repository: Repository, store: Path, tmp_path: Path) -> Iterator[Past]:
    (tmp_path / "upstream").mkdir()
    with Upstream() as upstream:
        made = Past(repository, store, upstream, {}, tmp_path)
        for name in ("demo", "late", "gone", "elsewhere", "acme_x", "new_thing", "old_thing"):
            made.offer(name, "99.0", 900)
        for version, days in (("1.0", 400), ("2.0", 180), ("3.0", 20)):
            made.offer("lib", version, days)

        def published(name: str, days: int, index: str = "main") -> None:
            put(repository, index, make_wheel(tmp_path, name))
            made.commits[days] = date_tip(store, index, days_ago(days))

        published("demo", BEGAN)
        published("elsewhere", BEGAN, "other")
        made.settle(BEGAN, reserved='"acme-*", "old-*"')
        made.settle(FREED, reserved='"acme-*"')
        published("late", LATE)
        published("gone", GONE)
        remove(repository, "gone", "1.0", None, reason="", actor="ada")
        date_tip(store, "main", days_ago(GONE))
        made.settle(RESERVED)
        manage_indexes.remove(repository.of_index("other"))
        yield made


def ways(past: Past, days: int) -> list[str]:
    """All addresses of main at a moment."""
    commit = past.commits[min(each for each in past.commits if each >= days)]
    return [f"/@{written(days_ago(days))}", f"/main@{written(days_ago(days))}", f"/main@{commit}"]


# Names


@pytest.mark.slow
def test_a_name_that_is_ours_now_never_leaves_at_any_moment(past: Past) -> None:
    with serving(past.repository) as client:
        for days in MOMENTS:
            for way in ways(past, days):
                for name in OURS:
                    answer = client.get(f"{way}/simple/{name}/", headers=JSON, follow_redirects=True)
                    assert answer.status_code == 200, (days, way, name, answer.text)
                    assert all("99.0" not in each["filename"] for each in answer.json()["files"])
                    bad = past.upstream.projects[name.lower().replace(".", "-")].files[0]
                    for suffix in ("", ".metadata"):
                        where = f"{way}/files/{name.lower().replace('.', '-')}/{bad.sha256}/{bad.filename}{suffix}"
                        assert client.get(where).status_code == 403
    assert past.upstream.paths == []


@pytest.mark.slow
def test_a_name_that_was_reserved_then_and_is_free_now_leaves_at_other_moments_only(past: Past) -> None:
    with serving(past.repository) as client:
        for days in MOMENTS:
            if days <= FREED:
                continue
            for way in ways(past, days):
                assert page(client, f"{way}/simple/old-thing/")["files"] == []
                assert "reserved the name" in page(client, f"{way}/simple/old-thing/")["project-status"]["reason"]
        assert past.upstream.paths == []
        for days in MOMENTS:
            if days < FREED:
                assert files(client, f"{ways(past, days)[0]}/simple/old-thing/") == ["old_thing-99.0-py3-none-any.whl"]
        link = links(client, "/simple/old-thing/")["old_thing-99.0-py3-none-any.whl"]
        assert client.get(link).status_code == 200
        assert client.get(f"/@{written(days_ago(250))}{link}").status_code == 403, "also what lies in the cache by now"
        assert client.get(f"/@{written(days_ago(130))}{link}").status_code == 200


@pytest.mark.slow
def test_a_name_becomes_ours_while_the_past_is_served(past: Past) -> None:
    where = f"{ways(past, 10)[0]}/simple/lib/"
    with serving(past.repository) as client:
        link = links(client, where)["lib-1.0-py3-none-any.whl"]
        assert client.get(link).status_code == 200
        put(past.repository, "team", make_wheel(past.folder, "lib", "0.1"))
        soon(lambda: page(client, where)["files"] == [])
        assert client.get(link).status_code == client.get(f"{link}.metadata").status_code == 403


@pytest.mark.slow
def test_a_name_becomes_ours_while_the_upstream_is_asked_for_the_past(past: Past) -> None:
    past.upstream.faults["*/simple/lib/"] = Fault(hold=10)
    where = f"{ways(past, 10)[0]}/simple/lib/"
    with serving(past.repository) as client, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(client.get, where, headers=JSON)
        soon(lambda: past.upstream.asked or (asked.done() and asked.result()))
        assert past.upstream.asked, asked.result().text
        put(past.repository, "main", make_wheel(past.folder, "lib", "0.1"))
        soon(lambda: {"name": "lib"} in client.get("/simple/", headers=JSON).json()["projects"])
        past.upstream.release()
        assert asked.result(60).json()["files"] == []


@pytest.mark.slow
def test_an_index_that_is_removed_now_asks_nobody(past: Past) -> None:
    with serving(past.repository) as client:
        for days in (299, 130, 1):
            for name in ("lib", "elsewhere", "demo", "old-thing"):
                answer = client.get(f"/other@{written(days_ago(days))}/simple/{name}/", headers=JSON)
                assert answer.status_code in {200, 400, 404}, answer.text
    assert past.upstream.paths == []


@pytest.mark.slow
def test_what_is_no_moment_asks_nobody(past: Past) -> None:
    with serving(past.repository) as client:
        for when in WRONG:
            for start in ("/@", "/main@"):
                for name in ("lib", "demo", "old-thing"):
                    answer = client.get(f"{start}{when}/simple/{name}/", headers=JSON)
                    assert answer.status_code in {400, 404, 414}, (when, answer.text)
                    assert answer.headers.get("cache-control", "no-store") == "no-store"
    assert past.upstream.paths == []


@pytest.mark.slow
def test_a_commit_that_was_never_the_tip_asks_nobody_and_keeps_our_names(past: Past) -> None:
    tree = git(past.store, "rev-parse", "wharf/main^{tree}")
    fork = git(past.store, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", tree, "-p", "wharf/main", "-m", "x")
    with serving(past.repository) as client:
        for commit in (fork, "1" * 40):
            for name in OURS[:-1]:
                assert client.get(f"/main@{commit}/simple/{name}/").status_code == 403
            for name in ("lib", "old-thing"):
                assert client.get(f"/main@{commit}/simple/{name}/").status_code == 404
            file = past.upstream.projects["lib"].files[0]
            assert client.get(f"/main@{commit}/files/lib/{file.sha256}/{file.filename}").status_code == 404
    assert past.upstream.paths == []


@pytest.mark.slow
def test_a_branch_that_was_rewritten_passes_no_name_on_in_the_past(past: Past) -> None:
    with serving(past.repository) as client:
        assert len(page(client, f"{ways(past, 10)[0]}/simple/lib/")["files"]) == 3
        past.upstream.asked.clear()
        git(past.store, "update-ref", "refs/heads/wharf/main", past.commits[FREED])
        soon(lambda: "late" not in client.get("/simple/", headers=JSON).text)
        for start in (*ways(past, 11), *ways(past, 130)):
            answer = client.get(f"{start}/simple/old-thing/")
            assert (answer.status_code, "retry-after" in answer.headers) == (503, False), "pip would wait for that, five times"
            assert client.get(f"{start}/simple/").status_code == 503
    assert past.upstream.paths == []


@pytest.mark.slow
def test_an_index_that_could_not_be_read_then_lets_no_name_leave(past: Past) -> None:
    put(past.repository, "team", make_wheel(past.folder, "ours"))
    date_tip(past.store, "team", days_ago(90))
    edit(past.store, "team", "format = 1\nreserved = 7\n")
    broken = date_tip(past.store, "team", days_ago(80))
    edit(past.store, "team", "format = 1\n")
    date_tip(past.store, "team", days_ago(70))
    with serving(past.repository) as client:
        assert client.get(f"/@{written(days_ago(75))}/simple/lib/").status_code == 503
        assert client.get(f"/@{written(days_ago(75))}/simple/demo/").status_code == 200
        assert past.upstream.paths == []
        assert client.get(f"/@{written(days_ago(85))}/simple/lib/").status_code == 200
        assert client.get(f"/@{written(days_ago(65))}/simple/lib/").status_code == 200
        assert client.get(f"/team@{broken}/simple/lib/").status_code == 503


# Modes and routes


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["proxy", "redirect"])
def test_nobody_is_sent_elsewhere_for_the_past(past: Past, mode: str) -> None:
    past.settle(None, mode=f'mode = "{mode}"')
    with serving(past.repository) as client:
        assert files(client, f"{ways(past, 100)[0]}/simple/lib/") == ["lib-1.0-py3-none-any.whl", "lib-2.0-py3-none-any.whl"]


@pytest.mark.slow
def test_the_public_index_that_clients_are_sent_to_is_cut_too(past: Past) -> None:
    past.settle(None, mode="")
    where = f"{ways(past, 100)[0]}/simple/lib/"
    with serving(past.repository) as client:
        assert client.get(where).status_code == 404
        assert past.upstream.paths == [], "without an upstream now, nobody is asked"
    with serving(past.repository, public_index=PublicIndex(past.upstream.simple)) as client:
        assert client.get("/simple/lib/").status_code == 302
        assert len(files(client, where)) == 2


@pytest.mark.slow
def test_a_route_of_today_decides(past: Past) -> None:
    past.settle(None, '[[route]]\nnames = ["lib"]\nfrom = []\n')
    with serving(past.repository) as client:
        assert page(client, f"{ways(past, 100)[0]}/simple/lib/")["files"] == []
    assert past.upstream.paths == []


# Pages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("days", "versions"),
    [(500, []), (299, ["1.0"]), (181, ["1.0"]), (179, ["1.0", "2.0"]), (1, ["1.0", "2.0", "3.0"])],
)
def test_a_page_has_the_files_of_its_moment_and_its_links_work_below_it(past: Past, days: int, versions: list[str]) -> None:
    way = f"/@{written(days_ago(days))}"
    with serving(past.repository) as client:
        found = page(client, f"{way}/simple/lib/")
        assert found["versions"] == versions
        assert [each["filename"] for each in found["files"]] == [f"lib-{version}-py3-none-any.whl" for version in versions]
        for name, link in links(client, f"{way}/simple/lib/").items():
            assert link.startswith(f"{way}/files/lib/")
            given = next(each for each in past.upstream.projects["lib"].files if each.filename == name)
            assert client.get(link).content == given.path.read_bytes()
            assert client.get(f"{link}.metadata").content == given.core_metadata
        for file in past.upstream.projects["lib"].files[len(versions) :]:
            for suffix in ("", ".metadata"):
                where = f"/files/lib/{file.sha256}/{file.filename}{suffix}"
                assert client.get(where).status_code == 200
                assert client.get(way + where).status_code == client.head(way + where).status_code == 404
        html = client.get(f"{way}/simple/lib/", headers={"accept": "text/html"}).text
        assert html.count("<a ") == len(versions)


@pytest.mark.slow
def test_before_anything_was_there_a_page_is_empty(past: Past) -> None:
    with serving(past.repository) as client:
        for when in ("0001-01-01", "1969-12-31T23:59:59Z", "1970-01-01"):
            assert page(client, f"/@{when}/simple/lib/")["files"] == []
            assert page(client, f"/@{when}/simple/late/")["files"] == []
    assert past.upstream.names == {"lib"}


@pytest.mark.slow
def test_a_page_is_asked_for_again_each_time_and_each_moment_has_its_validator(past: Past) -> None:
    clock = Clock()
    with serving(past.repository, clock) as client:
        tags = set()
        for days in (500, 299, 298, 1):
            where = f"/@{written(days_ago(days))}/simple/lib/"
            answer = client.get(where, headers=JSON)
            assert answer.headers["cache-control"] in {"private, no-cache", "public, no-cache"}
            tags.add(tag := answer.headers["etag"])
            assert client.get(where, headers={**JSON, "if-none-match": tag}).status_code == 304
        assert len(tags) == 3, "on two of these days it shows the same"
        assert len(past.upstream.asked) == 1
        past.offer("lib", "0.5", 600)  # the upstream shows it now, and says that it was there
        clock.forward(601)
        soon(lambda: "lib-0.5-py3-none-any.whl" in files(client, "/simple/lib/"))
        again = client.get(where, headers={**JSON, "if-none-match": tag})
        assert again.status_code == 304, "it was seen first today"
        assert len(past.upstream.asked) == 2


@pytest.mark.slow
def test_thousands_of_moments_ask_an_upstream_once(past: Past) -> None:
    with serving(past.repository) as client:
        begin = days_ago(299)
        for number in range(300):
            where = f"/@{written(begin.replace(second=number % 60, minute=number // 60))}/simple/lib/"
            assert files(client, where) == ["lib-1.0-py3-none-any.whl"]
    assert len(past.upstream.asked) == 1


@pytest.mark.slow
def test_an_upstream_that_is_away_is_503_and_what_was_seen_is_cut_all_the_same(past: Past) -> None:
    way, clock = f"/@{written(days_ago(100))}", Clock()
    past.upstream.down()
    with serving(past.repository, clock) as client:
        assert client.get(f"{way}/simple/lib/").status_code == 503
        past.upstream.up()
        clock.forward(100)
        soon(lambda: client.get(f"{way}/simple/lib/").status_code == 200)
        past.upstream.down()
        clock.forward(1000)
        answer = client.get(f"{way}/simple/lib/", headers=JSON)
        assert "x-wharf-stale-since" in answer.headers
        assert answer.json()["versions"] == ["1.0", "2.0"]
        past.upstream.up()


@pytest.mark.slow
def test_many_moments_at_the_same_time_are_cut_a_few_at_a_time(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    alive, most = 0, 0
    judged, page_of = JudgedProjects.judged, JudgedProjects.page

    async def counting(self: JudgedProjects, *words: Any) -> JudgedProject:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        await asyncio.sleep(0)
        return await judged(self, *words)

    async def ending(self: JudgedProjects, *words: Any) -> Answer:
        nonlocal alive
        made = await page_of(self, *words)
        alive -= 1
        return made

    monkeypatch.setattr(JudgedProjects, "judged", counting)
    monkeypatch.setattr(JudgedProjects, "page", ending)
    with serving(past.repository) as client, ThreadPoolExecutor(24) as pool:
        paths = [f"/@{written(days_ago(250 + number))}/simple/lib/" for number in range(48)]
        assert {each.status_code for each in pool.map(client.get, paths)} == {200}
    assert 0 < most <= PAST_TURNS


@pytest.mark.slow
def test_a_slow_upstream_lets_no_own_page_of_the_past_wait(past: Past) -> None:
    past.upstream.faults["*/simple/slow*"] = Fault(body=b"{}" * 99, kind="text/html", hold=1)
    way = ways(past, 10)[0]
    with serving(past.repository) as client, ThreadPoolExecutor(48) as pool:
        asked = [pool.submit(client.get, f"{way}/simple/slow{number}/") for number in range(48)]
        soon(lambda: len(past.upstream.asked) >= AT_ONCE)
        answer = client.get(f"{ways(past, 130)[0]}/simple/demo/", timeout=60)
        assert answer.status_code == 200
        past.upstream.release()
        assert {each.result().status_code for each in asked} <= {200, 404, 503}


# Policies


@pytest.mark.slow
def test_the_page_obeys_the_policy_of_its_moment_by_the_clock_of_its_moment(past: Past) -> None:
    past.settle(49, '[policy]\ncooldown = "7d"\n')
    past.offer("lib", "2.1", 48)
    past.settle(40, '[policy]\nnewest = "2020-01-01"\n')
    past.settle(35, "")
    with serving(past.repository) as client:
        for days, shown, hidden in (
            (48.5, ["1.0", "2.0"], []),
            (47, ["1.0", "2.0"], ["2.1"]),
            (40.5, ["1.0", "2.0", "2.1"], []),
            (39, [], ["1.0", "2.0", "2.1"]),
            (34, ["1.0", "2.0", "2.1"], []),
        ):
            found = page(client, f"/@{written(days_ago(days))}/simple/lib/")
            assert found["versions"] == shown, days
            assert [each["filename"] for each in found.get("_hidden", [])] == [
                f"lib-{each}-py3-none-any.whl" for each in hidden
            ]


@pytest.mark.slow
def test_what_the_policy_of_then_hid_is_refused_at_its_address_and_so_is_what_the_policy_of_now_hides(past: Past) -> None:
    past.settle(49, '[policy]\ncooldown = "140d"\n')
    past.settle(40, "")
    past.settle(None, '[policy]\ndeny = ["lib==1.0"]\n')
    then, later = f"/@{written(days_ago(45))}", f"/@{written(days_ago(35))}"
    with serving(past.repository) as client:
        found = page(client, f"{then}/simple/lib/")
        assert found["versions"] == ["1.0"], "2.0 was 135 days old"
        assert [each["rule"] for each in found["_hidden"]] == ["policy.cooldown"]
        assert page(client, f"{later}/simple/lib/")["versions"] == ["1.0", "2.0"], "what was shown then"
        one, two = (links(client, f"{later}/simple/lib/")[f"lib-{version}-py3-none-any.whl"] for version in ("1.0", "2.0"))
        for suffix in ("", ".metadata"):
            assert client.get(one + suffix).status_code == 403, "the policy of now"
            assert client.get(two + suffix).status_code == 200
            answer = client.get(two.replace(later, then) + suffix)
            assert (answer.status_code, "policy.cooldown" in answer.text) == (403, True)
        assert "policy.deny" in client.get(one).text
        assert client.get(one).headers["cache-control"] == "no-store"
