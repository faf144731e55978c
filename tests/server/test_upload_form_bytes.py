"""The form of an upload as bytes: however they are cut into pieces, and whatever somebody made of them."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.makers import make_wheel
from tests.server.test_server import LIMIT, client, form
from wharf.errors import TooLargeError, WharfError
from wharf.operations.verify import verify
from wharf.server.web import upload_form_parser
from wharf.server.web.upload_form import FIELDS, UploadForm, UploadLimits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    import httpx

    from wharf.repository.opening import Repository

__all__ = ["client"]  # a fixture

BOUNDARY = b"b-x"
LINES = (b"\r\n", b"\r", b"\n", b"--", b"\r\n--", b"\r\n--b-", b"--b-x", b"\r\n--b-y", b"-")
"""What looks like the end of a part, and is none."""

contents = (
    st.lists(st.sampled_from(LINES) | st.binary(max_size=40), max_size=12)
    .map(b"".join)
    .filter(lambda data: b"\r\n--" + BOUNDARY not in b"\r\n" + data)
)
cuts = st.lists(st.integers(0, 1500), max_size=12)
damages = st.lists(
    st.tuples(
        st.integers(0, 1500),
        st.integers(0, 40),
        st.sampled_from((*LINES, b"\r\n\r\n", b'"', b";", b"\0")) | st.binary(max_size=9),
    ),
    min_size=1,
    max_size=4,
)


def encoded(fields: Sequence[tuple[str, str]], content: bytes) -> bytes:
    """A form as uploaders write it; the file comes last."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode() for name, value in fields]
    parts.append(b'Content-Disposition: form-data; name="content"; filename="demo-1.0.tar.gz"\r\n\r\n' + content)
    return b"".join(b"--%b\r\n%b\r\n" % (BOUNDARY, part) for part in parts) + b"--%b--\r\n" % BOUNDARY


def parsed(body: bytes, at: Sequence[int], folder: Path) -> UploadForm:
    """What is read of a body that comes in pieces."""
    ends = [*sorted(at), len(body)]

    async def pieces() -> AsyncIterator[bytes]:
        for begin, end in zip([0, *ends], ends, strict=False):
            yield body[begin:end]

    limits = UploadLimits(file=LIMIT, too_large=TooLargeError("The file is too large."), folder=folder, announced=len(body))
    found = asyncio.run(upload_form_parser.parse(f"multipart/form-data; boundary={BOUNDARY.decode()}", pieces(), limits))
    found.finish()
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forms")


NAMES = st.sampled_from(sorted(FIELDS)) | st.text("abc_", min_size=1, max_size=9)


