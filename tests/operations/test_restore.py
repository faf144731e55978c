"""`restore` on a real store: what comes back, what is lost, who may, and who meets it."""

# ruff: noqa: F811 - a fixture is asked for by the name under which it is imported
from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cli.test_main import Run, document, run  # noqa: F401
from tests.index.test_branch import edit_by_hand, git
from tests.makers import make_sdist, make_wheel
from tests.operations.test_operations import put, stored
from wharf.assets.asset_store import Progress
from wharf.assets.folder_store import FolderStore
from wharf.errors import NotFoundError, UsageError
from wharf.index.commit_message import CommitMessage
from wharf.index.moment import parse_moment
from wharf.index.yank_and_remove import RemoveFiles
from wharf.operations.remove import remove
from wharf.operations.restore import restore
from wharf.operations.verify import verify
from wharf.operations.yank import set_yanked

if TYPE_CHECKING:
    from pathlib import Path

    from wharf.operations.restore import Restored
    from wharf.repository.opening import Repository

PRUNE = CommitMessage(verb="prune", actor="ada")


def back_to(repository: Repository, commit: str | None, *projects: str, dry_run: bool = False) -> Restored:
    return restore(repository, parse_moment(str(commit)), projects, dry_run=dry_run, actor="bob")


def shown(repository: Repository) -> dict[str, str | None]:
    """All files, with their yanks."""
    snapshot = repository.branch.snapshot()
    return {file.filename: file.yanked for project, _ in snapshot.projects(snapshot.names()) for file in project.files}


def broken(repository: Repository) -> list[str]:
    """What no reader can get although the index names it."""
    return [each.path for each in verify(repository).problems if each.kind != "unnamed-bytes"]


def names(done: Restored) -> tuple[list[str], list[str], list[str], list[str]]:
    steps = done.steps
    kinds = (steps.back, steps.left, steps.changed, [named for named, _ in steps.lost])
    back, left, changed, lost = ([named.file.filename for named in some] for some in kinds)
    return back, left, changed, lost


@pytest.mark.slow
def test_the_index_is_as_it_was_and_the_history_goes_on(repository: Repository, tmp_path: Path, store: Path) -> None:
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    put(repository, wheel, sdist)
    set_yanked(repository, "demo", "1.0", sdist.name, reason="broken build", actor="ada")
    then, was = repository.branch.tip(), shown(repository)
    put(repository, make_wheel(tmp_path, version="2.0"), make_wheel(tmp_path, "other"))
    set_yanked(repository, "demo", "1.0", None, reason="a mistake", actor="ada")
    repository.branch.commit(RemoveFiles.of("demo", "1.0", sdist.name), PRUNE)
    before = repository.branch.tip()
    dry = back_to(repository, then, dry_run=True)
    assert (dry.commit, repository.branch.tip()) == (None, before)
    done = back_to(repository, then)
    assert names(done) == names(dry) == (
        [sdist.name],
        ["demo-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"],
        [wheel.name],
        [],
    )  # fmt: skip
    assert shown(repository) == was
    assert git(store, "rev-parse", "wharf/main~1").strip() == before
    assert git(store, "log", "-1", "--format=%B", "wharf/main").startswith("restore demo 1.0, demo 2.0, other 1.0\n")
    assert f"as at {str(then)[:12]}" in git(store, "log", "-1", "--format=%B", "wharf/main")
    assert len(stored(store)) == 4
    assert broken(repository) == []
    again = back_to(repository, then)
    assert (again.commit, names(again)) == (None, ([], [], [], []))
    there_and_back = back_to(repository, before)
    assert names(there_and_back)[0] == ["demo-2.0-py3-none-any.whl", "other-1.0-py3-none-any.whl"]


def test_a_file_that_was_removed_for_ever_stays_away_also_where_its_bytes_are_there(
    repository: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.assets.folder_store.PATIENCE", 0.0)
    wheel, sdist = make_wheel(tmp_path), make_sdist(tmp_path)
    put(repository, wheel, sdist)
    then = repository.branch.tip()
    with FolderStore(store).intake(Progress()):  # so that the bytes stay
        remove(repository, "demo", "1.0", None, reason="secret inside", actor="eve")
    put(repository, sdist)
    repository.branch.commit(RemoveFiles.of("demo", "1.0", sdist.name), PRUNE)
    assert stored(store) == [wheel.name, sdist.name]
    done = back_to(repository, then)
    assert names(done) == ([sdist.name], [], [], [wheel.name])
    assert "eve removed it for ever" in done.steps.lost[0][1]


def test_a_file_whose_bytes_are_gone_or_others_is_named_and_left_out(
    repository: Repository, tmp_path: Path, store: Path
) -> None:
    wheel, sdist, other = make_wheel(tmp_path), make_sdist(tmp_path), make_wheel(tmp_path, "other")
    put(repository, wheel, sdist, other)
    then = repository.branch.tip()
    for project in ("demo", "other"):
        repository.branch.commit(RemoveFiles.of(project, "1.0"), PRUNE)
    next((store / "assets").rglob(wheel.name)).unlink()
    next((store / "assets").rglob(sdist.name)).write_bytes(b"short")
    done = back_to(repository, then)
    assert names(done) == ([other.name], [], [], [wheel.name, sdist.name])
    assert {why for _, why in done.steps.lost} == {
        "its bytes are not stored",
        f"its bytes have 5 bytes instead of {sdist.stat().st_size}",
    }
    assert broken(repository) == []
    with pytest.raises(NotFoundError):
        set_yanked(repository, "demo", "1.0", None, reason="", actor="bob")


def test_only_the_named_projects_go_back(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path), make_wheel(tmp_path, "other"))
    then = repository.branch.tip()
    put(repository, make_sdist(tmp_path), make_sdist(tmp_path, "other"))
    assert names(back_to(repository, then, "other"))[1] == ["other-1.0.tar.gz"]
    assert "demo-1.0.tar.gz" in shown(repository)
    with pytest.raises(NotFoundError, match="no project 'othr'") as caught:
        back_to(repository, then, "othr")
    assert "other" in caught.value.hint


