"""Requirements as a promotion follows them: any marker, the extras asked for, and bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.makers import core_metadata
from wharf.distribution import dependencies as found
from wharf.distribution.dependencies import Dependency, dependencies
from wharf.errors import InvalidDistributionError, TooLargeError


def read(*requires: str) -> tuple[list[Dependency], list[str]]:
    return dependencies(core_metadata(requires=requires).encode(), "demo-1.0.tar.gz")


@pytest.mark.parametrize(
    ("text", "plainly", "with_t"),
    [
        ("a", True, True),
        ('a>1; python_version < "3"', True, True),
        ('a; "linux" in sys_platform', True, True),
        ('a; extra == "t"', False, True),
        ('a; "T" == extra', False, True),
        ('a; extra == "u"', False, False),
        ('a; extra == "t" or os_name == "nt"', True, True),
        ('a; extra == "t" and (os_name == "nt" or extra == "u")', False, True),
        ("a; platform_version == 'x or extra == 1' and extra == 't'", False, True),
    ],
)
def test_a_marker_counts_if_it_can_be_true_anywhere(text: str, plainly: bool, with_t: bool) -> None:
    (one,), odd = read(text)
    assert odd == []
    assert (one.applies(()), one.applies({"t"})) == (plainly, with_t)


def test_names_extras_and_addresses() -> None:
    (one, two), odd = read("Some_Thing[B.b, a]==1.0", "two @ https://host.example/two.whl")
    assert odd == []
    assert (one.project, sorted(one.extras), one.url, one.is_exact) == ("some-thing", ["a", "b-b"], False, True)
    assert (two.project, two.url) == ("two", True)
    assert [each.is_exact for each in read("a==1.*", "a===1", "a>=1")[0]] == [False, True, False]


def test_what_nobody_can_read_and_what_is_too_long_is_named() -> None:
    long = "a" + ",".join([">=1"] * 400)
    followed, odd = read("a", "not a requirement!", long)
    assert [each.text for each in followed] == ["a"]
    assert odd == ["not a requirement!", long]


def test_too_many_are_refused() -> None:
    with pytest.raises(TooLargeError, match="1001 requirements"):
        read(*(f"a{number}" for number in range(found.MOST + 1)))


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        followed, _ = dependencies(b"Metadata-Version: 2.1\nRequires-Dist: " + data, "demo-1.0.tar.gz")
    except InvalidDistributionError:
        return
    for each in followed:
        each.applies({"t"})
