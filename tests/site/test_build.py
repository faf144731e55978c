# ruff: noqa: F811 - fixtures are arguments of their own name
"""The static site: equal to what the server says, built by difference, and never half there."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.github.test_metadata_assets import turn_on
from tests.github.test_release_publishing import _at_once, world  # noqa: F401 - fixtures
from tests.index.test_branch import edit_by_hand
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.server.running import soon
from tests.server.test_server import serving
from tests.simulator import plumbing, rest_releases
from wharf.cli.main import main
from wharf.errors import NotFoundError, StorageError, UsageError, WharfError
from wharf.operations import build_files, build_pages
from wharf.operations.build import Built, build
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.yank import set_yanked
from wharf.pages import page_format
from wharf.pages.page_format import Format
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.server.rules import Rules
from wharf.site import build_state, layout, output_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.github.test_release_publishing import World

WHARF = Path(sys.executable).with_name("wharf")


def tree(folder: Path) -> dict[str, str]:
    """The digest of every file below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def put(repository: Repository, *paths: Path) -> None:
    publish(repository, [Input.of(path) for path in paths], actor="ada")


def fill(repository: Repository, folder: Path) -> list[Path]:
    """An index with all that a page can say."""
    paths = [
        make_wheel(folder, "demo", "1.0", requires_python=">=3.9"),
        make_sdist(folder, "demo", "1.0", metadata_version="2.2"),
        make_wheel(folder, "demo", "2.0"),
        make_wheel(folder, "other_project", "0.1+local"),
        make_sdist(folder, "unsure", "1.0", metadata_version="2.1"),
        make_wheel(folder, "closed", "1.0"),
        make_wheel(folder, "quarantined", "1.0"),
    ]
    put(repository, *paths)
    set_yanked(repository, "demo", "2.0", None, reason='<b>"broken"</b>', actor="ada")
    return paths


def by_hand(repository: Repository) -> None:
    """Project states, which nothing sets but a commit by hand."""
    for name, status in (("closed", "archived"), ("quarantined", "quarantined")):
        state = json.dumps({"project-status": {"status": status, "reason": "of old"}})
        edit_by_hand(repository.branch.git_dir.parent, f"projects/{name[:2]}/{name}/project.json", state.encode())


@pytest.mark.slow
@pytest.mark.parametrize("commits", [1, 3])
def test_a_site_with_files_says_byte_for_byte_what_the_server_says_but_for_one_name(
    repository: Repository, tmp_path: Path, commits: int
) -> None:
    for number in range(commits):
        put(repository, make_wheel(tmp_path, "early", f"{number}"))
    fill(repository, tmp_path)
    by_hand(repository)
    out = tmp_path / "out"
    done = build(repository, out, with_files=True)
    assert (done.projects, done.left_out) == (6, ())
    names = [""] + [f"{name}/" for name in repository.branch.snapshot().names()]
    served: set[str] = set()
    with serving(repository, Rules(open_reading=True, upload_limit=1)) as client:
        for name in names:
            for form in Format:
                answer = client.get(f"/simple/{name}", headers={"accept": form.value})
                page = out / "simple" / name / layout.PAGES.get(form, "index.html")
                said = re.sub(rb' data-dist-info-metadata="[^"]*"', b"", answer.content)  # see pages/html.py
                assert page.read_bytes() == said, (name, form)
        for path in tree(out / "files"):
            answer = client.get(f"/files/{path}")
            assert (answer.status_code, answer.content) == (200, (out / "files" / path).read_bytes())
            served.add(path)
        for name in names[1:]:
            for each in client.get(f"/simple/{name}", headers={"accept": Format.JSON.value}).json()["files"]:
                path = each["url"].removeprefix("../../files/").replace("%2B", "+")
                assert path in served
                assert (f"{path}.metadata" in served) == bool(each["core-metadata"])
    assert len(served) > 10
    assert not any("quarantined" in path for path in served), "what no page offers is not there"


