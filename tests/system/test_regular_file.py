"""What is no file where one has to be: links, pipes and folders are told, and neither read, waited for nor deleted."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import socket
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.operations.test_operations import put
from tests.server.test_server import JSON, LIMIT, serving
from wharf.errors import OddFileError, StorageError
from wharf.operations.build import build
from wharf.operations.remove import remove
from wharf.operations.verify import verify
from wharf.repository.opening import Repository, open_repository
from wharf.repository.settings import Settings
from wharf.server.rules import Rules
from wharf.site.output_folder import SiteFolder

if TYPE_CHECKING:
    from pathlib import Path


def _a_link(place: Path, beyond: Path) -> None:
    place.unlink()
    place.symlink_to(beyond / place.name)


def _a_link_to_nothing(place: Path, _beyond: Path) -> None:
    place.unlink()
    place.symlink_to("/nowhere/at/all")


def _a_linked_folder(place: Path, beyond: Path) -> None:
    place.unlink()
    place.parent.rmdir()
    place.parent.symlink_to(beyond)


def _a_pipe(place: Path, _beyond: Path) -> None:
    place.unlink()
    os.mkfifo(place)


def _a_socket(place: Path, _beyond: Path) -> None:
    place.unlink()
    with contextlib.chdir(place.parent), socket.socket(socket.AF_UNIX) as made:  # a socket's path has to be short
        made.bind(place.name)


def _a_folder(place: Path, _beyond: Path) -> None:
    place.unlink()
    place.mkdir()


def _a_file_for_the_folder(place: Path, _beyond: Path) -> None:
    place.unlink()
    place.parent.rmdir()
    place.parent.write_bytes(b"x")


ODD = [_a_link, _a_link_to_nothing, _a_linked_folder, _a_pipe, _a_socket, _a_folder, _a_file_for_the_folder]
odd = pytest.mark.parametrize("make", ODD, ids=lambda make: make.__name__)


@pytest.fixture
def wheel(repository: Repository, tmp_path: Path) -> Path:
    made = make_wheel(tmp_path)
    put(repository, made)
    return made


@pytest.fixture
def place(wheel: Path, store: Path) -> Path:
    return store / "assets" / hashlib.sha256(wheel.read_bytes()).hexdigest() / wheel.name


@pytest.fixture
def beyond(wheel: Path, tmp_path: Path) -> Path:
    """A folder outside the store with the very bytes that are wanted."""
    folder = tmp_path / "beyond"
    folder.mkdir()
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    return folder


@odd
def test_nothing_odd_is_served(make: object, repository: Repository, place: Path, beyond: Path) -> None:
    assert callable(make)
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        address = f"/files/{place.parent.name}/{place.name}"
        assert client.get(address).status_code == 200
        make(place, beyond)
        for headers in ({}, {"Range": "bytes=0-9"}):
            answer = client.get(address, headers=headers)
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            assert str(beyond) not in answer.text
        assert client.get("/simple/demo/", headers=JSON).status_code == 200


@odd
def test_verify_tells_it_and_repair_leaves_it(make: object, repository: Repository, place: Path, beyond: Path) -> None:
    assert callable(make)
    make(place, beyond)
    for named in (True, False):
        for repair in (False, True):
            found = verify(repository, repair=repair)
            (problem,) = found.problems
            assert not found.ok
            assert (problem.kind, problem.repaired) == ("odd-file", False)
            assert problem.path in {f"assets/{place.parent.name}", f"assets/{place.parent.name}/{place.name}"}
        if named:
            left = remove(repository, "demo", "1.0", None, reason="", actor="ada")
            assert [each.file.filename for each in left.kept] == [place.name]
            assert place.parent.name in left.reason
    assert [path.name for path in beyond.iterdir()] == [place.name]


@odd
def test_a_publish_puts_the_bytes_there_or_says_what_stands_there(
    make: object, repository: Repository, wheel: Path, place: Path, beyond: Path
) -> None:
    assert callable(make)
    make(place, beyond)
    before = sorted(beyond.iterdir())
    if make in {_a_linked_folder, _a_folder, _a_file_for_the_folder}:
        with pytest.raises(StorageError, match=place.parent.name):
            put(repository, wheel)
    else:
        put(repository, wheel)
        assert verify(repository).ok
        assert not place.is_symlink()
    assert sorted(beyond.iterdir()) == before


def test_a_file_that_was_cut_short_is_no_answer(repository: Repository, place: Path) -> None:
    place.write_bytes(b"")
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        assert client.get(f"/files/{place.parent.name}/{place.name}").status_code == 503


@pytest.mark.parametrize("name", ["assets", "staging", "index.git"])
def test_a_folder_of_the_store_is_no_link(name: str, repository: Repository, store: Path, wheel: Path, tmp_path: Path) -> None:
    repository.branch.close()
    (store / name).rename(tmp_path / "elsewhere")
    (store / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OddFileError, match=f"{name} is a symbolic link"), open_repository(Settings(place=store)):
        pass
    assert (store / name).is_symlink()
    assert wheel.exists()


@pytest.mark.parametrize("name", ["lock", "tokens.json", "tokens.json.lock"])
def test_nobody_waits_for_a_pipe(name: str, repository: Repository, store: Path, wheel: Path) -> None:
    (store / name).unlink(missing_ok=True)
    os.mkfifo(store / name)
    verbs = {"lock": lambda: put(repository, wheel), "tokens.json": repository.tokens.all}
    with pytest.raises(StorageError, match=name):
        verbs.get(name, lambda: repository.tokens.create("ci", "read"))()


def test_tokens_may_be_mounted_as_links(repository: Repository, store: Path, tmp_path: Path) -> None:
    secret = repository.tokens.create("ci", "read")
    (store / "tokens.json").rename(tmp_path / "mounted.json")
    (store / "tokens.json").symlink_to(tmp_path / "mounted.json")
    assert [each.sha256 for each in repository.tokens.all()] == [secret.sha256()]


def test_the_lock_ends_with_its_holder(repository: Repository, store: Path, wheel: Path) -> None:
    put(repository, wheel)
    with (store / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_site_has_its_files_itself(kind: str, repository: Repository, place: Path, beyond: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    build(repository, out, with_files=True)
    target = out / "files" / place.parent.name / place.name
    target.unlink()
    if kind == "link":
        target.symlink_to(beyond / place.name)
    else:
        os.mkfifo(target)
    assert target.name in SiteFolder(out).missing([f"{place.parent.name}/{place.name}"]).pop()
    assert not SiteFolder(out).has(f"{place.parent.name}/{place.name}", (beyond / place.name).stat().st_size)
