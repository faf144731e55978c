"""Records: canonical bytes, and what is refused of a branch that anyone with the right to push may have written."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.distribution.file_names import Name
from wharf.errors import RecordError
from wharf.index import record
from wharf.model import File, Release, Status

FILE = File(
    filename="demo-1.0-py3-none-any.whl",
    sha256="a" * 64,
    size=123,
    upload_time=datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC),
    requires_python=">=3.11",
    core_metadata="b" * 64,
)
RELEASE = Release(project="demo", version="1.0", files=(FILE,))


def _parse(data: bytes) -> Release:
    return record.parse(data, project="demo", version="1.0")


def test_the_bytes_are_canonical_and_read_well_in_a_diff() -> None:
    release = dataclasses.replace(RELEASE, removed={"demo-1.0.tar.gz": "c" * 64}, origin={"publisher": "ci"})
    assert record.render(release).decode() == (
        "{\n"
        '"_wharf":{"publisher":"ci","removed":{"demo-1.0.tar.gz":"' + "c" * 64 + '"}},\n'
        '"files":[\n'
        '{"core-metadata":{"sha256":"' + "b" * 64 + '"},"filename":"demo-1.0-py3-none-any.whl",'
        '"hashes":{"sha256":"' + "a" * 64 + '"},"requires-python":">=3.11","size":123,'
        '"upload-time":"2026-01-02T03:04:05.678900Z","url":"demo-1.0-py3-none-any.whl"}\n'
        "],\n"
        '"meta":{"api-version":"1.4"},\n'
        '"name":"demo",\n'
        '"versions":["1.0"]\n'
        "}\n"
    )


_names = st.sampled_from(["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-1.0-1-py3-none-any.whl", "Demo-1.0.0.zip"])
_digests = st.text("0123456789abcdef", min_size=64, max_size=64)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=6,
)
_unknown = st.dictionaries(st.text("xyz", min_size=1).map(lambda key: f"x-{key}"), _json, max_size=2)
_files = st.builds(
    File,
    filename=_names,
    sha256=_digests,
    size=st.integers(0, 2**40),
    upload_time=st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    requires_python=st.none() | st.just(">=3.8,<4"),
    yanked=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    core_metadata=st.none() | _digests,
    location=_unknown,
    extra=_unknown,
)


def _apart(release: Release) -> Release:
    """A file is in a release or removed from it, not both; one file has not two names."""
    files = {Name.parse(file.filename): file for file in release.files}
    removed = {name: sha for name, sha in release.removed.items() if Name.parse(name) not in files}
    kept = tuple(sorted(files.values(), key=lambda file: file.filename))
    return dataclasses.replace(release, files=kept, removed=removed)


_releases = st.builds(
    Release,
    project=st.just("demo"),
    version=st.just("1.0"),
    files=st.lists(_files, max_size=4, unique_by=lambda file: file.filename).map(
        lambda files: tuple(sorted(files, key=lambda file: file.filename))
    ),
    removed=st.dictionaries(_names, _digests, max_size=2),
    origin=_unknown,
    extra=_unknown,
).map(_apart)


@pytest.mark.slow
@given(_releases)
def test_a_release_survives_its_record_with_every_key_it_came_with(release: Release) -> None:
    data = record.render(release)
    assert _parse(data) == release
    assert record.render(_parse(data)) == data


def _mutated(**changes: object) -> bytes:
    document = json.loads(record.render(RELEASE))
    entry = document["files"][0]
    for key, value in changes.items():
        if key.startswith("top_"):
            document[key[4:]] = value
        elif value is None:
            del entry[key.replace("_", "-")]
        else:
            entry[key.replace("_", "-")] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b"\xff{}", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b" " * (record.MAX_BYTES + 1), "larger"),
        (_mutated(filename="../../etc/passwd", url="../../etc/passwd"), "file name"),
        (_mutated(filename="other-1.0.tar.gz", url="other-1.0.tar.gz"), "does not belong"),
        (_mutated(filename="demo-2.0.tar.gz", url="demo-2.0.tar.gz"), "does not belong"),
        (_mutated(url="https://elsewhere.example/demo-1.0-py3-none-any.whl"), "not its file name"),
        (_mutated(hashes={"md5": "a" * 32}), "sha256"),
        (_mutated(hashes={"sha256": "../../x"}), "sha256"),
        (_mutated(core_metadata={"sha256": "zz"}), "sha256"),
        (_mutated(size=-1), "size"),
        (_mutated(size="12"), "size"),
        (_mutated(upload_time="yesterday"), "yesterday"),
        (_mutated(upload_time="2026-01-01T00:00:00"), "zone"),
        (_mutated(upload_time=None), "upload-time"),
        (_mutated(requires_python='">>'), "requires-python"),
        (_mutated(yanked=3), "yanked"),
        (_mutated(top_name="other"), "path"),
        (_mutated(top_versions=["2.0"]), "path"),
        (_mutated(top_meta={"api-version": "2.0"}), "api-version"),
        (_mutated(top_files=2 * json.loads(record.render(RELEASE))["files"]), "twice"),
        (_mutated(top__wharf={"removed": {"../x": "a" * 64}}), "../x"),
        (_mutated(top__wharf={"removed": {"nonsense": "a" * 64}}), "nonsense"),
        (_mutated(top__wharf={"removed": {"demo-1.0.tar.gz": "short"}}), "sha256"),
        (_mutated(top__wharf={"removed": {FILE.filename: "c" * 64}}), "both there and removed"),
        (_mutated(top_versions=[]), "path"),
        (_mutated(upload_time="0001-01-01T00:00:00+14:00"), "cannot be"),
        (_mutated(size=10**4000), "size"),
        (_mutated(size=2**53), "size"),
        (json.dumps({**json.loads(_mutated()), "\x1b[31mFORGED\nerror": 1, "name": 2}).encode(), "name"),
    ],
)  # fmt: skip
def test_a_broken_record_is_refused_by_its_path_with_the_reason(data: bytes, says: str) -> None:
    with pytest.raises(RecordError, match=r"^projects/de/demo/1.0/release.json: ") as caught:
        _parse(data)
    assert says in caught.value.message


def test_two_names_of_one_file_are_refused() -> None:
    document = json.loads(record.render(RELEASE))
    entry = document["files"][0]
    other = "demo-1.0.0-py3-none-any.whl"
    document["files"].append({**entry, "filename": other, "url": other})
    with pytest.raises(RecordError, match="is there twice"):
        _parse(json.dumps(document).encode())


def test_nothing_of_a_record_reaches_a_log_as_control_characters() -> None:
    document = json.loads(record.render(RELEASE))
    document["files"][0]["hashes"] = {"\x1b[31mFORGED\nerror: x": 3}
    with pytest.raises(RecordError) as caught:
        _parse(json.dumps(document).encode())
    assert caught.value.message.isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_give_a_release_or_a_record_error(data: bytes) -> None:
    try:
        _parse(data)
    except RecordError:
        pass
    else:
        pytest.fail("random bytes were taken for a record")


def test_a_status_is_one_of_four() -> None:
    data = b'{"project-status":{"status":"archived","reason":"moved"},"_wharf":{}}'
    assert record.parse_status(data, project="demo") == Status(marker="archived", reason="moved")
    assert record.parse_status(b"{}", project="demo") == Status()
    with pytest.raises(RecordError, match="abandoned"):
        record.parse_status(b'{"project-status":{"status":"abandoned"}}', project="demo")


@pytest.mark.parametrize(("project", "shard"), [("a", "a"), ("ab", "ab"), ("abc", "ab"), ("a-b", "a-")])
def test_projects_lie_in_shards_of_two_characters(project: str, shard: str) -> None:
    assert record.path(project, "1!2.0+x") == f"projects/{shard}/{project}/1!2.0+x/release.json"
