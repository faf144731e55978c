"""Files that get their name at the end."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from wharf.system import unnamed_file
from wharf.system.regular_file import folder_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such files")
def test_a_file_gets_a_name_that_is_free_and_no_other(tmp_path: Path) -> None:
    with unnamed_file.make(tmp_path) as file, folder_of(tmp_path / "name", 1) as folder:
        file.write(b"bytes")
        file.flush()
        assert list(tmp_path.iterdir()) == []
        (tmp_path / "taken").write_bytes(b"other")
        assert not unnamed_file.give_name(file, "taken", folder)
        assert unnamed_file.give_name(file, "name", folder)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"taken": b"other", "name": b"bytes"}


def test_a_file_of_another_kind_is_not_named(tmp_path: Path) -> None:
    with unnamed_file.make(None) as file, folder_of(tmp_path / "name", 1) as folder:
        assert not unnamed_file.give_name(file, "name", folder)
    assert list(tmp_path.iterdir()) == []
