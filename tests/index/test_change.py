"""Changes: what is new, what is the same, and what is a conflict, decided on records alone."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import ConflictError, NotFoundError, RecordError, RefusedError, UsageError
from wharf.index import configuration, record
from wharf.index.add_files import AddFiles, NewFile
from wharf.index.yank_and_remove import RemoveFiles, SetYanked
from wharf.model import File, Release, Status

if TYPE_CHECKING:
    from wharf.index.change import Change, Outcome

A, B = "a" * 64, "b" * 64
WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


class Tip:
    """An index in a dictionary: paths and bytes, as the branch has them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.index_file = configuration.NEW

    def names(self) -> list[str]:
        return ["demo"]

    def versions(self, project: str) -> list[str]:
        prefix = f"{record.folder(project)}/"
        return sorted({path[len(prefix) :].split("/")[0] for path in self.files if path.startswith(prefix)})

    def release(self, project: str, version: str) -> Release | None:
        data = self.files.get(record.path(project, version))
        return None if data is None else record.parse(data, project=project, version=version)

    def status(self, project: str) -> Status:
        data = self.files.get(f"{record.folder(project)}/project.json")
        return Status() if data is None else record.parse_status(data, project=project)

    def apply(self, change: Change) -> Outcome:
        outcome = change.apply(self)
        for path, data in outcome.edits.items():
            if data is None:
                del self.files[path]
            else:
                self.files[path] = data
        return outcome


def new(filename: str = WHEEL, sha256: str = A, version: str = "1.0", project: str = "demo") -> NewFile:
    file = File(filename=filename, sha256=sha256, size=1, upload_time=datetime(2026, 1, 1, tzinfo=UTC))
    return NewFile(project=project, version=version, file=file, metadata=b"Name: demo\n")


def add(*files: NewFile) -> AddFiles:
    return AddFiles(files=files)


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
    tip.apply(RemoveFiles(project="demo", version="1.0"))
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


def test_a_removed_name_is_reserved_for_its_bytes() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    outcome = tip.apply(RemoveFiles(project="demo", version="1.0.0", filename=WHEEL))
    assert [named.file.filename for named in outcome.changed] == [WHEEL]
    assert list(tip.files) == ["projects/de/demo/1.0/demo-1.0.tar.gz.metadata", "projects/de/demo/1.0/release.json"]
    with pytest.raises(ConflictError, match="removed"):
        tip.apply(add(new(sha256=B)))
    assert tip.apply(add(new())).changed
    release = tip.release("demo", "1.0")
    assert release is not None
    assert release.removed == {}


def test_a_wholly_removed_release_is_not_found_and_its_names_stay_reserved() -> None:
    tip = Tip()
    tip.apply(add(new()))
    tip.apply(RemoveFiles(project="demo", version="1.0"))
    assert list(tip.files) == ["projects/de/demo/1.0/release.json"]
    for change in (RemoveFiles(project="demo", version="1.0"), SetYanked(project="demo", version="1.0", reason="")):
        with pytest.raises(NotFoundError):
            tip.apply(change)
    with pytest.raises(ConflictError):
        tip.apply(add(new("demo-1.0.0-py3-none-any.whl", B, "1.0.0")))


def test_yanking_is_per_file_or_per_release_and_can_be_taken_back() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    tip.apply(SetYanked(project="demo", version="1.0", filename=SDIST, reason="broken build"))
    outcome = tip.apply(SetYanked(project="demo", version="1.0", reason="broken build"))
    assert [named.file.filename for named in outcome.changed] == [WHEEL]
    assert [named.file.filename for named in outcome.unchanged] == [SDIST]
    release = tip.release("demo", "1")
    assert release is None
    release = tip.release("demo", "1.0")
    assert release is not None
    assert {file.yanked for file in release.files} == {"broken build"}
    tip.apply(SetYanked(project="demo", version="1.0", reason=None))
    release = tip.release("demo", "1.0")
    assert release is not None
    assert {file.yanked for file in release.files} == {None}


