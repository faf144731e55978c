"""The policy of an index over the repository's own files: what is hidden, and which pages are made again, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.sources.memory_index import MemoryObjects, layers_of, release_files, wheel
from wharf.index.policy import Policy
from wharf.sources.layers import Layers
from wharf.sources.own_policy import LayersUnderPolicy, layers_as_shown

if TYPE_CHECKING:
    from wharf.sources.source import Source

END = datetime(2026, 12, 24, tzinfo=UTC)
FILES = (
    release_files("demo", "1.0", wheel("demo", "1.0"), wheel("demo", "1.0-1", yanked="bad"))
    | release_files("demo", "2.0", wheel("demo", "2.0", yanked=""), removed=["demo-2.0.tar.gz"])
    | release_files("other", "1.0", wheel("other", "1.0"))
)
HIDES = "own = ['yanked']\nyanked = false\n"
EXCEPTION = "[[policy.exception]]\nnames = ['demo==2.*']\nuntil = '2026-12-24'\n"


def shown(policy: str, at: list[datetime] | None = None, *, base: str = "") -> Layers:
    """An index with a policy, over a base that has all files."""
    objects = MemoryObjects()
    moments = at or [END]
    own = {"wharf.toml": f"format = 1\nbases = ['b']\n[policy]\n{policy}".encode()}
    commits = {"a": objects.put(own), "b": objects.put({"wharf.toml": f"format = 1\n{base}".encode()} | FILES)}
    return layers_as_shown(layers_of(objects, commits, "a").layers, lambda: moments[0])


def names(source: Source, project: str = "demo") -> list[str]:
    return [file.filename for file in next(iter(source.projects([project])))[0].files]


def test_files_that_the_policy_hides_are_nowhere() -> None:
    source = shown(HIDES)
    assert isinstance(source, LayersUnderPolicy)
    assert names(source) == ["demo-1.0-py3-none-any.whl"]
    (project, broken) = next(source.projects(["demo"]))
    assert (broken, project.versions, [*project.releases[1].removed]) == ([], ("1.0",), ["demo-2.0.tar.gz"])
    assert source.core_metadata("demo", "demo-1.0-py3-none-any.whl") is not None
    assert source.core_metadata("demo", "demo-2.0-py3-none-any.whl") is None
    found = source.hidden_file("demo", "demo-2.0-py3-none-any.whl")
    assert found is not None
    assert (found.rule, found.reason, found.until) == ("policy.yanked", "it is yanked", None)
    assert source.hidden_file("demo", "demo-1.0-py3-none-any.whl") is None
    assert source.hidden_file("demo", "demo-9.0-py3-none-any.whl") is source.hidden_file("none", "none-1.0.tar.gz") is None
    assert len(source.hidden_files("demo")) == 2
    assert source.until is None


def test_a_project_of_which_all_is_hidden_is_there_and_empty() -> None:
    source = shown("deny = ['demo']\nown = ['deny']")
    assert source.names() == ("demo", "other")
    assert source.has("demo")
    assert names(source) == []
    assert names(source, "other") == ["other-1.0-py3-none-any.whl"]


@pytest.mark.parametrize("policy", ["", "yanked = false", "own = ['yanked']", "cooldown = '7d'\nown = ['deny']"])
def test_rules_that_do_not_hold_for_own_files_hide_none(policy: str) -> None:
    assert type(shown(policy)) is Layers
    assert len(names(shown(policy))) == 3


def test_the_policy_of_a_base_does_not_hold_above_it() -> None:
    assert len(names(shown("", base=f"[policy]\n{HIDES}"))) == 3


def test_the_age_of_an_own_file_counts_from_its_publish() -> None:
    assert names(shown("newest = '2025-12-31'\nown = ['newest']"), "other") == []
    assert names(shown("newest = '2026-01-01'\nown = ['newest']"), "other") == ["other-1.0-py3-none-any.whl"]


def test_only_validators_of_projects_that_the_policy_may_change_are_others() -> None:
    plain, other = shown(""), shown("deny = ['de*==1.0']\nown = ['deny']")
    assert plain.validator("other") == other.validator("other")
    assert plain.validator("demo") != other.validator("demo")
    assert shown("own = ['deny']\ndeny = ['demo==2.0']").validator("demo") != other.validator("demo")
    assert shown('deny = ["de*==1.0"]  # again\nown = ["deny"]').validator("demo") == other.validator("demo")
    assert other.validator("none") is shown(HIDES).validator("none") is None
    assert other.list_validator() == plain.list_validator()
    for found in (other, shown(HIDES)):
        assert all(len(found.validator(name) or "") == 40 for name in ("demo", "other"))


def test_with_the_end_of_an_exception_file_and_validator_change_and_not_before() -> None:
    at = [END - datetime.resolution]
    source = shown(HIDES + EXCEPTION, at)
    assert isinstance(source, LayersUnderPolicy)
    ends = [source.until]
    there, others = source.validator("demo"), source.validator("other")
    assert names(source) == ["demo-1.0-py3-none-any.whl", "demo-2.0-py3-none-any.whl"]
    assert source.core_metadata("demo", "demo-2.0-py3-none-any.whl") is not None
    at[0] = datetime(2026, 1, 1, tzinfo=UTC)
    assert source.validator("demo") == there
    at[0] = END
    assert source.validator("demo") != there
    assert source.validator("other") == others
    assert names(source) == ["demo-1.0-py3-none-any.whl"]
    assert source.core_metadata("demo", "demo-2.0-py3-none-any.whl") is None
    assert [*ends, source.until] == [END, None]
    at[0] = END - datetime.resolution  # a clock that is set back
    assert source.validator("demo") == there


def test_an_exception_that_ends_while_another_thread_looks_ends_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    at = [END - timedelta(days=1)]
    source = shown(HIDES + EXCEPTION, at)
    made = Policy.mark

    def mark(self: Policy, name: str, moment: datetime) -> str:
        if at[0] < END:  # in between, somebody else looks, and for him the exception has ended
            at[0] = END
            source.validator("demo")
        return made(self, name, moment)

    monkeypatch.setattr(Policy, "mark", mark)
    source.validator("demo")
    assert source.validator("demo") == shown(HIDES + EXCEPTION, [END]).validator("demo")
