"""What is deleted on GitHub, and what never: records that lie, people who lend a hand, commands that end early, and races."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

import hashlib
import json
import threading
from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import DAY, Killed, Reaper, World, _at_once, edit_by_hand, foreign, two, world  # noqa: F401
from tests.github.test_remote_branch import git
from tests.makers import make_wheel
from tests.matrix import first
from tests.simulator import Asset
from wharf.errors import StorageError
from wharf.github.release_publishing import ReleasePublish
from wharf.operations.remove import Removed, remove
from wharf.operations.verify import Verified, verify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.simulator import Release
    from tests.simulator.answers import Answer, Request
    from wharf.model import Json


def take_out(world: World, filename: str | None = None, *, index: str = "main", project: str = "demo") -> Removed:
    with world.open(index=index) as repository:
        return remove(repository, project, "1.0", filename, reason="", actor="bob")


def look(world: World, *, repair: bool = False, index: str = "main") -> Verified:
    with world.open(machine="looker", index=index) as repository:
        return verify(repository, repair=repair)


def rewrite(world: World, change: Callable[[dict[str, Json]], object], project: str = "demo") -> None:
    """Edit the place of the first file in a record, as anyone can who may push to the branch."""
    path = f"projects/{project[:2]}/{project}/1.0/release.json"
    document = json.loads(git(world.repo.git_dir, "show", f"wharf/main:{path}"))
    change(document["files"][0]["_wharf"])
    edit_by_hand(world, path, json.dumps(document).encode())


def precious(world: World, name: str = "app.exe") -> Asset:
    """A file of a person's own."""
    path = world.root / "precious"
    path.write_bytes(b"precious")
    return Asset(
        id=world.hub.next_id(),
        name=name,
        label=None,
        state="uploaded",
        size=8,
        digest="sha256:" + hashlib.sha256(b"precious").hexdigest(),
        data=path,
        content_type="",
        uploader="bob",
        created_at=world.hub.clock.text(),
    )


def theirs(world: World) -> Release:
    release = foreign(world, "v1.0")
    release.assets.append(precious(world))
    world.repo.releases.append(release)
    return release


@pytest.mark.slow
def test_the_same_bytes_under_two_names_are_two_assets(world: World, two: tuple[Path, Path]) -> None:
    """A build number is given to a wheel by renaming it: one of the two can be removed without the other."""
    renamed = two[0].with_name("demo-1.0-1-py3-none-any.whl")
    renamed.write_bytes(two[0].read_bytes())
    world.put(two[0])
    world.put(renamed)
    assert len({file.location["asset"] for file in world.record().files}) == 2
    take_out(world, renamed.name)
    assert look(world).problems == ()
    world.check(two[0])


@pytest.mark.slow
@pytest.mark.parametrize("key", first(1, ["asset", "metadata"]))
@pytest.mark.parametrize("whose", first(1, ["a person's file in ours", "another project", "a person's release"]))
def test_remove_deletes_nothing_else_whatever_the_record_says(
    world: World,
    two: tuple[Path, Path],
    key: str,
    whose: str,
) -> None:
    """Who may push to the branch must not have another's token delete for him."""
    world.put(*two, make_wheel(world.root / "other", "other"))
    place = dict(world.record(project="other").files[0].location)
    if whose == "a person's release":
        release = theirs(world)
        place = {"release": release.id, "tag": "v1.0", "asset": release.assets[0].id, "name": "app.exe"}
    elif whose == "a person's file in ours":
        release = next(each for each in world.published if each.tag_name == "demo-1.0")
        release.assets.append(precious(world))
        place = {"release": release.id, "tag": "demo-1.0", "asset": release.assets[-1].id, "name": "app.exe"}
    change = {**place} if key == "asset" else {"metadata": place["asset"]}
    kept = {asset.id for each in world.published for asset in each.assets} if key == "asset" else {place["asset"]}
    kept -= {file.location["asset"] for file in world.record().files}
    rewrite(world, lambda location: location.update(change))
    done = take_out(world)
    assert len(done.removed) == 2
    assert done.kept or key == "metadata"  # it is told that bytes stay; metadata elsewhere is none of the file's
    assert kept <= {asset.id for each in world.published for asset in each.assets}


