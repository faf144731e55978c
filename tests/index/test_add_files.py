"""AddFiles: what is new, what is the same, and what is a conflict."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from tests.index.test_change import SDIST, WHEEL, A, B, Tip, add, new
from wharf.errors import ConflictError, RecordError, RefusedError
from wharf.index.yank_and_remove import RemoveFiles


def test_files_of_several_projects_are_one_outcome() -> None:
    tip = Tip()
    outcome = tip.apply(add(new(), new(SDIST), new("other-2.0.tar.gz", B, "2.0", "other")))
    assert sorted(tip.files) == [
        "projects/de/demo/1.0/demo-1.0-py3-none-any.whl.metadata",
        "projects/de/demo/1.0/demo-1.0.tar.gz.metadata",
        "projects/de/demo/1.0/release.json",
        "projects/ot/other/2.0/other-2.0.tar.gz.metadata",
        "projects/ot/other/2.0/release.json",
    ]
    assert [named.file.filename for named in outcome.changed] == [WHEEL, SDIST, "other-2.0.tar.gz"]
    assert outcome.unchanged == ()


def test_the_same_again_changes_nothing() -> None:
    tip = Tip()
    tip.apply(add(new()))
    again = dataclasses.replace(new().file, upload_time=datetime(2027, 1, 1, tzinfo=UTC))
    outcome = tip.apply(add(dataclasses.replace(new(), file=again)))
    assert outcome.edits == {}
    assert [named.file.upload_time.year for named in outcome.unchanged] == [2026]


def test_other_bytes_under_a_name_are_a_conflict() -> None:
    tip = Tip()
    tip.apply(add(new()))
    with pytest.raises(ConflictError, match=WHEEL) as caught:
        tip.apply(add(new(sha256=B), new("other-2.0.tar.gz", B, "2.0", "other")))
    assert A in caught.value.message
    assert len(tip.files) == 2


@pytest.mark.parametrize("other", ["Demo-1.0.tar.gz", "demo-1.0.0.tar.gz", "demo-1.tar.gz"])
def test_two_names_of_one_file_are_a_conflict(other: str) -> None:
    tip = Tip()
    tip.apply(add(new(SDIST)))
    with pytest.raises(ConflictError, match=SDIST):
        tip.apply(add(new(other, B)))


OTHER_SPELLINGS = {
    SDIST: ["Demo-1.0.tar.gz", "demo-1.0.0.tar.gz", "demo-1.tar.gz"],
    WHEEL: ["Demo-1.0-py3-none-any.whl", "demo-1-py3-none-any.whl"],
}
SPELLED = [(name, other) for name, others in OTHER_SPELLINGS.items() for other in others]


@pytest.mark.parametrize(("name", "other"), SPELLED)
@pytest.mark.parametrize("skip", [True, False])
def test_the_same_bytes_under_another_spelling_are_there_already(name: str, other: str, skip: bool) -> None:
    tip = Tip()
    tip.apply(add(new(name)))
    outcome = tip.apply(dataclasses.replace(add(new(other)), skip_existing=skip))
    assert (outcome.edits, outcome.changed, outcome.skipped) == ({}, (), ())
    assert [named.file.filename for named in outcome.unchanged] == [name]


@pytest.mark.parametrize(("name", "other"), SPELLED)
def test_removed_bytes_come_back_under_another_spelling_and_no_others_do(name: str, other: str) -> None:
    tip = Tip()
    tip.apply(add(new(name)))
    tip.apply(RemoveFiles.of("demo", "1.0"))
    with pytest.raises(ConflictError, match="removed"):
        tip.apply(add(new(other, B)))
    assert [named.file.filename for named in tip.apply(add(new(other))).changed] == [other]
    release = tip.release("demo", "1.0")
    assert release is not None
    assert release.removed == {}


def test_an_equal_version_in_another_spelling_joins_the_record() -> None:
    tip = Tip()
    tip.apply(add(new(WHEEL, version="1.0")))
    outcome = tip.apply(add(new("demo-1.0.0.tar.gz", B, version="1.0.0")))
    assert {named.version for named in outcome.changed} == {"1.0"}
    assert tip.versions("demo") == ["1.0"]


def test_an_archived_project_takes_no_files() -> None:
    tip = Tip()
    tip.files["projects/de/demo/project.json"] = b'{"project-status":{"status":"archived","reason":"moved to other"}}'
    with pytest.raises(RefusedError, match="archived: moved to other"):
        tip.apply(add(new()))


def test_a_broken_record_is_not_written_over() -> None:
    tip = Tip()
    tip.files["projects/de/demo/1.0/release.json"] = b"{"
    with pytest.raises(RecordError, match=r"projects/de/demo/1.0/release.json"):
        tip.apply(add(new()))


def test_versions_in_several_spellings_meet_in_one_record() -> None:
    tip = Tip()
    tip.apply(add(new("demo-2.0.tar.gz", version="2.0")))
    names = ["demo-2-py3-none-any.whl", "demo-2.0.0-py3-none-manylinux_2_17_x86_64.whl"]
    done = tip.apply(add(*(new(name, version=name.split("-")[1]) for name in names)))
    assert [(each.version, each.file.filename) for each in done.changed] == [("2.0", name) for name in names]
    assert tip.versions("demo") == ["2.0"]
