"""The check of pull requests to an index, run: by the workflow of the default branch, with read rights alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.actions.test_actions import FLOW, TAG, WHARF, no_token_left, place, tree
from tests.operations.test_index_check import RECORD, TOML, move
from tests.operations.test_index_check import tree as commit_by_hand
from wharf.operations import actions_workflow

if TYPE_CHECKING:
    from pathlib import Path

    from tests.actions import Run
    from tests.actions.test_actions import Place
    from tests.simulator import Repo

__all__ = ["place", "tree"]  # fixtures

CALLER = f"""\
name: Check the index
on:
  pull_request_target:
    branches: ["wharf/**"]
permissions: {{}}
jobs:
  check:
    permissions:
      contents: read
    uses: {actions_workflow.OWN}/.github/workflows/check-index.yml@{TAG}
"""


def flow(more: str = "", on: str = '{pull_request_target: {branches: ["wharf/**"]}}') -> str:
    """A workflow with the composite action and the wharf under test."""
    return f"""\
name: check
on: {on}
permissions: {{}}
jobs:
  check:
    runs-on: ubuntu-24.04
    permissions: {{contents: read}}
    outputs: {{errors: "${{{{ steps.it.outputs.errors }}}}", rights: "${{{{ steps.it.outputs.rights }}}}"}}
    steps:
      - name: Check
        id: it
        uses: {actions_workflow.OWN}/.github/actions/index-check@{TAG}
        with:
          wharf: {WHARF}
{more}"""


def asked(place: Place, repo: Repo, commit: str, base: str = "wharf/main", action: str = "opened") -> list[Run]:
    """The runs that a pull request with that commit starts."""
    move(repo.git_dir, commit, "refs/pull/7/head")
    payload: dict[str, Any] = {
        "action": action,
        "pull_request": {"number": 7, "base": {"ref": base, "sha": "0" * 40}, "head": {"ref": "x", "sha": commit}},
    }
    return place.actions.event(repo.slug, "pull_request_target", payload=payload)


@pytest.fixture
def repo(place: Place, tmp_path: Path) -> Repo:
    """A repository with an index, one release in it, and the workflow on its default branch."""
    return place.project("acme/pkgs", {FLOW: flow()})


HOSTILE = '"; touch /tmp/x; ::error::x `id` $(id) ${{ secrets.GITHUB_TOKEN }} <b>'


@pytest.mark.slow
def test_a_pull_request_is_checked_with_read_rights_and_runs_nothing(place: Place, repo: Repo) -> None:
    sound = commit_by_hand(repo.git_dir, {TOML: b'format = 1\nreserved = ["acme-*"]\n'})
    place.hub.calls.clear()
    (run,) = asked(place, repo, sound)
    assert run.result == "success", run.text
    job = run["check"]
    assert job.permissions == {"contents": "read"}
    assert job.outputs == {"errors": "0", "rights": "1"}
    assert [(each.kind, each.title) for each in job.annotations] == [("warning", "Change of rights")]
    assert "### Index main: no errors" in job.summary
    assert f"Commit {sound[:12]}" in job.summary
    assert all(call.method == "GET" or call.path.endswith("git-upload-pack") for call in place.hub.calls)
    assert [list(machine.workspace.iterdir()) for machine in place.actions.machines] == [[]], "nothing is checked out"
    workflow = b"on: pull_request_target\njobs: {x: {runs-on: ubuntu-24.04, steps: [{run: 'exit 1'}]}}\n"
    broken = commit_by_hand(repo.git_dir, {".github/workflows/x.yml": workflow, f"projects/{HOSTILE}": b"", TOML: b"["})
    (run,) = asked(place, repo, broken, action="synchronize")
    assert run.result == "failure"
    job = run["check"]
    assert job.outputs["errors"] == "3"
    assert [each.kind for each in job.annotations] == ["error"] * 3
    assert "secrets" in job.summary
    assert "<b>" not in job.summary
    no_token_left(place)


@pytest.mark.slow
def test_pull_requests_to_other_branches_and_closed_ones_start_nothing(place: Place, repo: Repo) -> None:
    commit = commit_by_hand(repo.git_dir, {TOML: b"["})
    assert asked(place, repo, commit, base="main") == []
    assert asked(place, repo, commit, action="closed") == []


@pytest.mark.slow
def test_a_check_of_one_index_says_that_a_pull_request_is_to_another(place: Place) -> None:
    repo = place.project("acme/pkgs", {FLOW: flow("          index: staging\n")})
    (run,) = asked(place, repo, commit_by_hand(repo.git_dir, {TOML: b"["}))
    assert run.result == "failure"
    (error,) = run["check"].annotations
    assert (error.title, "wharf/staging" in error.message) == ("Not this index", True)


@pytest.mark.slow
def test_without_a_pull_request_the_index_is_checked_as_it_is(place: Place) -> None:
    repo = place.project("acme/pkgs", {FLOW: flow(on="workflow_dispatch")})
    (run,) = place.actions.event(repo.slug, "workflow_dispatch")
    assert run.result == "success", run.text
    move(repo.git_dir, commit_by_hand(repo.git_dir, {RECORD: b"{"}))
    (run,) = place.actions.event(repo.slug, "workflow_dispatch")
    assert run.result == "failure"
    assert run["check"].outputs["errors"] == "1"


@pytest.mark.slow
def test_an_index_that_is_not_there_is_an_error_of_the_step(place: Place, repo: Repo) -> None:
    (run,) = asked(place, repo, commit_by_hand(repo.git_dir, {}), base="wharf/stagin")
    assert run.result == "failure"
    (error,) = run["check"].annotations
    assert error.title == "wharf index: no-index"


@pytest.mark.real
@pytest.mark.slow
def test_the_workflow_that_others_call_installs_wharf_and_checks(place: Place) -> None:
    repo = place.project("acme/pkgs", {FLOW: CALLER})
    (run,) = asked(place, repo, commit_by_hand(repo.git_dir, {TOML: b'format = 1\nreserved = ["acme-*"]\n'}))
    assert run.result == "success", run.text
    assert run["check / check"].permissions == {"contents": "read"}
    (run,) = asked(place, repo, commit_by_hand(repo.git_dir, {TOML: b"["}))
    assert run.result == "failure"
    no_token_left(place)