@pytest.mark.slow
@given(fields=st.dictionaries(NAMES, st.text("a1.\n é", max_size=9)), content=contents, at=cuts)
def test_pieces_change_nothing(folder: Path, fields: dict[str, str], content: bytes, at: list[int]) -> None:
    found = parsed(encoded([*fields.items()], content), at, folder)
    with closing(found):
        assert found.content is not None
        assert found.filename == "demo-1.0.tar.gz"
        assert found.fields == {name: text for name, value in fields.items() if name in FIELDS and (text := value.strip())}
        with found.content.opened() as file:
            assert file.read() == content
        assert (found.content.size, found.content.digest("sha256_digest")) == (
            len(content),
            hashlib.sha256(content).hexdigest(),
        )
        assert found.content.digest("md5_digest") == hashlib.md5(content, usedforsecurity=False).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [
        b'Content-Disposition: form-data; name="content"; filename="a;b.whl"',
        b'content-disposition:form-data; filename="a;b.whl"; name=content\r\nX-Odd: \xff',
        b'Content-Type: application/zip\r\nContent-Disposition: form-data; name="content"; filename="a;b.whl"\r\nX: 9',
    ],
)
@given(at=cuts)
def test_parts_are_found_however_clients_write_them(folder: Path, part: bytes, at: list[int]) -> None:
    content = b"\r\n--b-xy\r\n--b-x-\r\n\r\n--b-x\r-"
    begin = b'\r\n--b-x\r\nContent-Disposition: form-data; name="version"\r\n\r\n1.0\r\n--b-x\r\n'  # as setuptools begins
    with closing(parsed(begin + part + b"\r\n\r\n" + content + b"\r\n--b-x--after it\r\n--b-x", at, folder)) as found:
        assert (found.fields, found.filename) == ({"version": "1.0"}, "a;b.whl")
        assert found.content is not None
        with found.content.opened() as file:
            assert file.read() == content


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\n",
        b"--b-",
        b"--b-xy\r\n",
        b"text --b-x\r\n",
        b'--b-x\r\nContent-Disposition: form-data; name="name"\r\n\r\ndemo\r\n--b-x',
        b'--b-x\r\nContent-Disposition: form-data; name="name"\nX: y\r\n\r\ndemo\r\n--b-x--',
        b'--b-x\r\n Content-Disposition: form-data; name="name"\r\n\r\ndemo\r\n--b-x--',
        b"--b-x\r\n\r\ndemo\r\n--b-x--",
        b'--b-x\r\nContent-Disposition: form-data; name="name"\r\n\r\ndemo\r\n--b-x \r\n--b-x--',
        b"--b-x\r\nX: " + b"y" * (16 << 10),
    ],
)
@given(at=cuts)
def test_what_is_no_form_is_refused(folder: Path, body: bytes, at: list[int]) -> None:
    assert read_or_refused(body, at, folder) is None


def damaged(body: bytes, damage: Sequence[tuple[int, int, bytes]]) -> bytes:
    """A body of which some bytes are others."""
    for at, length, instead in damage:
        body = body[:at] + instead + body[at + length :]
    return body


def read_or_refused(body: bytes, at: Sequence[int], folder: Path) -> UploadForm | None:
    """None: the client is told what is wrong. Whatever else comes is a fault."""
    try:
        return parsed(body, at, folder)
    except WharfError as error:
        if error.http_status >= 500:
            raise
        return None


@pytest.mark.slow
@given(damage=damages, at=cuts)
def test_a_damaged_form_is_read_or_refused(folder: Path, damage: list[tuple[int, int, bytes]], at: list[int]) -> None:
    body = damaged(encoded([("name", "demo"), ("version", "1.0"), ("attestations", "[]")], b"PK" * 300), damage)
    whole, pieces = read_or_refused(body, [], folder), read_or_refused(body, at, folder)
    for each in (whole, pieces):
        if each is not None:
            each.close()
    assert (whole is None) is (pieces is None)
    if whole is not None and pieces is not None:
        assert (whole.fields, whole.filename, whole.dropped) == (pieces.fields, pieces.filename, pieces.dropped)
        assert (whole.content is None) is (pieces.content is None)
        if whole.content is not None and pieces.content is not None:
            assert whole.content.digest("sha256_digest") == pieces.content.digest("sha256_digest")
    assert not [*folder.iterdir()]


@pytest.mark.slow
def test_a_damaged_upload_is_published_whole_or_refused(
    client: httpx.Client,
    repository: Repository, tmp_path: Path,
) -> None:  # fmt: skip
    token = repository.tokens.create("ci", "publish").reveal()
    request = client.build_request("POST", "/legacy/", **form(make_wheel(tmp_path)))
    body, headers = request.read(), {"Content-Type": request.headers["content-type"]}
    seen = set()

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(damage=damages)
    def upload(damage: list[tuple[int, int, bytes]]) -> None:
        answer = client.post("/legacy/", content=damaged(body, damage), headers=headers, auth=("__token__", token))
        assert answer.status_code < 500, answer.text
        seen.add(answer.status_code)

    upload()
    assert 400 in seen
    assert verify(repository).problems == ()
