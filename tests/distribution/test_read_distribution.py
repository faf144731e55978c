"""Reading wheels and sdists: what passes, what is refused and with which words, and that hostile ones cost little."""

from __future__ import annotations

import contextlib
import hashlib
import io
import stat
import struct
import tarfile
import tracemalloc
import warnings
import zipfile
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from packaging.version import Version

from tests.growth import is_linear
from tests.makers import core_metadata, escaped, gzipped, make_sdist, make_wheel, tar_bytes, zip_bytes
from tests.raw_zips import Headers, Member, raw_wheel
from tests.raw_zips import zip64 as zip64_field
from wharf.distribution import archive_members, time_limit, zip_archive
from wharf.distribution import core_metadata as core_metadata_module
from wharf.distribution.read_distribution import Distribution, Name, read
from wharf.distribution.time_limit import TimeLimit
from wharf.errors import InvalidDistributionError, TooLargeError

if TYPE_CHECKING:
    from pathlib import Path

WHEEL = "demo-1.0-py3-none-any.whl"
SDIST = "demo-1.0.tar.gz"
FUZZ = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])


def load(path: Path) -> Distribution:
    with path.open("rb") as file:
        found = read(file, path.name)
        assert not file.closed
    return found


def read_bytes(data: bytes, filename: str) -> Distribution:
    return read(io.BytesIO(data), filename)


def refused(data: bytes, filename: str) -> str:
    """The message and hint that refuse `data`; both have to be there, and to print."""
    with pytest.raises(InvalidDistributionError) as caught:
        read_bytes(data, filename)
    assert caught.value.message.isprintable()
    assert caught.value.hint
    return caught.value.message


def sdist_of(*extra: tuple[str | tarfile.TarInfo, str | bytes], pkg_info: str | bytes | None = None) -> bytes:
    """A .tar.gz with PKG-INFO and these members."""
    return gzipped(tar_bytes([("demo-1.0/PKG-INFO", core_metadata() if pkg_info is None else pkg_info), *extra]))


