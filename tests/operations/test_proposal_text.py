"""What a pull request says: versions, files, yanks and requirements, and nothing that anybody could have made of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from tests.makers import make_wheel
from tests.operations.test_promote import opened, put
from wharf.operations import proposal_text
from wharf.operations.promote import Promoted, Wanted, opened_source, planned

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def told(store: Path, *specs: str) -> tuple[str, str]:
    wanted = [Wanted(project=name, version=version) for name, _, version in (spec.partition("==") for spec in specs)]
    with opened(store) as repository, opened_source(repository, "staging") as source:
        plan = planned(repository, source, wanted, with_dependencies=True)
        done = Promoted(
            commit=None,
            promoted=plan.outcome.changed,
            unchanged=plan.outcome.unchanged,
            followed=plan.followed,
            left=plan.left,
        )
        return proposal_text.title(plan, "staging", "main"), proposal_text.text(plan, done, "staging", "main")


def test_it_says_what_changes_for_installers(store: Path, tmp_path: Path) -> None:
    put(store, make_wheel(tmp_path, requires=["a>=1", "b"], requires_python=">=3.8"), index="main")
    put(
        store,
        make_wheel(tmp_path, version="2.0", requires=["a>=2", "b", "dep"], requires_python=">=3.9"),
        make_wheel(tmp_path, "fresh", requires=["c"]),
        make_wheel(tmp_path, "dep"),
    )
    title, text = told(store, "demo==2.0", "fresh==1.0")
    assert title == "Promote 3 releases of 3 projects from staging to main"
    for line in (
        "- `demo` `2.0`",
        "  - the newest version there is `1.0`",
        "  - requires `a>=2`",
        "  - requires `dep`",
        "  - requires no more `a>=1`",
        "  - Python: `>=3.9` (was `>=3.8`)",
        "- `fresh` `1.0`",
        "  - a new project",
        "  - requires `c`",
        "- `dep` `1.0`: `demo 2.0` requires `dep`",
        "- `b` (of `demo 2.0`)",
    ):
        assert line in text.splitlines(), line
    assert re.search(r"  - file `demo-2\.0-py3-none-any\.whl`, [\d,]+ bytes, sha256 `[0-9a-f]{64}`", text)
    assert told(store, "dep==1.0")[0] == "Promote dep 1.0 from staging to main"


def test_it_has_a_bound(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(store, *(make_wheel(tmp_path, f"p{number}") for number in range(4)))
    monkeypatch.setattr(proposal_text, "LONGEST", 700)
    _, text = told(store, *(f"p{number}==1.0" for number in range(4)))
    assert len(text) < 900
    assert "does not fit" in text


@given(st.text(max_size=400))
def test_whatever_stands_in_a_record_is_one_code_span(hostile: str) -> None:
    shown = proposal_text.code(hostile)
    assert shown == "(empty)" or (shown[0] == shown[-1] == "`" and "`" not in shown[1:-1])
    assert shown.isprintable()
    assert len(shown) <= 210