@pytest.mark.slow
def test_publish_puts_nothing_into_a_release_that_is_not_ours(world: World, two: tuple[Path, Path]) -> None:
    world.had(two[0])
    mine = theirs(world)
    rewrite(world, lambda location: location.update(release=mine.id))
    for number in range(110):  # so that only the record tells of it
        world.repo.releases.append(foreign(world, f"v2.{number}"))
    world.put(two[1])
    assert [asset.name for asset in mine.assets] == ["app.exe"]
    assert {file.location["tag"] for file in world.record().files} == {"demo-1.0", "demo-1.0_2"}


@pytest.mark.slow
def test_repair_deletes_no_draft_that_the_index_names(world: World, two: tuple[Path, Path]) -> None:
    """A person can make a release a draft again, by hand."""
    world.had(*two)
    world.published[0].draft = True
    world.hub.clock.forward(2 * DAY)
    found = look(world, repair=True)
    assert [each.kind for each in found.problems] == ["missing-bytes"] * 2
    assert all("draft again" in each.detail and "publish it" in each.detail for each in found.problems)
    world.drafts[0].draft = False
    assert look(world).ok


@pytest.mark.slow
def test_repair_deletes_no_draft_while_a_record_cannot_be_read(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.published[0].draft = True
    edit_by_hand(world, "projects/de/demo/1.0/release.json", b"{oops")
    world.hub.clock.forward(2 * DAY)
    look(world, repair=True)
    assert [len(draft.assets) for draft in world.drafts] == [2]


@pytest.mark.slow
def test_repair_leaves_what_a_record_places_in_this_very_repository(
    world: World,
    two: tuple[Path, Path],
) -> None:
    world.put(*two)
    rewrite(world, lambda location: location.update(repository=world.repo.slug))
    world.hub.clock.forward(2 * DAY)
    look(world, repair=True)
    assert len(world.published[0].assets) == 2


@pytest.mark.slow
def test_repair_leaves_what_a_person_put_beside_the_files(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.published[0].assets.append(precious(world, "manual.pdf"))
    world.hub.clock.forward(2 * DAY)
    assert look(world, repair=True).problems == ()
    assert len(world.published[0].assets) == 3


@pytest.mark.slow
def test_repair_deletes_nothing_of_an_index_whose_branch_is_gone(
    world: World,
    two: tuple[Path, Path],
) -> None:
    world.put(*two)
    world.put(make_wheel(world.root, "other"), index="staging")
    tip = git(world.repo.git_dir, "rev-parse", "wharf/staging").strip()
    git(world.repo.git_dir, "update-ref", "-d", "refs/heads/wharf/staging")
    world.hub.clock.forward(2 * DAY)
    found = look(world, repair=True)
    assert [each.repaired for each in found.problems] == [False]
    assert "wharf init --index staging" in found.problems[0].detail
    git(world.repo.git_dir, "update-ref", "refs/heads/wharf/staging", tip)
    assert look(world, index="staging").ok


@pytest.mark.slow
def test_a_release_that_a_shifting_list_passes_over_is_not_told_as_gone(
    world: World,
    two: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another publisher's draft that goes between two pages moves the first release of the second page to the first."""
    world.put(*two)
    world.repo.releases += [foreign(world, f"v{number}") for number in range(100)]
    carry_out = type(world.hub).answer

    def answer(request: Request, *, storage: bool) -> Answer:
        found = carry_out(world.hub, request, storage=storage)
        if request.path.endswith("/releases") and request.query.get("page") == "1":
            world.repo.releases.pop()
        return found

    monkeypatch.setattr(world.hub, "answer", answer)
    assert look(world).problems == ()


@pytest.mark.slow
@pytest.mark.parametrize("what", ["release", "asset"])
def test_what_a_person_renamed_is_told(world: World, two: tuple[Path, Path], what: str) -> None:
    """The public address has the tag and the asset's name in it."""
    world.had(two[0])
    if what == "release":
        world.published[0].tag_name = "demo-final"
    else:
        world.published[0].assets[0].name = "final.whl"
    (found,) = look(world).problems
    assert (found.kind, found.path) == ("missing-bytes", f"releases/demo-1.0/{two[0].name}")
    assert "final" in found.detail
    assert "name it back" in found.detail


# Removals that die.


@pytest.mark.slow
@pytest.mark.parametrize("filename", first(1, [False, True]), ids=["a release", "a file"])
def test_a_removal_that_died_is_finished_by_the_same_command(
    world: World,
    two: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    *,
    filename: bool,
) -> None:
    world.put(*two)
    name = two[1].name if filename else None
    with monkeypatch.context() as patch:
        reaper = Reaper(patch, 4, after=False)  # the time, the push, the look at the release, the first deletion
        with pytest.raises(Killed):
            take_out(world, name)
        assert reaper.seen[-1].startswith("DELETE")
    assert len(world.published[0].assets) == 2
    done = take_out(world, name)
    assert (done.commit, len(done.removed), done.kept) == (None, 1 if filename else 2, ())
    assert len(world.published[0].assets) == (1 if filename else 0)
    again = take_out(world, name)
    assert (again.commit, again.removed, again.kept, len(again.gone)) == (None, (), (), 1)


@pytest.mark.slow
def test_a_removal_after_which_the_indexes_cannot_be_asked_says_that_it_is_done(
    world: World,
    two: tuple[Path, Path],
) -> None:
    world.put(*two)
    world.hub.before("receive-pack$", lambda: world.hub.fault("upload-pack", "500", times=1000))
    done = take_out(world)
    assert (len(done.removed), len(done.kept)) == (2, 2)
    assert "git fetch" in done.reason
    assert "same command again" in done.reason
    world.hub.faults = type(world.hub.faults)()
    assert len(take_out(world).removed) == 2
    assert world.published[0].assets == []


@pytest.mark.slow
def test_what_another_index_names_is_not_found_left_over(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.put(*two, index="staging")
    assert len(take_out(world).kept) == 2
    assert len(take_out(world).kept) == 2
    assert look(world, index="staging").ok


# Races: nobody shares a lock. One of the two that meet always tells, and what it tells to do helps.


@pytest.mark.slow
@pytest.mark.parametrize("index", first(1, ["main", "staging"]))
def test_what_is_published_again_in_the_moment_of_its_deletion(world: World, two: tuple[Path, Path], index: str) -> None:
    world.had(*two)
    world.hub.before(r"DELETE ", lambda: world.put(two[1], machine="rival", index=index))
    with pytest.raises(StorageError, match=rf"{two[1].name} was published to the index '{index}'") as caught:
        take_out(world)
    assert f"--index {index}" in caught.value.hint
    take_out(world, two[1].name, index=index)
    world.put(two[1], index=index)
    assert look(world, index=index).ok


@pytest.mark.slow
def test_what_comes_back_while_its_removal_is_finished(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    take_out(world, two[1].name)
    world.hub.before(r"POST .*receive-pack$", lambda: take_out(world, two[1].name))
    with pytest.raises(StorageError, match=f"{two[1].name} was deleted at GitHub"):
        world.put(two[1], machine="rival")
    take_out(world, two[1].name)
    world.put(two[1])
    assert look(world).ok


@pytest.mark.slow
def test_what_is_removed_in_the_moment_in_which_another_index_takes_it(world: World, two: tuple[Path, Path]) -> None:
    world.had(*two)
    world.hub.before(r"POST .*receive-pack$", lambda: take_out(world))
    with pytest.raises(StorageError, match=f"{two[1].name} was deleted at GitHub") as caught:
        world.put(two[1], index="staging", machine="rival")
    assert f"wharf remove demo==1.0 {two[1].name}" in caught.value.hint
    take_out(world, two[1].name, index="staging")
    world.put(two[1], index="staging")
    assert look(world, index="staging").ok


@pytest.mark.slow
def test_what_is_taken_up_again_in_the_moment_of_its_repair(
    world: World,
    two: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.put(make_wheel(world.root, "kept"))
    with monkeypatch.context() as patch:
        Reaper(patch, 7, after=False)
        with pytest.raises(Killed):
            world.put(*two)
    world.hub.clock.forward(2 * DAY)
    world.hub.before(r"DELETE ", lambda: world.put(*two, machine="rival"))
    found = look(world, repair=True)
    assert not found.ok
    lost = [each for each in found.problems if each.kind == "missing-bytes"]
    assert len(lost) == 2
    take_out(world)
    world.put(*two)
    assert look(world).ok


@pytest.mark.slow
def test_an_asset_that_is_deleted_from_the_draft_before_it_is_published(
    world: World,
    two: tuple[Path, Path],
) -> None:
    world.hub.before(r"PATCH .*releases/", lambda: world.drafts[0].assets.pop())
    with pytest.raises(StorageError, match="was deleted from the draft"):
        world.put(*two)
    assert world.commits == 1
    world.put(*two)
    world.check(*two)


@pytest.mark.slow
def test_an_index_that_is_deleted_under_a_publish_is_not_begun_anew(world: World, two: tuple[Path, Path]) -> None:
    """A new branch would name these files and none of those before."""
    done = world.put(two[0])
    drop = ("update-ref", "-d", "refs/heads/wharf/main")
    world.hub.before("POST .*receive-pack$", lambda: git(world.repo.git_dir, *drop))
    with pytest.raises(StorageError, match="deleted the branch") as caught:
        world.put(two[1])
    assert str(done.commit) in caught.value.hint
    git(world.repo.git_dir, "update-ref", "refs/heads/wharf/main", str(done.commit))
    world.put(two[1])
    world.check(*two)


@pytest.mark.slow
def test_an_index_that_was_deleted_is_begun_anew_only_on_demand(world: World, two: tuple[Path, Path]) -> None:
    """Else a repair would take all that the old one named for left over."""
    done = world.put(two[0])
    git(world.repo.git_dir, "update-ref", "-d", "refs/heads/wharf/main")
    with pytest.raises(StorageError, match=r"demo-1\.0 was published to it") as caught:
        world.put(two[1])
    assert f"wharf init --index main {world.hub.url}/acme/pkgs" in caught.value.hint
    assert "wharf/main" not in git(world.repo.git_dir, "for-each-ref")
    world.put(two[1], index="staging")
    with world.open() as repository:
        assert repository.branch.begin("ada")
    world.put(two[1])
    assert [file.filename for file in world.record().files] == [two[1].name]
    git(world.repo.git_dir, "update-ref", "refs/heads/wharf/main", str(done.commit))
    assert look(world).ok


@pytest.mark.slow
def test_a_draft_that_is_deleted_while_it_is_filled_is_told_as_that(world: World, two: tuple[Path, Path]) -> None:
    world.hub.before(r"POST .*/assets$", lambda: world.repo.releases.clear())
    with pytest.raises(StorageError, match="was deleted while it was filled"):
        world.put(*two)
    world.put(*two)
    world.check(*two)


@pytest.mark.slow
def test_a_publish_that_is_stopped_makes_nothing_visible_any_more(
    world: World, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One release fails while another is being filled: that one stays a draft."""
    sent, stopped = threading.Event(), threading.Event()
    leave = ReleasePublish.__exit__

    def hold() -> None:
        sent.set()
        stopped.wait(60)

    def leaving(publish: ReleasePublish, *error: object) -> None:
        publish._stop.set()
        stopped.set()
        leave(publish, *error)

    world.put(two[0])
    with monkeypatch.context() as patch:
        patch.setattr(ReleasePublish, "__exit__", leaving)
        world.hub.before(r"POST .*/releases$", lambda: sent.wait(60))
        world.hub.fault(r"POST .*/releases$", "422", after=1)  # the one that waited
        world.hub.before(r"POST .*/assets$", hold)
        others = make_wheel(world.root, "other"), make_wheel(world.root, "third")
        with pytest.raises(StorageError, match="refuses the release"):
            world.put(*others)
    assert (len(world.published), len(world.drafts)) == (1, 1)
    world.put(*others)
    assert (len(world.published), world.drafts, world.uploads()) == (3, [], 3)
