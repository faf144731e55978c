"""The documents name what is there: pages, files, commands, options, variables, exit codes, libraries, tests of reports."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path

import click
import pytest

import wharf
from tests.test_house import LAYERS
from wharf import errors
from wharf.assets import upload_session_states
from wharf.cli.main import cli
from wharf.github import release_states
from wharf.system import fault_report

ROOT = Path(wharf.__file__).parents[1]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
PAGES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md")}
REFERENCE = PAGES["reference.md"]
DECISIONS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "decisions").iterdir())}
LINKING = [
    path.relative_to(ROOT).as_posix()
    for folder in (ROOT, ROOT / "docs", ROOT / "docs" / "decisions")
    for path in sorted(folder.glob("*.md"))
]
MOST_WORDS = 520  # of a decision: a page
_ROW = re.compile(r"^\| ([\w.-]+/[\w.-]+#[^|]+) \| .+ \| ([^|]+) \|$", re.MULTILINE)
REPORTS = [(found[1], found[2]) for found in _ROW.finditer(PAGES["testing.md"])]


def test_the_first_page_of_docs_links_each_page() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["README.md"]))
    assert linked == set(PAGES) - {"README.md"}


@pytest.mark.parametrize("page", LINKING)
def test_a_link_leads_to_a_file_and_a_heading(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", text):
        path = (ROOT / page).parent / target if target else ROOT / page
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{target}#{anchor}"


@pytest.mark.parametrize("name", DECISIONS)
def test_a_decision_is_a_page_and_is_linked(name: str) -> None:
    text = DECISIONS[name]
    assert re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)
    assert text.startswith(f"# {int(name[:4])}. ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "What it costs"]
    assert len(re.findall(r"\w\S*", text)) <= MOST_WORDS, (
        "Keep a decision to a page. Details stand in the page that the decision links."
    )
    assert f"](decisions/{name})" in PAGES["README.md"], f"Add {name} to the list in docs/README.md."


def test_each_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    tables = DECISIONS["0008-dependencies.md"].split("For development:")
    for table, entries in zip(tables, (project["dependencies"], project["optional-dependencies"]["dev"]), strict=True):
        reasons = {name for row in re.findall(r"^\| ([^|]+) \| [^|]+ \|$", table, re.MULTILINE) for name in row.split(", ")}
        wanted = {re.split(r"[^\w-]", entry)[0] for entry in entries}
        assert reasons - {"library", "---"} == wanted, "Give each library a row in docs/decisions/0008-dependencies.md."


@pytest.mark.parametrize(("report", "tests"), REPORTS, ids=[report for report, _ in REPORTS])
def test_a_public_report_has_the_test_that_it_names(report: str, tests: str) -> None:
    paths = [ROOT / path for path in re.findall(r"`(tests/[^`]+)`", tests)]
    assert paths, report
    for path in paths:
        assert path.is_file(), path
    text = "".join(path.read_text(encoding="utf-8") for path in paths)
    for name in re.findall(r'"([^"]+)"', tests):
        assert re.search(rf"def test_\w*{re.escape(name.removesuffix(' …').replace(' ', '_'))}", text), name


def test_a_public_report_is_told_once() -> None:
    found: Counter[str] = Counter()
    for report, _ in REPORTS:
        repository = ""
        for each in report.split(", "):
            assert re.fullmatch(r"([\w.-]+/[\w.-]+)?#\d+", each), report
            repository = each.partition("#")[0] or repository
            found[f"{repository}#{each.partition('#')[2]}"] += 1
    assert len(REPORTS) == len(re.findall(r"^\|.*/.*#\d+.*\|$", PAGES["testing.md"], re.MULTILINE))
    assert not [report for report, count in found.items() if count > 1]


def _picture() -> list[tuple[str, set[str]]]:
    """The layers of ARCHITECTURE.md with their rooms, from the ground up."""
    picture = ARCHITECTURE.split("## The wings")[1].split("```")[1]
    layers = [line.partition("|")[0].split() for line in reversed(picture.strip().splitlines())]
    return [(layer, set(rooms)) for layer, *rooms in layers]


def _first_column(heading: str) -> set[str]:
    table = ARCHITECTURE.split(f"## {heading}")[1].split("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ", table, re.MULTILINE)[1:]
    return {name.strip("`/") for row in rows for name in row.split(", ")}


def test_the_picture_of_the_wings_is_that_of_the_house() -> None:
    assert _picture() == list(LAYERS)
    assert _first_column("The wings") == {room for _, rooms in LAYERS for room in rooms}, "Give each room a row in the table."


def test_the_life_of_a_publish_is_the_table_in_the_code() -> None:
    head = "| state | what GitHub shows | what a publish that dies here leaves | who repairs that | next request: next state |"
    rows = [
        f"| {row.name} | {row.shows} | {row.leaves} | {'; or '.join(each.value for each in row.remedies)} | "
        + (f"`{row.event}`: {row.next} |" if row.event else "none |")
        for row in release_states.STATES
    ]
    table = "\n".join([head, "|---|---|---|---|---|", *rows])
    assert f"\n\n{table}\n\n" in ARCHITECTURE, f"Put this table into ARCHITECTURE.md:\n{table}"


@pytest.mark.parametrize("rows", [upload_session_states.SESSION_TABLE, upload_session_states.FILE_TABLE])
def test_the_life_of_an_upload_session_is_the_table_in_the_code(rows: tuple[upload_session_states.Row, ...]) -> None:
    lines = [f"| {row.state} | {row.event} | {row.next or f'409: {row.refusal}'} |" for row in rows]
    table = "\n".join(["| state | event | next state |", "|---|---|---|", *lines])
    assert f"\n\n{table}\n\n" in PAGES["sessions.md"], f"Put this table into docs/sessions.md:\n{table}"


def test_the_glossary_has_each_noun_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \|$", PAGES["glossary.md"], re.MULTILINE)[1:]
    terms = [term for term, _ in rows]
    assert terms == sorted(set(terms), key=str.lower), "Each term stands there once, in the order of the alphabet."
    nouns = {re.sub(r"(?<=[a-z])(?=[A-Z])", " ", noun).lower() for noun in _first_column("Nouns")}
    assert nouns - {"noun"} <= {term.lower() for term in terms}, "Explain each noun of ARCHITECTURE.md in docs/glossary.md."
    for _, meaning in rows:
        for term in re.findall(r"\*([^*]+)\*", meaning):
            assert {term, term.removesuffix("s")} & set(terms), f"{term} has no entry."


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md", *(f"docs/decisions/{name}" for name in DECISIONS)])
def test_a_file_that_the_plan_names_is_there(page: str) -> None:
    for name in re.findall(r"`([\w./]+\.py)`", (ROOT / page).read_text(encoding="utf-8")):
        assert (ROOT / "wharf" / name).is_file() or (ROOT / name).is_file(), f"{name}: name the file as it is called today."


def _commands(group: click.Group, *before: str) -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found: list[tuple[str, click.Command]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += (
            _commands(command, *before, name) if isinstance(command, click.Group) else [(" ".join((*before, name)), command)]
        )
    return found


COMMANDS = _commands(cli)


@pytest.mark.parametrize(("name", "command"), COMMANDS, ids=[name for name, _ in COMMANDS])
def test_each_command_and_option_is_documented(name: str, command: click.Command) -> None:
    assert f"`wharf {name}" in REFERENCE or f"`{name.split()[-1]}" in REFERENCE
    everything = "".join(PAGES.values())
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert not [each.opts for each in options if not any(re.search(rf"{re.escape(text)}\b", everything) for text in each.opts)]


def test_each_variable_that_wharf_reads_is_in_the_reference() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "wharf").rglob("*.py"))
    names = set(re.findall(r"\b(?:WHARF|GH)_[A-Z_]*[A-Z]\b", source)) - {"GH_PROMPT_DISABLED", "GH_CONFIG_DIR"}
    assert not [name for name in sorted(names) if name not in REFERENCE]


def test_each_exit_code_is_in_the_reference() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.WharfError)]
    codes = {kind.exit_code for kind in kinds if kind is not errors.WharfError} | {0, fault_report.EXIT_CODE, 130}
    table = REFERENCE.split("## Exit codes")[1].split("##")[0]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes
