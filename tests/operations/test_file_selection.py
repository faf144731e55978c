"""Which of the paths behind `wharf publish` are published, which are passed over, and what is said of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wharf.errors import UsageError
from wharf.operations.file_selection import select_files

if TYPE_CHECKING:
    from pathlib import Path

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
BESIDE = (
    ".asc .sig .gpg .minisig .sigstore .sigstore.json .bundle .publish.attestation .slsa.attestation .intoto.jsonl .md5 .sha1 "
    ".sha256 .sha512 .metadata .provenance"
)
LISTS = "SHA256SUMS sha512sums.txt MD5SUMS CHECKSUMS checksums.txt checksums.sha256 SHA256SUMS.asc SHA512SUMS.sig"
OTHERS = ["other-1.0.tar.gz.asc", f"{SDIST}.exe", "notes.txt", f"{SDIST}.", "demo-1.0.zip", "SUMS"]


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """A folder with a wheel and an sdist; what they hold does not matter here."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in (WHEEL, SDIST):
        (folder / name).touch()
    return folder


def names(dist: Path, *others: str) -> list[str]:
    """What is chosen of all in the folder, once there are others too; each of these is told."""
    for other in others:
        (dist / other).touch()
    chosen = select_files(sorted(dist.iterdir()))
    assert len(chosen.passed_over) + len(chosen.files) == len(others) + 2
    for other in others:
        told = [line for line in chosen.passed_over if line.startswith(f"{dist / other} is skipped: it goes with ")]
        assert bool(told) is (dist / other not in chosen.files)
    return [path.name for path in chosen.files]


@pytest.mark.parametrize("end", BESIDE.split())
def test_what_goes_with_a_file_that_is_given_is_passed_over(dist: Path, end: str) -> None:
    assert names(dist, WHEEL + end, SDIST + end) == [WHEEL, SDIST]


@pytest.mark.parametrize("name", LISTS.split())
def test_lists_of_digests_are_passed_over(dist: Path, name: str) -> None:
    assert names(dist, name) == [WHEEL, SDIST]


@pytest.mark.parametrize("name", OTHERS)
def test_what_goes_with_nothing_stays_to_be_checked(dist: Path, name: str) -> None:
    assert name in names(dist, name)


def test_what_goes_with_a_file_elsewhere_stays(dist: Path) -> None:
    alone = dist.parent / f"{WHEEL}.asc"
    alone.touch()
    assert select_files([alone, dist / WHEEL]).files == (alone, dist / WHEEL)
    assert select_files([alone]).files == (alone,)


def test_a_folder_means_the_distributions_in_it(dist: Path) -> None:
    for name in ("notes.txt", ".gitignore", "pictures.zip", f"{WHEEL}.asc"):
        (dist / name).touch()
    (dist / "old").mkdir()
    chosen = select_files([dist])
    assert chosen.files == (dist / WHEEL, dist / SDIST)
    assert chosen.passed_over == (
        f"{dist / WHEEL}.asc is skipped: it goes with {WHEEL}.",
        f"{dist / 'notes.txt'} is skipped: it is neither a wheel nor an sdist.",
        f"{dist / 'pictures.zip'} is skipped: it is neither a wheel nor an sdist.",
    )


def test_without_a_word_it_is_the_folder_that_build_tools_fill(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dist.parent)
    assert [path.name for path in select_files([]).files] == [WHEEL, SDIST]
    (dist / WHEEL).unlink()
    (dist / SDIST).unlink()
    for left in (True, False):
        says = "no wheels and no sdists in the folder dist" if left else "nothing to publish"
        with pytest.raises(UsageError, match=says) as caught:
            select_files([])
        assert "python -m build" in caught.value.hint
        if left:
            dist.rmdir()


def test_all_that_is_not_there_is_named(dist: Path) -> None:
    with pytest.raises(UsageError, match=r"one\.whl, .*two\.whl are not there\."):
        select_files([dist / "one.whl", dist / WHEEL, dist / "two.whl"])


def test_an_empty_path_is_not_the_folder_in_which_one_is(dist: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(dist)
    with pytest.raises(UsageError, match="is empty"):
        select_files([""])
