"""The status of a project: what is written, what stays, and what comes back."""

from __future__ import annotations

import json

import pytest

from tests.index.test_change import Tip
from tests.index.test_project_check import NAMES, apply
from wharf.errors import NotFoundError, RecordError, UsageError
from wharf.index import record
from wharf.index.status_change import SetStatus
from wharf.model import STATUSES, Status

PATH = record.state_path("demo")


@pytest.fixture
def tip() -> Tip:
    found = Tip()
    apply(found, "add", NAMES[0], "a")
    return found


def put(tip: Tip, marker: str, reason: str | None = None) -> bytes | None:
    tip.apply(SetStatus(project="demo", status=Status(marker=marker, reason=reason)))
    return tip.files.get(PATH)


@pytest.mark.parametrize("marker", STATUSES)
@pytest.mark.parametrize("reason", [None, "looks bröken"])
def test_what_is_set_is_read_again_and_setting_it_again_changes_nothing(tip: Tip, marker: str, reason: str | None) -> None:
    put(tip, marker, reason)
    assert tip.status("demo") == Status(marker=marker, reason=reason)
    assert not tip.apply(SetStatus(project="demo", status=Status(marker=marker, reason=reason))).edits


def test_an_active_project_without_a_reason_has_no_state(tip: Tip) -> None:
    assert put(tip, "archived") == b'{\n"project-status":{"status":"archived"}\n}\n'
    assert put(tip, "active") is None


def test_what_else_the_state_says_stays(tip: Tip) -> None:
    tip.files[PATH] = b'{"later": {"b": [1], "a": null}, "project-status": {"status": "archived", "reason": "old"}}'
    assert json.loads(put(tip, "quarantined") or b"") == {
        "later": {"b": [1], "a": None},
        "project-status": {"status": "quarantined"},
    }
    assert json.loads(put(tip, "active") or b"") == {"later": {"b": [1], "a": None}}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b'{"project-status": 7}', b"\xff", b"[" * 10_000])
def test_a_state_that_cannot_be_read_gives_way(tip: Tip, data: bytes) -> None:
    tip.files[PATH] = data
    with pytest.raises(RecordError):
        tip.status("demo")
    put(tip, "deprecated", "use demo2")
    assert tip.status("demo") == Status(marker="deprecated", reason="use demo2")


def test_a_project_that_is_not_there_and_a_reason_of_two_lines_are_refused(tip: Tip) -> None:
    with pytest.raises(NotFoundError, match="'dema'") as refused:
        tip.apply(SetStatus(project="dema", status=Status(marker="archived")))
    assert "Did you mean demo?" in refused.value.hint
    with pytest.raises(UsageError, match="line break"):
        SetStatus(project="demo", status=Status(marker="archived", reason="a\nWharf-Actor: b"))
