"""PromoteReleases: what goes along, what stays, and what is a conflict, decided on records alone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.index.test_change import SDIST, WHEEL, A, B, Tip, add, new
from wharf.errors import ConflictError, RefusedError
from wharf.index import record
from wharf.index.promotion import PromotedRelease, PromoteReleases
from wharf.index.yank_and_remove import RemoveFiles, SetYanked
from wharf.model import File, Release

OTHER_WHEEL = "demo-1.0-1-py3-none-any.whl"


def file(filename: str = WHEEL, sha256: str = A, **more: object) -> File:
    return dataclasses.replace(
        File(filename=filename, sha256=sha256, size=1, upload_time=datetime(2025, 6, 1, tzinfo=UTC)),
        **more,  # type: ignore[arg-type]
    )


def promotion(*files: File, version: str = "1.0", project: str = "demo", **more: object) -> PromoteReleases:
    release = dataclasses.replace(Release(project=project, version=version, files=files), **more)  # type: ignore[arg-type]
    metadata = {each.filename: f"of {each.filename} {each.sha256}".encode() for each in files}
    return PromoteReleases(releases=(PromotedRelease(release=release, metadata=metadata),))


def test_all_that_belongs_to_a_release_goes_along() -> None:
    tip = Tip()
    whole = file(yanked="bad", location={"asset": 5}, extra={"x-note": "kept"}, requires_python=">=3.9", core_metadata=B)
    change = promotion(whole, origin={"publisher": "ci"}, extra={"x-more": 1}, removed={SDIST: B})
    outcome = tip.apply(change)
    found = tip.release("demo", "1.0")
    assert found is not None
    assert found.files == (whole,)
    assert (found.origin, found.extra, found.removed) == ({"publisher": "ci"}, {"x-more": 1}, {})
    assert tip.files[record.metadata_path("demo", "1.0", WHEEL)] == f"of {WHEEL} {A}".encode()
    assert [each.file for each in outcome.changed] == [whole]
    assert set(change.touched) == {("demo", "1.0")}


def test_what_the_target_has_stays_as_it_is_there() -> None:
    tip = Tip()
    tip.apply(add(new()))
    tip.apply(SetYanked(project="demo", version="1.0", reason="here"))
    before = tip.files[record.metadata_path("demo", "1.0", WHEEL)]
    outcome = tip.apply(promotion(file(), file(SDIST), origin={"publisher": "ci"}))
    found = tip.release("demo", "1.0")
    assert found is not None
    assert [each.yanked for each in found.files] == ["here", None]
    assert found.origin == {}
    assert tip.files[record.metadata_path("demo", "1.0", WHEEL)] == before
    assert [each.file.filename for each in outcome.unchanged] == [WHEEL]
    assert [each.file.filename for each in outcome.changed] == [SDIST]
    assert tip.apply(promotion(file(), file(SDIST))).edits == {}


def test_an_equal_version_joins_the_record_that_is_there() -> None:
    tip = Tip()
    tip.apply(add(new()))
    tip.apply(promotion(file("demo-1.0.0-2-py3-none-any.whl"), version="1.0.0"))
    assert tip.versions("demo") == ["1.0"]
    assert record.metadata_path("demo", "1.0", "demo-1.0.0-2-py3-none-any.whl") in tip.files


@pytest.mark.parametrize("removed", [False, True])
def test_other_bytes_are_a_conflict_also_after_a_removal(removed: bool) -> None:
    tip = Tip()
    tip.apply(add(new()))
    if removed:
        tip.apply(RemoveFiles.of("demo", "1.0"))
    before = dict(tip.files)
    with pytest.raises(ConflictError, match=WHEEL):
        tip.apply(promotion(file(SDIST), file(sha256=B)))
    assert tip.files == before
    if removed:
        tip.apply(promotion(file(), origin={"publisher": "ci"}))
        found = tip.release("demo", "1.0")
        assert found is not None
        assert (found.removed, found.origin) == ({}, {"publisher": "ci"})


def test_a_closed_project_takes_nothing() -> None:
    tip = Tip()
    tip.files["projects/de/demo/project.json"] = b'{"project-status": {"status": "archived"}}'
    with pytest.raises(RefusedError, match="archived"):
        tip.apply(promotion(file()))


_any_files = st.lists(
    st.builds(
        file,
        st.sampled_from([WHEEL, SDIST, OTHER_WHEEL]),
        st.sampled_from([A, B]),
        yanked=st.sampled_from([None, "", "bad"]),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda each: each.filename,
)


@pytest.mark.slow
@given(_any_files, _any_files, st.sets(st.sampled_from([WHEEL, SDIST, OTHER_WHEEL])))
def test_a_promotion_is_idempotent_and_leaves_everything_else(there: list[File], come: list[File], gone: set[str]) -> None:
    tip = Tip()
    tip.apply(add(new("demo-2.0.tar.gz", B, "2.0"), new("other-1.0.tar.gz", B, project="other")))
    tip.apply(promotion(*there))
    for filename in gone & {each.filename for each in there}:
        tip.apply(RemoveFiles.of("demo", "1.0", filename))
    known = {each.filename: each.sha256 for each in there}
    before, had = dict(tip.files), tip.release("demo", "1.0")
    assert had is not None
    change = promotion(*come)
    conflict = any(known.get(each.filename, each.sha256) != each.sha256 for each in come)
    if conflict:
        with pytest.raises(ConflictError):
            tip.apply(change)
        assert tip.files == before
        return
    tip.apply(change)
    after = dict(tip.files)
    elsewhere = {path: data for path, data in before.items() if not path.startswith("projects/de/demo/1.0/")}
    assert elsewhere == {path: data for path, data in after.items() if not path.startswith("projects/de/demo/1.0/")}
    found = tip.release("demo", "1.0")
    assert found is not None
    assert {each.filename for each in found.files} == {each.filename for each in (*had.files, *come)}
    assert all(each in found.files for each in had.files)
    assert tip.apply(change).edits == {}
    assert tip.files == after
