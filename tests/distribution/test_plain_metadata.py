"""Requirements of core metadata are the same whether a parser reads them or not."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from packaging.metadata import parse_email

from wharf.distribution import core_metadata

_LINES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "Requires-Dist: a>=1",
                "requires-dist:\tb ; python_version<'3'",
                "Requires-Dist: a>=1",
                "Name: demo",
                "Requires-Dist:",
            ]
        ),
        st.sampled_from(
            [" folded", "\tc", "no field", "Requires-Dist: é", "Requires-Dist: x \t", "Content-Type: multipart/mixed"]
        ),
        st.text(max_size=20).map(lambda text: f"Requires-Dist: {text}"),
    ),
    max_size=8,
)


@given(_LINES, st.sampled_from(["\n", "\r\n", "\r"]), st.sampled_from(["", "text\n", "Requires-Dist: in-the-text\n"]))
def test_requirements_are_read_the_same_with_a_parser_and_without(lines: list[str], end: str, text: str) -> None:
    data = (end.join(["Metadata-Version: 2.1", *lines, "", text])).encode(errors="surrogateescape")
    plainly = core_metadata._plain_requires_dist(data)
    head, _ = core_metadata.header(data, "demo-1.0.tar.gz", "core metadata")
    raw, _ = parse_email(head)
    assert plainly is None or plainly == list(dict.fromkeys(raw.get("requires_dist", [])))


def test_plain_metadata_needs_no_parser() -> None:
    data = b"Metadata-Version: 2.1\nRequires-Dist: a>=1\nRequires-Dist: b[x]; python_version < '3.9'\n\nRequires-Dist: text\n"
    assert core_metadata._plain_requires_dist(data) == ["a>=1", "b[x]; python_version < '3.9'"]
