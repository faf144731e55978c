# ruff: noqa: F811 - fixtures are arguments of their own name
"""The git program, whatever surrounds it."""

from __future__ import annotations

import errno
import os
import shutil
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, git  # noqa: F401 - fixtures
from tests.index.test_change import A, add, new
from tests.small_disk import fill, small_disk
from wharf.errors import StorageError
from wharf.index.branch import Branch
from wharf.index.git import Git, check_disk
from wharf.index.ref_transaction import RefWriter

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_hook_or_a_person_has_in_the_environment_leads_nowhere_else(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    hook = hooks / "reference-transaction"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", f"'core.hooksPath={hooks}'")
    with Branch(tmp_path / "index.git", "main") as other:
        assert other.commit(add(new()), WHY).commit
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["GIT_WORK_TREE", "GIT_QUARANTINE_PATH"])
def test_a_variable_that_counts_though_it_is_empty_keeps_nobody_from_a_new_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A shell that manages the files of a home has the first one, a hook that looks at a push has the other one."""
    monkeypatch.setenv(name, str(tmp_path))
    with Branch(tmp_path / "index.git", "main") as branch:
        branch.create(tmp_path / "scratch")
        assert branch.commit(add(new()), WHY).commit
    assert os.environ[name] == str(tmp_path), "what `wharf run` starts has it"


@pytest.mark.parametrize("configured", [False, True], ids=["by variables", "by a configuration"])
def test_a_person_who_prefers_other_formats_gets_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    if configured:
        own = "[init]\n\tdefaultObjectFormat = sha256\n\tdefaultRefFormat = reftable\n[feature]\n\texperimental = true\n"
        (tmp_path / "own").write_text(own)
        monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "own"))
    else:
        monkeypatch.setenv("GIT_DEFAULT_HASH", "sha256")
        monkeypatch.setenv("GIT_DEFAULT_REF_FORMAT", "reftable")
    with Branch(tmp_path / "index.git", "main") as branch:
        branch.create(tmp_path / "scratch")
        commit = branch.commit(add(new()), WHY).commit
        assert commit is not None
        assert (tmp_path / "index.git/refs/heads/wharf/main").read_text() == f"{commit}\n"
        assert (len(commit), branch.indexes()) == (40, ["main"])
        branch.create(tmp_path / "scratch")  # it is no repository that is refused


@pytest.mark.parametrize("environ", [{}, {"GIT_WORK_TREE": ""}])
def test_a_missing_git_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Also where another program takes a variable away before git begins."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "env").symlink_to(shutil.which("env") or "")
    monkeypatch.setenv("PATH", str(programs))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with Branch(tmp_path / "index.git", "main") as branch, pytest.raises(StorageError, match="not installed"):
        branch.create(tmp_path / "scratch")


@pytest.mark.parametrize(
    ("number", "message", "remedy"),
    [
        (errno.ENOSPC, "The disk is full at ", "Free some room"),
        (errno.EDQUOT, "The disk is full at ", "quota"),
        (errno.EIO, "cannot be written to", "The disk fails"),
        (None, "git could not write to ", "free some room"),  # there is room again
    ],
)
def test_a_git_that_does_not_say_why_it_could_not_write_has_the_disk_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, message: str, remedy: str
) -> None:
    def sync(_handle: int) -> None:
        if number is not None:
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr("wharf.system.disk_trial.os.fsync", sync)
    for said in ("fatal: prepare: cannot update ref 'x': couldn't write 'x.lock'", "a word\nerror: couldn't close 'x.lock'"):
        with pytest.raises(StorageError, match=message) as caught:
            check_disk(said, tmp_path)
        assert str(tmp_path) in caught.value.message
        assert remedy in caught.value.hint
    check_disk("remote: error: couldn't write 'x.lock'", tmp_path)  # on another disk
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("step", ["update refs/heads/wharf/main {0} {1}", "create refs/heads/other {0}"])
def test_a_ref_on_a_full_disk_is_told_as_that(branch: Branch, tmp_path: Path, step: str) -> None:
    first, second = (branch.commit(add(each), WHY).commit for each in (new(), new("other-1.0.tar.gz", A, "1.0", "other")))
    disk = tmp_path / "disk"
    disk.mkdir()
    with small_disk(disk, "2m") as mounted:
        if not mounted:
            pytest.skip("no disk can be mounted here")
        shutil.copytree(branch.git_dir, disk / "copy")
        writer = RefWriter(Git(disk / "copy"))
        fill(disk / "ballast")
        with pytest.raises(StorageError, match="The disk is full at ") as caught:
            writer.transact({step.split()[1]: step.format(first, second)})
        writer.close()
    assert "Free some room" in caught.value.hint


@pytest.mark.slow
def test_the_beginning_of_what_git_prints_takes_no_more_memory_than_that(branch: Branch, tmp_path: Path) -> None:
    large = git(tmp_path, "hash-object", "-w", "--stdin", data=bytes(20 << 20))
    program = Git(branch.git_dir)
    tracemalloc.start()
    try:
        out, whole = program.beginning(1 << 16, "cat-file", "blob", large)
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()
    assert (len(out), whole) == (1 << 16, False)
    small = git(tmp_path, "hash-object", "-w", "--stdin", data=b"all of it")
    assert program.beginning(9, "cat-file", "blob", small) == (b"all of it", True)
    with pytest.raises(StorageError, match="cat-file failed"):
        program.beginning(9, "cat-file", "blob", "0" * 40)