def tar_entry(name: str, type: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:  # noqa: A002
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, target
    return info


def zip_entry(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


def patched(data: bytes, member: str, at: int, value: bytes) -> bytes:
    """A zip archive with `value` written over the directory entry of `member`, from its byte `at` on."""
    start = data.rindex(member.encode(), 0, data.rindex(b"PK\5\6")) - 46
    assert data[start : start + 4] == b"PK\1\2"
    return data[: start + at] + value + data[start + at + len(value) :]


# What passes


@pytest.mark.parametrize(
    ("name", "version", "project", "options"),
    [
        ("demo", "1.0", "demo", {}),
        ("Zope.Interface", "5.4.0", "zope-interface", {}),
        ("typing_extensions", "4.0", "typing-extensions", {}),
        ("UPPER", "1", "upper", {}),
        ("demo", "1.0+cpu.1", "demo", {}),
        ("demo", "1!2.0", "demo", {}),
        ("demo", "1.0rc1", "demo", {"build": "7a"}),
        ("demo", "1.0", "demo", {"tag": "py2.py3-none-any"}),
        ("demo", "1.0", "demo", {"tag": "cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "build": "1"}),
    ],
)
def test_wheels_pass(tmp_path: Path, name: str, version: str, project: str, options: dict[str, str]) -> None:
    path = make_wheel(
        tmp_path,
        name,
        version,
        requires=["requests>=2; python_version > '3'"],
        requires_python=">= 3.9",
        **options,  # type: ignore[arg-type]
    )
    found = load(path)
    assert (found.filename, found.project, found.version, found.kind) == (path.name, project, version, "wheel")
    assert (found.sha256, found.size) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size)
    assert found.requires_python == ">= 3.9"
    assert found.announces_metadata
    assert found.warnings == ()
    with zipfile.ZipFile(path) as archive:
        assert found.metadata == archive.read(f"{escaped(name)}-{version}.dist-info/METADATA")


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize(("name", "version"), [("demo", "1.0"), ("Zope.Interface", "5.4.0"), ("a_b-c", "1!2.0+local")])
def test_sdists_pass(tmp_path: Path, name: str, version: str, suffix: str) -> None:
    found = load(make_sdist(tmp_path, name, version, suffix=suffix))
    assert (found.project, found.version, found.kind) == (name.lower().replace(".", "-").replace("_", "-"), version, "sdist")
    assert found.metadata == core_metadata(name, version, metadata_version="2.2").encode()
    assert found.requires_python is None


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_long_and_foreign_names_in_tars_pass(tmp_path: Path, format: int) -> None:  # noqa: A002
    long = "demo-1.0/" + "/".join(["folder"] * 18) + "/" + "ä" * 30
    link = tar_entry("demo-1.0/link", tarfile.SYMTYPE, long.removeprefix("demo-1.0/")[:99])
    hard = tar_entry("demo-1.0/hard", tarfile.LNKTYPE, "demo-1.0/PKG-INFO")
    load(make_sdist(tmp_path, format=format, extra_members=[(long, "x" * 5000), (link, ""), (hard, "")]))
    if format != tarfile.USTAR_FORMAT:
        far = tar_entry("demo-1.0/far", tarfile.SYMTYPE, "folder/" * 40 + "end")
        load(make_sdist(tmp_path, format=format, extra_members=[(long * 3, ""), (far, "")]))


def test_a_tar_by_git_archive_and_one_with_dots_pass(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", pax_headers={"comment": "0123abc"}) as archive:
        archive.addfile(tar_entry("./demo-1.0", tarfile.DIRTYPE))
        info = tar_entry("./demo-1.0/PKG-INFO")
        info.size = len(core_metadata())
        archive.addfile(info, io.BytesIO(core_metadata().encode()))
    assert read_bytes(gzipped(buffer.getvalue()), SDIST).project == "demo"


def test_old_spellings_of_the_version_pass() -> None:
    data = gzipped(tar_bytes([("demo-1.0/PKG-INFO", core_metadata(version="1.0.0-RC1"))]))
    assert read_bytes(data, "Demo-1.0c1.tar.gz").version == "1.0rc1"


def test_a_wheel_with_a_64_bit_directory_passes(tmp_path: Path) -> None:
    assert read_bytes(zip64(make_wheel(tmp_path).read_bytes()), WHEEL).project == "demo"


@pytest.mark.parametrize(
    ("metadata_version", "dynamic", "announced"),
    [
        ("1.2", (), False),
        ("2.1", (), False),
        ("2.2", (), True),
        ("2.4", ("Classifier", "License-File"), True),
        ("2.2", ("Requires-Dist",), False),
        ("2.2", ("requires-python",), False),
        ("2.3", ("Summary", " Provides-Extra "), False),
    ],
)
def test_an_sdist_announces_metadata_that_no_build_changes(
    tmp_path: Path, metadata_version: str, dynamic: tuple[str, ...], announced: bool
) -> None:
    found = load(make_sdist(tmp_path, metadata_version=metadata_version, dynamic=dynamic))
    assert found.announces_metadata is announced


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["License-Expression: MIT"], "introduced in metadata version 2.4, not 2.1"),
        (["Description-Content-Type: text/nonsense"], "text/nonsense"),
        (["Colour: blue"], "'colour'"),
        (["Home-page: https://a.example", "Home-page: https://b.example"], "'home-page'"),
        (["this is no field", "Requires-Dist: other"], "is not a field"),
        (["Home-page : x", "Requires-Dist: other"], "is not a field"),
    ],
)
def test_other_faults_of_metadata_are_warnings(tmp_path: Path, fields: list[str], words: str) -> None:
    found = load(make_wheel(tmp_path, fields=fields))
    assert any(words in warning and warning.endswith(".") for warning in found.warnings), found.warnings


def test_an_unknown_minor_metadata_version_and_another_build_are_warnings(tmp_path: Path) -> None:
    assert any("2.99" in warning for warning in load(make_wheel(tmp_path, metadata_version="2.99")).warnings)
    about = "Wheel-Version: 1.9\nTag: py3-none-any\nBuild: 3\n"
    assert load(make_wheel(tmp_path, build="4", about=about)).warnings == ("WHEEL says build '3', the file name '4'.",)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    metadata = core_metadata(metadata_version="2.2", fields=["Author: J?rg"]).encode().replace(b"?", b"\xf6")
    assert "METADATA is not in UTF-8" in refused(make_wheel(tmp_path, metadata=metadata).read_bytes(), WHEEL)
    found = load(make_sdist(tmp_path, metadata=metadata))
    assert found.metadata == metadata
    assert not found.announces_metadata
    assert "PKG-INFO is not in UTF-8." in found.warnings


@pytest.mark.parametrize("size", [0, 3 << 20])
def test_the_digest_is_of_every_byte(tmp_path: Path, size: int) -> None:
    data = make_wheel(tmp_path, extra_members=[(zip_entry("noise"), hashlib.shake_128(b"").digest(size))]).read_bytes()
    found = read(io.BytesIO(data), WHEEL)
    assert (found.sha256, found.size) == (hashlib.sha256(data).hexdigest(), len(data))


def test_the_limit_counts_bytes(tmp_path: Path) -> None:
    data = make_wheel(tmp_path).read_bytes()
    assert read(io.BytesIO(data), WHEEL, limit=len(data)).size == len(data)
    with pytest.raises(TooLargeError, match=f"larger than {len(data) - 1} bytes"):
        read(io.BytesIO(data), WHEEL, limit=len(data) - 1)


def test_makers_give_the_same_bytes_for_the_same_arguments(tmp_path: Path) -> None:
    for make in (make_wheel, make_sdist):
        one, other = (make(tmp_path / folder).read_bytes() for folder in "ab")
        assert one == other
        assert make(tmp_path, content="other").read_bytes() != one


# File names


@pytest.mark.parametrize(
    "filename",
    [
        "",
        "demo",
        "demo-1.0.tar.bz2",
        "demo-1.0.egg",
        "demo.tar.gz",
        "-1.0.tar.gz",
        "demo-.tar.gz",
        "demo-one.tar.gz",
        "demo-1.0.whl",
        "demo-1.0-py3-none.whl",
        "demo-1.0-x-py3-none-any.whl",
        "demo-one-py3-none-any.whl",
        "de__mo-1.0-py3-none-any.whl",
        "demo-1.0-py3..py2-none-any.whl",
        "demo-1.0-py3-none-.whl",
        "demo-1.0-7y3-none-any.whl",
        "demo-1.0-py3-no+ne-any.whl",
        "demo-1.0-1-2-py3-none-any.whl",
        "demo_-1.0-py3-none-any.whl",
        "../demo-1.0.tar.gz",
        "folder/demo-1.0.tar.gz",
        "folder\\demo-1.0.tar.gz",
        "demo-1.0\n.tar.gz",
        "demo-1.0\x1b[31m.tar.gz",
        "dämo-1.0.tar.gz",
        "demo-1.0.tar.gz\0",
        "demo-" + "1" * 300 + ".tar.gz",
        "demo-1.0+" + "a" * 200 + ".tar.gz",
        "demo-1.0-" + "-".join([".".join(f"a{number}" for number in range(20))] * 3) + ".whl",
    ],
)
def test_file_names_that_do_not_parse_are_refused_before_a_byte_is_read(filename: str) -> None:
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            pytest.fail("a byte was read")

    for attempt in (lambda: Name.parse(filename), lambda: read(Unread(), filename)):
        with pytest.raises(InvalidDistributionError) as caught:
            attempt()
        assert caught.value.message.isprintable()
        assert caught.value.hint


@pytest.mark.parametrize(
    ("filename", "says", "hint"),
    [
        ("pkg-1.0-beta.tar.gz", "invalid version", "call it pkg-1.0b0.tar.gz"),
        ("my-pkg-1.0-rc.1.zip", "invalid version", "call it my_pkg-1.0rc1.zip"),
        ("pkg-1.0-beta-py3-none-any.whl", "the version in the file name has a hyphen", "called pkg-1.0b0-py3-none-any.whl"),
        ("pkg-1.0-cp313-cp313-linux_x86_64-x86_64_v3.whl", "makes it a variant (PEP 825)", "without a variant label"),
        ("pkg-1.0-1-cp313-cp313-linux_x86_64-x86_64_v3.whl", "makes it a variant (PEP 825)", "without a variant label"),
        ("pkg-1.0.tar.bz2", "an sdist is a .tar.gz", "python -m build --sdist"),
        ("pkg-1.0.tgz", "an sdist is a .tar.gz", "python -m build --sdist"),
        ("pkg-1.0-py3.12.egg", "no eggs", "Build a wheel"),
        ("pkg-1.0.linux-x86_64.tar.gz", "no archive of bdist_dumb", "Build a wheel"),
        ("pkg-1.0.macosx-10.9-x86_64.tar.gz", "no archive of bdist_dumb", "Build a wheel"),
        ("my-pkg-1!1.0.dev1.win-amd64.zip", "no archive of bdist_dumb", "Build a wheel"),
        ("pkg-1.0.win32.zip", "no archive of bdist_dumb", "Build a wheel"),
        ("pkg-1.0.window.zip", "invalid version", "Keep the name"),
        ("pkg-1.0.exe", "neither a wheel (.whl) nor an sdist", "python -m build"),
    ],
)
def test_a_name_of_yesterday_or_tomorrow_is_told_what_it_should_be(filename: str, says: str, hint: str) -> None:
    with pytest.raises(InvalidDistributionError) as caught:
        Name.parse(filename)
    assert says in caught.value.message
    assert hint in caught.value.hint


def test_an_sdist_that_parses_as_another_project_is_told_its_own_name() -> None:
    """What stands behind the last hyphen is the version, whatever was meant."""
    data = gzipped(tar_bytes([("demo-1.0-1/PKG-INFO", core_metadata(version="1.0-1"))]))
    with pytest.raises(InvalidDistributionError, match="names the project 'demo', the file name 'demo-1-0'") as caught:
        read_bytes(data, "demo-1.0-1.tar.gz")
    assert "call it demo-1.0.post1.tar.gz" in caught.value.hint


def test_gzip_of_several_parts_is_told_what_is_wrong_with_it() -> None:
    tar = tar_bytes([("demo-1.0/PKG-INFO", core_metadata())])
    with pytest.raises(InvalidDistributionError, match="which some readers unpack and others ignore") as caught:
        read_bytes(gzipped(tar[:1024]) + gzipped(tar[1024:]), SDIST)
    assert "as one gzip stream" in caught.value.hint


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Foo-1.0.tar.gz", "foo-1.0.0.tar.gz", True),
        ("foo.bar-1.0.tar.gz", "foo_bar-1.0.tar.gz", True),
        ("foo-1.0.tar.gz", "foo-1.0.zip", False),
        ("foo-1.0.tar.gz", "foo-1.1.tar.gz", False),
        ("foo-1.0-py2.py3-none-any.whl", "FOO-1-py3.py2-none-any.whl", True),
        ("foo-1.0-py2.py3-none-any.whl", "foo-1.0-py3-none-any.whl", False),
        ("foo-1.0-1-py3-none-any.whl", "foo-1.0-01-py3-none-any.whl", True),
        ("foo-1.0-1-py3-none-any.whl", "foo-1.0-py3-none-any.whl", False),
        ("foo-1.0+A.1-py3-none-any.whl", "foo-1.0+a.1-py3-none-any.whl", True),
    ],
)
def test_names_are_equal_when_they_mean_one_file(one: str, other: str, same: bool) -> None:
    assert (Name.parse(one) == Name.parse(other)) is same
    assert len({Name.parse(one), Name.parse(other)}) == (1 if same else 2)


