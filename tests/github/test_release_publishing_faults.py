# ruff: noqa: F811 - fixtures are arguments of their own name
"""Publishing into GitHub releases in bad weather, within GitHub's limits, and at the same time as others."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.github.test_release_publishing import Killed, Reaper, _at_once, starter, two, world  # noqa: F401 - fixtures
from tests.makers import make_wheel
from tests.matrix import first
from wharf.errors import NotAllowedError, QuotaError, StorageError
from wharf.github import release_writing
from wharf.github.release_publishing import UPLOADS
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.verify import verify

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.test_release_publishing import World


# Bad weather.


@pytest.mark.slow
@pytest.mark.parametrize("fault", first(3, ["starter", "502", "lose", "drop", "short"]))
@pytest.mark.parametrize("immutable", first(1, [True, False]))
def test_an_upload_that_failed_is_sent_again_or_found(
    world: World, two: tuple[Path, Path], fault: str, *, immutable: bool
) -> None:
    world.repo.immutable = immutable
    world.hub.fault(r"POST .*/assets$", fault, times=2)
    world.put(*two)
    world.check(*two)
    assert [asset.state for asset in world.published[0].assets] == ["uploaded"] * 2
    assert world.drafts == []


@pytest.mark.parametrize("fault", ["502", "lose", *(pytest.param(each, marks=pytest.mark.slow) for each in ("drop", "short"))])
@pytest.mark.parametrize(
    "where", first(2, [r"POST .*/releases$", r"PATCH .*/releases/\d+$", r"POST .*/graphql$", r"GET .*/releases$"])
)
def test_a_call_that_failed_is_made_again_or_found_done(world: World, two: tuple[Path, Path], where: str, fault: str) -> None:
    world.hub.fault(where, fault)
    world.put(*two)
    world.check(*two)
    assert world.drafts == []
    assert world.uploads() == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "where", first(1, [r"POST .*receive-pack$", r"POST .*/releases$", r"POST .*/assets$", r"PATCH .*/releases/\d+$"])
)
def test_a_failure_that_lasts_is_told_and_the_same_command_goes_on(world: World, two: tuple[Path, Path], where: str) -> None:
    world.hub.fault(where, "502", times=30, after=1 if "receive" in where else 0)  # the first push begins the index
    with pytest.raises(StorageError) as caught:
        world.put(*two)
    assert "again" in caught.value.hint
    assert world.commits == 1
    world.hub.faults = type(world.hub.faults)()
    world.put(*two)
    world.check(*two)
    assert world.drafts == []


@pytest.mark.slow
@pytest.mark.parametrize("old", [False, True])
def test_an_upload_that_somebody_else_has_begun(
    world: World, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, *, old: bool
) -> None:
    """A fresh one is left alone, and gets no company; one that died long ago is replaced."""
    with monkeypatch.context() as patch:
        Reaper(patch, 7, after=False)
        with pytest.raises(Killed):
            world.put(*two)
    (draft,) = world.drafts
    left = starter(world, draft, two[0].name)
    if old:
        world.hub.clock.forward(600)
    world.put(*two)
    world.check(*two)
    assert [release.id == draft.id for release in world.published] == [old]
    assert world.drafts == ([] if old else [draft])
    assert (left in draft.assets) is not old


@pytest.mark.slow
def test_a_file_that_changes_while_it_is_sent_is_not_published(world: World, two: tuple[Path, Path]) -> None:
    data = two[0].read_bytes()
    opened: list[bytes] = []

    def changing() -> io.BytesIO:
        opened.append(data)
        return io.BytesIO(data if len(opened) == 1 else data[:-1] + b"!")

    with world.open() as repository:
        inputs = [Input(two[0].name, changing), Input.of(two[1])]
        with pytest.raises(StorageError, match=rf"{two[0].name} arrived at GitHub with other bytes"):
            publish(repository, inputs, actor="ada")
    assert (world.published, world.commits) == ([], 1)
    assert two[0].name not in {asset.name for draft in world.drafts for asset in draft.assets}
    world.put(*two)
    world.check(*two)


@pytest.mark.slow
@pytest.mark.parametrize("change", first(1, [-1, 1]))
def test_a_file_that_grows_or_shrinks_while_it_is_sent_is_not_published(
    world: World, two: tuple[Path, Path], change: int
) -> None:
    data = two[0].read_bytes()
    opened: list[bytes] = []

    def changing() -> io.BytesIO:
        opened.append(data)
        return io.BytesIO(data if len(opened) == 1 else data[:-1] if change < 0 else data + b"!")

    with world.open() as repository, pytest.raises(StorageError, match="changed"):
        publish(repository, [Input(two[0].name, changing)], actor="ada")
    assert world.published == []
    world.put(*two)
    with world.open() as repository:
        assert verify(repository).ok


@pytest.mark.slow
def test_where_github_tells_no_digests(world: World, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent counts, as hashed on its way; and what cannot be known for ours is sent again."""
    world.repo.digests = False
    with monkeypatch.context() as patch:
        Reaper(patch, 9, after=False)
        with pytest.raises(Killed):
            world.put(*two)
    world.put(*two)
    world.check(*two)
    assert world.drafts == []
    with world.open() as repository:
        world.hub.calls.clear()
        world.hub.fault(r"GET .*/releases/assets/", "redirect200")  # GitHub may also give the bytes at once
        assert verify(repository).ok
        assert world.hub.count("storage") == 1
        world.published[0].assets[0].data.write_bytes(b"x" * world.published[0].assets[0].size)
        assert [each.kind for each in verify(repository).problems] == ["other-bytes"]


