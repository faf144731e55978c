"""`wharf prune` as a person and a job use it, in a folder and on GitHub."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_index_command import Run, git_dir, run  # noqa: F401, TC001
from tests.makers import make_wheel

if TYPE_CHECKING:
    from pathlib import Path

RULE = 'retention={names = ["demo"], keep-newest = 1}'


@pytest.fixture
def published(run: Run, tmp_path: Path) -> Run:
    """demo 1.0 and 2.0, of which the rules keep one."""
    run("index", "create", "main")
    run("publish", *(make_wheel(tmp_path, version=version) for version in ("1.0", "2.0")))
    run("index", "settings", "main", "--set", RULE)
    return run


@pytest.mark.slow
def test_a_dry_run_says_what_would_leave_and_writes_nothing(published: Run) -> None:
    before = published("log")
    out, _ = published("prune", "--dry-run")
    assert "would prune demo 1.0: not among the newest 1 releases (rule 1)" in out
    assert "later (keep-past: 90 days)" in out
    assert published("log") == before


@pytest.mark.slow
def test_a_job_prunes_without_a_question_and_gets_a_document(published: Run) -> None:
    done = json.loads(published("prune", "--yes", "--json")[0])
    assert [(each["project"], each["version"], each["rule"]) for each in done["pruned"]] == [("demo", "1.0", 1)]
    assert done["pruned"][0]["files"] == ["demo-1.0-py3-none-any.whl"]
    assert (done["freed"], done["later"]["files"], done["kept"], done["skipped"]) == ({"files": 0, "bytes": 0}, 1, [], [])
    again = json.loads(published("prune", "--yes", "--json")[0])
    assert (again["pruned"], again["commit"]) == ([], done["commit"])
    assert "prune" in published("log")[0]


@pytest.mark.slow
def test_nobody_who_could_answer_is_an_error_that_changes_nothing(published: Run) -> None:
    assert "--yes" in published("prune", code=2)[1]
    assert "demo 1.0" in published("prune", "--dry-run")[0]


@pytest.mark.slow
def test_bytes_go_at_once_where_the_past_is_not_kept(published: Run) -> None:
    published("index", "settings", "main", "--set", "keep-past=0d")
    out, _ = published("prune", "--yes")
    assert "freed" in out
    assert json.loads(published("verify", "--json")[0])["leftovers"] == []


@pytest.mark.slow
def test_without_rules_it_says_how_to_set_some(run: Run) -> None:
    run("index", "create", "main")
    for words in ((), ("--yes",), ("--dry-run",)):
        assert "no rules of retention" in run("prune", *words)[0]
