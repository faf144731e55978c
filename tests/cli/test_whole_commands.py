"""A command in a message can be typed as it is: it is about the repository and the index that the person named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import commands, document, run
from tests.makers import make_wheel
from wharf.cli.whole_commands import OVER_A_SERVER, completed
from wharf.repository.server_settings import VERBS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.test_main import Run

__all__ = ["run"]  # a fixture

BOTH = {"repo": "acme/pkgs", "index": "staging"}


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ("`wharf list` shows all.", "`wharf list --repo acme/pkgs --index staging` shows all."),
        ("`wharf show demo`, `wharf log`", "`wharf show --repo acme/pkgs --index staging demo`, `wharf log {both}`"),
        ("`wharf show demo --index main`", "`wharf show --repo acme/pkgs demo --index main`"),
        ("`wharf publish --repo ./x dist/*`", "`wharf publish --index staging --repo ./x dist/*`"),
        ("`wharf run --fall-through -- COMMAND`", "`wharf run {both} --fall-through -- COMMAND`"),
        ("`wharf promote demo==1.0 --from dev --to main`", "`wharf promote --repo acme/pkgs demo==1.0 --from dev --to main`"),
        ("`wharf why demo` tells all.", "`wharf why {both} demo` tells all."),
        ("`wharf cache clear` and `wharf cache`", "`wharf cache clear --repo acme/pkgs` and `wharf cache`"),
        ("`wharf index list`", "`wharf index list --repo acme/pkgs`"),
        ("`wharf index create dev`", "`wharf index create --repo acme/pkgs dev`"),
        ("`wharf index check A..B`", "`wharf index check {both} A..B`"),
        ("`wharf token create NAME --index main`", "`wharf token create --repo acme/pkgs NAME --index main`"),
        ("`wharf init acme/other`", "`wharf init --index staging acme/other`"),
        ("another `wharf run`, `wharf yank` and `wharf index`", "another `wharf run`, `wharf yank` and `wharf index`"),
        ("`wharf list --help` and `pip list`", "`wharf list --help` and `pip list`"),
    ],
)
def test_a_command_gets_what_it_lacks_and_takes(said: str, whole: str) -> None:
    assert completed(said, BOTH) == whole.replace("{both}", "--repo acme/pkgs --index staging")
    assert completed(said, {}) == said


def test_a_command_gets_the_server_that_was_named() -> None:
    named = {"server": "https://h.example/", "index": "staging"}
    assert completed("`wharf list`", named) == "`wharf list --server https://h.example/ --index staging`"
    assert completed("`wharf token create NAME`", named) == "`wharf token create --server https://h.example/ NAME`"
    assert completed("`wharf verify`", named) == "`wharf verify --index staging`"
    assert completed("`wharf list --repo x`", named) == "`wharf list --index staging --repo x`"
    assert set(VERBS) == OVER_A_SERVER


def test_an_address_with_a_space_is_one_word() -> None:
    assert completed("`wharf list`", {"repo": "my store"}) == "`wharf list --repo 'my store'`"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "nothing"), 4),
        (("show", "demo==9"), 4),
        (("log", "nothing"), 4),
        (("yank", "nothing==1"), 4),
        (("yank", "demo==9"), 4),
        (("yank", "demo"), 2),
        (("remove", "nothing==1", "--yes"), 4),
    ],
)
def test_what_a_hint_says_works_for_the_index_that_was_named(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], code: int
) -> None:
    monkeypatch.delenv("WHARF_REPO")
    place = ("--repo", tmp_path / "elsewhere", "--index", "staging")
    run("publish", *place, make_wheel(tmp_path))
    hint = document(run(*words, *place, "--json", code=code))["error"]["hint"]
    (line,) = [each for each in commands(hint) if each[-1] != "nothing"]
    assert "demo" in run(*line)


def test_what_is_no_error_names_whole_commands_too(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WHARF_REPO")
    place = ("--repo", tmp_path / "store")
    run("publish", *place, make_wheel(tmp_path))
    run("index", "create", *place, "old")
    assert f"`wharf index restore --repo {tmp_path}/store old`" in run("index", "remove", "old", *place, "--yes")
    assert f"`wharf index restore --repo {tmp_path}/store old`" in run("index", "list", *place)
    assert f"`wharf index restore --repo {tmp_path}/store old`" in run("doctor", *place)
    assert "`wharf run --index staging -- uv sync`" in run("setup", "uv", "--index", "staging")
