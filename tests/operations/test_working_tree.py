# ruff: noqa: F811 - fixtures are arguments of their own name
"""The working tree of git that a folder is in, and the repository that it comes from."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.operations.test_actions_workflow import origin, tree  # noqa: F401 - fixtures
from wharf.operations.working_tree import WorkingTree, find_working_tree, repository_of

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_tree_of_a_repository_has_its_origin(tree: Path, tmp_path: Path) -> None:
    origin(tree, "git@github.com:acme/demo.git")
    for words in (["commit", "--quiet", "--allow-empty", "-m", "x"], ["worktree", "add", "--quiet", str(tmp_path / "second")]):
        subprocess.run(["git", "-C", str(tree), *words], check=True)
    assert find_working_tree(tmp_path / "second") == WorkingTree(top=tmp_path / "second", origin=("github.com", "acme/demo"))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://github.com/acme/Demo.git", ("github.com", "acme/demo")),
        ("https://x:y@github.com/acme/demo/", ("github.com", "acme/demo")),
        ("ssh://git@github.com:22/acme/demo.git", ("github.com", "acme/demo")),
        ("git@github.com:acme/demo.git", ("github.com", "acme/demo")),
        ("github.com:acme/demo", ("github.com", "acme/demo")),
        ("/srv/git/demo.git", None),
        ("../demo", None),
        ("https://github.com/demo", None),
    ],
)
def test_a_remote_is_read_as_git_reads_it(url: str, found: tuple[str, str] | None) -> None:
    assert repository_of(url) == found