words = st.from_regex(r"[a-z0-9]{1,5}", fullmatch=True)
releases = st.lists(st.integers(0, 30), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))


@pytest.mark.slow
@given(st.lists(words, min_size=1, max_size=3), releases, st.lists(words, min_size=1, max_size=3, unique=True), st.randoms())
def test_respelled_names_are_the_same_file(parts: list[str], release: str, tags: list[str], random: object) -> None:
    interpreters = [f"py{tag}" for tag in tags]
    one = f"{'_'.join(parts)}-{release}-{'.'.join(interpreters)}-none-any.whl"
    other = f"{'.'.join(parts).upper()}-{release}.0-{'.'.join(reversed(interpreters))}-none-any.whl"
    assert Name.parse(one) == Name.parse(other)
    assert hash(Name.parse(one)) == hash(Name.parse(other))
    assert Name.parse(f"{'-'.join(parts)}-{release}.tar.gz") == Name.parse(f"{'_'.join(parts)}-{release}.0.0.tar.gz")
    assert Name.parse(one).version == Version(release)


@given(st.text(max_size=40).flatmap(lambda text: st.sampled_from([text + end for end in (".whl", ".tar.gz", ".zip", "")])))
def test_any_text_parses_or_is_refused(text: str) -> None:
    with contextlib.suppress(InvalidDistributionError):
        assert Name.parse(text).kind in ("wheel", "sdist")


# What is no archive, or not that of a distribution


@pytest.mark.parametrize("filename", [WHEEL, SDIST, "demo-1.0.zip"])
@pytest.mark.parametrize("data", [b"", b"x", b"PK\5\6", b"hello" * 1000, b"\x1f\x8b", b"\0" * 2000])
def test_what_is_no_archive_is_refused(filename: str, data: bytes) -> None:
    assert refused(data, filename).startswith(f"{filename}: ")


def test_an_empty_file_is_called_empty() -> None:
    assert "the file is empty" in refused(b"", WHEEL)


