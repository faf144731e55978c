"""SetYanked and RemoveFiles: what they change, and what their reasons may say."""

from __future__ import annotations

import pytest

from tests.index.test_change import SDIST, WHEEL, A, B, Tip, add, new
from wharf.errors import ConflictError, NotFoundError, UsageError
from wharf.index.yank_and_remove import Leaving, RemoveFiles, SetYanked


def test_a_removed_name_is_reserved_for_its_bytes() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    outcome = tip.apply(RemoveFiles.of("demo", "1.0.0", WHEEL))
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
    tip.apply(RemoveFiles.of("demo", "1.0"))
    assert list(tip.files) == ["projects/de/demo/1.0/release.json"]
    with pytest.raises(NotFoundError):
        tip.apply(SetYanked(project="demo", version="1.0", reason=""))
    with pytest.raises(ConflictError):
        tip.apply(add(new("demo-1.0.0-py3-none-any.whl", B, "1.0.0")))


def test_releases_of_several_projects_leave_together_or_not_at_all() -> None:
    tip = Tip()
    other = new("other-2.0.tar.gz", version="2.0", project="other")
    tip.apply(add(new(), new(SDIST, B), new("demo-1.1.tar.gz", version="1.1"), other))
    before = dict(tip.files)
    leaving = (
        Leaving(project="demo", version="1.0.0", filenames=frozenset({SDIST})),
        Leaving(project="demo", version="1.1"),
        Leaving(project="other", version="2.0"),
    )
    with pytest.raises(NotFoundError, match="no version 9"):
        tip.apply(RemoveFiles(leaving=(*leaving, Leaving(project="demo", version="9"))))
    assert tip.files == before
    outcome = tip.apply(RemoveFiles(leaving=leaving))
    assert [named.file.filename for named in outcome.changed] == [SDIST, "demo-1.1.tar.gz", "other-2.0.tar.gz"]
    assert [path for path in tip.files if path.endswith(".metadata")] == [f"projects/de/demo/1.0/{WHEEL}.metadata"]


def test_what_left_before_is_no_error_and_is_told() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B), new("demo-1.1.tar.gz", version="1.1")))
    tip.apply(RemoveFiles.of("demo", "1.0", SDIST))
    outcome = tip.apply(RemoveFiles(leaving=(Leaving(project="demo", version="1.0"), Leaving(project="demo", version="1.1"))))
    assert [named.file.filename for named in outcome.changed] == [WHEEL, "demo-1.1.tar.gz"]
    assert outcome.gone == ()
    again = tip.apply(RemoveFiles(leaving=(*RemoveFiles.of("demo", "1.0.0").leaving, *RemoveFiles.of("demo", "1.1").leaving)))
    assert (again.edits, again.changed) == ({}, ())
    assert [(each.version, dict(each.removed)) for each in again.gone] == [
        ("1.0", {SDIST: B, WHEEL: A}),
        ("1.1", {"demo-1.1.tar.gz": A}),
    ]


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
        tip.apply(RemoveFiles.of(project, version, filename))
    assert caught.value.hint


def test_a_reason_is_one_line() -> None:
    with pytest.raises(UsageError):
        SetYanked(project="demo", version="1.0", reason="a\nWharf-Actor: mallory")
    for half in ("a\udcff", "a\ud800"):  # a byte that is no text, half a character
        with pytest.raises(UsageError, match="no text"):
            SetYanked(project="demo", version="1.0", reason=half)


@pytest.mark.slow
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
