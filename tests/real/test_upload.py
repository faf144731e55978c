"""twine and `uv publish` upload what `wharf publish` publishes, and the pages come out equal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.makers import escaped, make_wheel

from .conftest import new_token
from .programs import Ran, script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .conftest import Full
    from .programs import Machine, Served

    Upload = Callable[..., Ran]

pytestmark = pytest.mark.real


def twine(machine: Machine, served: Served, token: str, *files: Path, fails: bool = False) -> Ran:
    words = ("-m", "twine", "--no-color", "upload", "--verbose", "--non-interactive", "--disable-progress-bar")
    secrets = {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": token}
    return machine.run(sys.executable, *words, "--repository-url", served.legacy, *files, fails=fails, **secrets)


def uv(machine: Machine, served: Served, token: str, *files: Path, fails: bool = False, options: tuple[str, ...] = ()) -> Ran:
    words = ("publish", "--trusted-publishing", "never", "--publish-url", served.legacy, *options)
    return machine.uv(*words, *files, fails=fails, UV_PUBLISH_TOKEN=token)


def uv_with_password(machine: Machine, served: Served, token: str, *files: Path, fails: bool = False) -> Ran:
    words = ("--no-config", "publish", "--trusted-publishing", "never", "--publish-url", served.legacy)
    secrets = {"UV_PUBLISH_USERNAME": "anybody", "UV_PUBLISH_PASSWORD": token}
    return machine.run(script("uv"), *words, *files, fails=fails, **secrets)


def uv_with_check(machine: Machine, served: Served, token: str, *files: Path, fails: bool = False) -> Ran:
    return uv(machine, served, token, *files, fails=fails, options=("--check-url", served.simple))


BOTH = pytest.mark.parametrize("upload", [twine, uv], ids=["twine", "uv"])


def pages(served: Served) -> dict[str, Any]:
    """All pages of an index without what differs between two uploads of one file: its time, and whether it is yanked."""
    found = {each["name"]: served.page(each["name"]) for each in served.page()["projects"]}
    for page in found.values():
        for file in page["files"]:
            assert file.pop("upload-time")
            file.pop("yanked", None)
    return found


def test_twine_makes_the_pages_that_publish_makes(
    machine: Machine, empty: Served, token: str, index: Served, full: Full
) -> None:
    twine(machine, empty, token, *full.files)
    assert pages(empty) == pages(index)
    assert machine.wharf(machine.home / "empty", "verify").document["ok"] is True


@pytest.mark.parametrize("upload", [uv, uv_with_check])
def test_uv_makes_the_pages_that_publish_makes(
    upload: Upload, machine: Machine, empty: Served, token: str, index: Served, full: Full
) -> None:
    """Of the files that uv takes: by itself it passes by those whose names are spelled as they were years ago."""
    said = upload(machine, empty, token, *full.files)
    modern = {path.name for path in full.files if path.name.split("-")[0] == escaped(path.name.split("-")[0])}
    assert said.text.count("non-normalized filename") == len(full.files) - len(modern)
    expected = {name: page for name, page in pages(index).items() if {file["filename"] for file in page["files"]} <= modern}
    assert pages(empty) == expected
    assert machine.wharf(machine.home / "empty", "verify").document["ok"] is True


@pytest.mark.parametrize("upload", [twine, uv, uv_with_check, uv_with_password])
def test_uploading_again_is_no_error(upload: Upload, machine: Machine, empty: Served, token: str) -> None:
    wheel = make_wheel(machine.home, "repeated", "1.0+again")
    upload(machine, empty, token, wheel)
    before = empty.page("repeated")
    upload(machine, empty, token, wheel)
    assert empty.page("repeated") == before
    assert len(before["files"]) == 1


@BOTH
def test_other_bytes_under_a_taken_name_are_refused(upload: Upload, machine: Machine, empty: Served, token: str) -> None:
    upload(machine, empty, token, make_wheel(machine.home, "taken", content="first"))
    before = empty.page("taken")
    said = upload(machine, empty, token, make_wheel(machine.home, "taken", content="second"), fails=True).text
    assert "already exists" in said
    assert empty.page("taken") == before


@BOTH
def test_a_token_that_may_only_read_is_refused(upload: Upload, machine: Machine, empty: Served) -> None:
    token = new_token(machine, machine.home / "empty", scope="read")
    said = upload(machine, empty, token, make_wheel(machine.home), fails=True).text
    assert "403" in said
    assert "This token may only read." in said
    assert token not in said
    assert empty.page()["projects"] == []


@BOTH
def test_an_unknown_token_is_refused(upload: Upload, machine: Machine, empty: Served, token: str) -> None:
    unknown = f"{token}x"
    said = upload(machine, empty, unknown, make_wheel(machine.home), fails=True).text
    assert "401" in said
    assert "The server does not know this token" in said
    assert unknown not in said
    assert empty.page()["projects"] == []
