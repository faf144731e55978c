"""Which file of a publish goes into which release: decided by what GitHub lists and the index records, without a network."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.github.listed import asset, file_of, listed
from wharf.assets.asset_store import Incoming
from wharf.github.release_listing import MOST_ASSETS
from wharf.github.release_planning import Plan, latest_recorded, plan
from wharf.index.change import Named
from wharf.model import Release

if TYPE_CHECKING:
    from wharf.github.release_listing import Listed
    from wharf.model import File

WHEEL, SDIST = file_of("demo-1.0-py3-none-any.whl"), file_of("demo-1.0.tar.gz")
BESIDE = file_of("demo-1.0-py3-none-any.whl.metadata")


def incoming(file: File, beside: File | None = None) -> Incoming:
    below = None if beside is None else incoming(beside)
    return Incoming(Named(project="demo", version="1.0", file=file), io.BytesIO, below)


def planned(*releases: Listed, record: Release | None = None, latest: Listed | None = None) -> Plan:
    return plan("demo", "1.0", [incoming(WHEEL), incoming(SDIST)], record, releases, latest)


def recorded(*places: tuple[int, str]) -> Release:
    files = [replace(file_of(f"{tag}.whl"), location={"release": number, "tag": tag}) for number, tag in places]
    return Release(project="demo", version="1.0", files=tuple(files))


def test_a_first_publish_makes_one_release() -> None:
    (release,) = planned().releases
    assert (release.tag, release.into, release.files) == ("demo-1.0", None, [WHEEL, SDIST])


def test_what_a_published_release_holds_stays_there_and_the_rest_goes_beside_it() -> None:
    holder = listed(asset(WHEEL))
    found = planned(holder)
    assert [(each.named.file, release) for each, release in found.held] == [(WHEEL, holder)]
    assert [(each.files, each.into) for each in found.releases] == [([SDIST], holder)]


def test_an_immutable_release_takes_nothing_and_the_next_number_is_taken() -> None:
    found = planned(listed(asset(WHEEL), tag="demo-1.0_2", immutable=True))
    assert [(each.files, each.into, each.tag) for each in found.releases] == [([SDIST], None, "demo-1.0_3")]


@pytest.mark.parametrize("state", ["uploaded", "starter"])
def test_a_draft_for_the_same_files_is_filled_up(state: str) -> None:
    draft = listed(asset(WHEEL, state=state), draft=True, files=(WHEEL, SDIST))
    found = planned(listed(draft=True, files=(WHEEL,)), draft)
    assert [(each.files, each.into, each.is_draft) for each in found.releases] == [([WHEEL, SDIST], draft, True)]


def test_of_two_open_releases_the_one_with_more_of_the_files_is_taken() -> None:
    with_both = listed(asset(WHEEL), tag="demo-1.0_2")
    found = plan("demo", "1.0", [incoming(WHEEL, BESIDE)], None, [listed(), with_both], None)
    assert [each.into for each in found.releases] == [with_both]


def test_metadata_that_an_immutable_release_lacks_comes_no_more() -> None:
    found = plan("demo", "1.0", [incoming(WHEEL, BESIDE)], None, [listed(asset(WHEEL), immutable=True)], None)
    assert (len(found.held), found.releases) == (1, [])


@pytest.mark.parametrize(("most", "beside"), [(MOST_ASSETS, None), (MOST_ASSETS // 2, BESIDE)])
def test_more_files_than_a_release_takes_go_into_several(most: int, beside: File | None) -> None:
    files = [file_of(f"demo-1.0-{number}-py3-none-any.whl") for number in range(most + 1)]
    found = plan("demo", "1.0", [incoming(each, beside) for each in files], None, [], None)
    assert [(len(each.incoming), each.tag) for each in found.releases] == [(most, "demo-1.0"), (1, "demo-1.0_2")]


def test_releases_of_others_and_of_other_versions_are_left_alone() -> None:
    foreign = replace(listed(asset(WHEEL), asset(SDIST)), mark=None)
    found = planned(foreign, listed(asset(WHEEL), asset(SDIST), tag="demo-2.0"), latest=foreign)
    assert (found.held, [each.into for each in found.releases]) == ([], [None])


def test_the_release_that_the_record_names_last_is_used_though_no_list_has_it() -> None:
    record = recorded((7, "demo-1.0"), (9, "demo-1.0_4"))
    assert latest_recorded(record) == 9
    old = listed(asset(WHEEL), tag="demo-1.0_4")
    assert [each.into for each in planned(record=record, latest=old).releases] == [old]
    assert [each.tag for each in planned(record=record).releases] == ["demo-1.0_5"]
    assert latest_recorded(None) is None