@pytest.mark.parametrize(
    ("project", "version", "filename", "says"),
    [
        ("nothing", "1.0", None, "no project 'nothing'"),
        ("demo", "9", None, "no version 9"),
        ("demo", "1.0", "demo-1.0.zip", "no file"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(project: str, version: str, filename: str | None, says: str) -> None:
    tip = Tip()
    tip.apply(add(new()))
    with pytest.raises(NotFoundError, match=says) as caught:
        tip.apply(RemoveFiles(project=project, version=version, filename=filename))
    assert caught.value.hint


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


def test_a_reason_is_one_line() -> None:
    with pytest.raises(UsageError):
        SetYanked(project="demo", version="1.0", reason="a\nWharf-Actor: mallory")


_moves = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "yank", "unyank"]),
        st.sampled_from([WHEEL, SDIST, "demo-1.0.0.tar.gz", "demo-1.0-1-py3-none-any.whl"]),
        st.sampled_from([A, B]),
    ),
    max_size=12,
)


@given(_moves)
def test_no_order_of_changes_ever_gives_a_name_other_bytes(moves: list[tuple[str, str, str]]) -> None:
    tip = Tip()
    seen: dict[str, str] = {}
    for verb, filename, sha256 in moves:
        changes: dict[str, Change] = {
            "add": add(new(filename, sha256)),
            "remove": RemoveFiles(project="demo", version="1.0", filename=filename),
            "yank": SetYanked(project="demo", version="1.0", filename=filename, reason="x"),
            "unyank": SetYanked(project="demo", version="1.0", filename=filename, reason=None),
        }
        try:
            tip.apply(changes[verb])
        except (ConflictError, NotFoundError):
            continue
        release = tip.release("demo", "1.0")
        assert release is not None
        for file in release.files:
            assert seen.setdefault(file.filename, file.sha256) == file.sha256
            assert f"projects/de/demo/1.0/{file.filename}.metadata" in tip.files
        assert not {file.filename for file in release.files} & set(release.removed)


# What the writer writes, the reader accepts


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ({"upload_time": datetime(1970, 1, 1, tzinfo=UTC)}, "cannot be"),
        ({"upload_time": datetime(9999, 1, 1, tzinfo=UTC)}, "cannot be"),
        ({"extra": {"note": "x" * (9 << 20)}}, "larger than 8 MiB"),
        ({"location": {"note": "x" * (9 << 20)}}, "larger than 8 MiB"),
        ({"sha256": "A" * 64}, "sha256"),
        ({"core_metadata": ""}, None),
        ({"core_metadata": "short"}, "sha256"),
        ({"requires_python": "three"}, "requires-python"),
        ({"size": -1}, "size"),
        ({"size": 1 << 60}, "size"),
    ],
)
def test_no_record_lands_that_no_reader_takes(file: dict[str, object], why: str | None) -> None:
    tip, change = Tip(), add(dataclasses.replace(new(), file=dataclasses.replace(new().file, **file)))  # type: ignore[arg-type]
    if why is None:
        tip.apply(change)
        return
    with pytest.raises(RefusedError, match=f"no reader would take it: projects/de/demo/1.0/release.json: .*{why}"):
        tip.apply(change)
    assert tip.files == {}


def test_the_longest_reason_on_a_thousand_files_is_read() -> None:
    tip, reason = Tip(), "\U0001f600" * 1000  # four bytes each
    tip.apply(add(*(new(f"demo-1.0-{number}-py3-none-any.whl") for number in range(1000))))
    tip.apply(SetYanked(project="demo", version="1.0", reason=reason))
    found = tip.release("demo", "1.0")
    assert found is not None
    assert {file.yanked for file in found.files} == {reason}


@pytest.mark.parametrize("reason", ["x" * 1001, "x" * 131_000])
def test_a_reason_has_an_end(reason: str) -> None:
    with pytest.raises(UsageError, match=f"{len(reason)} characters") as caught:
        SetYanked(project="demo", version="1.0", reason=reason)
    assert len(caught.value.message) < 200