@pytest.mark.parametrize("kind", [".tar.gz", ".zip", ".whl"])
def test_a_truncated_archive_is_refused(tmp_path: Path, kind: str) -> None:
    path = make_wheel(tmp_path) if kind == ".whl" else make_sdist(tmp_path, suffix=kind)
    data = path.read_bytes()
    for length in {1, 10, len(data) // 3, len(data) // 2, len(data) - 9, len(data) - 1}:
        refused(data[:length], path.name)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"without": ["METADATA"]}, "no demo-1.0.dist-info/METADATA"),
        ({"without": ["WHEEL"], "files": {"demo-1.0.dist-info//WHEEL": "Wheel-Version: 1.0"}}, "no demo-1.0.dist-info/WHEEL"),
        ({"without": ["WHEEL"]}, "no demo-1.0.dist-info/WHEEL"),
        ({"without": ["RECORD"]}, "no demo-1.0.dist-info/RECORD"),
        ({"without": ["METADATA", "WHEEL", "RECORD"]}, "no .dist-info"),
        ({"files": {"other-1.0.dist-info/METADATA": ""}}, "2 .dist-info folders"),
        ({"dist_info": "other-1.0.dist-info"}, "another project or version"),
        ({"dist_info": "demo-1.1.dist-info"}, "another project or version"),
        ({"dist_info": "demo.dist-info"}, "another project or version"),
        ({"filename": "other-1.0-py3-none-any.whl"}, "another project or version"),
        ({"about": "Tag: py3-none-any\n"}, "Wheel-Version"),
        ({"about": "Wheel-Version: 2.0\nTag: py3-none-any\n"}, "Wheel-Version"),
        ({"about": b"Wheel-Version: 1.0\nTag: \xff\n"}, "WHEEL is not in UTF-8"),
        ({"metadata": core_metadata("other")}, "names the project 'other'"),
        ({"metadata": core_metadata(version="1.1")}, "says version '1.1'"),
    ],
)
def test_wheels_that_contradict_themselves_are_refused(tmp_path: Path, options: dict[str, object], words: str) -> None:
    path = make_wheel(tmp_path, **options)  # type: ignore[arg-type]
    assert words in refused(path.read_bytes(), path.name)


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"without": ["PKG-INFO"]}, "no PKG-INFO in its top folder"),
        ({"without": ["PKG-INFO"], "files": {"src/PKG-INFO": core_metadata()}}, "no PKG-INFO in its top folder"),
        ({"top": "."}, "no PKG-INFO in its top folder"),
        ({"without": ["PKG-INFO"], "files": {"PKG-INFO/": ""}}, "PKG-INFO"),
        ({"extra_members": [("other/file", "")]}, "more than one top folder"),
        ({"metadata": core_metadata("other")}, "names the project 'other'"),
        ({"metadata": core_metadata(version="1.1")}, "says version '1.1'"),
    ],
)
def test_sdists_that_contradict_themselves_are_refused(
    tmp_path: Path, options: dict[str, object], words: str, suffix: str
) -> None:
    path = make_sdist(tmp_path, suffix=suffix, **options)  # type: ignore[arg-type]
    assert words in refused(path.read_bytes(), path.name)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Metadata-Version: 2.1", "X: y", "Metadata-Version"),
        ("Metadata-Version: 2.1", "Metadata-Version: 3.0", "not 1.x or 2.x"),
        ("Metadata-Version: 2.1", "Metadata-Version: two", "not 1.x or 2.x"),
        ("Metadata-Version: 2.1", "Metadata-Version: 3", "not 1.x or 2.x"),
        ("Name: demo", "X: y", "name"),
        ("Name: demo", "Name: -demo-", "is not valid"),
        ("Name: demo", "Name: demo\nName: demo", "Name in METADATA is there more than once"),
        ("Name: demo", "Name: d\x1bemo", "is not valid"),
        ("Version: 1.0", "X: y", "version"),
        ("Version: 1.0", "Version: one", "is not valid"),
        ("Version: 1.0", "Version: 1.0\nversion: 1.0", "Version in METADATA is there more than once"),
        ("Version: 1.0", "Version: " + "9" * 9000, "is not valid"),
        ("Version: 1.0", "Version: " + "9" * 90_000, "is longer than"),
        ("Summary", "Requires-Python: three\nSummary", "requires-python"),
        ("Summary", "Requires-Python: >=3\nRequires-Python: >=2\nSummary", "more than once"),
        ("Summary", "Requires-Dist: not a requirement\nSummary", "requires-dist"),
        ("Summary", "Requires-Dist: a; " + "(" * 8000 + "\nSummary", "is not valid"),
        ("Summary", "Description-Content-Type: text/plain; " + "a=b;" * 200_000 + "\nSummary", "is longer than"),
    ],
)
def test_metadata_that_installers_could_not_use_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    metadata = (
        core_metadata().replace(old, new, 1) if old != "Version: 1.0" else core_metadata().replace("\nVersion: 1.0", "\n" + new)
    )
    path = make_wheel(tmp_path, metadata=metadata)
    assert words in refused(path.read_bytes(), path.name)


# Members


BAD_NAMES = [
    ("/etc/passwd", "an absolute path"),
    ("../evil", "`..`"),
    ("demo-1.0/../../evil", "`..`"),
    ("C:/evil", "an absolute path"),
    ("demo-1.0\\evil", "a backslash"),
    ("demo-1.0/e\x1bvil", "a control character"),
    ("demo-1.0/e\nvil", "a control character"),
    ("demo-1.0/" + "x" * 5000, "longer than 4096"),
]


@pytest.mark.parametrize(("name", "words"), BAD_NAMES)
def test_members_that_lead_out_are_refused(tmp_path: Path, name: str, words: str) -> None:
    assert words in refused(sdist_of((name, "")), SDIST)
    assert words in refused(make_sdist(tmp_path, suffix=".zip", extra_members=[(name, "")]).read_bytes(), "demo-1.0.zip")
    assert words in refused(make_wheel(tmp_path, extra_members=[(name, "")]).read_bytes(), WHEEL)


BAD_TARGETS = ["/etc/passwd", "../../evil", "..\\evil", "C:/evil", "a/../../../evil", "a/../b", "a\nb"]


