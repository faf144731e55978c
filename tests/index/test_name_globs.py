"""Globs over names: which of them stand for no more than others do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.index import name_globs

PIECES = st.lists(st.sampled_from(["a", "b", "-", "*", "?", "[ab]", "[!a]"]), min_size=1, max_size=5).map("".join)


@pytest.mark.parametrize(
    ("glob", "globs", "within"),
    [
        ("acme-web", ("acme-*",), True),
        ("Acme_Web*", ("acme-*",), True),
        ("acme-*", ("other", "acme-*"), True),
        ("acme-[ab]", ("acme-[ab]",), True),
        ("acme-b", ("acme-[ab]",), True),
        ("*", ("*",), True),
        ("a?", ("*",), False),  # not sure, so no
        ("*", ("acme-*",), False),
        ("acme*", ("acme-*",), False),
        ("acme-*", ("acme-?",), False),
        ("acme-*", ("acme-[!x]",), False),
        ("other", ("acme-*",), False),
    ],
)
def test_a_glob_is_within_others_if_that_is_sure(glob: str, globs: tuple[str, ...], within: bool) -> None:
    assert name_globs.is_within(glob, globs) is within


@pytest.mark.slow
@given(PIECES, st.lists(PIECES, min_size=1, max_size=3).map(tuple), st.text("ab-", min_size=1, max_size=6))
def test_what_matches_a_glob_that_is_within_others_matches_them(glob: str, globs: tuple[str, ...], name: str) -> None:
    if name_globs.is_within(glob, globs) and name_globs.matches((glob,), name):
        assert name_globs.matches(globs, name)
