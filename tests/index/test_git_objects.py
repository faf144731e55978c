# ruff: noqa: F811 - fixtures are arguments of their own name
"""Objects of a git repository, read through one process."""

from __future__ import annotations

import fcntl
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, edit_by_hand  # noqa: F401 - fixtures
from tests.index.test_change import add, new
from wharf.errors import RecordError
from wharf.index import small_pack
from wharf.index.branch import Branch
from wharf.index.git import Git
from wharf.index.small_pack import NewObject

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_a_large_object_does_not_fill_the_memory(branch: Branch, tmp_path: Path) -> None:
    branch.commit(add(new()), WHY)
    edit_by_hand(tmp_path, "projects/de/demo/1.0/release.json", b" " * (9 << 20))
    with pytest.raises(RecordError, match="larger"):
        branch.snapshot().release("demo", "1.0")
    assert branch.snapshot().names() == ("demo",)


def test_reading_goes_on_after_the_process_that_reads_has_died(branch: Branch) -> None:
    branch.commit(add(new()), WHY)
    process = branch._objects._process
    assert process is not None
    process.proc.kill()  # type: ignore[union-attr]
    process.proc.wait()  # type: ignore[union-attr]
    assert branch.snapshot().names() == ("demo",)


def test_reading_goes_on_however_much_git_complains(branch: Branch, tmp_path: Path) -> None:
    """A git that nobody listens to stands still once a pipe is full."""
    branch.commit(add(new()), WHY)
    for number in range(800):  # as after a crash: packs whose ends were never written
        for kind in ("idx", "pack"):
            (tmp_path / f"index.git/objects/pack/pack-{number:040x}.{kind}").touch()
    with Branch(tmp_path / "index.git", "main") as again:
        assert again.snapshot().names() == ("demo",)
        assert again._objects.read(["f" * 40] * 3) == [None] * 3  # it looks into every pack for these


@pytest.mark.skipif(sys.platform != "linux", reason="pipes have one size elsewhere")
@pytest.mark.parametrize("name", ["{}", "{}^{{}}", "{}:nowhere/at/all/" + "x" * 90, "{}:" + "ä" * 60])
def test_many_objects_are_read_through_the_smallest_pipes(branch: Branch, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As Linux gives them to a user who has a thousand of them. A git that waits for its reader reads no more names."""
    start = Git.start

    def narrow(self: Git, *words: str) -> object:
        process = start(self, *words)
        for pipe in (process.stdin, process.stdout):
            fcntl.fcntl(pipe, 1031, 4096)  # F_SETPIPE_SZ
        return process

    blobs = [NewObject.of("blob", b"%d" % number * 2000) for number in range(300)]
    small_pack.write(branch.git_dir, blobs)
    monkeypatch.setattr(Git, "start", narrow)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(branch.objects.read, [name.format(each.id) for each in blobs])
        try:
            found = reading.result(60)
        finally:
            if not reading.done() and (process := branch.objects._process) is not None:
                process.proc.kill()  # type: ignore[union-attr]
    assert [each is not None for each in found] == [":" not in name] * 300
