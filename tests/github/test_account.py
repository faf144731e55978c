"""Who the history of an index on GitHub names: the account of the token, of whichever kind, or the job of GitHub Actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_main import document
from tests.github.test_remote_branch import git
from tests.makers import make_sdist, make_wheel
from tests.matrix import first
from tests.operations.test_init import hub, run  # noqa: F401 - fixtures
from tests.simulator.shapes import number_of
from wharf.github.account import job
from wharf.repository_address import parse

if TYPE_CHECKING:
    from pathlib import Path

    from tests.operations.test_init import Run
    from tests.simulator import Hub, Repo

ALICE, ROBOT = number_of("alice"), number_of("robot")
KINDS = {
    "classic": ("alice", f"{ALICE}+alice@users.noreply.127.0.0.1"),
    "fine-grained": ("alice", f"{ALICE}+alice@users.noreply.127.0.0.1"),
    "installation": ("robot[bot]", f"{ROBOT}+robot[bot]@users.noreply.127.0.0.1"),
    "actions": ("robot[bot]", f"{ROBOT}+robot[bot]@users.noreply.127.0.0.1"),
}


class Place:
    """An index on the simulator, and a token of a kind for it."""

    def __init__(self, hub: Hub, run: Run, kind: str) -> None:  # noqa: F811
        self.hub, self._run = hub, run
        self.repo: Repo = hub.create("acme/pkgs")
        login = KINDS[kind][0].removesuffix("[bot]")
        self.token = hub.token(login, {self.repo.slug: "write"}, kind=kind)
        self("init")

    def __call__(self, *words: object) -> Any:
        out, self.err = self._run(*words, "--repo", f"{self.hub.url}/{self.repo.slug}", "--json", token=self.token)
        return document(out)

    @property
    def committers(self) -> list[str]:
        return git(self.repo.git_dir, "log", "--format=%s|%cn|%ce", "wharf/main").splitlines()

    @property
    def sent(self) -> int:
        return sum(self.hub.count(kind) for kind in ("api", "upload", "graphql"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", first(1, KINDS))
def test_every_verb_names_the_account_of_the_token(hub: Hub, run: Run, tmp_path: Path, kind: str) -> None:  # noqa: F811
    place = Place(hub, run, kind)
    hub.calls.clear()
    place("publish", make_wheel(tmp_path), make_sdist(tmp_path))
    assert place.sent <= 6, "that is what a release of two files costs, in a fresh cache too"
    hub.calls.clear()
    place("yank", "demo==1.0")
    assert place.sent <= 1
    hub.calls.clear()
    place("remove", "demo==1.0", make_sdist(tmp_path).name, "--yes")
    login, email = KINDS[kind]
    assert [line.partition("|")[2] for line in place.committers] == [f"{login}|{email}"] * 4
    assert {each["actor"] for each in place("log")["entries"]} == {login}
    assert place.err == ""


@pytest.mark.slow
@pytest.mark.parametrize("kind", first(1, KINDS))
def test_files_for_a_release_that_is_there_cost_no_question_more(hub: Hub, run: Run, tmp_path: Path, kind: str) -> None:  # noqa: F811
    place = Place(hub, run, kind)
    place("publish", make_wheel(tmp_path))
    hub.calls.clear()
    place("publish", make_sdist(tmp_path))
    assert hub.count("graphql") == 0
    assert place.committers[0].endswith("|".join(KINDS[kind]))


@pytest.mark.slow
def test_a_publish_that_takes_up_what_lies_there_is_its_own(hub: Hub, run: Run, tmp_path: Path) -> None:  # noqa: F811
    place = Place(hub, run, "classic")
    place("publish", make_wheel(tmp_path))
    git(place.repo.git_dir, "update-ref", "refs/heads/wharf/main", "wharf/main~1")  # as if it had died before its commit
    place.token = hub.token("bob", {"acme/pkgs": "write"})
    place("publish", make_wheel(tmp_path))
    assert hub.count("upload") == 1
    assert place.committers[0].split("|")[1] == "bob"


@pytest.mark.slow
def test_a_commit_by_the_api_names_it_in_its_message(hub: Hub, run: Run, tmp_path: Path) -> None:  # noqa: F811
    place = Place(hub, run, "installation")
    place("publish", make_wheel(tmp_path))
    place.repo.signed.add("wharf/main")  # a rule that no plain push meets
    place("yank", "demo==1.0")
    assert place("log")["entries"][0]["actor"] == "robot[bot]"


@pytest.mark.slow
def test_who_github_does_not_name_is_who_git_knows(hub: Hub, run: Run, tmp_path: Path) -> None:  # noqa: F811
    place = Place(hub, run, "classic")
    place("publish", make_wheel(tmp_path))
    hub.fault("POST /api/graphql", "internal", times=9)
    place("yank", "demo==1.0")
    assert place.committers[0] == "yank demo 1.0 (demo-1.0-py3-none-any.whl)|Ada Example|"
    assert "does not tell" in place.err


@pytest.mark.slow
def test_a_job_is_who_set_it_off_and_its_run(
    hub: Hub,  # noqa: F811
    run: Run,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_SERVER_URL": hub.url,
        "GITHUB_REPOSITORY": "acme/demo",
        "GITHUB_ACTOR": "carol",
        "GITHUB_ACTOR_ID": "42",
        "GITHUB_RUN_ID": "77",
    }.items():
        monkeypatch.setenv(name, value)
    place = Place(hub, run, "actions")
    place("publish", make_wheel(tmp_path))
    hub.calls.clear()
    place("yank", "demo==1.0", "--reason", "loses data")
    assert place.sent <= 1, "the time at GitHub, which no limit counts"
    assert {line.partition("|")[2] for line in place.committers} == {"carol|42+carol@users.noreply.127.0.0.1"}
    entry = place("log")["entries"][0]
    assert (entry["actor"], entry["run"]) == ("carol", f"{hub.url}/acme/demo/actions/runs/77")
    assert entry["reason"] == "loses data"
    out, _ = run("log", "--repo", f"{hub.url}/acme/pkgs", token=place.token)
    assert out.splitlines()[0].endswith(f"loses data  ({hub.url}/acme/demo/actions/runs/77)")


@pytest.mark.parametrize(
    ("changed", "email", "run"),
    [
        ({}, "7+eve@users.noreply.github.com", "https://github.com/a/b/actions/runs/5"),
        ({"GITHUB_ACTOR_ID": ""}, "eve@users.noreply.github.com", "https://github.com/a/b/actions/runs/5"),
        ({"GITHUB_ACTOR": "dependabot[bot]"}, "7+dependabot[bot]@users.noreply.github.com", None),
        ({"GITHUB_ACTOR": "eve> <root@example.org"}, "", None),
        ({"GITHUB_RUN_ID": "5\nWharf-Actor: ada"}, None, ""),
        ({"GITHUB_SERVER_URL": "https://github.example.com"}, "", "https://github.example.com/a/b/actions/runs/5"),
    ],
)
def test_what_an_environment_tells_of_a_job(changed: dict[str, str], email: str | None, run: str | None) -> None:  # noqa: F811
    address = parse("acme/pkgs")
    assert address is not None
    told = {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "eve", "GITHUB_ACTOR_ID": "7"}
    found = job({**told, "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "5", **changed}, address)
    assert found is not None
    if email is not None:
        assert (found.account.email(address) if found.account else "") == email
    if run is not None:
        assert found.run == run
    assert job(told | {"GITHUB_ACTIONS": ""}, address) is None