@pytest.mark.slow
def test_a_token_that_is_revoked_on_the_way(world: World, two: tuple[Path, Path]) -> None:
    world.hub.before(r"PATCH .*/releases/", lambda: world.hub.revoke(world.token))
    with pytest.raises(NotAllowedError, match="does not know the token") as caught:
        world.put(*two)
    assert world.token not in f"{caught.value} {caught.value.hint}"
    assert (world.published, world.commits) == ([], 1)
    fresh = world.hub.token("alice", {world.repo.slug: "write"})
    world.put(*two, token=fresh)
    world.token = fresh
    world.check(*two)
    assert (world.uploads(), world.drafts) == (2, [])


@pytest.mark.slow
def test_a_token_that_may_only_read_leaves_nothing_behind(world: World, two: tuple[Path, Path]) -> None:
    world.had(make_wheel(two[0].parent, "other"))
    reader = world.hub.token("bob", {world.repo.slug: "read"})
    with pytest.raises(NotAllowedError) as caught:
        world.put(*two, token=reader, machine="another")
    assert "contents: write" in caught.value.hint
    assert len(world.repo.releases) == 1


@pytest.mark.slow
def test_a_repository_that_was_renamed_takes_a_publish(world: World, two: tuple[Path, Path]) -> None:
    world.had(two[0])
    world.repo.rename("acme/renamed")
    with world.open(machine="another", slug="acme/pkgs") as repository:
        publish(repository, [Input.of(two[1])], actor="ada")
    world.check(*two)


# GitHub's limits.


@pytest.mark.slow
def test_secondary_limits_are_waited_for_and_told(world: World, two: tuple[Path, Path]) -> None:
    for where in (r"GET .*/releases$", r"POST .*/graphql$", r"POST .*/releases$", r"POST .*/assets$", r"PATCH "):
        world.hub.fault(where, "secondary:30")
    world.put(*two)
    world.check(*two)
    assert world.uploads() == 2
    assert len(world.waits) >= 4
    assert all(seconds <= 31 and "secondary" in reason for reason, seconds in world.waits)


@pytest.mark.slow
def test_a_wait_that_is_too_long_is_an_error_and_the_same_command_goes_on_later(world: World, two: tuple[Path, Path]) -> None:
    world.hub.fault(r"PATCH ", "secondary:600")
    with pytest.raises(QuotaError) as caught:
        world.put(*two, max_wait=60)
    assert caught.value.retry_after == 600
    assert "--max-wait" in caught.value.hint
    world.put(*two, max_wait=60)
    world.check(*two)
    assert world.uploads() == 2