@pytest.mark.parametrize("target", BAD_TARGETS)
def test_symbolic_links_that_lead_out_are_refused(tmp_path: Path, target: str) -> None:
    assert "link" in refused(sdist_of((tar_entry("demo-1.0/link", tarfile.SYMTYPE, target), "")), SDIST)
    link = zip_entry("demo/link", stat.S_IFLNK | 0o777)
    assert "link" in refused(make_wheel(tmp_path, extra_members=[(link, target)]).read_bytes(), WHEEL)


@pytest.mark.parametrize("target", ["", "file", "../file", "a/b"])
def test_symbolic_links_that_stay_inside_pass(tmp_path: Path, target: str) -> None:
    link = zip_entry("demo/a/link", stat.S_IFLNK | 0o777)
    data = make_wheel(tmp_path, extra_members=[(link, target)]).read_bytes()
    if target:
        read_bytes(data, WHEEL)
        read_bytes(sdist_of((tar_entry("demo-1.0/a/link", tarfile.SYMTYPE, target), "")), SDIST)
    else:
        assert "is empty" in refused(data, WHEEL)


def test_a_link_with_an_endless_target_is_refused_without_reading_it(tmp_path: Path) -> None:
    link = zip_entry("demo/link", stat.S_IFLNK | 0o777)
    assert "larger than 4096 bytes" in refused(make_wheel(tmp_path, extra_members=[(link, "x" * 5000)]).read_bytes(), WHEEL)


def test_a_member_behind_a_link_is_refused() -> None:
    link = tar_entry("demo-1.0/link", tarfile.SYMTYPE, ".")
    assert "behind a symbolic link" in refused(sdist_of((link, ""), ("demo-1.0/link/file", "")), SDIST)


LINK, HARD = tar_entry("demo-1.0/a", tarfile.SYMTYPE, "b"), tar_entry("demo-1.0/a", tarfile.LNKTYPE, "demo-1.0/b")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([("demo-1.0/b", ""), (LINK, ""), ("demo-1.0/a", "other")], "in the place of a link"),
        ([("demo-1.0/b", ""), (HARD, ""), ("demo-1.0/a", "other")], "in the place of a link"),
        ([("demo-1.0/b", ""), (HARD, ""), ("demo-1.0/./a", "other")], "in the place of a link"),
        ([(HARD, "")], "leads to no earlier member"),
        ([(HARD, ""), ("demo-1.0/b", "")], "leads to no earlier member"),
        ([("demo-1.0/a", ""), ("demo-1.0/a/b", "")], "below another one that is not a folder"),
        ([("demo-1.0/a", ""), ("demo-1.0/a/b/c/d", "")], "below another one that is not a folder"),
        ([("demo-1.0/" + "x" * 256, "")], "a part of more than 255 bytes"),
        ([("demo-1.0/" + "\u00e9" * 128 + "/x", "")], "a part of more than 255 bytes"),
    ],
)
def test_what_no_reader_or_each_in_its_own_way_unpacks_is_refused(
    extra: list[tuple[str | tarfile.TarInfo, str]], words: str
) -> None:
    """pip wrote a file in the place of a link to where it led, uv beside it: one sdist, two programs."""
    assert words in refused(sdist_of(*extra), SDIST)


def test_an_honest_hard_link_passes() -> None:
    read_bytes(sdist_of(("demo-1.0/b", ""), (HARD, ""), ("demo-1.0/" + "x" * 255, "")), SDIST)


def test_what_lies_below_a_file_is_refused_in_any_order(tmp_path: Path) -> None:
    for names in (["demo/a", "demo/a/b"], ["demo/a/b/c", "demo/a"]):
        data = make_wheel(tmp_path, extra_members=[(name, "") for name in names]).read_bytes()
        assert "below another one that is not a folder" in refused(data, WHEEL)


@pytest.mark.parametrize(
    ("at", "value", "words"),
    [
        (257, b"ustar  \0", "a name that can be read in two ways"),
        (257, b"\0" * 8, "a name that can be read in two ways"),
        (124, b"00000000_10\0", "a size that can be read in two ways"),
        (124, b"0o10\0" + b"\0" * 7, "a size that can be read in two ways"),
    ],
)
def test_headers_of_a_tar_archive_that_readers_take_differently_are_refused(at: int, value: bytes, words: str) -> None:
    """The front of a long name stands where older forms have something else; uv reads no name from there."""
    data = bytearray(tar_bytes([("demo-1.0/" + "a" * 90 + "/b", "12345678")], format=tarfile.USTAR_FORMAT))
    data[at : at + len(value)] = value
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data[:512])
    assert words in refused(gzipped(bytes(data)), SDIST)


def test_members_are_compared_with_links_in_linear_work() -> None:
    """One link and many deep paths that go its way as far as they can: 30 kB of them took 20 s."""
    seen = archive_members.ArchiveMembers(SDIST, TimeLimit(SDIST, 0))
    way = "/".join(["a"] * (archive_members.MAX_DEPTH - 3))
    seen.link(seen.add(f"demo/{way}/link"), "file")
    for number in range(1000):
        seen.add(f"demo/{way}/{number}")
    assert seen.steps <= 1001 * archive_members.MAX_DEPTH
    with pytest.raises(InvalidDistributionError, match="behind a symbolic link"):
        seen.add(f"demo/{way}/link/file")


def test_depth_and_links_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = "demo-1.0/" + "a/" * archive_members.MAX_DEPTH
    assert f"more than {archive_members.MAX_DEPTH} folders deep" in too_large(sdist_of((deep + "file", "")), SDIST)
    monkeypatch.setattr(archive_members, "MAX_LINK_PARTS", 5)
    links = [(tar_entry(f"demo-1.0/{number}", tarfile.SYMTYPE, "file"), "") for number in range(3)]
    read_bytes(sdist_of(*links[:2]), SDIST)
    assert "more than 5 parts in all" in too_large(sdist_of(*links), SDIST)


@pytest.mark.parametrize("filename", [WHEEL, SDIST, "demo-1.0.zip"])
def test_the_time_of_a_check_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, filename: str) -> None:
    """Nothing that is read piece by piece goes on when it is over."""
    monkeypatch.setattr(time_limit, "FREE", -1.0)
    path = make_wheel(tmp_path) if filename == WHEEL else make_sdist(tmp_path, suffix=filename.removeprefix("demo-1.0"))
    assert "its check takes longer than" in too_large(path.read_bytes(), filename)


