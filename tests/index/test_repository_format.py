"""Repositories in formats that wharf does not read. Their configurations are written here: few gits know all of them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from wharf.errors import StorageError
from wharf.index.branch import Branch
from wharf.index.git import Git

if TYPE_CHECKING:
    from pathlib import Path


def repository(tmp_path: Path, config: str) -> Path:
    """A bare repository with no more than git asks for, and some configuration."""
    made = tmp_path / "index.git"
    for folder in ("objects/pack", "refs/heads"):
        (made / folder).mkdir(parents=True)
    (made / "HEAD").write_text("ref: refs/heads/wharf/main\n")
    (made / "config").write_text(f"[core]\n\trepositoryformatversion = 1\n\tbare = true\n{config}")
    return made


@pytest.mark.parametrize(
    ("config", "words", "remedy"),
    [
        ("[extensions]\n\tobjectformat = sha256\n", "object format sha256", "Name another folder"),
        (
            '[Extensions] ; more\n\tpartialClone = x\n\tObjectFormat="sha256" # ids\n',
            "object format sha256",
            "Name another folder",
        ),
        ("[extensions]\n\trefstorage = reftable\n", "its refs as a reftable", "refs migrate --ref-format=files"),
        ("[extensions]\n\tobjectformat = sha1\n\trefstorage = reftable:///x\n", "its refs as a reftable:///x", "refs migrate"),
        ("[extensions\n", "cannot be read: .*line 4", "--list"),
    ],
    ids=["sha256", "spelled otherwise", "reftable", "elsewhere", "broken"],
)
def test_a_format_that_wharf_does_not_read_is_refused_and_nothing_is_written(
    tmp_path: Path, config: str, words: str, remedy: str
) -> None:
    made = repository(tmp_path, config)
    with Branch(made, "main") as branch, pytest.raises(StorageError, match=words) as caught:
        branch.create(tmp_path / "scratch")
    assert str(made) in caught.value.message
    assert remedy in caught.value.hint
    assert not [name for _, _, names in os.walk(made) for name in names if name not in {"HEAD", "config"}]


@pytest.mark.parametrize(
    "config",
    ["", "[extensions]\n\tobjectformat = sha1\n", "# no extensions\n", "[a]\n\textensions = objectformat\n"],
    ids=["none", "sha1", "a comment", "another section"],
)
def test_a_format_that_wharf_reads_is_taken(tmp_path: Path, config: str) -> None:
    made = repository(tmp_path, config)
    with Branch(made, "main") as branch:
        branch.create(tmp_path / "scratch")
        assert branch.indexes() == []


def test_a_repository_without_a_configuration_has_the_usual_format(tmp_path: Path) -> None:
    made = repository(tmp_path, "")
    (made / "config").unlink()
    with Branch(made, "main") as branch:
        branch.create(tmp_path / "scratch")


def test_a_reftable_is_read_after_what_the_error_tells(tmp_path: Path) -> None:
    made = tmp_path / "index.git"
    if subprocess.run(
        ["git", "init", "-q", "--bare", "--ref-format=reftable", made], capture_output=True, check=False
    ).returncode:
        pytest.skip("this git knows no reftable")
    with Branch(made, "main") as branch:
        with pytest.raises(StorageError, match="reftable") as caught:
            branch.create(tmp_path / "scratch")
        assert f"`git --git-dir={made} refs migrate --ref-format=files`" in caught.value.hint
        Git(made).run("refs", "migrate", "--ref-format=files")
        branch.create(tmp_path / "scratch")
        assert branch.indexes() == []
