"""RestoreRecords: what comes back, what leaves, and what stays taken, decided on records alone."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.index.test_change import SDIST, WHEEL, A, B, Tip, add, new
from wharf.distribution.file_names import Name
from wharf.errors import ConflictError, NotFoundError, RecordError, RefusedError
from wharf.index import restoration
from wharf.index.restoration import JUST_LEFT, NO_METADATA, OTHER_BYTES, RestoreRecords
from wharf.index.yank_and_remove import RemoveFiles, SetYanked

if TYPE_CHECKING:
    from wharf.index.add_files import NewFile
    from wharf.index.change import Change
    from wharf.model import File

RECORD = "projects/de/demo/1.0/release.json"


def past_of(tip: Tip) -> Tip:
    return copy.deepcopy(tip)


def placed(asset: int) -> NewFile:
    made = new()
    return dataclasses.replace(made, file=dataclasses.replace(made.file, location={"asset": asset}))


def files_of(tip: Tip, version: str = "1.0") -> dict[str, File]:
    release = tip.release("demo", version)
    return {} if release is None else {file.filename: file for file in release.files}


def removed_of(tip: Tip, version: str = "1.0") -> dict[str, str]:
    release = tip.release("demo", version)
    return {} if release is None else dict(release.removed)


def test_files_yanks_and_metadata_are_those_of_the_past() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    tip.apply(SetYanked(project="demo", version="1.0", filename=WHEEL, reason="loses data"))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0", WHEEL))
    tip.apply(SetYanked(project="demo", version="1.0", reason="a mistake"))
    tip.apply(add(new("demo-2.0.tar.gz", version="2.0")))
    steps = RestoreRecords(past=past).steps(tip)
    assert [named.file.filename for named in steps.back] == [WHEEL]
    assert [named.file.filename for named in steps.changed] == [SDIST]
    assert [named.file.filename for named in steps.left] == ["demo-2.0.tar.gz"]
    tip.apply(RestoreRecords(past=past))
    assert {name: file.yanked for name, file in files_of(tip).items()} == {WHEEL: "loses data", SDIST: None}
    assert removed_of(tip, "2.0") == {"demo-2.0.tar.gz": A}
    assert {path: data for path, data in tip.files.items() if "/1.0/" in path} == past.files
    assert RestoreRecords(past=past).apply(tip).edits == {}


def test_no_name_gets_free() -> None:
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    tip.apply(add(new(SDIST, B)))
    tip.apply(RemoveFiles.of("demo", "1.0", SDIST))
    tip.apply(add(new("demo-1.1.tar.gz", version="1.1")))
    tip.apply(RestoreRecords(past=past))
    assert removed_of(tip) == {SDIST: B}
    assert removed_of(tip, "1.1") == {"demo-1.1.tar.gz": A}
    with pytest.raises(ConflictError, match="removed"):
        tip.apply(add(new(SDIST, A)))
    with pytest.raises(ConflictError, match="removed"):
        tip.apply(add(new("demo-1.1.tar.gz", B, "1.1")))
    assert tip.apply(add(new("demo-1.1.tar.gz", A, "1.1"))).changed


def test_of_a_file_that_is_there_with_the_same_bytes_the_location_is_that_of_today() -> None:
    tip = Tip()
    tip.apply(add(placed(1)))
    tip.apply(SetYanked(project="demo", version="1.0", reason="then"))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0"))
    tip.apply(add(placed(2)))
    tip.apply(RestoreRecords(past=past))
    (file,) = files_of(tip).values()
    assert (dict(file.location), file.yanked) == ({"asset": 2}, "then")


def test_a_file_that_was_published_again_in_another_spelling_stays_once() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0", SDIST))
    tip.apply(add(new("demo-1.0.0.tar.gz", B)))
    tip.apply(RestoreRecords(past=past))
    assert {*files_of(tip)} == {WHEEL, "demo-1.0.0.tar.gz"}
    assert removed_of(tip) == {}


def test_what_is_lost_stays_away_and_is_named() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0"))
    change = RestoreRecords(past=past, lost={("demo", WHEEL, A): "its bytes are gone"})
    steps = change.steps(tip)
    assert [(named.file.filename, why) for named, why in steps.lost] == [(WHEEL, "its bytes are gone")]
    tip.apply(change)
    assert ({*files_of(tip)}, removed_of(tip)) == ({SDIST}, {WHEEL: A})
    assert change.apply(tip).edits == {}


def test_a_file_that_leaves_after_its_bytes_were_looked_at_stays_away() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0", WHEEL))
    change = RestoreRecords(past=past, safe=frozenset({("demo", WHEEL, A)}))
    tip.apply(RemoveFiles.of("demo", "1.0", SDIST))
    assert [(named.file.filename, why) for named, why in change.steps(tip).lost] == [(SDIST, JUST_LEFT)]


def test_a_lost_file_that_somebody_publishes_meanwhile_stays() -> None:
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0"))
    change = RestoreRecords(past=past, lost={("demo", WHEEL, A): "gone"}, safe=frozenset())
    tip.apply(add(new()))
    assert change.apply(tip).edits == {}


def test_only_the_named_projects_change() -> None:
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    tip.apply(add(new(SDIST, B)))
    assert RestoreRecords(past=past, projects=frozenset({"other"})).apply(tip).edits == {}
    assert RestoreRecords(past=past, projects=frozenset({"demo"})).apply(tip).edits


def test_a_record_of_the_past_that_cannot_be_read_leaves_its_release_as_it_is() -> None:
    tip = Tip()
    tip.apply(add(new(), new("demo-1.1.tar.gz", version="1.1")))
    past = past_of(tip)
    past.files[RECORD] = b"{oops"
    tip.apply(SetYanked(project="demo", version="1.0", reason=""))
    tip.apply(RemoveFiles.of("demo", "1.1"))
    steps = RestoreRecords(past=past).steps(tip)
    assert [text for text in steps.unread if RECORD in text]
    assert [named.file.filename for named in steps.back] == ["demo-1.1.tar.gz"]


def test_a_record_of_today_that_cannot_be_read_stops_it() -> None:
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    tip.files[RECORD] = b"{oops"
    with pytest.raises(RecordError):
        RestoreRecords(past=past).apply(tip)


def test_a_record_that_somebody_deleted_comes_back_with_its_names() -> None:
    tip = Tip()
    tip.apply(add(new(), new(SDIST, B)))
    tip.apply(RemoveFiles.of("demo", "1.0", SDIST))
    past = past_of(tip)
    tip.files.clear()
    change = RestoreRecords(past=past, lost={("demo", WHEEL, A): "gone"})
    tip.apply(change)
    assert removed_of(tip) == {SDIST: B, WHEEL: A}
    tip.apply(RestoreRecords(past=past))
    assert {*files_of(tip)} == {WHEEL}


def test_a_file_without_core_metadata_in_the_past_does_not_come_back() -> None:
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    del past.files[f"projects/de/demo/1.0/{WHEEL}.metadata"]
    tip.apply(RemoveFiles.of("demo", "1.0"))
    assert [why for _, why in RestoreRecords(past=past).steps(tip).lost] == [NO_METADATA]


def test_other_bytes_under_the_name_are_never_taken_for_the_file() -> None:
    tip, other = Tip(), Tip()
    tip.apply(add(new(sha256=A)))
    other.apply(add(new(sha256=B)))
    steps = RestoreRecords(past=other).steps(tip)
    assert [why for _, why in steps.lost] == [OTHER_BYTES]
    tip.apply(RemoveFiles.of("demo", "1.0"))
    assert [why for _, why in RestoreRecords(past=other).steps(tip).lost] == [OTHER_BYTES]


def test_core_metadata_that_somebody_changed_by_hand_is_that_of_the_past_again() -> None:
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    path = f"projects/de/demo/1.0/{WHEEL}.metadata"
    tip.files[path] = b"Name: evil\n"
    tip.apply(RestoreRecords(past=past))
    assert tip.files[path] == past.files[path]


def test_the_core_metadata_that_a_commit_writes_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restoration, "MOST_BYTES", 5)
    tip = Tip()
    tip.apply(add(new()))
    past = past_of(tip)
    tip.apply(RemoveFiles.of("demo", "1.0"))
    with pytest.raises(RefusedError, match="MiB"):
        RestoreRecords(past=past).apply(tip)


_moves = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "yank", "unyank"]),
        st.sampled_from([(WHEEL, A), (SDIST, B), ("demo-1.0.0.tar.gz", B), ("demo-1.0-1-py3-none-any.whl", A)]),
    ),
    max_size=12,
)


@pytest.mark.slow
@given(before=_moves, after=_moves)
def test_whatever_happened_the_past_comes_back_and_a_name_keeps_its_bytes(
    before: list[tuple[str, tuple[str, str]]], after: list[tuple[str, tuple[str, str]]]
) -> None:
    tip = Tip()
    known: dict[Name, str] = {}
    past = Tip()
    for moves in (before, after):
        past = past_of(tip) if moves is after else past
        for verb, (filename, sha256) in moves:
            changes: dict[str, Change] = {
                "add": add(new(filename, sha256)),
                "remove": RemoveFiles.of("demo", "1.0", filename),
                "yank": SetYanked(project="demo", version="1.0", filename=filename, reason=verb),
                "unyank": SetYanked(project="demo", version="1.0", filename=filename, reason=None),
            }
            try:
                tip.apply(changes[verb])
            except (NotFoundError, ConflictError):
                continue
            known |= {Name.parse(name): sha256 for name, sha256 in {filename: sha256}.items() if verb == "add"}
    tip.apply(RestoreRecords(past=past))
    found = {Name.parse(name): (file.sha256, file.yanked) for name, file in files_of(tip).items()}
    assert found == {Name.parse(name): (file.sha256, file.yanked) for name, file in files_of(past).items()}
    names = {name: sha256 for name, (sha256, _) in found.items()}
    names |= {Name.parse(name): sha256 for name, sha256 in removed_of(tip).items()}
    assert names == known
    assert RestoreRecords(past=past).apply(tip).edits == {}
