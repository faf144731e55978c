"""Rules of retention: what they keep, by version, by age and by kind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wharf.errors import StorageError
from wharf.index import retention, wharf_toml
from wharf.index.retention import Limits, RetentionRule, dropped, kind_of
from wharf.model import File, Release

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def release(version: str, days: float = 0, *, yanked: str | None = None, files: int = 1) -> Release:
    """A release whose newest file is that many days old."""
    made = tuple(
        File(
            filename=f"demo-{version}-{number}-py3-none-any.whl",
            sha256="0" * 64,
            size=1,
            upload_time=NOW - timedelta(days=days + number),
            yanked=yanked,
        )
        for number in range(files)
    )
    return Release(project="demo", version=version, files=made)


def rules(text: str) -> tuple[RetentionRule, ...]:
    return wharf_toml.parse(f"format = 1\n{text}".encode()).retention


def gone(text: str, *releases: Release, held: str = "", name: str = "demo") -> list[str]:
    found = dropped(rules(text), name, releases, NOW, lambda each: each.version == held)
    return [each.release.version for each in found]


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        *(("1.0", "final"), ("1.0.post1", "final"), ("1.0+cpu", "final"), ("1.0a1", "pre"), ("1.0rc2", "pre")),
        *(("1.0.dev1", "dev"), ("1.0a1.dev3", "dev"), ("1.0.post1.dev2", "dev")),
    ],
)
def test_each_version_is_of_one_kind(version: str, kind: str) -> None:
    assert kind_of(version) == kind


def test_the_newest_are_kept_by_version_and_not_by_time() -> None:
    some = [release("1.10", 9), release("1.9", 1), release("1.2", 0)]
    assert gone("[[retention]]\nnames = ['*']\nkeep-newest = 2", *some) == ["1.2"]


def test_either_limit_keeps_a_release_and_each_kind_is_counted_apart() -> None:
    text = "[[retention]]\nnames = ['demo']\nkeep-newest = 1\nkeep-days = 10\ndev = {keep-newest = 1}\npre = {keep-days = 3}"
    some = [
        *(release("3.0", 400), release("2.0", 10), release("1.0", 11)),
        *(release("4.0.dev2", 99), release("4.0.dev1", 0)),
        *(release("4.0a1", 4), release("4.0a2", 3)),
    ]
    assert gone(text, *some) == ["1.0", "4.0.dev1", "4.0a1"]


def test_a_kind_without_limits_is_kept_whole() -> None:
    text = "[[retention]]\nnames = ['demo']\ndev = {keep-days = 1}"
    assert gone(text, release("1.0", 9999), release("1.0a1", 9999), release("1.0.dev1", 2)) == ["1.0.dev1"]


def test_the_first_rule_that_matches_decides_and_is_named() -> None:
    text = (
        "[[retention]]\nnames = ['Acme_*']\n[[retention]]\nnames = ['demo', 'x']\nkeep-days = 1\n[[retention]]\nnames = ['*']"
    )
    old = release("1.0", 5)
    assert gone(text, old, name="acme-core") == []
    assert gone(text, old, name="other") == []
    (found,) = dropped(rules(text), "demo", [old], NOW, lambda _release: False)
    assert (found.rule, found.reason) == (2, "older than 1 day")
    assert gone("", old) == []


def test_what_another_index_names_stays() -> None:
    text = "[[retention]]\nnames = ['*']\nkeep-newest = 1"
    assert gone(text, release("1"), release("2"), release("3"), held="1") == ["2"]


def test_a_release_is_as_old_as_its_newest_file_and_needs_one() -> None:
    text = "[[retention]]\nnames = ['*']\nkeep-days = 3"
    assert gone(text, release("1.0", 2, files=9), release("2.0", 4), release("3.0", files=0)) == ["2.0"]


def test_yanked_releases_take_no_place_among_the_newest() -> None:
    text = "[[retention]]\nnames = ['*']\nkeep-newest = 1"
    assert gone(text, release("1"), release("2"), release("3", yanked="bad")) == ["1"]


def test_without_the_key_the_past_is_kept_for_ninety_days() -> None:
    assert wharf_toml.parse(b"format = 1\n").keep_past == timedelta(days=90)
    assert wharf_toml.parse(b"format = 1\nkeep-past = '0d'\n").keep_past == timedelta()
    with pytest.raises(StorageError, match="keep-past"):
        wharf_toml.parse(b"format = 1\nkeep-past = 90\n")
    with pytest.raises(StorageError, match="at most 9999"):
        wharf_toml.parse(b"format = 1\nkeep-past = '36500d'\n")


def test_both_keys_decide_what_is_deleted_and_so_need_rights() -> None:
    after = b"format = 1\nkeep-past = '1d'\nretention = [{names = ['*']}]\n"
    assert wharf_toml.changed_rights(wharf_toml.NEW, after) == ["keep-past", "retention"]


def test_the_rules_are_said_in_words() -> None:
    text = "[[retention]]\nnames = ['demo']\nkeep-newest = 2\nkeep-days = 9\ndev = {keep-days = 1}"
    past, line = retention.explained(timedelta(days=90), rules(text))
    assert "past of 90 days" in past
    assert line == (
        "Retention 1, of demo: releases: the newest 2 and those of the last 9 days; pre-releases: all; "
        "dev releases: those of the last 1 day."
    )


_VERSIONS = st.from_regex(r"[0-9](\.[0-9])?(a[0-9])?(\.dev[0-9])?", fullmatch=True)


@pytest.mark.slow
@given(
    st.dictionaries(_VERSIONS, st.floats(0, 20), max_size=9),
    st.one_of(st.none(), st.integers(1, 5)),
    st.one_of(st.none(), st.integers(1, 15)),
)
def test_what_goes_was_kept_by_no_limit(found: dict[str, float], newest: int | None, days: int | None) -> None:
    limits = Limits(newest=newest, days=days)
    rule = RetentionRule(names=("*",), final=limits, pre=limits, dev=limits)
    some = [release(version, age) for version, age in found.items()]
    left = {each.release.version for each in dropped([rule], "demo", some, NOW, lambda _release: False)}
    if limits.keeps_all:
        assert not left
    for version in left:
        higher = [each for each in found if kind_of(each) == kind_of(version) and each not in left]
        assert newest is None or len(higher) >= newest
        assert days is None or found[version] > days
