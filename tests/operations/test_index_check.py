"""`wharf index check`: what wharf writes passes, and each way to tamper with an index is found and named."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.index.test_change import SDIST, WHEEL, A, B, add, new
from tests.makers import core_metadata, make_sdist, make_wheel
from tests.matrix import first
from wharf.errors import NotFoundError, UsageError
from wharf.index import branch_contents, record, wharf_toml
from wharf.index.commit_message import CommitMessage
from wharf.index.yank_and_remove import RemoveFiles, SetYanked
from wharf.operations.index_check import IndexChecked, check_index_branch
from wharf.operations.promote import Wanted as Promotable
from wharf.operations.promote import promote
from wharf.operations.publish import publish
from wharf.operations.publish_inputs import Input
from wharf.operations.remove import remove
from wharf.operations.yank import set_yanked
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from wharf.index.add_files import NewFile

WHY = CommitMessage(verb="publish", actor="ada")
RECORD = "projects/de/demo/1.0/release.json"
TOML = wharf_toml.PATH


def requiring(name: str, version: str, *requires: str) -> NewFile:
    """A wheel with these requirements."""
    filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
    metadata = core_metadata(name, version, requires=requires).encode()
    return dataclasses.replace(new(filename, A, version, name), metadata=metadata)


def tree(git_dir: Path, edits: Mapping[str, bytes | tuple[str, bytes] | None], *, base: str | None = "wharf/main") -> str:
    """A commit on a branch as a person with git can make it: by path bytes, (mode, bytes or id), or None to delete."""
    lines = [b"feature done\ncommit refs/scratch\nmark :1\ncommitter Hand <hand@example.org> 1800000000 +0000\ndata 0\n"]
    lines += [b"from %s^0\n" % base.encode()] if base else []
    for path, data in edits.items():
        mode, content = data if isinstance(data, tuple) else ("100644", data)
        if content is None:
            lines.append(b"D %s\n" % path.encode())
        elif mode in {"160000", "040000"}:
            lines.append(b"M %s %s %s\n" % (mode.encode(), content, path.encode()))
        else:
            lines.append(b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), path.encode(), len(content), content))
    script = b"".join(lines) + b"get-mark :1\nreset refs/scratch\nfrom %s\n\ndone\n" % (b"0" * 40)
    command = ["git", f"--git-dir={git_dir}", "fast-import", "--quiet", "--force"]
    return subprocess.run(command, input=script, capture_output=True, check=True).stdout.decode().strip()


def move(git_dir: Path, commit: str, ref: str = "refs/heads/wharf/main") -> None:
    """Let a branch be at a commit."""
    subprocess.run(["git", f"--git-dir={git_dir}", "update-ref", ref, commit], check=True)


def found(checked: IndexChecked, level: str = "error") -> list[tuple[str, str]]:
    """Path and message of each finding of that level."""
    return [(each.path, each.message) for each in checked.findings if each.level == level]


def shown(git_dir: Path, path: str, commit: str = "wharf/main") -> bytes:
    """What is at a path."""
    command = ["git", f"--git-dir={git_dir}", "show", f"{commit}:{path}"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def edited(git_dir: Path, path: str, *pairs: tuple[str, str]) -> bytes:
    """The text at a path, with some words replaced, each of which is there."""
    text = shown(git_dir, path).decode()
    for old, other in pairs:
        assert old in text
        text = text.replace(old, other)
    return text.encode()


@pytest.fixture
def git_dir(store: Path) -> Path:
    """Of the store."""
    return store / "index.git"


@pytest.fixture
def filled(repository: Repository) -> Repository:
    """An index with two files of one release, one of another, and a removed one."""
    repository.branch.commit(add(new(), new(SDIST, B), new("demo-2.0.tar.gz", A, "2.0")), WHY)
    repository.branch.commit(RemoveFiles.of("demo", "2.0"), WHY)
    return repository


def test_an_empty_store_and_what_wharf_writes_pass(repository: Repository) -> None:
    nothing = check_index_branch(repository)
    assert (nothing.ok, nothing.commit, nothing.releases, nothing.findings) == (True, None, 0, ())
    repository.branch.commit(add(new(), new(SDIST, B)), WHY)
    first = repository.branch.tip()
    repository.branch.commit(SetYanked(project="demo", version="1.0", reason="broken"), WHY)
    checked = check_index_branch(repository)
    assert (checked.ok, checked.commit, checked.since, checked.releases) == (True, repository.branch.tip(), None, 1)
    assert checked.findings == ()
    checked = check_index_branch(repository, f"{first}..wharf/main")
    assert (checked.ok, checked.commit, checked.since, checked.findings) == (True, repository.branch.tip(), first, ())


TAMPERING: dict[str, tuple[dict[str, Any], str, str]] = {
    "a record that is no JSON": ({RECORD: b"{"}, RECORD, "cannot be read"),
    "a record in endless brackets": ({RECORD: b"[" * 100_000}, RECORD, "cannot be read"),
    "a record of another release": (
        {"projects/de/demo/3.0/release.json": RECORD},
        "projects/de/demo/3.0/release.json",
        "agree",
    ),
    "a version in two spellings": (
        {"projects/de/demo/1.0.0/release.json": RECORD},
        "projects/de/demo/1.0.0/release.json",
        "another spelling",
    ),
    "a folder that is no version": ({"projects/de/demo/latest/release.json": RECORD}, "latest/release.json", "not named"),
    "a record that was deleted": ({RECORD: None}, RECORD, "was deleted"),
    "core metadata that is missing": ({f"projects/de/demo/1.0/{WHEEL}.metadata": None}, f"{WHEEL}.metadata", "is missing"),
    "core metadata that changed": (
        {f"projects/de/demo/1.0/{WHEEL}.metadata": b"Name: other\n"},
        f"{WHEEL}.metadata",
        "changed",
    ),
    "core metadata that is too large": (
        {f"projects/de/demo/1.0/{WHEEL}.metadata": b" " * (record.MAX_BYTES + 1)},
        f"{WHEEL}.metadata",
        "larger than",
    ),
    "core metadata of no file": ({"projects/de/demo/1.0/x.metadata": b""}, "x.metadata", "no such file"),
    "core metadata without a record": ({"projects/de/demo/5.0/x.metadata": b""}, "x.metadata", "No release.json"),
    "a state that nobody knows": (
        {"projects/de/demo/project.json": b'{"project-status":{"status":"new"}}'},
        "projects/de/demo/project.json",
        "not a status",
    ),
    "a workflow": ({".github/workflows/x.yml": b"on: push\n"}, ".github/workflows/x.yml", "index branch holds none"),
    "a name that is not normal": ({"projects/De/Demo/1.0/release.json": RECORD}, "projects/De/Demo/", "No reader looks"),
    "a wrong shard": ({"projects/xx/demo/1.0/release.json": RECORD}, "projects/xx/demo/", "No reader looks"),
    "a distribution on the branch": ({f"projects/de/demo/1.0/{WHEEL}": b"x"}, WHEEL, "No reader looks"),
    "a link for a record": ({"projects/de/demo/7.0/release.json": ("120000", b"x")}, "7.0/release.json", "symbolic link"),
    "a submodule": ({"projects/de/other": ("160000", b"1" * 40)}, "projects/de/other", "submodule"),
    "settings that are no TOML": ({TOML: b"format = "}, TOML, "is not TOML"),
    "settings of a later format": ({TOML: b"format = 2\n"}, TOML, "format = 2"),
    "a span of the past that is none": ({TOML: b"format = 1\nkeep-past = 'long'\n"}, TOML, "keep-past"),
    "a rule of retention that keeps nothing": (
        {TOML: b"format = 1\nretention = [{names = ['a'], keep-newest = 0}]\n"},
        TOML,
        "keep-newest",
    ),
    "settings that are missing": ({TOML: None}, TOML, "missing"),
    "settings that are too long": ({TOML: b"#" * (65 << 10)}, TOML, "longer than"),
    "a base that does not exist": ({TOML: b'format = 1\nbases = ["nowhere"]\n'}, TOML, "nowhere"),
    "a record that is larger than is read": ({RECORD: b" " * (record.MAX_BYTES + 1)}, RECORD, "larger than 8 MiB"),
    "a base that is the index itself": ({TOML: b'format = 1\nbases = ["main"]\n'}, TOML, "main"),
}


@pytest.mark.parametrize("name", first(6, list(TAMPERING)))
def test_tampering_is_found_in_a_range_and_names_its_path(filled: Repository, git_dir: Path, name: str) -> None:
    edits, path, message = TAMPERING[name]
    filled_in = {where: shown(git_dir, data) if isinstance(data, str) else data for where, data in edits.items()}
    commit = tree(git_dir, filled_in)
    checked = check_index_branch(filled, f"wharf/main..{commit}")
    assert not checked.ok
    assert any(path in where and message in told for where, told in found(checked)), checked.findings
    assert check_index_branch(filled).ok
    if name not in {"a record that was deleted", "core metadata that changed"}:  # what was there before is not seen
        move(git_dir, commit)
        whole = check_index_branch(filled)
        assert any(path in where and message in told for where, told in found(whole)), whole.findings


CHANGES = {
    "other bytes under a name": (RECORD, [(A, "c" * 64)], "bytes of demo-1.0-py3-none-any.whl changed"),
    "another size": (RECORD, [(f'{A}"}},"size":1,', f'{A}"}},"size":2,')], "size of"),
    "a removed name that is free": (
        "projects/de/demo/2.0/release.json",
        [(f'{{"removed":{{"demo-2.0.tar.gz":"{A}"}}}}', "{}")],
        "left it",
    ),
    "a removed name with other bytes": ("projects/de/demo/2.0/release.json", [(A, B)], "another sha256"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_must_not_change_is_found(filled: Repository, git_dir: Path, name: str) -> None:
    path, pairs, message = CHANGES[name]
    commit = tree(git_dir, {path: edited(git_dir, path, *pairs)})
    checked = check_index_branch(filled, f"wharf/main..{commit}")
    assert [where for where, told in found(checked) if message in told] == [path], checked.findings


def test_a_file_that_goes_must_stay_in_removed(filled: Repository, git_dir: Path) -> None:
    filled.branch.commit(RemoveFiles.of("demo", "1.0", SDIST), WHY)
    assert check_index_branch(filled, "wharf/main~1..wharf/main").ok
    removed = f'"removed":{{"{SDIST}":"{B}"}}'
    commit = tree(git_dir, {RECORD: edited(git_dir, RECORD, (removed, '"removed":{}'))})
    (one,) = found(check_index_branch(filled, f"wharf/main~1..{commit}"))
    assert one == (RECORD, f"{SDIST} left `files` and does not stand in `removed`: its name would be free.")
    commit = tree(git_dir, {RECORD: edited(git_dir, RECORD, (B, A))})
    (one,) = found(check_index_branch(filled, f"wharf/main~1..{commit}"))
    assert "removed with another sha256" in one[1]


def test_history_that_was_rewritten_is_an_error(filled: Repository, git_dir: Path) -> None:
    alone = tree(git_dir, {TOML: wharf_toml.NEW}, base=None)
    checked = check_index_branch(filled, f"wharf/main..{alone}")
    assert ("refs/heads/wharf/main", "history") in [(path, "history") for path, told in found(checked) if "history" in told]
    assert any("was deleted" in told for _, told in found(checked))
    with pytest.raises(NotFoundError, match="no commit in common"):
        check_index_branch(filled, f"wharf/main...{alone}")


def test_a_pull_request_is_compared_with_where_it_parted(filled: Repository, git_dir: Path) -> None:
    mine = tree(git_dir, {"projects/ot/other/project.json": b"{}"})
    filled.branch.commit(add(new("later-1.0.tar.gz", B, "1.0", "later")), WHY)
    assert check_index_branch(filled, f"wharf/main...{mine}").ok
    assert not check_index_branch(filled, f"wharf/main..{mine}").ok
    own = check_index_branch(filled, f"{mine}..")
    assert own.commit == filled.branch.tip()


@pytest.mark.parametrize(
    ("span", "error"),
    [
        ("wharf/main", UsageError),
        ("wharf/main..nowhere", NotFoundError),
        ("--all..wharf/main", NotFoundError),
        ("wharf/main..HEAD^{tree}", NotFoundError),
        (f"{'0' * 40}..", NotFoundError),
        ("wharf/main..a\nb", NotFoundError),
        ("a..b..c", NotFoundError),
    ],
)
def test_what_is_no_range_is_said(filled: Repository, span: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        check_index_branch(filled, span)


def test_a_change_of_rights_is_shown_and_no_error(filled: Repository, git_dir: Path) -> None:
    text = b'format = 1\nreserved = ["acme-*"]\nshado = []\n[upload]\n"*" = ["alice"]\n'
    commit = tree(git_dir, {TOML: text})
    checked = check_index_branch(filled, f"wharf/main..{commit}")
    assert checked.ok
    assert [told.partition(" ")[0] for _, told in found(checked, "rights")] == ["'reserved'", "'upload'"]
    assert found(checked, "warning") == [(TOML, "The key 'shado' is not known, and means nothing. Did you mean shadow?")]
    move(git_dir, commit)
    assert found(check_index_branch(filled), "rights") == []
    broken = tree(git_dir, {TOML: b"["})
    move(git_dir, broken)
    checked = check_index_branch(filled, f"{broken}..{tree(git_dir, {TOML: text})}")
    assert len(found(checked, "rights")) == 2


def test_another_order_of_the_rules_is_a_change_of_rights(filled: Repository, git_dir: Path) -> None:
    move(git_dir, tree(git_dir, {TOML: b'format = 1\n[upload]\n"demo*" = []\n"*" = ["alice"]\n'}))
    commit = tree(git_dir, {TOML: b'format = 1\n[upload]\n"*" = ["alice"]\n"demo*" = []\n'})
    ((path, told),) = found(check_index_branch(filled, f"wharf/main..{commit}"), "rights")
    assert (path, told.partition(" ")[0]) == (TOML, "'upload'")


def branch_of(repository: Repository, index: str, *files: NewFile, settings: bytes = wharf_toml.NEW) -> None:
    """An index beside, with these files and settings."""
    with repository.branch.sibling(index) as branch:
        branch.begin("ada")
        if files:
            branch.commit(add(*files), WHY)
        commit = tree(branch.git_dir, {TOML: settings}, base=f"wharf/{index}")
        move(branch.git_dir, commit, branch.ref)


@pytest.mark.slow
def test_names_that_two_indexes_have_are_named_unless_one_shows_the_other(filled: Repository, git_dir: Path) -> None:
    branch_of(filled, "based", new(), settings=b'format = 1\nbases = ["main"]\n')
    assert check_index_branch(filled).findings == ()
    branch_of(
        filled, "apart", new("other-1.0.tar.gz", A, "1.0", "other"), new(), settings=b'format = 1\nreserved = ["acme-*"]\n'
    )
    told = found(check_index_branch(filled), "warning")
    assert told == [
        ("projects/de/demo", "The index 'apart' has a project of this name, too, and neither of the two shows the other.")
    ]
    tip = filled.branch.tip()
    filled.branch.commit(add(new("acme_x-1.0.tar.gz", A, "1.0", "acme-x")), WHY)
    told = found(check_index_branch(filled, f"{tip}.."), "warning")
    assert told == [("projects/ac/acme-x", "The index 'apart' reserves this name, and neither of the two shows the other.")]
    commit = tree(git_dir, {TOML: b'format = 1\nreserved = ["other"]\n'})
    told = found(check_index_branch(filled, f"wharf/main..{commit}"), "warning")
    assert [path for path, _ in told] == [TOML]


def test_names_are_looked_at_again_when_the_bases_change(filled: Repository, git_dir: Path) -> None:
    branch_of(filled, "other", new())
    with filled.branch.sibling("other") as other:
        commit = tree(git_dir, {TOML: b'format = 1\nbases = ["other"]\n'})
        move(git_dir, commit)
        away = tree(git_dir, {TOML: wharf_toml.NEW})
        checked = check_index_branch(filled, f"wharf/main..{away}")
        assert [path for path, _ in found(checked, "warning")] == ["projects/de/demo"]
        assert [path for path, _ in found(checked, "rights")] == [TOML]
        assert check_index_branch(filled).findings == ()
        move(git_dir, str(other.tip()), "refs/wharf/removed/gone")
    told = found(check_index_branch(filled), "warning")
    assert told == [
        (
            "projects/de/demo",
            "The removed index 'gone' has a project of this name, too, and neither of the two shows the other.",
        )
    ]


def test_a_base_that_cannot_be_read_is_not_taken_for_one_that_is_missing(filled: Repository, git_dir: Path) -> None:
    branch_of(filled, "low", settings=b"[")
    move(git_dir, tree(git_dir, {TOML: b'format = 1\nbases = ["low"]\n'}))
    checked = check_index_branch(filled)
    ((path, told),) = found(checked)
    assert (path, told) == (TOML, "The base 'low' cannot be read, so nobody can tell what it shows.")
    ((_, told),) = found(checked, "warning")
    assert told.startswith("The index 'low' cannot be read: wharf.toml on the index branch is not TOML")


def test_what_is_promoted_passes_in_the_index_that_gets_it(repository: Repository, store: Path, tmp_path: Path) -> None:
    with open_repository(Settings(place=store, index="staging")) as staging:
        publish(staging, [Input.of(make_wheel(tmp_path)), Input.of(make_sdist(tmp_path))], actor="ada")
        set_yanked(staging, "demo", "1.0", make_sdist(tmp_path).name, reason="broken", actor="ada")
    publish(repository, [Input.of(make_wheel(tmp_path, "first"))], actor="ada")
    before = repository.branch.tip()
    promote(repository, [Promotable(project="demo", version="1.0")], "staging")
    remove(repository, "first", "1.0", None, reason="", actor="ada")
    checked = check_index_branch(repository, f"{before}..")
    assert (checked.ok, checked.releases) == (True, 2)
    assert {each.level for each in check_index_branch(repository).findings} <= {"warning"}


def test_requirements_that_the_repository_cannot_satisfy_are_named(filled: Repository, store: Path) -> None:
    branch_of(filled, "base", new("low-1.0.tar.gz", A, "1.0", "low"), new("hid-1.0.tar.gz", A, "1.0", "hid"))
    branch_of(filled, "apart", new("far-1.0.tar.gz", A, "1.0", "far"))
    for index in ("yonder", "afar", "beyond"):
        branch_of(filled, index, new("both-1.0.tar.gz", A, "1.0", "both"))
    needs = [
        "demo>=3",
        "Demo==1.*; extra == 'x'",
        "low>=1",
        "low>1",
        "far",
        "both",
        "elsewhere>=1",
        "else_where",
        "odd @ https://x/y",
        "hid",
    ]
    branch_of(
        filled,
        "app",
        requiring("app", "1.0", *needs),
        new(),
        settings=b'format = 1\nbases = ["base"]\nshadow = ["hid"]\n',
    )
    with open_repository(Settings(place=store, index="app")) as app:
        checked = check_index_branch(app)
    assert checked.ok
    path = "projects/ap/app/1.0/app-1.0-py3-none-any.whl.metadata"
    told = sorted(message for where, message in found(checked, "warning") if where == path)
    assert told == [
        "It requires both: this index does not have it, only the indexes 'afar' and 'beyond' and 'yonder' have the project, "
        "which are no bases of this one.",
        "It requires demo>=3: this repository does not have it, none of its versions here fits.",
        "It requires far: this index does not have it, only the index 'apart' has the project, which is no base of this one.",
        "It requires hid: this index does not have it, only the index 'base' has the project, which is no base of this one.",
        "It requires low>1: this repository does not have it, none of its versions here fits.",
    ]
    assert checked.elsewhere == 2


def test_only_on_request_names_are_compared_with_those_of_the_public_index(filled: Repository) -> None:
    filled.branch.commit(add(requiring("app", "1.0", "known", "unknown>=2", "demo")), WHY)
    asked: list[set[str]] = []

    def public(names: set[str]) -> set[str]:
        asked.append(names)
        return {"demo", "known"}

    checked = check_index_branch(filled, public=public)
    assert asked == [{"app", "demo", "known", "unknown"}]
    assert found(checked, "warning") == [
        ("projects/de/demo", "The public index has a project of this name, too: whoever asks both may get either."),
        (
            "projects/ap/app/1.0/app-1.0-py3-none-any.whl.metadata",
            "It requires unknown, which neither this repository nor the public index has.",
        ),
    ]


def test_more_paths_than_are_read_are_an_error(filled: Repository, git_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = tree(git_dir, {f"projects/{'x' * 5000}": b""})
    ((_, told),) = found(check_index_branch(filled, f"wharf/main..{commit}"))
    assert "4096" in told
    monkeypatch.setattr(branch_contents, "MOST_PATHS", 5)
    ((_, told),) = found(check_index_branch(filled))
    assert "more than 5 paths" in told


@pytest.mark.slow
def test_folders_that_hold_each_other_many_times_end_the_check(
    filled: Repository, git_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some bytes that stand for 10^16 folders without a file."""
    monkeypatch.setattr(branch_contents, "MOST_PATHS", 20_000)
    inner = subprocess.run(["git", f"--git-dir={git_dir}", "mktree"], input=b"", capture_output=True, check=True).stdout
    for _ in range(16):
        lines = b"".join(b"040000 tree %s\t%d\n" % (inner.strip(), number) for number in range(10))
        inner = subprocess.run(["git", f"--git-dir={git_dir}", "mktree"], input=lines, capture_output=True, check=True).stdout
    commit = tree(git_dir, {"projects": ("040000", inner.strip())})
    ((_, told),) = found(check_index_branch(filled, f"wharf/main..{commit}"))
    assert "not checked any further" in told
