"""The file of an upload: digests in any order of the form, no copy where the store is on the same disk, nothing left."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from tests.makers import make_wheel
from tests.server.test_server import LIMIT, serving
from wharf.operations.verify import verify
from wharf.server.rules import Rules
from wharf.server.web import spooled_file
from wharf.server.web.spooled_file import SpooledFile
from wharf.system import unnamed_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from wharf.repository.opening import Repository

BOUNDARY = "----------5ac6fd47a"
FIELDS: dict[str, Callable[[bytes], str]] = {
    "md5_digest": lambda data: hashlib.md5(data).hexdigest(),
    "sha256_digest": lambda data: hashlib.sha256(data).hexdigest(),
    "blake2_256_digest": lambda data: hashlib.blake2b(data, digest_size=32).hexdigest(),
}


def body(path: Path, before: dict[str, str], after: dict[str, str]) -> bytes:
    """A form with fields before and behind its file, as clients of different kinds write it."""

    def fields(some: dict[str, str]) -> str:
        return "".join(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in some.items())

    file = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{path.name}"\r\n\r\n'
    head = fields({":action": "file_upload", "protocol_version": "1", **before}) + file
    return head.encode() + path.read_bytes() + f"\r\n{fields(after)}--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("place", ["before", "behind"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_declared_digest_is_compared_wherever_the_form_has_it(
    place: str, field: str, repository: Repository, tmp_path: Path
) -> None:
    token = repository.tokens.create("ci", "publish").reveal()
    wheel = make_wheel(tmp_path)
    right = FIELDS[field](wheel.read_bytes())
    statuses = []
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        for value in (right[:-1] + ("0" if right[-1] != "0" else "1"), right.upper()):
            some, none = {field: value}, dict[str, str]()
            answer = client.post(
                "/legacy/",
                auth=("__token__", token),
                content=body(wheel, *((some, none) if place == "before" else (none, some))),
                headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}"},
            )
            statuses.append((answer.status_code, field in answer.text))
    assert statuses == [(400, True), (200, False)]


def test_a_file_goes_through_each_digest_once(tmp_path: Path) -> None:
    spooled = SpooledFile(tmp_path, 0, ["md5_digest"])
    for piece in (b"one", b"", b"two" * 1000, b"large" * 100_000, b"end"):
        spooled.write(piece)
    data = b"one" + b"two" * 1000 + b"large" * 100_000 + b"end"
    assert {field: spooled.digest(field) for field in FIELDS} == {field: FIELDS[field](data) for field in FIELDS}
    assert spooled.size == len(data)
    with spooled.opened() as one:
        assert one.read(3) == b"one"
    with spooled.opened() as again:
        assert again.read() == data
    spooled.close()
    assert list(tmp_path.iterdir()) == []


def test_what_the_disk_did_not_take_is_not_published(
    repository: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system tells a failed sync once, to whoever syncs first: that is not the store for a large file."""
    synced: list[int] = []

    def fail(handle: int) -> None:
        os.close(handle)
        synced.append(handle)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(spooled_file, "_SYNC_EVERY", 1)
    monkeypatch.setattr(spooled_file, "_sync", fail)
    token = repository.tokens.create("ci", "publish").reveal()
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        answer = client.post("/legacy/", auth=("__token__", token), content=body(make_wheel(tmp_path), {}, {}), headers=headers)
    assert (answer.status_code, bool(synced)) == (503, True), answer.text
    assert not any(path.is_file() for path in (store / "assets").rglob("*"))


@pytest.mark.parametrize("nameless", [True, False])
def test_the_store_keeps_the_bytes_with_or_without_a_copy(
    nameless: bool, repository: Repository, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system knows no such files, what is kept is a copy."""
    if not nameless:
        monkeypatch.setattr(unnamed_file, "_UNNAMED", None)
    token = repository.tokens.create("ci", "publish").reveal()
    wheel = make_wheel(tmp_path)
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        for _ in range(2):  # the second time they are there
            headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
            answer = client.post("/legacy/", auth=("__token__", token), content=body(wheel, {}, {}), headers=headers)
            assert answer.status_code == 200
    (kept,) = (path for path in (store / "assets").rglob("*") if path.is_file())
    assert kept.read_bytes() == wheel.read_bytes()
    assert kept.stat().st_mode & 0o777 == wheel.stat().st_mode & 0o777  # as the umask says
    assert list((store / "staging").iterdir()) == []
    assert verify(repository).ok


def test_a_disk_that_does_not_say_how_large_it_is_takes_uploads(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in memory without a bound has no blocks at all, by its own word."""
    monkeypatch.setattr(os, "statvfs", lambda _path: os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255)))
    token = repository.tokens.create("ci", "publish").reveal()
    with serving(repository, Rules(open_reading=True, upload_limit=LIMIT)) as client:
        headers = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        answer = client.post("/legacy/", auth=("__token__", token), content=body(make_wheel(tmp_path), {}, {}), headers=headers)
    assert answer.status_code == 200, answer.text
