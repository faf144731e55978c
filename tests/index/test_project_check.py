"""The check of projects, on dictionaries: whatever wharf's changes write passes, and whatever takes a name away is found."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.index.test_change import Tip, new
from wharf.errors import ConflictError, NotFoundError
from wharf.index import record
from wharf.index.add_files import AddFiles, NewFile
from wharf.index.branch_contents import Entry
from wharf.index.branch_paths import ProjectFiles, split
from wharf.index.check_findings import MOST_FINDINGS, CheckFindings
from wharf.index.project_check import ProjectCheck
from wharf.index.yank_and_remove import RemoveFiles, SetYanked

NAMES = ("demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "Demo-1.0-1-py3-none-any.whl", "demo-1.0.0.tar.gz", "demo-2.0.tar.gz")
RECORD = record.path("demo", "1.0")
Files = dict[str, bytes]

changes = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(NAMES), st.sampled_from("ab")),
        st.tuples(st.just("remove"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.just("yank"), st.sampled_from(("1.0", "2.0")), st.sampled_from(("", "bröken", None))),
    ),
    max_size=12,
)


def added(filename: str, letter: str) -> NewFile:
    """A file whose bytes, as its metadata, follow from the letter."""
    metadata = f"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\nSummary: {letter}\n".encode()
    base = new(filename, letter * 64, "2.0" if "2.0" in filename else "1.0.0" if "1.0.0" in filename else "1.0")
    file = dataclasses.replace(base.file, core_metadata=hashlib.sha256(metadata).hexdigest())
    return dataclasses.replace(base, file=file, metadata=metadata)


def apply(tip: Tip, kind: str, what: str, more: Any) -> None:
    """One change, as a verb makes it; what is refused changes nothing."""
    try:
        if kind == "add":
            tip.apply(AddFiles(files=(added(what, more),)))
        elif kind == "remove":
            version = "2.0" if "2.0" in what else "1.0"
            tip.apply(RemoveFiles.of("demo", version, what))
        else:
            tip.apply(SetYanked(project="demo", version=what, reason=more))
    except (ConflictError, NotFoundError):
        pass


def git_id(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


def checked(before: Files | None, after: Files) -> CheckFindings:
    """What the check finds in one project; `before` None: there is nothing to compare with."""
    blobs = {git_id(data): data for some in (before or {}, after) for data in some.values()}
    findings = CheckFindings()
    check = ProjectCheck(read=blobs.get, findings=findings, metadata=lambda _path, _data: None, compared=before is not None)
    projects = []
    for some in (before or {}, after):
        files = ProjectFiles()
        for path, data in some.items():
            place = split(path, Entry("100644", ""))
            assert place is not None
            files.add(place[1], git_id(data))
        projects.append(files)
    assert set(check.needed(*projects)) <= blobs.keys()
    check.check("demo", *projects)
    return findings


@pytest.mark.slow
@given(changes, changes)
def test_whatever_changes_write_passes_alone_and_compared_with_any_state_before(first: list[Any], then: list[Any]) -> None:
    tip = Tip()
    for each in first:
        apply(tip, *each)
    before = dict(tip.files)
    for each in then:
        apply(tip, *each)
    assert checked(None, tip.files).all() == ()
    assert checked(before, tip.files).all() == ()


def tampered(files: Files, draw: st.DataObject) -> Files:
    """The files with one promise of the format broken in the record of demo 1.0."""
    document = json.loads(files[RECORD])
    removed = document.get("_wharf", {}).get("removed", {})
    kinds = ["delete the record"]
    kinds += ["other bytes", "free a name", "other size"] if document["files"] else []
    kinds += ["free a removed name", "other bytes of a removed name"] if removed else []
    kind = draw.draw(st.sampled_from(kinds))
    if kind == "delete the record":
        return {path: data for path, data in files.items() if not path.startswith(record.folder("demo") + "/1.0/")}
    if "removed" in kind:
        name = draw.draw(st.sampled_from(sorted(removed)))
        removed.pop(name)
        if kind.startswith("other"):
            removed[name] = "c" * 64
        return {**files, RECORD: record.canonical(document)}
    number = draw.draw(st.integers(0, len(document["files"]) - 1))
    entry = document["files"][number]
    gone = None
    if kind == "other bytes":
        entry["hashes"]["sha256"] = "c" * 64
    elif kind == "other size":
        entry["size"] += 1
    else:
        gone = record.metadata_path("demo", "1.0", entry["filename"])
        del document["files"][number]
        document["versions"] = ["1.0"] if document["files"] else []
    return {path: data for path, data in {**files, RECORD: record.canonical(document)}.items() if path != gone}


@pytest.mark.slow
@given(changes, st.data())
def test_each_way_to_take_a_name_away_is_an_error(some: list[Any], draw: st.DataObject) -> None:
    tip = Tip()
    apply(tip, "add", NAMES[0], "a")
    for each in some:
        apply(tip, *each)
    found = checked(tip.files, tampered(tip.files, draw))
    assert found.counts["error"] > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.data())
def test_a_record_of_any_shape_ends_in_findings_and_never_in_a_fault(draw: st.DataObject) -> None:
    tip = Tip()
    apply(tip, "add", NAMES[0], "a")
    document = json.loads(tip.files[RECORD])
    for _ in range(draw.draw(st.integers(1, 3))):
        place = draw.draw(st.sampled_from([document, *[each for each in document["files"] if isinstance(each, dict)]]))
        place[draw.draw(st.sampled_from(sorted(place) or [""]) | st.text(max_size=8))] = draw.draw(JSON)
        if not isinstance(document.get("files"), list):
            break
    data = draw.draw(st.just(json.dumps(document).encode()) | st.binary(max_size=200))
    for before in (None, tip.files):
        found = checked(before, {**tip.files, RECORD: data})
        assert all(each.path.isprintable() and each.message.isprintable() for each in found.all())


def test_findings_are_counted_and_no_more_are_kept_than_somebody_reads() -> None:
    findings = CheckFindings()
    for number in range(MOST_FINDINGS + 5):
        findings.error("x" * 1000, f"{number} \x1b[31m" + "y" * 1000)
    findings.warning("a\nb", "c\r")
    assert findings.counts == {"error": MOST_FINDINGS + 5, "rights": 0, "warning": 1}
    assert len(findings.all()) == MOST_FINDINGS + 1
    assert all(each.path.isprintable() and each.message.isprintable() and len(each.message) < 700 for each in findings.all())
    assert findings.all()[-1].path == "a\\nb"


def test_a_file_that_is_no_file_of_a_project() -> None:
    for path in (
        "projects",
        "projects/de",
        "projects/de/demo",
        "projects/de/demo/1.0",
        "projects/de/demo/1.0/a/release.json",
        "x",
    ):
        assert split(path, Entry("100644", "")) is None
    assert split("projects/d/d/1/release.json", Entry("100755", "")) == ("d", ("1", "release.json"))
    assert split("projects/d/d/1/release.json", Entry("120000", "")) is None