@pytest.mark.parametrize("target", ["/etc/passwd", "../evil", "demo-1.0/../../evil"])
def test_hard_links_that_lead_out_are_refused(target: str) -> None:
    assert "hard link" in refused(sdist_of((tar_entry("demo-1.0/link", tarfile.LNKTYPE, target), "")), SDIST)


@pytest.mark.parametrize("type", [tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.GNUTYPE_SPARSE, b"Z"])
def test_devices_and_unknown_members_are_refused(type: bytes) -> None:  # noqa: A002
    assert "neither file, folder nor link" in refused(sdist_of((tar_entry("demo-1.0/odd", type), "")), SDIST)


def test_a_second_pkg_info_and_one_that_is_a_link_are_refused() -> None:
    assert "two PKG-INFO" in refused(sdist_of(("demo-1.0/PKG-INFO", core_metadata())), SDIST)
    link = tar_entry("demo-1.0/PKG-INFO", tarfile.SYMTYPE, "setup.py")
    assert "not a regular file" in refused(gzipped(tar_bytes([(link, "")])), SDIST)


def test_a_name_given_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = make_wheel(tmp_path, extra_members=[("demo.py", "other")]).read_bytes()
    assert "'demo.py' is there twice" in refused(data, WHEEL)
    data = make_wheel(tmp_path, extra_members=[("./demo.py", "other")]).read_bytes()
    assert "'./demo.py' is there twice" in refused(data, WHEEL)


def test_encryption_and_foreign_compression_are_refused(tmp_path: Path) -> None:
    data = make_wheel(tmp_path).read_bytes()
    assert "is encrypted" in refused(patched(data, "demo-1.0.dist-info/METADATA", 8, b"\1\0"), WHEEL)
    for method in (12, 14, 93, 99):
        assert f"method {method}" in refused(patched(data, "demo-1.0.dist-info/WHEEL", 10, bytes([method, 0])), WHEEL)


def test_directory_entries_that_zipfile_stumbles_over_are_refused(tmp_path: Path) -> None:
    data = make_wheel(tmp_path, files={"demo/ä": ""}).read_bytes()
    assert "not a readable zip" in refused(data.replace("ä".encode(), b"\xff\xff"), WHEEL)
    assert "not a readable zip" in refused(patched(data, "demo.py", 6, b"\xff\0"), WHEEL)
    assert "lies outside" in refused(patched(data, "demo.py", 42, b"\xff\xff\xff\x7f"), WHEEL)


def test_a_zip_in_two_readings_is_refused(tmp_path: Path) -> None:
    data = make_wheel(tmp_path).read_bytes()
    assert "bytes follow the end" in refused(data + b"\0", WHEEL)
    assert "not where its end record says" in refused(b"#!/bin/sh\n" + data, WHEEL)
    assert "not where its end record says" in refused(make_wheel(tmp_path, content="other").read_bytes() + data, WHEEL)
    assert "members of its end record" in refused(data[:-14] + struct.pack("<HH", 3, 3) + data[-10:], WHEEL)
    assert "several" in refused(data[:-18] + b"\1\0" + data[-16:], WHEEL)
    named = zip_entry("demo/file")
    named.extra = struct.pack("<HHBL", 0x7075, 5 + 5, 1, zlib.crc32(b"demo/file")) + b"other"
    other = make_wheel(tmp_path, extra_members=[(named, "")])
    assert "has two names" in refused(other.read_bytes(), WHEEL)


def test_a_tar_in_two_readings_is_refused() -> None:
    tar = tar_bytes([("demo-1.0/PKG-INFO", core_metadata())])
    assert "follows the end of the tar archive" in refused(gzipped(tar + tar), SDIST)
    assert "follows the end of the gzip stream" in refused(gzipped(tar) + gzipped(tar), SDIST)
    assert read_bytes(gzipped(tar) + b"\0" * 100, SDIST).project == "demo"
    folder = tar_entry("demo-1.0/folder", tarfile.DIRTYPE)
    assert "which it cannot have" in refused(sdist_of((folder, "x" * 600)), SDIST)


# Bombs


def zip64(data: bytes, entries: int | None = None, size: int | None = None) -> bytes:
    """A zip archive with a 64-bit end record, which may lie."""
    _, _, _, _, count, length, offset, _ = struct.unpack("<4s4H2LH", data[-22:])
    numbers = (entries or count, entries or count, size or length, offset)
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, *numbers)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1)
    return data[:-22] + end64 + locator + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)


def pax_member(records: bytes, size: int | None = None, type: bytes = tarfile.XHDTYPE) -> bytes:  # noqa: A002
    """The blocks of a pax header with these records, whatever they are."""
    info = tar_entry("PaxHeader", type)
    info.size = len(records) if size is None else size
    return (
        info.tobuf(tarfile.USTAR_FORMAT if info.size < 8**11 else tarfile.GNU_FORMAT) + records + b"\0" * (-len(records) % 512)
    )


def unended(tar: bytes) -> bytes:
    """A tar archive without the zeros that end it."""
    tar = tar.rstrip(b"\0")
    return tar + b"\0" * (-len(tar) % 512)


def behind_pkg_info(blocks: bytes) -> bytes:
    """A .tar.gz with `blocks` between PKG-INFO and the end."""
    return gzipped(unended(tar_bytes([("demo-1.0/PKG-INFO", core_metadata())])) + blocks + b"\0" * 1024)


def too_large(data: bytes, filename: str, *, peak: int = 12 << 20) -> str:
    """The message of the TooLargeError that `data` meets, within so much memory."""
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError) as caught:
            read_bytes(data, filename)
        assert tracemalloc.get_traced_memory()[1] < peak
    finally:
        tracemalloc.stop()
    return caught.value.message