@pytest.mark.slow
def test_a_site_with_links_differs_from_the_server_in_links_alone(world: World, tmp_path: Path) -> None:
    world.repo.private = False
    turn_on(world)
    with world.open() as repository:
        paths = fill(repository, tmp_path)
        out = tmp_path / "out"
        assert build(repository, out).left_out == ()
        rules = Rules(open_reading=True, upload_limit=1, cache=tmp_path / "cache")
        with serving(repository, rules) as client:
            for name in repository.branch.snapshot().names():
                said = client.get(f"/simple/{name}/", headers={"accept": Format.JSON.value}).json()
                page = json.loads((out / "simple" / name / "index.v1_json").read_bytes())
                for here, there in zip(page["files"], said["files"], strict=True):
                    address = here.pop("url")
                    there.pop("url")
                    fetched = client.get(address, headers={"authorization": ""}, follow_redirects=True)
                    assert hashlib.sha256(fetched.content).hexdigest() == here["hashes"]["sha256"]
                    if here["core-metadata"]:
                        beside = client.get(f"{address}.metadata", follow_redirects=True)
                        assert hashlib.sha256(beside.content).hexdigest() == here["core-metadata"]["sha256"]
                assert page == said
    assert any("local" in path.name for path in paths)


@pytest.mark.slow
def test_metadata_is_announced_only_where_it_lies_beside_the_file(world: World, tmp_path: Path) -> None:
    world.repo.private = False
    world.put(make_wheel(tmp_path, "before", "1.0"))
    turn_on(world)
    world.put(make_wheel(tmp_path, "after", "1.0"))
    with world.open() as repository:
        build(repository, tmp_path / "out")
    for name, announced in (("before", False), ("after", True)):
        page = json.loads((tmp_path / "out/simple" / name / "index.v1_json").read_bytes())
        assert bool(page["files"][0]["core-metadata"]) is announced
        html = (tmp_path / "out/simple" / name / "index.html").read_text()
        assert ("data-core-metadata" in html) is announced


