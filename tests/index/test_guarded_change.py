"""A change under a check: by the rights of the tip that it meets, at each try, for every project that it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.index.test_branch import WHY, branch, edit_by_hand
from tests.index.test_change import SDIST, WHEEL, A, B, Tip, add, new
from wharf.errors import ConflictError, NotAllowedError, RefusedError
from wharf.index import wharf_toml
from wharf.index.change import Outcome
from wharf.index.guarded_change import Guarded, guarded, projects_of
from wharf.index.wharf_toml_change import TurnOnMetadataAssets
from wharf.index.yank_and_remove import RemoveFiles, SetYanked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from pathlib import Path

    from wharf.index.branch import Branch
    from wharf.index.change import Change, Records
    from wharf.index.wharf_toml import IndexSettings

__all__ = ["branch"]


@dataclass
class Somebody:
    """Whoever `[upload]` names so. `asked` has what was asked, in order."""

    name: str = "ada"
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, settings: IndexSettings, projects: Collection[str]) -> None:
        self.asked.append(tuple(projects))
        for each in projects:
            uploaders = settings.uploaders(each)
            if uploaders is not None and self.name not in uploaders:
                raise NotAllowedError(f"{self.name} may not write {each}.")

    def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
        self.asked.append(("settings", *keys))
        if settings.upload:
            raise NotAllowedError("no")


@dataclass(frozen=True)
class Write:
    """Any edits at all."""

    edits: dict[str, bytes | None]

    @property
    def touched(self) -> Iterable[tuple[str, str]]:
        return ()

    def apply(self, records: Records) -> Outcome:
        del records
        return Outcome(edits=self.edits)


def test_every_project_that_a_change_names_is_asked_about() -> None:
    tip, who = Tip(), Somebody()
    tip.apply(Guarded(add(new(), new("other-2.0.tar.gz", B, "2.0", "other")), who))
    assert who.asked == [("demo", "other")]


def test_bytes_that_are_there_already_need_the_right_too() -> None:
    tip, who = Tip(), Somebody()
    tip.apply(add(new()))
    assert Guarded(add(new()), who).apply(tip).edits == {}
    assert who.asked == [("demo",)]


def test_a_file_that_is_left_out_needs_the_right_too() -> None:
    tip, who = Tip(), Somebody()
    tip.apply(add(new()))
    change = add(new(sha256=B))
    Guarded(type(change)(files=change.files, skip_existing=True), who).apply(tip)
    assert who.asked == [("demo",)]


@pytest.mark.parametrize(
    "change",
    [
        add(new(SDIST)),
        SetYanked(project="demo", version="1.0", reason="x"),
        SetYanked(project="demo", version="1.0", reason=None),
        RemoveFiles.of("demo", "1.0"),
        RemoveFiles.of("demo", "1.0", WHEEL),
    ],
    ids=["publish", "yank", "unyank", "remove", "remove a file"],
)
@pytest.mark.parametrize(("glob", "may"), [("dem*", False), ("DEMO", False), ("other", True)])
def test_every_kind_of_change_needs_the_right(change: Change, glob: str, may: bool) -> None:
    tip = Tip()
    tip.apply(add(new()))
    tip.index_file = wharf_toml.NEW + f'[upload]\n"{glob}" = ["grace"]\n'.encode()
    before = dict(tip.files)
    if may:
        tip.apply(Guarded(change, Somebody()))
    else:
        with pytest.raises(NotAllowedError, match="ada may not write demo"):
            tip.apply(Guarded(change, Somebody()))
        assert tip.files == before


def test_what_breaks_off_says_its_own_reason() -> None:
    tip, who = Tip(), Somebody()
    tip.apply(add(new()))
    with pytest.raises(ConflictError):
        tip.apply(Guarded(add(new(sha256=B)), who))
    assert who.asked == []


def test_a_change_cannot_grant_itself_a_right() -> None:
    tip = Tip()
    tip.index_file = wharf_toml.NEW + b'[upload]\n"demo" = ["grace"]\n'
    grants = wharf_toml.NEW + b'[upload]\n"demo" = ["ada"]\n'
    record = dict(add(new()).apply(tip).edits)
    tries: list[dict[str, bytes | None]] = [
        {wharf_toml.PATH: grants},
        {wharf_toml.PATH: None},
        {wharf_toml.PATH: grants, **record},
    ]
    for edits in tries:
        with pytest.raises(NotAllowedError):
            Guarded(Write(edits), Somebody()).apply(tip)

    class MaySet(Somebody):
        def of_settings(self, settings: IndexSettings, keys: Collection[str]) -> None:
            del settings, keys

    with pytest.raises(NotAllowedError, match="ada may not write demo"):
        Guarded(Write({wharf_toml.PATH: grants, **record}), MaySet()).apply(tip)


def test_settings_that_are_no_rights_need_none() -> None:
    tip, who = Tip(), Somebody()
    tip.index_file = wharf_toml.NEW + b'[upload]\n"demo" = ["grace"]\n'
    Guarded(TurnOnMetadataAssets(), who).apply(tip)
    assert who.asked == []


@pytest.mark.parametrize("key", wharf_toml.KEYS_OF_RIGHTS)
def test_each_key_of_rights_is_asked_about(key: str) -> None:
    tip, who = Tip(), Somebody()
    line = {
        "bases": 'bases = ["dev"]',
        "upload": 'upload = {"*" = []}',
        "upstream": 'upstream = {mode = "proxy"}',
        "upstreams": 'upstreams.gpu.url = "https://example.com/"',
        "route": 'route = [{names = ["a"], from = []}]',
        "policy": 'policy = {deny = ["a"]}',
        "keep-past": 'keep-past = "1d"',
        "retention": 'retention = [{names = ["a-*"], keep-newest = 3}]',
    }.get(key, f'{key} = ["a-*"]')
    Guarded(Write({wharf_toml.PATH: wharf_toml.NEW + line.encode()}), who).apply(tip)
    assert who.asked == [("settings", key)]


@pytest.mark.parametrize(
    "path", ["other.txt", "projects/x", "projects/xx/demo/1.0/a", "projects/de/demo", "projects/../demo/1/a"]
)
def test_a_path_of_no_project_is_nobodys_to_write(path: str) -> None:
    with pytest.raises(RefusedError, match="belongs to no project"):
        projects_of(Outcome(edits={path: None}))


def test_rights_are_looked_at_again_when_somebody_was_quicker(
    branch: Branch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    branch.commit(add(new()), WHY)
    who = Somebody()
    advance: Callable[[str | None, str, Mapping[str, str]], bool] = branch._advance
    taken: list[str] = []

    def slow(tip: str | None, commit: str, beside: Mapping[str, str]) -> bool:
        if not taken:
            taken.append("by another")
            edit_by_hand(tmp_path, wharf_toml.PATH, wharf_toml.NEW + b'[upload]\n"demo" = ["grace"]\n')
        return advance(tip, commit, beside)

    monkeypatch.setattr(branch, "_advance", slow)
    with pytest.raises(NotAllowedError, match="ada may not write demo"):
        branch.commit(Guarded(add(new(SDIST)), who), WHY)
    assert who.asked == [("demo",), ("demo",)]
    release = branch.snapshot().release("demo", "1.0")
    assert release is not None
    assert [file.filename for file in release.files] == [WHEEL]


def test_without_a_check_a_change_stays_as_it_is() -> None:
    change = add(new(sha256=A))
    assert guarded(change, None) is change
    assert list(guarded(change, Somebody()).touched) == [("demo", "1.0")]
