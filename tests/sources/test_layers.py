# ruff: noqa: F811 - fixtures are arguments of their own name
"""An index and its bases as one source: which versions, whose files, and when a page has to be made again."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.index.test_branch import WHY, branch  # noqa: F401 - a fixture
from tests.index.test_change import SDIST, WHEEL, A, B, add, new
from tests.sources.memory_index import METADATA, MemoryObjects, layers_of, release_files, settings_file, wheel
from wharf.errors import DamagedError, LostRecordError, RecordError, StorageError
from wharf.index import record
from wharf.index.change import Outcome
from wharf.index.git_objects import joint_id
from wharf.index.yank_and_remove import RemoveFiles, SetYanked
from wharf.model import Project, Status, version_key
from wharf.sources.layers import Layer, Layers

if TYPE_CHECKING:
    from collections.abc import Iterable

    from packaging.version import Version

    from wharf.index.branch import Branch
    from wharf.index.change import Records
    from wharf.model import File
    from wharf.sources.source import Source

DEMO = "projects/de/demo"


def read(source: Source, name: str = "demo") -> Project:
    """One project without broken records."""
    project, broken = next(source.projects([name]))
    assert broken == []
    return project


def stack(*indexes: dict[str, bytes], objects: MemoryObjects | None = None) -> Layers:
    """The first of some indexes: `a`, `b`, `c`, … in their order."""
    objects = objects or MemoryObjects()
    return layers_of(objects, {name: objects.put(files) for name, files in zip("abcdef", indexes, strict=False)}, "a")


def test_an_index_without_bases_is_shown_as_its_snapshot_is() -> None:
    objects = MemoryObjects()
    files = release_files("demo", "1.0", wheel("demo", "1.0")) | release_files("other", "2.0", removed=["other-2.0.tar.gz"])
    layers = stack(settings_file() | files | {f"{DEMO}/2.0/release.json": b"oops"}, objects=objects)
    layer = layers.layers[0]
    assert layers.names() == ("demo", "other")
    assert layers.list_validator() == joint_id(["demo", "other"])
    assert [layers.validator(name) for name in ("demo", "other", "none", "..")] == [
        layer.trees["demo"],
        layer.trees["other"],
        None,
        None,
    ]
    (project, broken), _ = layers.projects(["demo", "none", "other"])
    again, told = next(layer.snapshot.projects(["demo"]))
    assert project == again
    assert [each.path for each in broken] == [each.path for each in told] == [f"{DEMO}/2.0/release.json"]


def test_a_version_is_shown_with_the_files_of_the_nearest_index_alone() -> None:
    near, far = wheel("demo", "1.0.0", "near"), wheel("demo", "1.0", "far")
    layers = stack(
        settings_file(bases=["b"]) | release_files("demo", "1.0.0", near) | release_files("demo", "3.0", wheel("demo", "3.0")),
        settings_file()
        | release_files("demo", "1.0", far, wheel("demo", "1.0-1", "far"))
        | release_files("demo", "2.0", wheel("demo", "2.0", yanked="bad")),
    )
    project = read(layers)
    assert project.versions == ("1.0.0", "2.0", "3.0")
    assert [file.sha256 for file in project.releases[0].files] == [near.sha256]
    assert project.releases[1].files[0].yanked == "bad"
    assert layers.core_metadata("demo", near.filename) == METADATA
    assert layers.core_metadata("demo", far.filename) is None


def test_a_version_whose_files_were_removed_is_not_there() -> None:
    far = wheel("demo", "1.0", "far")
    gone = release_files("demo", "1.0", removed=[far.filename]) | release_files("demo", "2.0", removed=["demo-2.0.tar.gz"])
    layers = stack(settings_file(bases=["b"]) | gone, settings_file() | release_files("demo", "1.0.0", far, owner="far"))
    project = read(layers)
    assert project.versions == ("1.0.0",)
    assert [release.version for release in project.releases] == ["1.0.0", "2.0"]
    assert project.releases[1].removed
    assert layers.core_metadata("demo", far.filename) == METADATA + b"far"


def test_of_removed_files_those_of_the_nearest_index_are_told() -> None:
    near, far = (release_files("demo", "1.0", removed=[f"demo-1.0-{build}-py3-none-any.whl"]) for build in (1, 2))
    layers = stack(settings_file(bases=["b"]) | near, settings_file() | far)
    assert [[*release.removed] for release in read(layers).releases] == [["demo-1.0-1-py3-none-any.whl"]]


def test_another_order_of_the_bases_gives_another_validator() -> None:
    one, other = (
        stack(settings_file(bases=bases), *(settings_file() | _far("1.0", owner) for owner in "bc"))
        for bases in (["b", "c"], ["c", "b"])
    )
    assert read(one).files != read(other).files
    assert one.validator("demo") != other.validator("demo")


def test_a_record_that_cannot_be_read_hides_its_version_of_the_bases() -> None:
    """Also in another spelling. Broken records of a base are told with the branch, unless a nearer index has the version."""
    objects = MemoryObjects()
    lost = release_files("demo", "3.0", wheel("demo", "3.0", "near"))
    layers = stack(
        settings_file(bases=["b"])
        | {f"{DEMO}/1.0.0/release.json": b"oops", f"{DEMO}/odd folder/release.json": b"oops"}
        | lost
        | release_files("demo", "4.0", wheel("demo", "4.0")),
        settings_file()
        | {path: data for version in ("1.0", "2.0", "3.0") for path, data in _far(version).items()}
        | {f"{DEMO}/{version}/release.json": b"oops" for version in ("4.0", "5.0")},
        objects=objects,
    )
    objects.lose(lost[record.path("demo", "3.0")])
    project, broken = next(layers.projects(["demo"]))
    assert project.versions == ("2.0", "4.0")
    assert sorted((each.path, type(each)) for each in broken) == [
        (f"{DEMO}/1.0.0/release.json", RecordError),
        (f"{DEMO}/3.0/release.json", LostRecordError),
        (f"{DEMO}/odd folder/release.json", RecordError),
        (f"wharf/b:{DEMO}/5.0/release.json", RecordError),
    ]
    shown = [version for version in ("1.0", "2.0", "3.0") if layers.core_metadata("demo", wheel("demo", version).filename)]
    assert shown == ["2.0"]


def _far(version: str, owner: str = "far") -> dict[str, bytes]:
    return release_files("demo", version, wheel("demo", version, owner), owner=owner)


def test_a_lost_record_of_a_base_stays_one() -> None:
    objects = MemoryObjects()
    far = _far("1.0")
    near = release_files("demo", "2.0", wheel("demo", "2.0"))
    layers = stack(settings_file(bases=["b"]) | near, settings_file() | far, objects=objects)
    objects.lose(far[record.path("demo", "1.0")])
    project, broken = next(layers.projects(["demo"]))
    assert project.versions == ("2.0",)
    assert [(each.path, type(each)) for each in broken] == [(f"wharf/b:{DEMO}/1.0/release.json", LostRecordError)]


def test_damage_of_a_base_is_raised() -> None:
    objects = MemoryObjects()
    archived = {f"{DEMO}/project.json": b'{"project-status":{"status":"archived"}}'}
    layers = stack(settings_file(bases=["b"]) | _far("1.0"), settings_file() | _far("2.0") | archived, objects=objects)
    objects.lose(archived[f"{DEMO}/project.json"])
    with pytest.raises(DamagedError):
        list(layers.projects(["demo"]))
    with pytest.raises(StorageError):
        layers.core_metadata("demo", wheel("demo", "2.0").filename)


def _state(status: str) -> dict[str, bytes]:
    return {f"{DEMO}/project.json": b'{"project-status":{"status":"%s"}}' % status.encode() if status else b"oops"}


@pytest.mark.parametrize(
    ("near", "far", "shown"),
    [
        ({}, _state("archived"), "archived"),
        (_state("deprecated"), _state("archived"), "deprecated"),
        (_state("active"), _state("quarantined"), "quarantined"),
        (_state(""), _state("archived"), "quarantined"),
        (_state("archived"), _state(""), "archived"),
    ],
)
def test_the_nearest_status_counts(near: dict[str, bytes], far: dict[str, bytes], shown: str) -> None:
    layers = stack(settings_file(bases=["b"]) | _far("1.0") | near, settings_file() | _far("2.0") | far)
    project, _ = next(layers.projects(["demo"]))
    assert project.status.marker == shown
    offered = layers.core_metadata("demo", wheel("demo", "2.0").filename)
    assert (offered is None) == (shown == "quarantined")


@pytest.mark.parametrize(
    ("bases", "shadow", "versions"),
    [
        # The bases of a, b and c, and what each shadows. a has 1, b has 2, c has 3, d has 4.
        (["b", "c", "d"], ["", "", ""], "1 2 3 4"),
        (["b", "c", "d"], ["demo", "", ""], "1"),
        (["b", "c", "d"], ["", "d*", ""], "1 2"),
        (["b", "c", "d"], ["", "", "other"], "1 2 3 4"),
        (["bc", "d", "d"], ["", "demo", ""], "1 2 3 4"),  # d is reached through c
        (["bc", "d", "d"], ["", "demo", "demo"], "1 2 3"),
        (["bd", "c", "d"], ["", "demo", ""], "1 2 4"),  # d is a base of a itself
    ],
)
def test_a_shadow_hides_what_is_behind_it(bases: list[str], shadow: list[str], versions: str) -> None:
    indexes = [
        settings_file(bases=[*below], shadow=[hidden] if hidden else [])
        | release_files("demo", str(at), wheel("demo", str(at)))
        for at, below, hidden in zip(itertools.count(1), [*bases, ""], [*shadow, ""], strict=False)
    ]
    layers = stack(*indexes)
    assert " ".join(read(layers).versions) == versions
    for at in range(1, 5):
        known = layers.core_metadata("demo", wheel("demo", str(at)).filename)
        assert (known is not None) == (str(at) in versions.split())


def test_names_that_only_a_hidden_base_has_are_not_listed() -> None:
    far = _far("1.0") | release_files("other", "1.0", wheel("other", "1.0"))
    layers = stack(settings_file(bases=["b"], shadow=["demo"]) | release_files("own", "1.0"), settings_file() | far)
    assert layers.names() == ("other", "own")
    assert layers.list_validator() == joint_id(["other", "own"])
    assert not layers.has("demo")
    assert layers.validator("demo") is None
    assert list(layers.projects(["demo"])) == []


def test_a_base_that_is_missing_is_not_passed_over() -> None:
    objects = MemoryObjects()
    layers = stack(settings_file(bases=["b"]), settings_file(), objects=objects)
    with pytest.raises(ValueError, match="a base of a is not among the layers"):
        Layers(layers.layers[:1])


def test_many_indexes_over_one_base_read_nothing_before_they_are_asked() -> None:
    objects = MemoryObjects()
    layers = stack(
        settings_file(bases=["b"]) | _far("9.0"),
        settings_file() | {path: data for number in range(50) for path, data in release_files(f"p{number}", "1.0").items()},
        objects=objects,
    )
    below = layers.layers
    asked = objects.asked
    many = [Layers(below) for _ in range(50)]
    assert all(each.has("p7") and each.validator("p7") == below[1].trees["p7"] for each in many)
    assert len({each.list_validator() for each in many}) == 1
    assert objects.asked == asked
    empty = Layers([Layer("e", below[1].snapshot, {}), below[1]])
    assert empty.names() is below[1].snapshot.names()


# On a real repository


@dataclass(frozen=True, slots=True)
class Write:
    """A change that writes files as they are."""

    files: dict[str, bytes]
    touched: Iterable[tuple[str, str]] = field(default=())

    def apply(self, _records: Records) -> Outcome:
        return Outcome(edits={**self.files})


def shown(branch: Branch, *bases: Branch) -> Layers:
    found = [(each.index, each.snapshot()) for each in (branch, *bases)]
    return Layers([Layer(index, snapshot, snapshot.tree_ids()) for index, snapshot in found])


def test_two_branches_of_a_repository_are_read_together(branch: Branch) -> None:
    branch.commit(add(new(), new(SDIST, B), new("demo-2.0.tar.gz", B, "2.0")), WHY)
    with branch.sibling("staging") as staging:
        staging.commit(add(new(WHEEL, B)), WHY)
        assert not shown(staging).has("other")
        staging.commit(Write(settings_file(bases=["main"])), WHY)
        assert [(file.filename, file.sha256) for file in read(shown(staging, branch)).files] == [
            (WHEEL, B),
            ("demo-2.0.tar.gz", B),
        ]
        before = shown(staging, branch).validator("demo")
        branch.commit(add(new("other-1.0.tar.gz", A, "1.0", "other")), WHY)
        assert shown(staging, branch).validator("demo") == before
        branch.commit(SetYanked(project="demo", version="2.0", reason="slow"), WHY)
        assert shown(staging, branch).validator("demo") != before
        assert [file.yanked for file in read(shown(staging, branch)).files] == [None, "slow"]
        staging.commit(RemoveFiles.of("demo", "1.0"), WHY)
        layers = shown(staging, branch)
        assert [file.filename for file in read(layers).files] == [WHEEL, SDIST, "demo-2.0.tar.gz"]
        assert layers.core_metadata("demo", SDIST) is None  # nothing announces it
        assert layers.overview() == {"demo": ("1.0", "2.0"), "other": ("1.0",)}
        assert shown(branch).overview() == branch.snapshot().overview()
        assert shown(branch).validator("demo") == branch.snapshot().tree_ids()["demo"]


# Against a model

_Files = dict["Version | str", "tuple[str, File]"]
"""The index and the file of each version that is shown."""

_PROJECTS, _VERSIONS = ("demo", "dem", "other"), ("1.0", "1.0.0", "2.0", "3.0rc1")


@dataclass(frozen=True, slots=True)
class ModelIndex:
    """What one index has: by project and version `files`, `yanked`, `plain` (not announced), `removed` or `broken`."""

    bases: tuple[str, ...]
    shadow: tuple[str, ...]
    versions: dict[tuple[str, str], str]
    states: dict[str, str]

    def files(self, index: str) -> dict[str, bytes]:
        found = settings_file(self.bases, self.shadow)
        for (project, version), kind in self.versions.items():
            if kind == "broken":
                found[record.path(project, version)] = b"{"
            elif kind == "removed":
                found |= release_files(project, version, removed=[wheel(project, version).filename])
            else:
                found |= release_files(project, version, self.file(index, project, version), owner=index)
        for project, state in self.states.items():
            data = b"{" if state == "broken" else b'{"project-status":{"status":"%s"}}' % state.encode()
            found[f"{record.folder(project)}/project.json"] = data
        return found

    def file(self, index: str, project: str, version: str) -> File:
        kind = self.versions[project, version]
        return wheel(project, version, index, yanked="x" if kind == "yanked" else None, announced=kind != "plain")

    def has(self, project: str) -> bool:
        return project in self.states or any(project == name for name, _ in self.versions)


@st.composite
def _worlds(draw: st.DrawFn) -> dict[str, ModelIndex]:
    names = "abcde"[: draw(st.integers(1, 5))]
    kinds = st.sampled_from(["files", "yanked", "plain", "removed", "broken"])
    world = {}
    for at, name in enumerate(names):
        versions = draw(st.dictionaries(st.tuples(st.sampled_from(_PROJECTS), st.sampled_from(_VERSIONS)), kinds, max_size=6))
        for project in _PROJECTS:  # one index has a version in one spelling
            if (project, "1.0") in versions:
                versions.pop((project, "1.0.0"), None)
        world[name] = ModelIndex(
            bases=tuple(base for base in draw(st.permutations(names[at + 1 :])) if draw(st.booleans())),
            shadow=tuple(draw(st.lists(st.sampled_from(["demo", "dem*", "o*"]), unique=True, max_size=1))),
            versions=versions,
            states=draw(
                st.dictionaries(st.sampled_from(_PROJECTS), st.sampled_from(["archived", "quarantined", "broken"]), max_size=1)
            ),
        )
    return world


def _ways(world: dict[str, ModelIndex], index: str, project: str) -> list[str]:
    """Every way down that no shadow closes, as the indexes at their ends."""
    shadows = {"demo": {"demo", "dem*"}, "dem": {"dem*"}, "other": {"o*"}}[project]
    if shadows & {*world[index].shadow}:
        return [index]
    return [index, *(end for base in world[index].bases for end in _ways(world, base, project))]


def _expected(world: dict[str, ModelIndex], order: list[str], project: str) -> tuple[_Files, str, list[str]]:
    """The files by version, the status, and the indexes that the page is made of."""
    visible = {*_ways(world, order[0], project)}
    holders = [index for index in order if index in visible and world[index].has(project)]
    files: _Files = {}
    for key in {version_key(version) for version in _VERSIONS}:
        for index in holders:
            found = next((each for each in world[index].versions if each[0] == project and version_key(each[1]) == key), None)
            kind = "removed" if found is None else world[index].versions[found]
            if found is not None and kind not in ("removed", "broken"):
                files[key] = (index, world[index].file(index, *found))
            if kind != "removed":
                break
    states = [world[index].states[project] for index in holders if project in world[index].states]
    status = states[0].replace("broken", "quarantined") if states else Status().marker
    return files, status, holders


@pytest.mark.slow
@given(_worlds())
def test_layers_show_what_a_plain_model_says(world: dict[str, ModelIndex]) -> None:
    objects = MemoryObjects()
    commits = {name: objects.put(index.files(name)) for name, index in world.items()}
    pages: dict[tuple[str, str], Project] = {}
    for own in world:
        layers = layers_of(objects, commits, own)
        order = [layer.index for layer in layers.layers]
        found = {project.name: project for project, _ in layers.projects(_PROJECTS)}
        assert layers.names() == tuple(sorted(found)) == tuple(sorted(filter(layers.has, _PROJECTS)))
        for name in _PROJECTS:
            files, status, holders = _expected(world, order, name)
            assert (name in found) == layers.has(name) == bool(holders)
            validator = layers.validator(name)
            assert (validator is None) == (not holders)
            if validator is None:
                continue
            project = found[name]
            assert project.files == tuple(files[key][1] for key in sorted(files, key=str))
            assert [version_key(version) for version in project.versions] == sorted(files, key=str)
            assert project.status.marker == status
            assert pages.setdefault((name, validator), project) == project
            _check_metadata(layers, name, files, status)


def _check_metadata(layers: Layers, name: str, files: _Files, status: str) -> None:
    by_name = {file.filename: (index, file) for index, file in files.values()}
    for version in _VERSIONS:
        filename = wheel(name, version).filename
        index, file = by_name.get(filename, ("", None))
        offered = file is not None and file.core_metadata is not None and status != "quarantined"
        assert layers.core_metadata(name, filename) == (METADATA + index.encode() if offered else None)
