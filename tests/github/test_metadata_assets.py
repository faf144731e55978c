# ruff: noqa: F811 - fixtures are arguments of their own name
"""Core metadata stored beside the files on GitHub; files left out whose names are taken; the event that tells of a publish."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import _at_once, two, world  # noqa: F401 - fixtures
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.simulator import plumbing, rest_releases
from wharf.cli.main import main
from wharf.errors import StorageError
from wharf.index.commit_message import CommitMessage
from wharf.index.wharf_toml_change import TurnOnMetadataAssets
from wharf.operations import repository_dispatch as events
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.github.test_release_publishing import World
    from wharf.repository.opening import Repository


def turn_on(world: World) -> None:
    with world.open() as repository:
        if repository.branch.tip() is None:
            repository.branch.begin("ada")
        done = repository.branch.commit(TurnOnMetadataAssets(), CommitMessage(verb="settings", actor="ada"))
        assert done.commit is not None
        again = repository.branch.commit(TurnOnMetadataAssets(), CommitMessage(verb="settings", actor="ada"))
        assert again.commit is None


def beside(world: World) -> dict[str, str]:
    """The digest of the metadata that lies beside each file, as a reader of its public address would fetch it."""
    found = {}
    for file in world.record().files:
        release = next(one for one in world.published if one.id == file.location["release"])
        for asset in release.assets:
            if asset.name == f"{file.location['name']}.metadata":
                assert asset.id == file.location["metadata"]
                found[file.filename] = hashlib.sha256(asset.data.read_bytes()).hexdigest()
    return found


def announced(world: World) -> dict[str, str]:
    return {file.filename: file.core_metadata for file in world.record().files if file.core_metadata}


@pytest.mark.slow
def test_metadata_lies_beside_each_file_that_announces_it(world: World, tmp_path: Path) -> None:
    turn_on(world)
    paths = [
        make_wheel(tmp_path, tag="py3-none-any"),
        make_wheel(tmp_path, tag="cp311-cp311-manylinux_2_28_x86_64"),  # the same metadata, byte for byte
        make_sdist(tmp_path, metadata_version="2.1"),  # which may not be announced
    ]
    world.put(*paths)
    world.check(*paths)
    assert beside(world) == announced(world)
    assert len(beside(world)) == 2 < 3 == len(world.record().files)
    assert world.commits == 3
    with world.open() as repository:
        assert verify(repository).problems == (), "what lies beside a file is named with it"


@pytest.mark.slow
def test_without_the_setting_nothing_lies_beside(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    assert beside(world) == {}
    assert all("metadata" not in file.location for file in world.record().files)


@pytest.mark.slow
def test_a_renamed_file_has_its_metadata_beside_its_stored_name(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mangled = rest_releases.mangled
    monkeypatch.setattr(rest_releases, "mangled", lambda name: mangled(name).replace("!", "."))
    turn_on(world)
    world.put(make_wheel(tmp_path, version="1!1.0"))
    (file,) = world.record("1!1.0").files
    assert file.location["name"] != file.filename
    release = next(one for one in world.published if one.id == file.location["release"])
    assert any(asset.name == f"{file.location['name']}.metadata" for asset in release.assets)


@pytest.mark.slow
@pytest.mark.parametrize("immutable", first(1, [True, False]))
def test_a_publish_that_died_before_its_commit_is_finished_with_its_metadata(
    world: World,
    two: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    *,
    immutable: bool,
) -> None:
    world.repo.immutable = immutable
    turn_on(world)
    with monkeypatch.context() as patched:
        patched.setattr("wharf.github.remote_branch.RemoteBranch.commit", _die)
        with pytest.raises(StorageError):
            world.put(*two)
    uploads = world.uploads()
    world.put(*two)
    world.check(*two)
    assert world.uploads() == uploads, "all is there already"
    assert beside(world) == announced(world) != {}


@pytest.mark.slow
def test_metadata_that_is_missing_in_an_open_release_is_added_there(world: World, two: tuple[Path, Path]) -> None:
    turn_on(world)
    wheel, sdist = two
    world.put(sdist)
    (release,) = world.published
    with world.open() as repository:
        remove(repository, "demo", "1.0", None, reason="", actor="ada")
    release.assets.clear()
    world.put(wheel)
    release.assets[:] = [asset for asset in release.assets if not asset.name.endswith(".metadata")]
    _forget(world, wheel)
    world.put(wheel)
    assert [one.tag_name for one in world.published] == ["demo-1.0"], "no second copy of the file"
    assert beside(world) == announced(world) != {}


@pytest.mark.slow
def test_where_github_tells_no_digests_metadata_is_recorded_all_the_same(world: World, two: tuple[Path, Path]) -> None:
    world.repo.digests = False
    turn_on(world)
    world.put(*two)
    assert beside(world) == announced(world) != {}
    with world.open() as repository:
        assert verify(repository).problems == ()


@pytest.mark.slow
def test_verify_knows_metadata_of_another_file(world: World, tmp_path: Path) -> None:
    turn_on(world)
    world.put(make_wheel(tmp_path))
    (release,) = world.published
    (asset,) = [asset for asset in release.assets if asset.name.endswith(".metadata")]
    asset.name = f"other-{asset.name}"
    with world.open() as repository:
        (found,) = verify(repository).problems
    assert "another file" in found.detail


@pytest.mark.slow
@pytest.mark.parametrize("key", first(1, [b"metadata", b"asset"]))
def test_a_record_with_any_value_for_an_asset_stops_no_verify(world: World, tmp_path: Path, key: bytes) -> None:
    turn_on(world)
    world.put(make_wheel(tmp_path))
    git_dir, path = world.repo.git_dir, "projects/de/demo/1.0/release.json"
    record = re.sub(b'"%b":[0-9]+' % key, b'"%b":[1]' % key, plumbing.git(git_dir, "show", f"wharf/main:{path}"))
    tip = plumbing.git(git_dir, "rev-parse", "wharf/main").decode().strip()
    plumbing.commit_files(git_dir, "wharf/main", tip, "by hand", "hand", world.hub.clock.now(), additions=[(path, record)])
    with world.open(machine="another") as repository:
        assert verify(repository).files == 1


@pytest.mark.slow
def test_remove_takes_the_metadata_too_and_verify_misses_it(world: World, two: tuple[Path, Path]) -> None:
    turn_on(world)
    world.put(*two)
    (release,) = world.published
    lost = [asset for asset in release.assets if asset.name.endswith(".metadata")]
    release.assets[:] = [asset for asset in release.assets if asset not in lost]
    with world.open() as repository:
        found = verify(repository).problems
        assert {each.kind for each in found} == {"missing-bytes"}
        assert len(found) == len(lost) > 0
    release.assets += lost
    with world.open() as repository:
        remove(repository, "demo", "1.0", None, reason="", actor="ada")
    assert release.assets == []


def _die(*_words: object) -> None:
    raise StorageError("the process died", "")


def _forget(world: World, path: Path) -> None:
    """As if the commit of a publish had never been made."""
    from wharf.index.git import Git

    program = Git(world.repo.git_dir)
    before = program.run("rev-parse", "refs/heads/wharf/main^").decode().strip()
    program.run("update-ref", "refs/heads/wharf/main", before)
    assert path.name not in program.run("ls-tree", "-r", "--name-only", before).decode()


# What a job that runs again has built anew.


def rebuilt(folder: Path) -> Path:
    return make_wheel(folder / "again", content="x = 1")


@pytest.fixture(params=["folder", "github"])
def place(request: pytest.FixtureRequest, world: World, repository: Repository) -> Iterator[Repository]:
    if request.param == "folder":
        yield repository
        return
    with world.open() as opened:
        yield opened


@pytest.mark.slow
def test_skip_existing_leaves_out_what_is_taken_and_publishes_the_rest(place: Repository, tmp_path: Path) -> None:
    first = make_wheel(tmp_path)
    publish(place, [Input.of(first)], actor="ada")
    more = make_wheel(tmp_path, tag="cp311-cp311-linux_x86_64")
    done = publish(place, [Input.of(rebuilt(tmp_path)), Input.of(more)], actor="ada", skip_existing=True)
    assert [named.file.filename for named in done.skipped] == [first.name]
    assert [named.file.filename for named in done.published] == [more.name]
    place.branch.fetch()
    release = place.branch.snapshot().release("demo", "1.0")
    assert release is not None
    kept = release.file(first.name)
    assert kept is not None
    assert kept.sha256 == hashlib.sha256(first.read_bytes()).hexdigest(), "what was published stays"


@pytest.mark.slow
def test_skip_existing_has_nothing_to_do_where_all_is_taken(place: Repository, tmp_path: Path) -> None:
    publish(place, [Input.of(make_wheel(tmp_path))], actor="ada")
    done = publish(place, [Input.of(rebuilt(tmp_path))], actor="ada", skip_existing=True)
    assert (done.commit, done.published, len(done.skipped)) == (None, (), 1)


@pytest.mark.slow
def test_a_removed_name_is_not_there_and_stays_a_conflict(place: Repository, tmp_path: Path) -> None:
    from wharf.errors import ConflictError

    publish(place, [Input.of(make_wheel(tmp_path))], actor="ada")
    remove(place, "demo", "1.0", None, reason="", actor="ada")
    with pytest.raises(ConflictError):
        publish(place, [Input.of(rebuilt(tmp_path))], actor="ada", skip_existing=True)


# The event.


def run(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, dict]:  # type: ignore[type-arg]
    monkeypatch.setenv("WHARF_TOKEN", world.token)
    monkeypatch.setenv("WHARF_REPO", f"{world.hub.url}/{world.repo.slug}")
    with pytest.raises(SystemExit) as ended:
        main(["publish", "--create", "--json", *map(str, words)])
    return int(ended.value.code or 0), json.loads(capsys.readouterr().out)


@pytest.mark.slow
def test_an_event_tells_of_a_publish_also_where_nothing_was_new(
    world: World,
    two: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, document = run(world, capsys, monkeypatch, "--dispatch", "wharf-published", *two)
    assert code == 0
    tip = document["commit"]
    assert world.repo.dispatches == [("wharf-published", {"index": "main", "commit": tip})]
    assert {each["address"] for each in document["published"]} == {
        f"{world.hub.url}/{world.repo.slug}/releases/download/demo-1.0/{path.name}" for path in two
    }
    code, document = run(world, capsys, monkeypatch, "--dispatch", "wharf-published", *two)
    assert (code, document["commit"], len(world.repo.dispatches)) == (0, tip, 2)
    assert world.repo.dispatches[1][1]["commit"] == tip, "a job that died before it sent the event is made good"


@pytest.mark.slow
def test_an_event_that_is_not_sent_is_told_and_the_files_are_published(
    world: World,
    two: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.hub.fault("POST .*/dispatches", "502")
    code, document = run(world, capsys, monkeypatch, "--dispatch", "wharf-published", *two)
    assert code == 8
    assert "published, but the event" in document["error"]["message"]
    world.check(*two)
    code, _ = run(world, capsys, monkeypatch, "--dispatch", "", *two)
    assert code == 2


def test_a_folder_has_no_events(repository: Repository) -> None:
    from wharf.errors import UsageError

    with pytest.raises(UsageError, match="folder"):
        events.check(repository, "wharf-published")