@pytest.mark.slow
def test_a_file_under_another_name_is_left_out_each_time_and_named(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.repo.private = False
    mangled = rest_releases.mangled
    monkeypatch.setattr(rest_releases, "mangled", lambda name: mangled(name).replace("!", "."))
    world.put(make_wheel(tmp_path, "demo", "1!1.0"), make_wheel(tmp_path, "demo", "1.0"))
    monkeypatch.setenv("WHARF_TOKEN", world.token)
    for _ in range(2):
        code, document = run(capsys, "--repo", f"{world.hub.url}/{world.repo.slug}", tmp_path / "out")
        assert code == 7
        assert [each["name"] for each in document["left_out"]] == ["demo-1!1.0-py3-none-any.whl"]
        assert "demo-1.1.0" in document["left_out"][0]["reason"]
    page = json.loads((tmp_path / "out/simple/demo/index.v1_json").read_bytes())
    assert [each["filename"] for each in page["files"]] == ["demo-1.0-py3-none-any.whl"]
    code, document = run(capsys, "--repo", f"{world.hub.url}/{world.repo.slug}", tmp_path / "whole", "--with-files")
    assert (code, document["left_out"]) == (0, [])
    (path,) = (tmp_path / "whole/files").rglob("demo-1!1.0-py3-none-any.whl")
    assert path.read_bytes() == (tmp_path / "demo-1!1.0-py3-none-any.whl").read_bytes()


def test_a_record_that_cannot_be_read_is_left_out_and_named(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path, "demo", "1.0"), make_wheel(tmp_path, "demo", "2.0"))
    edit_by_hand(repository.branch.git_dir.parent, "projects/de/demo/1.0/release.json", b"{}")
    done = build(repository, tmp_path / "out", with_files=True)
    assert [name for name, _ in done.left_out] == ["projects/de/demo/1.0/release.json"]
    assert json.loads((tmp_path / "out/simple/demo/index.v1_json").read_bytes())["versions"] == ["2.0"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    with pytest.raises(SystemExit) as ended:
        main(["build", "--json", *map(str, words)])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


# Where links could not work.


@pytest.mark.slow
def test_a_private_repository_gets_no_site_with_links(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world.put(make_wheel(tmp_path))
    monkeypatch.setenv("WHARF_TOKEN", world.token)
    address = f"{world.hub.url}/{world.repo.slug}"
    code, document = run(capsys, "--repo", address, tmp_path / "out")
    assert code == 2
    assert all(word in document["error"]["hint"] for word in ("wharf run", "wharf serve", "--with-files"))
    assert not (tmp_path / "out").exists()
    assert run(capsys, "--repo", address, "--with-files", tmp_path / "out")[0] == 0


def test_a_folder_gets_a_site_only_with_its_files(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        build(repository, tmp_path / "out")
    assert "--with-files" in caught.value.hint


@pytest.mark.slow
def test_files_in_another_repository_are_linked_if_it_is_allowed_and_public(world: World, tmp_path: Path) -> None:
    world.repo.private = False
    world.put(make_wheel(tmp_path))
    path = "projects/de/demo/1.0/release.json"
    git_dir = world.repo.git_dir
    record = plumbing.git(git_dir, "show", f"wharf/main:{path}").replace(b'"release":', b'"repository":"acme/more","release":')
    tip = plumbing.git(git_dir, "rev-parse", "wharf/main").decode().strip()
    plumbing.commit_files(git_dir, "wharf/main", tip, "by hand", "hand", world.hub.clock.now(), additions=[(path, record)])
    for others, private, linked in (((), False, False), (("acme/more",), True, False), (("acme/more",), False, True)):
        world.hub.repos.pop("acme/more", None)
        world.hub.create("acme/more", private=private)
        with world.open(machine="reader") as repository:
            assets: Any = repository.assets
            assets = type(assets)(repository.github, "main", others)
            done = build(dataclasses.replace(repository, assets=assets), tmp_path / f"site-{len(others)}-{private}")
        assert (done.left_out == ()) is linked


# By difference.

OPERATIONS = st.lists(
    st.sampled_from(["publish", "again", "yank", "unyank", "remove", "revert", "jump", "state", "settings"]),
    min_size=1,
    max_size=7,
)


def _happens(what: str, repository: Repository, folder: Path, number: int) -> None:
    """Something that changes an index of one project or two, as far as it can."""
    snapshot = repository.branch.snapshot()
    named = next(((name, versions[0]) for name, versions in snapshot.overview().items()), None)
    if what == "publish":
        put(repository, make_wheel(folder, f"p{number % 3}", f"{number}.0"))
    elif what == "again":
        put(repository, *sorted(folder.glob("*.whl"))[:1])
    elif what == "revert" and snapshot.commit:
        git = ["git", f"--git-dir={repository.branch.git_dir}"]
        before = subprocess.run([*git, "rev-parse", "--verify", "-q", "wharf/main^"], capture_output=True, text=True)
        if before.returncode == 0:
            subprocess.run([*git, "update-ref", repository.branch.ref, before.stdout.strip()], check=True)
    elif what == "jump" and snapshot.commit:  # to wherever the index was longest ago, back and forth
        git = ["git", f"--git-dir={repository.branch.git_dir}"]
        log = subprocess.run([*git, "reflog", "--format=%H", repository.branch.ref], capture_output=True, text=True, check=True)
        seen = [commit for commit in log.stdout.split() if commit != snapshot.commit]
        if seen:
            subprocess.run([*git, "update-ref", repository.branch.ref, seen[number % len(seen)]], check=True)
    elif what == "settings" and snapshot.commit:
        edit_by_hand(repository.branch.git_dir.parent, "wharf.toml", f"format = 1\nreserved = ['x{number}']\n".encode())
    elif named is not None and what == "state":
        state = b'{"project-status":{"status":"%b"}}' % (b"quarantined" if number % 2 else b"archived")
        edit_by_hand(repository.branch.git_dir.parent, f"projects/{named[0][:2]}/{named[0]}/project.json", state)
    elif named is not None and what in {"yank", "unyank"}:
        set_yanked(repository, *named, None, reason="bad" if what == "yank" else None, actor="ada")
    elif named is not None and what == "remove":
        remove(repository, *named, None, reason="", actor="ada")


@contextlib.contextmanager
def _fresh(root: Path) -> Iterator[Repository]:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    with open_repository(Settings(place=root / "store")) as repository:
        yield repository


@pytest.mark.slow
@settings(derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happening=OPERATIONS, died=st.lists(st.integers(0, 30), max_size=6))
@example(happening=["publish"], died=[2])
def test_a_site_that_grew_is_the_site_that_is_built_at_once(
    tmp_path_factory: pytest.TempPathFactory, happening: list[str], died: list[int]
) -> None:
    """Whatever happens between two builds, and wherever those in between died."""
    root = tmp_path_factory.getbasetemp() / "grew"
    with _fresh(root) as repository:
        for number, what in enumerate(happening):
            with contextlib.suppress(WharfError):  # removed names do not come back, and closed projects take nothing
                _happens(what, repository, root / "dist", number)
            with _dying(died[number] if number < len(died) else 1000), contextlib.suppress(Died):
                build(repository, root / "out", with_files=True)
        build(repository, root / "out", with_files=True)
        build(repository, root / "at-once", with_files=True)
        assert tree(root / "out") == tree(root / "at-once")
        assert not (root / "out" / output_folder.STAGING).exists()


class Died(BaseException):
    """As if the process had been killed."""


@contextlib.contextmanager
def _dying(after: int) -> Iterator[None]:
    """The process dies at the moment of the so manieth change of a file's name."""
    left = iter(range(after, -1, -1))

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def step(*words: Any, **more: Any) -> Any:
            if next(left, 0) == 0:
                raise Died
            return original(*words, **more)

        return step

    with pytest.MonkeyPatch.context() as patched:
        for name in ("replace", "rename", "unlink", "rmdir"):
            patched.setattr(Path, name, counted(getattr(Path, name)))
        patched.setattr(shutil, "rmtree", counted(shutil.rmtree))  # who was killed tidies nothing up
        yield


@pytest.mark.slow
def test_a_project_that_a_dead_build_had_deleted_comes_back(repository: Repository, tmp_path: Path) -> None:
    """The index moves away and back, and the build in between dies."""
    git = ["git", f"--git-dir={repository.branch.git_dir}"]
    put(repository, make_wheel(tmp_path, "other"))
    without = repository.branch.tip()
    put(repository, make_wheel(tmp_path))
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    tip, before = repository.branch.tip(), tree(out)
    for step in range(12):
        subprocess.run([*git, "update-ref", repository.branch.ref, str(without)], check=True)
        with _dying(step), contextlib.suppress(Died):
            build(repository, out, with_files=True)
        subprocess.run([*git, "update-ref", repository.branch.ref, str(tip)], check=True)
        build(repository, out, with_files=True)
        assert tree(out) == before


@pytest.mark.slow
def test_a_first_build_that_died_is_begun_again_at_each_step(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    build(repository, tmp_path / "whole", with_files=True)
    for step in range(8):
        out = tmp_path / str(step)
        with _dying(step), contextlib.suppress(Died):
            build(repository, out, with_files=True)
        build(repository, out, with_files=True)
        assert tree(out) == tree(tmp_path / "whole")


@pytest.mark.parametrize("path", ["files/notes.txt", "simple/demo/index.html", "other/"])
def test_a_folder_with_anything_of_somebody_else_is_not_touched(repository: Repository, tmp_path: Path, path: str) -> None:
    put(repository, make_wheel(tmp_path))
    out = tmp_path / "out"
    (out / "files").mkdir(parents=True)
    (out / path).parent.mkdir(parents=True, exist_ok=True)
    (out / path).mkdir() if path.endswith("/") else (out / path).write_text("mine")
    with pytest.raises(UsageError, match="is not a wharf site"):
        build(repository, out, with_files=True)
    assert (out / path).exists()


@pytest.mark.slow
def test_a_file_that_came_before_a_build_died_goes_with_its_record(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    for number in range(8):
        version = f"2.{number}"
        put(repository, make_wheel(tmp_path, "demo", version))
        with _dying(number), contextlib.suppress(Died):
            build(repository, out, with_files=True)
        remove(repository, "demo", version, None, reason="withdrawn", actor="ada")
        build(repository, out, with_files=True)
        assert not list(out.rglob(f"demo-{version}*")), "what was withdrawn cannot be fetched any more"


@pytest.mark.slow
def test_processes_of_a_build_that_was_killed_end_with_it_and_spoil_nothing(
    repository: Repository, store: Path, tmp_path: Path
) -> None:
    put(repository, *(make_wheel(tmp_path, f"project-{number}") for number in range(30)))
    out = tmp_path / "out"
    slowly = (
        "import time\nfrom wharf.operations import build_pages as pages, build\nfrom wharf.site import layout\n"
        "from wharf.repository.opening import open_repository\nfrom wharf.repository.settings import Settings\n"
        "from pathlib import Path\n"
        "pages.ALONE, pages.CHUNK, pages._cores = 0, 5, lambda: 2\n"
        "def slow(*words, made=layout.project_pages):\n    time.sleep(0.2)\n    return made(*words)\n"
        "layout.project_pages = slow\n"
        "if __name__ == '__main__':\n"
        f"    with open_repository(Settings(place=Path({str(store)!r}))) as repository:\n"
        f"        build.build(repository, Path({str(out)!r}), with_files=True)\n"
    )
    script = tmp_path / "slowly.py"
    script.write_text(slowly)
    with subprocess.Popen([sys.executable, script], start_new_session=True) as process:
        while not list(out.glob(f"{output_folder.STAGING}/pages-*/simple/*")):
            assert process.poll() is None
        process.kill()
    alive = ["pgrep", "--session", str(process.pid)]
    soon(lambda: subprocess.run(alive, capture_output=True, check=False).returncode != 0)  # no process outlives the build
    build(repository, out, with_files=True)
    build(repository, tmp_path / "at-once", with_files=True)
    assert tree(out) == tree(tmp_path / "at-once")


def test_only_what_changed_is_written(repository: Repository, tmp_path: Path) -> None:
    fill(repository, tmp_path)
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    before = {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}
    done = build(repository, out, with_files=True)
    assert (done.written, done.deleted) == (0, 0)
    assert before == {path: path.stat().st_ino for path in out.rglob("*") if path.is_file()}, "nothing new, nothing written"
    put(repository, make_wheel(tmp_path, "demo", "3.0"))
    assert build(repository, out, with_files=True).written == 1
    same = {path for path, inode in before.items() if path.stat().st_ino == inode}
    changed = {str(path.relative_to(out)) for path in before.keys() - same}
    assert changed == {"simple/demo/index.html", "simple/demo/index.v1_json", "wharf-site.json"}


def test_a_site_that_another_version_built_is_written_anew_as_a_whole(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(repository, tmp_path)
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(page_format, "CODE", "of old")
        build(repository, out, with_files=True)
    old = sorted(out.glob("simple/*/*"))
    for path in old:
        path.write_bytes(b"as they were made then")
    assert build(repository, out, with_files=True).written == 5
    build(repository, tmp_path / "fresh", with_files=True)
    assert tree(out) == tree(tmp_path / "fresh")


def test_what_was_removed_is_gone_from_the_site(repository: Repository, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", "1.0")
    put(repository, wheel, make_wheel(tmp_path, "demo", "2.0"))
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    assert [path.name for path in (out / "files").rglob(f"{wheel.name}*")]
    remove(repository, "demo", "1.0", None, reason="", actor="ada")
    build(repository, out, with_files=True)
    assert [path.name for path in (out / "files").rglob(f"{wheel.name}*")] == []
    assert len(list((out / "files").iterdir())) == 1


@pytest.mark.slow
def test_a_site_can_change_its_kind(world: World, tmp_path: Path) -> None:
    world.repo.private = False
    world.put(make_wheel(tmp_path))
    out = tmp_path / "out"
    with world.open() as repository:
        build(repository, out)
        linked = tree(out)
        assert build(repository, out, with_files=True).written == 1
        assert (out / "files").is_dir()
        assert build(repository, out).written == 1
    assert tree(out) == linked, "no file is left behind"


@pytest.mark.slow
def test_many_projects_are_made_by_several_processes_with_the_same_bytes(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository, *(make_wheel(tmp_path, f"project-{number}") for number in range(7)))
    alone = build(repository, tmp_path / "alone", with_files=True)
    monkeypatch.setattr(build_pages, "ALONE", 0)
    monkeypatch.setattr(build_pages, "CHUNK", 2)
    monkeypatch.setattr(build_pages, "_cores", lambda: 2)
    seen: list[int] = []
    from wharf.operations.build import Progress

    together = build(repository, tmp_path / "together", with_files=True, progress=Progress(page=seen.append))
    assert together == alone
    assert sum(seen) == 7
    assert tree(tmp_path / "alone") == tree(tmp_path / "together")


# What is not ours, and bad weather.


def _foreign(out: Path, what: str) -> None:
    if what == "a file":
        out.write_text("mine")
        return
    out.mkdir()
    (out / "index.html").write_text("mine")
    if what == "a broken state":
        (out / build_state.STATE).write_text("{")
    if what == "a state of somebody else's":
        (out / build_state.STATE).write_text('{"format": 1, "pages": []}')
    if what == "a state that names a path":
        state = {"origin": "x", "index": "main", "commit": None, "key": "", "trees": {"../..": "0" * 40}}
        (out / build_state.STATE).write_text(json.dumps(state))
    if what == "files that lie elsewhere":
        gone = {"origin": "x", "index": "main", "commit": None, "key": "", "gone": ["../../etc/passwd"]}
        (out / build_state.STATE).write_text(json.dumps(gone))
    if what == "a newer format":
        (out / build_state.STATE).write_text('{"format": 2, "anything": true}')
    if what == "a state without end":
        (out / build_state.STATE).write_text("[" * 200_000)
    if what == "a state with half a pair":
        half = {"origin": "x", "index": "main", "commit": None, "key": "", "left-out": {"demo": [["x"]]}}
        (out / build_state.STATE).write_text(json.dumps(half))


@pytest.mark.parametrize(
    "what",
    [
        *("a file", "a folder", "a broken state", "a state of somebody else's", "a state that names a path"),
        *("files that lie elsewhere", "a newer format", "a state without end", "a state with half a pair"),
    ],
)
def test_what_is_no_site_of_ours_is_not_touched(repository: Repository, tmp_path: Path, what: str) -> None:
    put(repository, make_wheel(tmp_path))
    out = tmp_path / "out"
    _foreign(out, what)
    before = tree(out) if out.is_dir() else out.read_text()
    with pytest.raises(UsageError) as caught:
        build(repository, out, with_files=True)
    assert caught.value.hint
    assert (tree(out) if out.is_dir() else out.read_text()) == before
    if what == "a newer format":
        assert "Update wharf" in caught.value.hint


@pytest.mark.parametrize("name", [output_folder.STAGING, "simple", "files", "simple/demo", "files/{digest}"])
def test_a_link_in_the_site_is_not_followed(repository: Repository, tmp_path: Path, name: str) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    build(repository, out, with_files=True)
    shutil.copytree(out / "simple/demo", elsewhere / "pages-old")
    for each in ("demo/index.html", "index.html", "pages/index.html", wheel.name):
        (elsewhere / each).parent.mkdir(exist_ok=True, parents=True)
        (elsewhere / each).write_text("mine")
    before = tree(elsewhere)
    link = out / name.format(digest=hashlib.sha256(wheel.read_bytes()).hexdigest())
    if link.exists():
        shutil.rmtree(link)
    link.symlink_to(elsewhere)
    set_yanked(repository, "demo", "1.0", None, reason="", actor="ada")
    with pytest.raises(UsageError, match="link"):
        build(repository, out, with_files=True)
    remove(repository, "demo", "1.0", None, reason="", actor="ada")
    with pytest.raises(UsageError, match="link"):
        build(repository, out, with_files=True)
    assert tree(elsewhere) == before


def test_a_damaged_page_takes_no_other_projects_files_with_it(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path), make_wheel(tmp_path, "other"))
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    pages = {name: (out / "simple" / name / "index.v1_json") for name in ("demo", "other")}
    pages["demo"].write_bytes(pages["other"].read_bytes())
    remove(repository, "demo", "1.0", None, reason="", actor="ada")
    build(repository, out, with_files=True)
    assert list((out / "files").rglob("other-1.0*.whl"))


def test_the_site_of_another_index_is_refused(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    before = tree(out)
    with open_repository(Settings(place=tmp_path / "another")) as another:
        put(another, make_wheel(tmp_path, "stranger"))
        with pytest.raises(UsageError, match="another index"):
            build(another, out, with_files=True)
    with repository.branch.sibling("staging") as branch:
        staging = dataclasses.replace(repository, branch=branch)
        with pytest.raises(NotFoundError, match="staging"):
            build(staging, out, with_files=True)
        put(staging, make_wheel(tmp_path, "stranger"))
        with pytest.raises(UsageError, match="another index"):
            build(staging, out, with_files=True)
    assert tree(out) == before


def test_one_build_at_a_time(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    out = tmp_path / "out"
    build(repository, out, with_files=True)
    handle = os.open(out, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with pytest.raises(UsageError, match="Another build"):
        build(repository, out, with_files=True)
    os.close(handle)
    build(repository, out, with_files=True)


@pytest.mark.slow
@pytest.mark.parametrize("room", first(1, [0, 1]))
def test_a_full_disk_leaves_the_old_site_whole(repository: Repository, store: Path, tmp_path: Path, room: int) -> None:
    """No file may grow beyond so many kilobytes, as if the disk were full then."""
    out = tmp_path / "out"
    put(repository, *(make_wheel(tmp_path, f"small-{number}") for number in range(3)))
    build(repository, out, with_files=True)
    before = tree(out)
    put(repository, *(make_wheel(tmp_path, "small-1", f"{number}.5") for number in range(40)))
    command = f"ulimit -f {room}; exec {WHARF} build --json --with-files --repo {store} {out}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 8, done.stderr
    error = json.loads(done.stdout)["error"]
    assert "cannot be written" in error["message"]
    assert "as it was" in error["hint"]
    assert tree(out) == before
    assert not (out / output_folder.STAGING).exists()
    done = subprocess.run([WHARF, "build", "--with-files", "--repo", store, out], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    build(repository, tmp_path / "at-once", with_files=True)
    assert tree(out) == tree(tmp_path / "at-once")


@pytest.mark.slow
def test_bytes_that_are_not_those_of_the_record_never_get_into_a_site(
    repository: Repository, store: Path, tmp_path: Path
) -> None:
    good, bad = make_wheel(tmp_path, "good"), make_wheel(tmp_path, "bad")
    put(repository, good, bad, make_wheel(tmp_path, "bad", "2.0"))
    out = tmp_path / "out"
    stored = next((store / "assets").rglob(bad.name))
    whole = stored.read_bytes()
    stored.chmod(0o600)
    for damaged in (whole[:-1], whole + b"x", whole[:-1] + b"x", None):
        stored.write_bytes(damaged) if damaged is not None else stored.unlink()
        for _ in range(2):
            done = build(repository, out, with_files=True)
            assert [name for name, _ in done.left_out] == [bad.name], "named each time"
            assert json.loads((out / "simple/bad/index.v1_json").read_bytes())["versions"] == ["2.0"]
        assert not list((out / "files").rglob(f"{bad.name}*"))
        assert list((out / "files").rglob(good.name)), "one lost file keeps no other out"
    stored.write_bytes(whole)
    assert build(repository, out, with_files=True).left_out == (), "what is there again is taken up by itself"
    build(repository, tmp_path / "at-once", with_files=True)
    assert tree(out) == tree(tmp_path / "at-once")


@pytest.mark.slow
def test_a_file_whose_asset_is_gone_is_left_out_and_named(world: World, tmp_path: Path) -> None:
    world.put(make_wheel(tmp_path), make_wheel(tmp_path, "demo", "2.0"))
    world.repo.releases[0].assets.clear()
    with world.open() as repository:
        done = build(repository, tmp_path / "out", with_files=True)
    assert len(done.left_out) == 1
    assert "not in the store" in done.left_out[0][1]


def test_metadata_that_its_record_does_not_announce_is_not_in_the_site(repository: Repository, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    put(repository, wheel)
    edit_by_hand(repository.branch.git_dir.parent, f"projects/de/demo/1.0/{wheel.name}.metadata", b"Name: other\n")
    done = build(repository, tmp_path / "out", with_files=True)
    assert [name for name, _ in done.left_out] == [f"{wheel.name}.metadata"]
    page = json.loads((tmp_path / "out/simple/demo/index.v1_json").read_bytes())
    assert page["files"][0]["core-metadata"] is False
    assert not list((tmp_path / "out").rglob("*.metadata"))


def test_a_file_name_that_has_no_room_for_metadata_is_served_without(repository: Repository, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "demo", f"1.0+{'x' * 100}", build=f"1{'b' * 120}")
    assert len(wheel.name) > 246
    put(repository, wheel)
    assert build(repository, tmp_path / "out", with_files=True).left_out == ()
    assert list((tmp_path / "out/files").rglob(wheel.name))


@pytest.mark.slow
def test_who_gives_up_does_not_wait_for_the_files_that_are_left(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(repository, *(make_wheel(tmp_path, f"project-{number}") for number in range(40)))
    fetched: list[str] = []
    original = build_files._chunks

    def interrupting(place: Repository, file: Any) -> Iterator[bytes]:
        fetched.append(file.filename)
        return original(place, file)

    def interrupted(*_words: object, **_more: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(build_files, "AT_ONCE", 1)
    monkeypatch.setattr(build_files, "_chunks", interrupting)
    monkeypatch.setattr(build_files, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        build(repository, tmp_path / "out", with_files=True)
    assert len(fetched) < 40
    monkeypatch.undo()
    build(repository, tmp_path / "out", with_files=True)
    assert len(list((tmp_path / "out/files").rglob("*.whl"))) == 40


@pytest.mark.slow
def test_files_at_github_are_fetched_again_when_they_break_off_and_what_came_is_kept(world: World, tmp_path: Path) -> None:
    world.put(*(make_wheel(tmp_path, f"project-{number}", content="#" * 3000) for number in range(4)))
    out = tmp_path / "out"
    with world.open() as repository:
        world.hub.fault("GET .*/storage|GET .*project-1", "short", times=1)
        build(repository, out, with_files=True)
        assert len(list((out / "files").rglob("*.whl"))) == 4
        shutil.rmtree(out)
        world.hub.storage_down = True
        with pytest.raises(StorageError):
            build(repository, out, with_files=True)
        world.hub.storage_down = False
        build(repository, out, with_files=True)
    assert len(list((out / "files").rglob("*.whl"))) == 4
    assert build_files.TRIES > 1


def test_the_command_says_what_it_did(store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["publish", "--repo", str(store), str(make_wheel(tmp_path))])
    capsys.readouterr()
    code, document = run(capsys, "--repo", store, "--with-files", "--address", "https://pkg.example.org/", tmp_path / "out")
    assert code == 0
    assert (document["projects"], document["written"], document["deleted"]) == (1, 1, 0)
    assert len(document["commit"]) == 40
    assert "https://pkg.example.org/simple/" in (tmp_path / "out/index.html").read_text()
    for wrong in ("pkg.example.org", "https://__token__:secret@pkg.example.org"):
        code, document = run(capsys, "--repo", store, "--with-files", "--address", wrong, tmp_path / "out")
        assert (code, document["error"]["code"]) == (2, "usage")
        assert "secret" not in str(document)
    with pytest.raises(SystemExit) as ended:
        main(["build", "--repo", str(store), "--with-files", str(tmp_path / "out")])
    assert ended.value.code == 0
    assert "1 projects (0 written)" in capsys.readouterr().out


def test_an_empty_index_is_a_site_too(repository: Repository, tmp_path: Path) -> None:
    done: Built = build(repository, tmp_path / "out", with_files=True)
    assert (done.commit, done.projects) == (None, 0)
    assert json.loads((tmp_path / "out/simple/index.v1_json").read_bytes())["projects"] == []
    put(repository, make_wheel(tmp_path))
    assert build(repository, tmp_path / "out", with_files=True).written == 1