def test_a_zip_directory_that_is_too_large_is_never_loaded(tmp_path: Path) -> None:
    data = make_wheel(tmp_path).read_bytes()
    assert "300000 members" in too_large(zip64(data, entries=300_000), WHEEL)
    assert "takes 70000000 bytes" in too_large(zip64(data, size=70_000_000), WHEEL)
    assert "contradict" in refused(zip64(data)[:-10] + struct.pack("<LLH", 7, 7, 0), WHEEL)
    assert "locator" in refused(zip64(data)[:-34] + b"\7" + zip64(data)[-33:], WHEEL)


def test_members_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_members, "MAX_MEMBERS", 3)
    monkeypatch.setattr(zip_archive, "MAX_MEMBERS", 3)
    assert "more than 3" in too_large(make_wheel(tmp_path).read_bytes(), WHEEL)
    assert "more than 3" in too_large(make_sdist(tmp_path).read_bytes(), SDIST)


@pytest.mark.parametrize("filename", [WHEEL, SDIST, "demo-1.0.zip"])
def test_metadata_over_eight_mebibytes_is_refused(tmp_path: Path, filename: str) -> None:
    metadata = core_metadata(description="x" * (8 << 20))
    if filename == WHEEL:
        path = make_wheel(tmp_path, metadata=metadata)
    else:
        path = make_sdist(tmp_path, metadata=metadata, suffix=filename.removeprefix("demo-1.0"))
    assert "larger than 8388608 bytes" in too_large(path.read_bytes(), filename, peak=3 << 20)


def test_metadata_that_declares_less_than_it_unpacks_to_is_refused(tmp_path: Path) -> None:
    data = make_wheel(tmp_path, metadata=core_metadata(description="x" * (8 << 20))).read_bytes()
    assert "has other sizes" in refused(patched(data, "demo-1.0.dist-info/METADATA", 24, struct.pack("<L", 500)), WHEEL)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["".join(f"X{number}: y\n" for number in range(80_000)), "Classifier: x\n" * 70_000, "Keywords: x\n" + " y\n" * 200_000],
)
def test_metadata_of_too_many_fields_is_refused_before_it_is_parsed(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(core_metadata_module, "parse_email", lambda _: pytest.fail("it is parsed"))
    data = make_wheel(tmp_path, metadata=core_metadata().rstrip("\n") + "\n" + text).read_bytes()
    assert "more than 100 different fields or 20000 lines" in too_large(data, WHEEL)


def test_parts_inside_the_description_are_not_looked_for(tmp_path: Path) -> None:
    nested = "Content-Type: message/rfc822\n\n" * 5000
    found = load(make_wheel(tmp_path, metadata=core_metadata(fields=["Content-Type:", " message/rfc822"], description=nested)))
    assert found.metadata.endswith(b"message/rfc822\n\n")
    assert found.warnings == ("METADATA has a field 'content-type', which is not a field of metadata.",)


@pytest.mark.slow
def test_a_gzip_bomb_is_left_early() -> None:
    inflated = 4 << 30
    data = sdist_of(pkg_info=core_metadata())
    packer = zlib.compressobj(9, wbits=31)
    info = tar_entry("demo-1.0/zeros")
    info.size = inflated
    packed = [packer.compress(info.tobuf(tarfile.PAX_FORMAT))]
    packed += [packer.compress(bytes(1 << 20)) for _ in range(96)]
    message = too_large(b"".join([*packed, packer.flush()]), SDIST, peak=4 << 20)
    assert "unpacks to more than 64 MiB and 200 times its size" in message
    assert read_bytes(data, SDIST).project == "demo"


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        (pax_member(b"", size=9 << 30), "a header of"),
        (pax_member(bytes(3 << 20)), "a header of"),
        (pax_member(b"", size=9 << 30, type=tarfile.GNUTYPE_LONGNAME), "a header of"),
    ],
)
def test_huge_headers_in_a_tar_are_refused_unread(blocks: bytes, words: str) -> None:
    assert words in too_large(behind_pkg_info(blocks), SDIST, peak=4 << 20)


@pytest.mark.slow
@pytest.mark.parametrize(
    "records",
    [
        b"9" * 1_000_000,
        b"5 a=\n" * 200_000 + b"x",
        b"2 x" * 300_000 + b"=",
        b"0 path=x\n",
        b"99999 path=x\n",
        b"-9 path=x\n",
        b"10 path=a\n10 path=b\n",
        b"11 size=-1\n",
        b"10 size=x\n",
        b"22 GNU.sparse.major=1\n",
        b"x",
    ],
)
def test_broken_pax_headers_are_refused_in_linear_time(records: bytes) -> None:
    tail = tar_entry("demo-1.0/file").tobuf()
    refused(behind_pkg_info(pax_member(records) + tail), SDIST)

    def read_some(size: int) -> None:
        with contextlib.suppress(InvalidDistributionError):
            read_bytes(behind_pkg_info(pax_member(records[:size]) + tail), SDIST)

    assert is_linear(len(records), read_some)


def test_a_chain_of_extended_headers_is_refused() -> None:
    one = pax_member(b"10 path=a\n")
    assert "two extended headers" in refused(behind_pkg_info(one * 5000 + tar_entry("demo-1.0/a").tobuf()), SDIST)
    assert "no member behind it" in refused(behind_pkg_info(one), SDIST)
    world = tar_entry("g", tarfile.XGLTYPE)
    world.size = 10
    assert "global header" in refused(behind_pkg_info(world.tobuf() + b"10 path=a\n" + bytes(502)), SDIST)


@pytest.mark.slow
def test_memory_stays_flat_over_many_members() -> None:
    data = sdist_of(*((f"demo-1.0/{number}", "") for number in range(5000)))
    tracemalloc.start()
    try:
        read_bytes(data, SDIST)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


# Garbage

edits = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8)
_SAMPLES: dict[str, bytes] = {}


