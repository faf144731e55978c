"""Documents, `--help` and messages keep to the words in CONTRIBUTING.md. Text in backticks is code and may have other words."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

import wharf
from wharf.cli.main import cli

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(wharf.__file__).parents[1]
DOCUMENTS = [
    path.relative_to(ROOT).as_posix() for folder in ("*.md", "docs/**/*.md", "bench/*.md") for path in sorted(ROOT.glob(folder))
]
ROWS = re.findall(
    r"^\| ([^|]+) \| (`[^|]+`) \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Words")[1], re.MULTILINE
)
INSTEAD = {word.lower(): write for write, words in ROWS for word in re.findall(r"`([^`]+)`", words)}
# "a token of GitHub's" and "a job of its own" are wrong, "each of GitHub's limits" and "one of its own jobs" are right.
_ENDS = {
    word: r"(?=$|[^\w ]| (?:that|which|and|or|is|are|behind|in|on|for|to|with)\b)"
    if word.endswith(("'s", " own"))
    else r"(?![\w-])"
    for word in INSTEAD
}
_WORDS = re.compile(rf"(?<![\w'-])({'|'.join(re.escape(word) + end for word, end in _ENDS.items())})", re.IGNORECASE)
_CODE = re.compile(r"^( *)```.*?^\1```$|`[^`]*`|<!--.*?-->", re.DOTALL | re.MULTILINE)


def _complaints(text: str) -> list[str]:
    prose = " ".join(_CODE.sub("` `", text).split())
    found = []
    for match in _WORDS.finditer(prose):
        around = prose[max(0, match.start() - 40) : match.end() + 40]
        found.append(f"…{around}… Write: {INSTEAD[match[1].lower()]}")
    return found


def _helps(group: click.Group, name: str) -> dict[str, str]:
    with click.Context(group, info_name=name) as context:
        found = {name: group.get_help(context)}
        for word in group.list_commands(context):
            command = group.get_command(context, word)
            assert command is not None
            inner = f"{name} {word}"
            if isinstance(command, click.Group):
                found |= _helps(command, inner)
            else:
                with click.Context(command, info_name=word, parent=context) as below:
                    found[inner] = command.get_help(below)
    return found


def _messages(path: Path) -> Iterator[tuple[int, str]]:
    """Each string of a module that has more than a word and is no docstring, with its line. What is put in counts as code."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parts = {id(each.value) for each in ast.walk(tree) if isinstance(each, ast.Expr)}
    for each in ast.walk(tree):
        if isinstance(each, ast.JoinedStr):
            parts |= {id(value) for value in each.values}
            texts = [str(value.value) if isinstance(value, ast.Constant) else "``" for value in each.values]
            if " " in "".join(texts):
                yield each.lineno, "".join(texts)
    for each in ast.walk(tree):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and id(each) not in parts and " " in each.value:
            yield each.lineno, each.value


HELPS = _helps(cli, "wharf")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_keeps_to_the_words(name: str) -> None:
    assert not _complaints((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", HELPS)
def test_the_help_keeps_to_the_words(name: str) -> None:
    assert not _complaints(HELPS[name])


@pytest.mark.slow
def test_the_messages_keep_to_the_words() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {complaint}"
        for path in sorted((ROOT / "wharf").rglob("*.py"))
        for line, text in _messages(path)
        for complaint in _complaints(text)
    ]
    assert not found, "\n".join(found)


def test_a_wrong_word_is_found_in_prose_and_not_in_code() -> None:
    assert len(INSTEAD) > 40
    assert len(HELPS) > 15
    assert len(_complaints("a token of\nGitHub's")) == 1
    assert _complaints("The file is built anew.") == ["…The file is built anew.… Write: again, new"]
    assert not _complaints("Each of GitHub's limits counts.")
    assert not _complaints("`anew`, renew\n```sh\nanew\n```\n<!-- not run: anew -->")
