"""Changes: what is new, what is the same, and what is a conflict, decided on records alone."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import ConflictError, NotFoundError, RefusedError
from wharf.index import record, wharf_toml
from wharf.index.add_files import AddFiles, NewFile
from wharf.index.yank_and_remove import RemoveFiles, SetYanked
from wharf.model import File, Release, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wharf.index.change import Change, Outcome

A, B = "a" * 64, "b" * 64
WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"


class Tip:
    """An index in a dictionary: paths and bytes, as the branch has them."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.index_file = wharf_toml.NEW

    def names(self) -> list[str]:
        return ["demo"]

    def tree_ids(self) -> dict[str, str]:
        return {name: str(sorted(self.version_ids(name).items())) for name in self.names()}

    def version_ids(self, project: str) -> dict[str, str]:
        return {each: str(sorted(self.file_ids(project, each).items())) for each in self.versions(project)}

    def file_ids(self, project: str, version: str) -> dict[str, str]:
        prefix = f"{record.folder(project)}/{version}/"
        found = {path.removeprefix(prefix): data for path, data in self.files.items() if path.startswith(prefix)}
        return {name: hashlib.sha256(data).hexdigest() for name, data in found.items()}

    def metadata(self, name: str, version: str, filename: str) -> bytes | None:
        return self.files.get(record.metadata_path(name, version, filename))

    def versions(self, project: str) -> list[str]:
        prefix = f"{record.folder(project)}/"
        return sorted({path[len(prefix) :].split("/")[0] for path in self.files if path.startswith(prefix)})

    def release(self, project: str, version: str) -> Release | None:
        data = self.files.get(record.path(project, version))
        return None if data is None else record.parse(data, project=project, version=version)

    def releases(self, project: str, versions: Iterable[str]) -> list[Release]:
        return [found for each in versions if (found := self.release(project, each)) is not None]

    def status(self, project: str) -> Status:
        data = self.state(project)
        return Status() if data is None else record.parse_status(data, project=project)

    def state(self, project: str) -> bytes | None:
        return self.files.get(record.state_path(project))

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


_moves = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "yank", "unyank"]),
        st.sampled_from([WHEEL, SDIST, "demo-1.0.0.tar.gz", "demo-1.0-1-py3-none-any.whl"]),
        st.sampled_from([A, B]),
    ),
    max_size=12,
)


@pytest.mark.slow
@given(_moves)
def test_no_order_of_changes_ever_gives_a_name_other_bytes(moves: list[tuple[str, str, str]]) -> None:
    tip = Tip()
    seen: dict[str, str] = {}
    for verb, filename, sha256 in moves:
        changes: dict[str, Change] = {
            "add": add(new(filename, sha256)),
            "remove": RemoveFiles.of("demo", "1.0", filename),
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