def sample(name: str) -> bytes:
    """A valid archive of each kind, also a tar that is not yet gzipped."""
    if not _SAMPLES:
        wheel = [(f"demo-1.0.dist-info/{one}", "") for one in ("RECORD",)]
        wheel += [
            ("demo-1.0.dist-info/METADATA", core_metadata()),
            ("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n"),
        ]
        tar = tar_bytes([("demo-1.0/PKG-INFO", core_metadata()), ("demo-1.0/" + "ü" * 120, "x"), ("demo-1.0/end", "")])
        _SAMPLES[WHEEL] = zip_bytes(wheel)
        _SAMPLES["64"] = zip64(_SAMPLES[WHEEL])
        _SAMPLES[SDIST] = gzipped(tar)
        _SAMPLES["tar"] = unended(tar) + bytes(1024)
        _SAMPLES["demo-1.0.zip"] = zip_bytes([("demo-1.0/PKG-INFO", core_metadata())])
    return _SAMPLES[name]


def reads_or_refuses(data: bytes, filename: str) -> None:
    with contextlib.suppress(InvalidDistributionError):
        assert isinstance(read_bytes(data, filename), Distribution)


@pytest.mark.slow
@pytest.mark.parametrize("name", [WHEEL, "64", SDIST, "tar", "demo-1.0.zip"])
@FUZZ
@given(edits=edits, cut=st.floats(0.3, 1.6))
def test_damaged_archives_are_read_or_refused(name: str, edits: list[tuple[float, int]], cut: float) -> None:
    data = bytearray(sample(name))
    for place, value in edits:
        data[int(place * len(data))] = value
    data = data[: int(len(data) * cut)]
    filename = {"64": WHEEL, "tar": SDIST}.get(name, name)
    reads_or_refuses(gzipped(bytes(data)) if name == "tar" else bytes(data), filename)


@pytest.mark.parametrize("filename", [WHEEL, SDIST, "demo-1.0.zip"])
@FUZZ
@given(data=st.binary(max_size=3000))
def test_random_bytes_are_refused(filename: str, data: bytes) -> None:
    refused(data, filename)
    refused(gzipped(data), filename)


@pytest.mark.slow
@FUZZ
@given(text=st.binary(max_size=400), keep=st.booleans())
def test_any_metadata_is_read_or_refused(text: bytes, keep: bool) -> None:
    head = core_metadata().rstrip("\n").encode() + b"\n" if keep else b""
    reads_or_refuses(sdist_of(pkg_info=head + text), SDIST)


@pytest.mark.slow
@FUZZ
@given(
    field=st.sampled_from(
        ["Requires-Dist", "Requires-Python", "Provides-Extra", "License-Expression", "Description-Content-Type", "Name"]
    ),
    value=st.text(max_size=60).map(lambda text: text.replace("\n", " ").replace("\r", " ")),
)
def test_any_value_is_read_or_refused(field: str, value: str) -> None:
    reads_or_refuses(sdist_of(pkg_info=core_metadata(fields=[f"{field}: {value}"])), SDIST)


lines = st.lists(
    st.sampled_from(
        ["[console_scripts]", "[other]", "x = demo:main", "  y = demo:main", "x", "= demo:main", "; x", "# x", "../x = a:b"]
    )
    | st.text(max_size=30),
    max_size=6,
)


@pytest.mark.slow
@FUZZ
@given(lines=lines)
def test_any_entry_points_are_read_or_refused(lines: list[str]) -> None:
    reads_or_refuses(wheel_of({"entry_points.txt": "\n".join(lines).encode("utf-8", "surrogatepass")}), WHEEL)


@pytest.mark.slow
@FUZZ
@given(tags=st.lists(st.text(max_size=20) | st.from_regex(r"[a-z0-9_.]{0,5}-[a-z0-9_.]{0,5}-[a-z0-9_.]{0,5}"), max_size=3))
def test_any_tags_are_read_or_refused(tags: list[str]) -> None:
    about = "Wheel-Version: 1.0\n" + "".join(f"Tag: {tag}\n" for tag in tags)
    reads_or_refuses(wheel_of({"WHEEL": about.encode("utf-8", "surrogatepass")}), WHEEL)


pieces = st.lists(st.sampled_from([*"<>=!~^,;.*'\"() 0123", ".*", ">=", "dev", "a1", "3.6", "demo", "extra"]), max_size=12)


@pytest.mark.slow
@FUZZ
@given(field=st.sampled_from(["Requires-Dist", "Requires-Python", "Provides-Extra", "Metadata-Version"]), pieces=pieces)
def test_values_that_are_nearly_right_are_read_or_refused(field: str, pieces: list[str]) -> None:
    reads_or_refuses(wheel_of({"METADATA": core_metadata(fields=[f"{field}: {''.join(pieces)}"]).encode()}), WHEEL)


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_headers_of_a_zip_in_any_combination_are_read_or_refused(data: st.DataObject) -> None:
    number = st.sampled_from([0, 1, 8, 2**32 - 1])
    triple = st.none() | st.tuples(number, number, number)
    extra = st.sampled_from(
        [b"", zip64_field(8), zip64_field(8, 8), zip64_field(2**63, 0, 1), b"\1\0\xff\xff", b"\x75\x70\2\0ab", b"x"]
    )
    headers = Headers(
        flags=data.draw(st.sampled_from([0, 8, 1, 0x800])),
        local_flags=data.draw(st.none() | st.sampled_from([0, 8, 1, 0x800])),
        local=data.draw(triple),
        central_shown=data.draw(triple),
        local_extra=data.draw(extra),
        central_extra=data.draw(extra),
        packed=data.draw(st.none() | st.binary(max_size=40)),
        descriptor=data.draw(st.none() | st.binary(max_size=24)),
        gap=data.draw(st.binary(max_size=8)),
    )
    reads_or_refuses(raw_wheel(Member("a.py", b"value = 1\n", data.draw(st.booleans()), headers)), WHEEL)


def wheel_of(inside: dict[str, bytes]) -> bytes:
    """A wheel with these files in its .dist-info."""
    files = {"RECORD": b"", "METADATA": core_metadata().encode(), "WHEEL": b"Wheel-Version: 1.0\nTag: py3-none-any\n", **inside}
    return zip_bytes([(f"demo-1.0.dist-info/{name}", data) for name, data in files.items()])
