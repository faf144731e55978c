"""What `wharf serve` says when it answers."""

from __future__ import annotations

import pytest

from wharf.cli.serve_messages import tell_that_it_answers
from wharf.cli.state import State
from wharf.server.options import Options


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ([], []),
        (["dev"], ["Other indexes:", "  dev: http://127.0.0.1:8000/dev/simple/"]),
        (
            [f"team-{number:02}" for number in range(12)],
            [
                "Other indexes:",
                *(f"  team-{number:02}: http://127.0.0.1:8000/team-{number:02}/simple/" for number in range(10)),
                "  and 2 more, each below its name (`wharf index list --repo ./store` shows all)",
            ],
        ),
    ],
    ids=["none", "one", "many"],
)
def test_each_other_index_has_a_line_with_its_address(
    others: list[str], told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    state = State(options={"repo": "./store"})
    options = Options(host="127.0.0.1", port=8000, upload_limit=1)
    tell_that_it_answers(state, "the index 'main' of ./store", others, "http://127.0.0.1:8000", options, "local", None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Serving the index 'main' of ./store at http://127.0.0.1:8000/simple/ (stop with Ctrl-C)"
    assert lines[len(lines) - len(told) :] == told
    assert ("Other indexes:" in lines) is bool(others)
