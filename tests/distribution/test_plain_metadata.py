"""Requirements of core metadata are the same whether a parser reads them or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email
from packaging.requirements import Requirement

from wharf.distribution import core_metadata, requirements
from wharf.distribution.file_names import Name
from wharf.errors import InvalidDistributionError

_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Requires-Dist: a>=1",
                "requires-dist:\tb ; python_version<'3'",
                "Requires-Dist: a>=1",
                "Name: demo",
                "Requires-Dist:",
                "Classifier: A :: B",
                "classifier:c",
                "Provides-Extra: x",
            ]
        ),
        st.sampled_from(
            [" folded", "\tc", "no field", "Requires-Dist: é", "Requires-Dist: x \t", "Content-Type: multipart/mixed"]
        ),
        st.text(max_size=20).map(lambda text: f"Requires-Dist: {text}"),
    ),
    max_size=8,
)


@pytest.mark.slow
@given(_LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "text\n", "Requires-Dist: in-the-text\n"]))
def test_requirements_are_read_the_same_with_a_parser_and_without(lines: list[str], end: str, text: str) -> None:
    data = (end.join(["Metadata-Version: 2.1", *lines, "", text])).encode(errors="surrogateescape")
    plainly = core_metadata._plain_requires_dist(data)
    head, _ = core_metadata.header(data, "demo-1.0.tar.gz", "core metadata")
    raw, _ = parse_email(head)
    assert plainly is None or plainly == list(dict.fromkeys(raw.get("requires_dist", [])))


@pytest.mark.slow
@given(_LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_fields_are_the_same_where_the_parser_is_spared_most_lines(lines: list[str], end: str) -> None:
    data = (end.join(["Metadata-Version: 2.1", *lines, "", ""])).encode(errors="surrogateescape")
    head, _ = core_metadata.header(data, "demo-1.0.tar.gz", "core metadata")
    assert core_metadata.read_fields(head) == parse_email(head)


def test_plain_metadata_needs_no_parser() -> None:
    data = b"Metadata-Version: 2.1\nRequires-Dist: a>=1\nRequires-Dist: b[x]; python_version < '3.9'\n\nRequires-Dist: text\n"
    assert core_metadata._plain_requires_dist(data) == ["a>=1", "b[x]; python_version < '3.9'"]


_PIECES = [
    "a",
    "a-b.c_d",
    "-",
    ".",
    "1",
    "1.0",
    ".*",
    "==",
    "===",
    "~=",
    "!=",
    "<",
    ">=",
    ",",
    " ",
    ";",
    "extra",
    "os_name",
    "'x'",
    '"',
    "[x]",
]


@given(st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
def test_a_requirement_that_is_plain_is_one_for_a_parser(text: str) -> None:
    if requirements._PLAIN.fullmatch(text):
        Requirement(text)


def test_a_plain_requirement_needs_no_parser_and_no_other_is_plain() -> None:
    for text in ("a", "a-b.c>=1.0", "a >=1,!= 1.5.*, <2", "a~=1.4", "a==1.*; extra == 'x'", 'a ; python_version<"3.9"'):
        assert requirements._PLAIN.fullmatch(text)
        Requirement(text)
    for text in ("a-", "a~=1", "a>=1.*", "a===1", "a>=1,", "a=1", "a; extra", "a; extra == 'x\"", "é"):
        assert not requirements._PLAIN.fullmatch(text)
    assert requirements.requirement("a>=1.*") == "a>=1"


def test_what_is_remembered_of_metadata_is_of_that_release_alone() -> None:
    data = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n\n"
    names = ["demo-1.0-py3-none-any.whl", "demo-1.0-cp312-none-win_amd64.whl"]
    first, second = (core_metadata.parse(data, each, Name.parse(each), "METADATA") for each in names)
    assert first is second
    for other in ("other-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"):
        with pytest.raises(InvalidDistributionError, match="the file name"):
            core_metadata.parse(data, other, Name.parse(other), "METADATA")
