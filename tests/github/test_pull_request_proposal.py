"""promote --propose: a pull request that says what changes, merged at GitHub, seen by readers of the target."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.github.test_release_publishing import two, world  # noqa: F401
from tests.makers import make_wheel
from tests.matrix import first
from tests.simulator import plumbing
from wharf.errors import NotAllowedError, RefusedError, UncertainError, UsageError
from wharf.github import pull_request_proposal
from wharf.index.history import Asked
from wharf.operations.index_check import check_index_branch
from wharf.operations.promote import Promoted, Wanted, promote
from wharf.operations.propose import propose
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked
from wharf.repository.opening import open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from tests.github.test_release_publishing import World


def ask(world: World, *projects: str, token: str | None = None, machine: str = "home") -> Promoted:
    with world.open(token, machine=machine) as repository:
        return propose(repository, [Wanted(project=each, version="1.0") for each in projects], "staging")


def heads(world: World) -> list[str]:
    return [ref for ref in plumbing.refs(world.repo.git_dir, "refs/heads/") if "proposals" in ref]


def api(world: World, method: str, path: str, **body: object) -> Any:
    with httpx.Client(base_url=f"{world.hub.api}/repos/acme/pkgs", auth=("x", world.token)) as client:
        answer = client.request(method, path, json=body or None)
        assert answer.status_code < 300, answer.text
        return answer.json()


@pytest.fixture
def staged(world: World, two: tuple[Path, Path], tmp_path: Path) -> World:
    """An index `main`, which nobody may push to, and `staging` with two files of demo 1.0."""
    world.put(make_wheel(tmp_path / "old", "old"))
    world.put(*two, index="staging")
    world.repo.protected.add("wharf/main")
    return world


@pytest.mark.slow
@pytest.mark.parametrize("method", first(1, ["merge", "squash"]))
def test_proposed_merged_and_seen(staged: World, two: tuple[Path, Path], method: str) -> None:
    before = staged.commits
    with pytest.raises(NotAllowedError), staged.open() as repository:
        promote(repository, [Wanted(project="demo", version="1.0")], "staging")
    done = ask(staged, "demo")
    assert done.proposal is not None
    assert (done.commit, done.proposal.fresh, staged.commits) == (None, True, before)
    assert done.proposal.head.startswith("wharf-proposals/main/")
    assert done.proposal.address == f"{staged.hub.url}/acme/pkgs/pull/1"
    merged = api(staged, "PUT", "/pulls/1/merge", merge_method=method)
    assert {file.sha256 for file in staged.record().files} == {file.sha256 for file in staged.record(index="staging").files}
    assert staged.record() == staged.record(index="staging")
    with staged.open(machine="looker") as repository:
        assert repository.branch.tip() == merged["sha"]
        assert verify(repository).ok
        entries = [(each.verb, each.releases[0][0], each.actor) for each in repository.branch.history(Asked(project="demo"))]
    # By a merge, both who proposed it and who merged it are told. Squashed, it is one commit with the message of the proposal.
    wanted = {"merge": [("merge", "demo", "alice"), ("promote", "demo", "alice")], "squash": [("promote", "demo", "alice")]}
    assert sorted(entries) == wanted[method]
    again = ask(staged, "demo")
    assert (again.proposal, len(again.unchanged)) == (None, 2)
    staged.repo.protected.clear()
    staged.put(make_wheel(staged.root / "next", "next"))  # the index after a merge commit takes the next change


@pytest.mark.slow
def test_what_is_proposed_passes_the_check_of_the_index(staged: World) -> None:
    proposal = ask(staged, "demo").proposal
    assert proposal is not None
    with staged.open(machine="looker") as repository:
        checked = check_index_branch(repository, f"wharf/main...{proposal.commit}")
    assert (checked.ok, checked.commit, checked.releases) == (True, proposal.commit, 1)
    (both,) = checked.findings
    assert (both.level, both.path) == ("warning", "projects/de/demo"), "staging has the name, too, and is no base of main"


@pytest.mark.slow
def test_the_same_proposal_is_found_again(staged: World, tmp_path: Path) -> None:
    first = ask(staged, "demo").proposal
    second = ask(staged, "demo", machine="another").proposal
    staged.repo.protected.clear()
    staged.put(make_wheel(tmp_path / "third", "third"))  # main moves, and what is proposed stays the same
    third = ask(staged, "demo").proposal
    assert first is not None
    assert second is not None
    assert third is not None
    assert (second.fresh, second.number, third.fresh, third.number) == (False, first.number, False, first.number)
    assert len(heads(staged)) == 1
    api(staged, "PATCH", f"/pulls/{first.number}", state="closed")
    fourth = ask(staged, "demo").proposal
    assert fourth is not None
    assert (fourth.fresh, fourth.number) == (True, 2)


@pytest.mark.slow
def test_a_pull_request_of_another_content_under_the_name_is_not_taken_for_it(staged: World) -> None:
    """Whoever may push could open it first, and have people merge something else."""
    first = ask(staged, "demo").proposal
    assert first is not None
    plumbing.commit_files(
        staged.repo.git_dir, first.head, first.commit, "more", "eve", staged.hub.clock.now(), additions=[("evil", b"x")]
    )
    second = ask(staged, "demo").proposal
    assert second is not None
    assert (second.fresh, second.head) == (True, f"{first.head}-2")
    third = ask(staged, "demo").proposal
    assert third is not None
    assert (third.fresh, third.number) == (False, second.number)


@pytest.mark.slow
def test_a_proposal_that_died_before_its_pull_request_is_taken_up(staged: World) -> None:
    staged.hub.fault("POST /api/v3/repos/acme/pkgs/pulls", "500")
    with pytest.raises(UncertainError, match="500"):
        ask(staged, "demo")
    assert len(heads(staged)) == 1
    found = ask(staged, "demo").proposal
    assert found is not None
    assert len(heads(staged)) == 1


@pytest.mark.slow
def test_a_lost_answer_opens_no_second_one(staged: World) -> None:
    staged.hub.fault("POST /api/v3/repos/acme/pkgs/pulls", "lose")
    found = ask(staged, "demo").proposal
    assert found is not None
    assert [each.number for each in staged.repo.pulls] == [found.number]


@pytest.mark.slow
def test_a_conflict_with_what_came_meanwhile_is_not_merged(staged: World, tmp_path: Path) -> None:
    ask(staged, "demo")
    staged.repo.protected.clear()
    staged.put(make_wheel(tmp_path / "other", content="other bytes"))
    assert api(staged, "GET", "/pulls/1")["mergeable"] is False


@pytest.mark.slow
def test_who_may_not_push_cannot_propose(staged: World) -> None:
    reader = staged.hub.token("bob", {"acme/pkgs": "read"})
    with pytest.raises(NotAllowedError):
        ask(staged, "demo", token=reader)
    assert (heads(staged), staged.repo.pulls) == ([], [])


@pytest.mark.slow
def test_too_many_files_are_refused(staged: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pull_request_proposal, "MOST_FILES", 2)
    with pytest.raises(RefusedError, match="3 files"):
        ask(staged, "demo")


def test_a_folder_has_no_pull_requests(store: Path) -> None:
    with open_repository(Settings(place=store)) as repository, pytest.raises(UsageError, match="this store is a folder"):
        propose(repository, [Wanted(project="demo", version="1.0")], "staging")


@pytest.mark.slow
def test_hostile_reasons_are_no_markdown(staged: World) -> None:
    """A reason is printable when a command sets it; who may push writes what he likes."""
    with staged.open(index="staging") as repository:
        set_yanked(repository, "demo", "1.0", None, reason="x", actor="eve")
    path = "projects/de/demo/1.0/release.json"
    document = json.loads(plumbing.git(staged.repo.git_dir, "show", f"wharf/staging:{path}"))
    evil = "`@acme/owners <img src=x> [a](https://evil.example)\n\n# Approved\u202e"
    for each in document["files"]:
        each["yanked"] = evil
    tip = plumbing.read_ref(staged.repo.git_dir, "refs/heads/wharf/staging")
    plumbing.commit_files(
        staged.repo.git_dir,
        "wharf/staging",
        tip,
        "edit",
        "eve",
        staged.hub.clock.now(),
        additions=[(path, json.dumps(document).encode())],
    )
    ask(staged, "demo")
    (pull,) = staged.repo.pulls
    assert pull.body is not None
    assert "yanked: `'@acme/owners <img src=x> [a](https://evil.example) # Approved`" in pull.body
    for part in pull.body.split("`")[::2]:
        assert not {"@", "<", "["} & set(part)


@pytest.mark.slow
def test_the_command(staged: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    from wharf.cli.main import main

    monkeypatch.setenv("WHARF_REPO", f"{staged.hub.url}/acme/pkgs")
    monkeypatch.setenv("WHARF_TOKEN", staged.token)

    def run(*words: str) -> tuple[object, str]:
        with pytest.raises(SystemExit) as left:
            main(["promote", "demo==1.0", "--from", "staging", "--propose", *words])
        return left.value.code, capsys.readouterr().out

    code, out = run()
    (pull,) = staged.repo.pulls
    address = f"{staged.hub.url}/acme/pkgs/pull/1"
    assert (code, f"opened pull request {address}" in out, "proposed demo-1.0.tar.gz" in out) == (0, True, True)
    assert pull.title == "Promote demo 1.0 from staging to main"
    code, out = run("--json")
    assert code == 0
    assert json.loads(out)["proposal"] == {
        "number": 1,
        "address": address,
        "branch": pull.head,
        "commit": plumbing.read_ref(staged.repo.git_dir, f"refs/heads/{pull.head}"),
    }
    assert run("--dry-run")[0] == 2