def test_settings_and_states_of_projects_stay_as_they_are_today(repository: Repository, tmp_path: Path, store: Path) -> None:
    put(repository, make_wheel(tmp_path))
    then = repository.branch.tip()
    state = b'{"project-status": {"status": "quarantined", "reason": "looks bad"}}'
    edit_by_hand(store, "projects/de/demo/project.json", state)
    edit_by_hand(store, "wharf.toml", b'format = 1\nreserved = ["ours"]\n')
    repository.branch.commit(RemoveFiles.of("demo", "1.0"), PRUNE)
    assert names(back_to(repository, then))[0] == ["demo-1.0-py3-none-any.whl"]
    snapshot = repository.branch.snapshot()
    assert snapshot.status("demo").marker == "quarantined"
    assert snapshot.settings.reserved == ("ours",)


def test_a_state_that_differs_in_settings_alone_makes_no_commit(repository: Repository, tmp_path: Path, store: Path) -> None:
    put(repository, make_wheel(tmp_path))
    then = repository.branch.tip()
    edit_by_hand(store, "wharf.toml", b'format = 1\nreserved = ["ours"]\n')
    edit_by_hand(store, "projects/de/demo/project.json", b'{"project-status": {"status": "archived"}}')
    before = repository.branch.tip()
    assert back_to(repository, then).commit is None
    assert repository.branch.tip() == before


def test_a_publisher_that_is_quicker_is_met_by_the_same_restoration(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel, late = make_wheel(tmp_path), make_wheel(tmp_path, "late")
    put(repository, wheel)
    then = repository.branch.tip()
    put(repository, make_sdist(tmp_path))
    land = type(repository.branch)._land
    raced: list[bool] = []

    def quicker(branch: object, *words: object) -> str | None:
        if not raced:
            raced.append(True)
            put(repository, late)
        return land(branch, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(type(repository.branch), "_land", quicker)
    done = back_to(repository, then)
    assert names(done)[1] == ["demo-1.0.tar.gz", late.name]
    assert shown(repository) == {wheel.name: None}
    assert broken(repository) == []


def test_bytes_that_come_back_are_not_deleted_before_the_index_names_them(
    repository: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wharf.assets.folder_store.PATIENCE", 0.0)
    put(repository, make_wheel(tmp_path))
    then = repository.branch.tip()
    repository.branch.commit(RemoveFiles.of("demo", "1.0"), PRUNE)
    commit = type(repository.branch).commit
    kept: list[object] = []

    def meanwhile(branch: object, *words: object) -> object:
        if not kept:
            kept.append(True)
            kept.extend(remove(repository, "demo", "1.0", None, reason="", actor="eve").kept)
        return commit(branch, *words)  # type: ignore[arg-type]

    monkeypatch.setattr(type(repository.branch), "commit", meanwhile)
    back_to(repository, then)
    assert len(kept) == 2, "the publishers' lock is held"
    assert len(stored(store)) == 1
    assert broken(repository) == []


def test_moments_that_nobody_can_restore_to(repository: Repository, tmp_path: Path) -> None:
    put(repository, make_wheel(tmp_path))
    for moment, error in (
        ("2999-01-01", UsageError),
        ("2001-01-01", NotFoundError),
        ("f" * 40, NotFoundError),
    ):
        with pytest.raises(error):
            restore(repository, parse_moment(moment), actor="bob")


# The command.


@pytest.mark.slow
def test_the_command_shows_what_it_will_do_and_asks_once(
    run: Run, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("publish", make_wheel(tmp_path))
    then = git(store, "rev-parse", "wharf/main").strip()
    run("publish", *(make_wheel(tmp_path, version=f"2.{number}") for number in range(25)))
    before = git(store, "rev-parse", "wharf/main")
    assert "--yes" in run("restore", "--to", then, code=2)
    said = document(run("restore", "--to", then, "--dry-run", "--json"))
    assert (said["commit"], len(said["left"]), said["to"]) == (None, 25, {"moment": then, "commit": then})
    monkeypatch.setattr("wharf.cli.state.sys.stdin.isatty", lambda: True, raising=False)
    asked: list[str] = []
    monkeypatch.setattr("click.confirm", lambda question, **_: asked.append(question))
    told = run("restore", "--to", then[:9], code=130)
    assert asked == [f"Restore the index to {then[:9]}: 0 file(s) come back, 25 leave, 0 change, 0 are lost?"]
    assert told.count("leaves, name stays taken") == 20
    assert "and 5 more such files" in told
    assert "Nothing was changed." in told
    assert git(store, "rev-parse", "wharf/main") == before
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    assert "leaves, name stays taken: demo-2.3-py3-none-any.whl" in run("restore", "--to", then)
    assert document(run("log", "--json"))["entries"][0]["verb"] == "restore"
    assert "The index is as it was then." in run("restore", "--to", then, "--yes")


@pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", "main", "", "--to", "2026-11-30T12:00:00"])
def test_what_is_no_moment_is_refused(run: Run, tmp_path: Path, moment: str) -> None:
    run("publish", make_wheel(tmp_path))
    run("restore", "--to", moment, "--yes", code=2)


def test_the_two_verbs_of_that_name_are_told_apart(run: Run) -> None:
    assert "wharf index restore NAME" in " ".join(run("restore", "--help").split())
    assert "wharf restore --to WHEN" in " ".join(run("index", "restore", "--help").split())
