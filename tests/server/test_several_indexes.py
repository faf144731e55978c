"""One server for all indexes of a repository: addresses, bases, and whose name is whose."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.cli.test_run_command import ASK, Desk
from tests.index.test_branch import git
from tests.makers import make_wheel
from tests.matrix import first
from tests.server.over_github import JSON
from tests.server.running import soon
from tests.server.test_claimed_names import BIN, ELSEWHERE, public
from tests.server.test_server import LIMIT, form, serving
from wharf.operations.promote import Wanted, promote
from wharf.operations.propose import propose
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.yank import set_yanked
from wharf.repository.settings import Settings
from wharf.server import answer_maker
from wharf.server.refresh import refresher
from wharf.server.rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.server.over_github import World
    from tests.upstream import Upstream
    from wharf.repository.opening import Repository
    from wharf.server.http.answer import Answer

__all__ = ["public"]  # a fixture

OPEN = Rules(open_reading=True, upload_limit=LIMIT)
PASSES_ON = Rules(open_reading=True, upload_limit=LIMIT, public_index=ELSEWHERE)


def edit(store: Path, index: str, text: str, path: str = "wharf.toml") -> None:
    """What a person with a clone and an editor can do to the branch of an index, or to make one."""
    ref = f"refs/heads/wharf/{index}"
    blob = git(store, "hash-object", "-w", "--stdin", data=text.encode())
    there = ref in git(store, "for-each-ref", "--format=%(refname)")
    entries = [line for line in git(store, "ls-tree", ref).splitlines() if not line.endswith(f"\t{path}")] if there else []
    tree = git(store, "mktree", data="\n".join([*entries, f"100644 blob {blob}\t{path}", ""]).encode())
    who = ("-c", "user.name=Hand", "-c", "user.email=hand@example.org")
    commit = git(store, *who, "commit-tree", tree, *(("-p", ref) if there else ()), "-m", "by hand")
    git(store, "update-ref", ref, commit)


def put(repository: Repository, index: str, *wheels: Path) -> None:
    publish(repository.of_index(index), [Input.of(wheel) for wheel in wheels], actor="ada")


def files(client: httpx.Client, path: str) -> list[str]:
    answer = client.get(path, headers=JSON)
    assert answer.status_code == 200, (path, answer.text)
    return [each["filename"] for each in answer.json()["files"]]


@pytest.fixture
def staged(repository: Repository, store: Path, tmp_path: Path) -> Repository:
    """main with demo 1.0, and staging upon it with demo 2.0 and next 1.0; lone stands by itself."""
    put(repository, "main", make_wheel(tmp_path, "demo"))
    edit(store, "staging", 'format = 1\nbases = ["main"]\n')
    put(repository, "staging", make_wheel(tmp_path, "demo", "2.0"), make_wheel(tmp_path, "next"))
    put(repository, "lone", make_wheel(tmp_path, "single"))
    return repository


@pytest.fixture
def client(staged: Repository) -> Iterator[httpx.Client]:
    with serving(staged, PASSES_ON) as client:
        yield client


# Addresses


def test_each_index_is_below_its_name_and_the_default_one_also_at_the_root(client: httpx.Client) -> None:
    for prefix in ("", "/main"):
        assert [each["name"] for each in client.get(f"{prefix}/simple/", headers=JSON).json()["projects"]] == ["demo"]
        assert files(client, f"{prefix}/simple/demo/") == ["demo-1.0-py3-none-any.whl"]
    assert [each["name"] for each in client.get("/lone/simple/", headers=JSON).json()["projects"]] == ["single"]
    answer = client.get("/staging/simple/Demo", follow_redirects=True, headers=JSON)
    assert answer.url.path == "/staging/simple/demo/"
    assert answer.json()["versions"] == ["1.0", "2.0"]
    for each in answer.json()["files"]:
        link = answer.url.join(each["url"])
        assert link.path.startswith("/staging/files/")
        assert client.get(link).status_code == client.get(f"{link}.metadata").status_code == 200
        assert client.get(str(link).replace("/staging/", "/lone/")).status_code == 404, "another index does not show it"


def test_a_file_address_obeys_the_index_under_which_it_stands(client: httpx.Client) -> None:
    page = client.get("/staging/simple/next/", headers=JSON)
    link = page.url.join(page.json()["files"][0]["url"]).path
    assert client.get(link).status_code == 200
    for other in ("", "/main", "/lone"):
        assert client.get(link.replace("/staging", other)).status_code == 404


@pytest.mark.parametrize(
    "path", first(3, ["/nope/simple/demo/", "/nope/files/x/y", "/docs/simple/demo/", "/nope/simple/", "/nope/"])
)
def test_a_misspelt_index_is_no_404_after_which_uv_would_ask_the_next_index(client: httpx.Client, path: str) -> None:
    for _ in range(2):
        assert client.get(path).status_code == 400


@pytest.mark.parametrize("name", ["simple-team", "legacy-builds", "files-2024", "simple1"])
def test_an_index_whose_name_begins_with_a_word_of_addresses_has_one(repository: Repository, tmp_path: Path, name: str) -> None:
    put(repository, "main", make_wheel(tmp_path, "demo"))
    put(repository, name, make_wheel(tmp_path, "single"))
    token = repository.tokens.create("ci", "publish").reveal()
    with serving(repository, OPEN) as client:
        assert f"{client.base_url}/{name}/simple/" in client.get("/").text
        assert files(client, f"/{name}/simple/single/") == ["single-1.0-py3-none-any.whl"]
        assert client.get(f"/{name}/simple/Single").headers["location"] == "single/"
        done = client.post(f"/{name}/legacy/", auth=("x", token), **form(make_wheel(tmp_path, "more")))
        assert (done.status_code, done.text) == (200, "OK\n")
        assert files(client, f"/{name}/simple/more/") == ["more-1.0-py3-none-any.whl"]
        assert client.post(f"/{name}/simple/").status_code == 405


@pytest.mark.parametrize("prefix", first(1, ["", "/main"]))
@pytest.mark.parametrize("path", [
    "/foo/", "/simplejson/", "/simple-foo/", "/files/", "/filesystem/", "/legacy-foo/", "/files/foo/", "/simplejson/simple/",
])  # fmt: skip
def test_a_base_address_without_simple_is_no_404_after_which_uv_would_ask_the_next_index(
    client: httpx.Client, prefix: str, path: str
) -> None:
    for _ in range(2):
        answer = client.get(f"{prefix}{path}")
        assert answer.status_code == 400, answer.text
        assert "look at the address that the installer was given" in answer.text


def test_the_home_page_names_all_indexes_and_each_has_one(client: httpx.Client) -> None:
    home = client.get("/").text
    assert all(f"{client.base_url}/{name}/simple/" in home for name in ("staging", "lone"))
    page = client.get("/staging/").text
    assert f"{client.base_url}/staging/simple/" in page
    assert f"{client.base_url}/staging/legacy/" in page


def test_an_upload_goes_to_the_index_of_its_address(staged: Repository, tmp_path: Path) -> None:
    token = staged.tokens.create("ci", "publish").reveal()
    with serving(staged, OPEN) as client:
        for path, index in (("/legacy/", "main"), ("/lone/legacy/", "lone"), ("/staging/legacy", "staging")):
            wheel = make_wheel(tmp_path, f"up-{index}")
            assert client.post(path, auth=("x", token), **form(wheel)).status_code == 200
            assert files(client, f"/{index}/simple/up-{index}/") == [wheel.name]
        refused = client.post("/nope/legacy/", auth=("x", token), **form(wheel))
        assert (refused.status_code, "no index 'nope'" in refused.text) == (404, True)
        for path in ("/staging/simple/", "/staging/", "/staging"):
            assert f"Uploads go to {client.base_url}/staging/legacy/." in client.post(path, auth=("x", token)).text
    assert "wharf/nope" not in git(tmp_path / "store", "for-each-ref")


# Bases


def test_a_version_that_a_nearer_index_has_is_shown_with_its_files_alone(staged: Repository, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    put(staged, "staging", make_wheel(tmp_path / "other", "demo", content="another"))
    with serving(staged, OPEN) as client:
        page = client.get("/staging/simple/demo/", headers=JSON).json()
        own, base = (client.get(f"/{index}/simple/demo/", headers=JSON).json()["files"] for index in ("staging", "main"))
        assert [each["filename"] for each in page["files"]] == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
        assert own[0]["hashes"] != base[0]["hashes"]


def test_a_commit_to_a_base_is_shown_above_it_and_makes_no_page_of_another_index_again(
    staged: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    page = answer_maker.AnswerMaker.page

    def counted(self: answer_maker.AnswerMaker, name: str, *rest: Any) -> Answer:
        made.append(name)
        return page(self, name, *rest)

    monkeypatch.setattr(answer_maker.AnswerMaker, "page", counted)
    with serving(staged, OPEN) as client:
        for path in (
            "/lone/simple/single/",
            "/staging/simple/next/",
            "/staging/simple/demo/",
            "/simple/demo/",
            "/main/simple/demo/",
        ):
            client.get(path)
        assert made == ["single", "next", "demo", "demo"], "main has one page of demo, at both of its addresses"
        put(staged, "main", make_wheel(tmp_path, "demo", "3.0"))
        soon(lambda: len(files(client, "/staging/simple/demo/")) == 3)
        made.clear()
        for path in ("/lone/simple/single/", "/staging/simple/next/"):
            client.get(path)
        assert made == []


@pytest.mark.slow
def test_yanks_and_removals_in_a_base_are_shown_above_it(staged: Repository) -> None:
    with serving(staged, OPEN) as client:
        set_yanked(staged, "demo", "1.0", None, reason="bad", actor="ada")
        soon(lambda: client.get("/staging/simple/demo/", headers=JSON).json()["files"][0].get("yanked") == "bad")
        remove(staged, "demo", "1.0", None, reason="", actor="ada")
        soon(lambda: files(client, "/staging/simple/demo/") == ["demo-2.0-py3-none-any.whl"])


@pytest.mark.slow
def test_names_that_an_index_shadows_are_not_looked_for_in_its_bases(staged: Repository, store: Path) -> None:
    with serving(staged, PASSES_ON) as client:
        edit(store, "staging", 'format = 1\nbases = ["main"]\nshadow = ["de*"]\n')
        soon(lambda: files(client, "/staging/simple/demo/") == ["demo-2.0-py3-none-any.whl"])
        edit(store, "staging", 'format = 1\nbases = ["main", "lone"]\nshadow = ["s*"]\n')
        soon(lambda: len(files(client, "/staging/simple/demo/")) == 2)
        assert files(client, "/staging/simple/single/") == [], "it is hidden, and is asked for nowhere else"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    first(
        2,
        [
            'format = 1\nbases = ["gone"]\n',
            "format = 99\n",
            'format = 1\nbases = ["staging"]\n',
            "format = 1\nbases = 5\n",
            "[",
        ],
    ),
)
def test_settings_that_cannot_be_keep_the_last_whole_state(staged: Repository, store: Path, settings: str) -> None:
    with serving(staged, PASSES_ON) as client:
        assert len(files(client, "/staging/simple/demo/")) == 2
        before = git(store, "rev-parse", "wharf/main")
        edit(store, "main", settings)
        soon(lambda: client.get("/healthz").json() == {"status": "stale"})
        for path in ("/simple/demo/", "/main/simple/demo/"):
            assert len(files(client, path)) == 1
        assert len(files(client, "/staging/simple/demo/")) == 2
        assert client.get("/simple/six/").status_code == 302
        git(store, "update-ref", "refs/heads/wharf/main", before)
        soon(lambda: client.get("/healthz").json() == {"status": "ok"})


@pytest.mark.slow
@pytest.mark.parametrize(("rules", "status"), [(PASSES_ON, 302), (OPEN, 404)], ids=["passes on", "passes nothing on"])
def test_a_server_that_begins_with_a_broken_index_calls_no_name_free(
    staged: Repository, store: Path, rules: Rules, status: int
) -> None:
    edit(store, "lone", "format = 99\n")
    with serving(staged, rules) as client:
        assert client.get("/simple/demo/").status_code == 200
        assert [client.get(path).status_code for path in ("/simple/six/", "/lone/simple/single/")] == [503, 503]
        edit(store, "lone", "format = 1\n")
        soon(lambda: client.get("/simple/six/").status_code == status)
        assert files(client, "/simple/single/") == []


def test_a_base_that_goes_away_while_serving_is_shown_as_it_was(staged: Repository, store: Path) -> None:
    with serving(staged, PASSES_ON) as client:
        git(store, "update-ref", "-d", "refs/heads/wharf/main")
        soon(lambda: client.get("/healthz").json() == {"status": "stale"})
        assert len(files(client, "/staging/simple/demo/")) == 2
        git(store, "update-ref", "-d", "refs/heads/wharf/lone")
        assert files(client, "/lone/simple/single/") == ["single-1.0-py3-none-any.whl"]


# Promotion


def test_a_promoted_release_is_shown_by_a_running_server(staged: Repository) -> None:
    with serving(staged, PASSES_ON) as client:
        assert files(client, "/simple/next/") == []
        promote(staged, [Wanted(project="next", version="1.0")], "staging", actor="ada")
        soon(lambda: files(client, "/simple/next/") == ["next-1.0-py3-none-any.whl"])
        page = client.get("/simple/next/", headers=JSON)
        assert client.get(page.url.join(page.json()["files"][0]["url"])).status_code == 200


@pytest.mark.slow
def test_a_proposed_release_is_shown_once_its_pull_request_is_merged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    edit(world.root, "staging", 'format = 1\nbases = ["main"]\n')
    with world.open(world.alice, "hers", index="staging") as hers:
        publish(hers, [Input.of(world.wheel("next"))], actor="alice")
    with world.open(world.alice, "hers") as hers:
        assert propose(hers, [Wanted(project="next", version="1.0")], "staging").proposal is not None
    with world.serving(public_index=ELSEWHERE) as client:
        assert files(client, "/simple/next/") == []
        merge = f"{world.hub.api}/repos/acme/pkgs/pulls/1/merge"
        assert httpx.put(merge, auth=("x", world.alice), json={"merge_method": "merge"}).status_code == 200
        soon(lambda: files(client, "/simple/next/") == ["next-1.0-py3-none-any.whl"])
        page = client.get("/simple/next/", headers=JSON)
        assert client.get(page.url.join(page.json()["files"][0]["url"]), follow_redirects=True).status_code == 200


# No name gets free


@pytest.mark.parametrize("path", ["/simple/next/", "/main/simple/next/", "/lone/simple/next/", "/lone/simple/demo/"])
def test_a_name_that_any_index_owns_is_passed_on_by_none(client: httpx.Client, path: str) -> None:
    assert files(client, path) == []
    assert client.get(path.replace("next", "six").replace("demo", "six")).status_code == 302


def test_what_any_index_reserves_is_passed_on_by_none(client: httpx.Client, store: Path) -> None:
    edit(store, "lone", 'format = 1\nreserved = ["acme-*"]\n')
    soon(lambda: client.get("/simple/acme-new/").status_code == 200)
    assert files(client, "/staging/simple/acme-new/") == []


def test_the_names_of_a_removed_index_stay_claimed_and_it_is_shown_no_more(staged: Repository, store: Path) -> None:
    with serving(staged, PASSES_ON) as client:
        assert files(client, "/lone/simple/single/")
        tip = git(store, "rev-parse", "wharf/lone")
        git(store, "update-ref", "refs/wharf/removed/lone", tip)
        git(store, "update-ref", "-d", "refs/heads/wharf/lone")
        soon(lambda: client.get("/lone/simple/single/").status_code == 400)
        assert files(client, "/simple/single/") == []
        assert client.get("/healthz").json() == {"status": "ok"}
    with serving(staged, PASSES_ON) as client:
        assert files(client, "/simple/single/") == []
        assert client.get("/lone/simple/single/").status_code == 400


def take_away(store: Path, index: str, *, again: str = "") -> None:
    """What `wharf index remove` does; with `again` somebody makes an index of that name by hand."""
    git(store, "update-ref", f"refs/wharf/removed/{index}", f"refs/heads/wharf/{index}")
    git(store, "update-ref", "-d", f"refs/heads/wharf/{index}")
    if again:
        edit(store, index, again)


@pytest.mark.slow
@pytest.mark.parametrize("again", first(1, ["", "format = 1\n"]), ids=["removed", "made again by hand"])
@pytest.mark.parametrize("index", ["main", "lone"])
def test_names_of_a_removed_index_are_claimed_at_the_start_of_a_server(
    staged: Repository, store: Path, index: str, again: str
) -> None:
    name = {"main": "demo", "lone": "single"}[index]
    edit(store, "staging", "format = 1\n")
    remove(staged.of_index("staging"), "demo", "2.0", None, reason="", actor="ada")
    edit(store, "staging", "format = 1\nreserved = []\n")
    take_away(store, index, again=again)
    with serving(staged, PASSES_ON) as client:
        for path in (f"/staging/simple/{name}/", f"/simple/{name}/"):
            answer = client.get(path)
            assert answer.status_code == (503 if index == "main" and not again and path.startswith("/simple") else 200), path


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["ref", "commit", "tree"])
def test_a_damaged_removed_index_is_not_absent_and_keeps_no_other_from_being_shown(
    staged: Repository, store: Path, tmp_path: Path, damage: str
) -> None:
    take_away(store, "lone")
    ref = store / "index.git" / "refs/wharf/removed/lone"
    if damage == "ref":
        ref.write_text("")
    elif damage == "commit":
        ref.write_text("1" * 40 + "\n")
    else:
        blob = git(store, "rev-parse", "refs/wharf/removed/lone:wharf.toml")
        entry = f"100644 blob {blob}\twharf.toml\n040000 tree {'2' * 40}\tprojects\n"
        tree = git(store, "mktree", "--missing", data=entry.encode())
        who = ("-c", "user.name=Hand", "-c", "user.email=hand@example.org")
        git(store, "update-ref", "refs/wharf/removed/lone", git(store, *who, "commit-tree", tree, "-m", "damaged"))
    with serving(staged, PASSES_ON) as client:
        assert client.get("/simple/single/").status_code == 503
        assert client.get("/healthz").json() == {"status": "stale"}
        put(staged, "main", make_wheel(tmp_path, "fresh"))
        soon(lambda: client.get("/simple/fresh/").status_code == 200)


@pytest.mark.slow
def test_names_in_a_commit_whose_settings_cannot_be_read_are_claimed(staged: Repository, store: Path, tmp_path: Path) -> None:
    with serving(staged, PASSES_ON) as client:
        assert client.get("/simple/third/").status_code == 302
        put(staged, "lone", make_wheel(tmp_path, "third"))
        edit(store, "lone", "format = 1\nretention = 3\n")
        soon(lambda: client.get("/healthz").json() == {"status": "stale"})
        soon(lambda: client.get("/simple/third/").status_code == 200)
        assert client.get("/simple/six/").status_code == 302


@pytest.mark.parametrize("ref", ["wharf/Feature/x", "wharf/feature/x", "wharf/simple", "wharf/no_index"])
def test_a_branch_that_can_be_no_index_is_left_alone(staged: Repository, store: Path, ref: str) -> None:
    git(store, "update-ref", f"refs/heads/{ref}", "refs/heads/wharf/main")
    with serving(staged, PASSES_ON) as client:
        assert client.get("/simple/six/").status_code == 302
        assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.slow
def test_in_a_run_a_name_of_another_index_is_passed_on_by_none(staged: Repository, store: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path / "home", Settings(place=store))
    code = ASK + "print(ask('next/')[0], ask('single/')[0])\ntry: print(ask('six/'))\nexcept OSError: print('sent on')"
    out, _ = desk.python(code, "--fall-through", "--public-index", "http://127.0.0.1:9/simple/")
    assert out == "200 200\nsent on\n"
    assert staged.branch.tip() is not None


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["pip", "uv"])
def test_installers_take_from_an_inherited_index_and_ask_for_no_name_of_ours_elsewhere(
    staged: Repository, store: Path, tmp_path: Path, public: Upstream, tool: str
) -> None:
    folder = tmp_path / "public" / "more"
    folder.mkdir()
    public.add(make_wheel(folder, "next", "99.0"))
    put(staged, "staging", make_wheel(tmp_path, "app", requires=["demo<2", "open"]))
    command = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json", "--fall-through"]
    with subprocess.Popen([*command, "--public-index", public.simple], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = json.loads(server.stdout.readline())["url"]

            def install(index: str, project: str) -> subprocess.CompletedProcess[str]:
                target = str(tmp_path / f"of-{index.strip('/')}-{project}")
                line = {
                    "pip": [BIN / "pip", "--isolated", "--disable-pip-version-check", "install", "-q", "--index-url"],
                    "uv": [BIN / "uv", "pip", "install", "-q", "--no-config", "--python", sys.executable, "--default-index"],
                }[tool]
                words = [*map(str, line), f"{url}/{index}simple/", "--target", target, project]
                environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NO_PROXY": "*"}
                return subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60)

            done = install("staging/", "app")
            assert done.returncode == 0, done.stderr
            names = {path.name for path in (tmp_path / "of-staging-app").glob("*.dist-info")}
            for index in ("", "lone/"):
                assert install(index, "next").returncode != 0, "only staging has it"
        finally:
            server.terminate()
    assert not any("next" in path or "demo" in path for path in public.paths)
    assert names == {"app-1.0.dist-info", "demo-1.0.dist-info", "open-1.0.dist-info", "deeper-2.0.dist-info"}


# GitHub


@pytest.mark.slow
def test_a_server_over_github_shows_all_indexes_and_sees_a_new_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refresher, "ASK_EVERY", 0.02)
    with world.serving(public_index=ELSEWHERE) as client:
        assert client.get("/main/simple/demo/").status_code == 200
        assert client.get("/staging/simple/demo/").status_code == 400
        assert client.get("/simple/next/").status_code == 302
        edit(world.root, "staging", 'format = 1\nbases = ["main"]\n')
        with world.open(world.alice, "hers", index="staging") as hers:
            publish(hers, [Input.of(world.wheel("next"))], actor="alice")
        soon(lambda: client.get("/staging/simple/next/").status_code == 200)
        assert len(files(client, "/staging/simple/demo/")) == 1
        assert files(client, "/simple/next/") == []
        page = client.get("/staging/simple/next/", headers=JSON)
        assert client.get(page.url.join(page.json()["files"][0]["url"]), follow_redirects=True).status_code == 200


# The terminal


@pytest.mark.slow
@pytest.mark.parametrize("as_json", first(1, [True, False]), ids=["JSON", "words"])
def test_serve_says_where_the_other_indexes_are(staged: Repository, store: Path, *, as_json: bool) -> None:
    words = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", *(["--json"] if as_json else [])]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        told = "".join(server.stdout.readline() for _ in range(1 if as_json else 6))
        server.terminate()
        server.communicate(timeout=60)
    if as_json:
        assert json.loads(told)["indexes"] == ["lone", "staging"]
    else:
        heading, *others = told.splitlines()[-3:]
        assert heading == "Other indexes:"
        assert all(f"  {name}: http://127.0.0.1:" in line for name, line in zip(("lone", "staging"), others, strict=True))
        assert others[0].endswith("/lone/simple/")
    assert staged.branch.tip() is not None


@pytest.mark.slow
@pytest.mark.parametrize(("path", "warned"), first(1, [("/staging/", True), ("/main", False)]))
def test_serve_warns_of_a_root_path_that_is_the_name_of_another_index(
    staged: Repository, store: Path, path: str, *, warned: bool
) -> None:
    words = [sys.executable, "-m", "wharf", "--repo", str(store), "serve", "--port", "0", "--json", "--root-path", path]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "staging" in server.stdout.readline()
        server.terminate()
        _, told = server.communicate(timeout=60)
    assert ("clients that ask for the index 'staging' get the one at the root" in told) is warned
    assert ("--root-path" in told) is warned
    assert staged.branch.tip() is not None