@pytest.mark.slow
def test_an_actions_token_whose_hour_is_used_up_waits_for_the_next(world: World, two: tuple[Path, Path]) -> None:
    world.had(make_wheel(two[0].parent, "other"))
    token = world.hub.token("github-actions[bot]", {world.repo.slug: "write"}, kind="actions")
    world.hub.limits.actions = 6  # the list, a draft, and an upload counts twice
    world.put(*two, token=token, machine="job", max_wait=4000)
    world.check(*two, tags=("other-1.0", "demo-1.0"))
    assert world.waits
    assert all("this hour" in reason and seconds <= 3601 for reason, seconds in world.waits)


@pytest.mark.slow
def test_content_creation_stays_within_the_limits(world: World, tmp_path: Path) -> None:
    """Ninety files are more than GitHub takes in a minute: the last ones wait."""
    world.put(*(make_wheel(tmp_path, "demo", "1.0", build=str(number)) for number in range(90)))
    # GitHub counts from a request's arrival: those that go the moment that a minute is over may be told to wait once more.
    assert sum(call.status in {403, 429} for call in world.hub.calls) <= UPLOADS
    assert len(world.record().files) == 90
    assert sum(seconds for _, seconds in world.waits[:1]) <= 61


# Several publishers.


RACES = [
    r"GET .*/releases$", r"POST .*/graphql$", r"POST .*/releases$", r"POST .*/assets$", r"PATCH .*/releases/\d+$",
    r"POST .*receive-pack$",
]  # fmt: skip


@pytest.mark.parametrize("where", first(1, RACES))
@pytest.mark.parametrize("immutable", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_rival_that_publishes_the_same_files_meanwhile(
    world: World, two: tuple[Path, Path], where: str, *, immutable: bool
) -> None:
    world.had(make_wheel(two[0].parent, "other"))
    world.repo.immutable = immutable
    world.hub.before(where, lambda: world.put(*two, machine="rival"))
    done = world.put(*two)
    assert len(done.published) + len(done.unchanged) == 2
    world.check(*two, tags=("other-1.0", "demo-1.0"))
    assert world.drafts == []


@pytest.mark.parametrize("where", first(1, RACES))
@pytest.mark.parametrize("immutable", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_rival_that_publishes_another_file_of_the_version_meanwhile(
    world: World, two: tuple[Path, Path], where: str, *, immutable: bool
) -> None:
    world.repo.immutable = immutable
    world.put(make_wheel(two[0].parent, "other"))
    world.hub.before(where, lambda: world.put(two[1], machine="rival"))
    world.put(two[0])
    assert len(world.record().files) == 2
    assert world.drafts == []
    assert world.uploads() == 3
    tags = [release.tag_name for release in world.published]
    assert sorted(tags[1:]) in (["demo-1.0"], ["demo-1.0", "demo-1.0_2"])
    with world.open() as repository:
        assert verify(repository).ok


@pytest.mark.slow
@pytest.mark.parametrize("immutable", first(1, [True, False]))
def test_publishers_of_the_same_files_at_once(
    world: World, two: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, *, immutable: bool
) -> None:
    monkeypatch.setattr(release_writing, "PAUSE", 0.05)  # a tag is there a moment before its release is
    world.repo.immutable = immutable
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda number: world.put(*two, machine=f"machine{number}"), range(3)))
    assert all(len(each.published) + len(each.unchanged) == 2 for each in done)
    assert sum(each.commit is not None for each in done) == 1
    world.check(*two)
    assert world.drafts == []


@pytest.mark.parametrize("count", first(0, [4, 16]))
def test_publishers_of_different_files_at_once(world: World, tmp_path: Path, count: int) -> None:
    paths = [make_wheel(tmp_path, f"p{number}") for number in range(count)]
    with ThreadPoolExecutor(count) as pool:
        done = list(pool.map(lambda path: world.put(path, machine=path.stem), paths))
    assert all(len(each.published) == 1 for each in done)
    assert world.commits == count + 1
    with world.open() as repository:
        assert repository.branch.snapshot().names() == tuple(sorted(path.name.partition("-")[0] for path in paths))
        assert verify(repository).files == count
