"""A name that no index has, beside other indexes, is taken for a typing error: nothing is made, and the remedy is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import commands, document, run
from tests.makers import make_wheel
from tests.matrix import first
from wharf.index.branch import Branch

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.test_main import Run

__all__ = ["run"]  # a fixture


@pytest.fixture
def staged(run: Run, tmp_path: Path) -> Run:
    run("publish", make_wheel(tmp_path))
    run("index", "create", "staging", "--base", "main")
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    first(6, [
        ["publish", "WHEEL"],
        ["promote", "demo==1.0", "--from", "main"],
        ["list"],
        ["index", "check"],
        ["serve", "--port", "0"],
        ["run", "--", "true"],
        ["publish", "--dry-run", "WHEEL"],
        ["publish", "--skip-existing", "WHEEL"],
        ["yank", "demo==1.0"],
        ["unyank", "demo==1.0"],
        ["remove", "demo==1.0", "--yes"],
        ["show", "demo"],
        ["log"],
        ["verify"],
        ["build", "--with-files", "OUT"],
        ["serve", "--port", "0", "--fall-through"],
    ]),
    ids=" ".join,
)  # fmt: skip
def test_every_command_names_the_near_index_and_how_to_make_one(
    staged: Run, store: Path, tmp_path: Path, words: list[str]
) -> None:
    real = {"WHEEL": str(make_wheel(tmp_path)), "OUT": str(tmp_path / "site")}
    verb, *rest = (real.get(word, word) for word in words)
    error = document(staged(verb, "--index", "stagin", "--json", *rest, code=4))["error"]
    assert (error["code"], error["message"]) == ("no-index", f"There is no index 'stagin' in {store}.")
    assert error["hint"].startswith("Did you mean staging? ")
    assert commands(error["hint"]) == [["index", "create", "stagin", "--repo", str(store)]]
    assert Branch(store / "index.git", "main").local_indexes() == ["main", "staging"]


@pytest.mark.slow
def test_create_makes_the_index(staged: Run, store: Path, tmp_path: Path) -> None:
    error = document(staged("publish", "--index", "nightly", "--json", make_wheel(tmp_path), code=4))["error"]
    assert error["hint"].startswith("There are: main, staging. ")
    assert error["hint"].endswith(" makes it, and so does this command with --create.")
    assert staged("publish", "--index", "nightly", "--create", make_wheel(tmp_path)).startswith("made the index 'nightly'")
    assert staged("publish", "--index", "nightly", make_wheel(tmp_path, "other"))


@pytest.mark.slow
def test_the_first_index_and_the_default_one_of_a_folder_are_made_without_a_question(run: Run, tmp_path: Path) -> None:
    assert "made the index 'staging'\n" in run("publish", "--index", "staging", make_wheel(tmp_path))
    assert "made the index 'main'\n" in run("publish", make_wheel(tmp_path))


def test_an_index_whose_name_cannot_be_made_is_not_said_to_be_made(staged: Run) -> None:
    error = document(staged("list", "--index", "docs", "--json", code=4))["error"]
    assert error["hint"] == "There are: main, staging."
