"""What is shown of a project of an upstream: the status of the project comes before the policy of the index."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wharf.index.policy import Policy
from wharf.model import Status
from wharf.sources.upstream_project import UpstreamFile, UpstreamProject
from wharf.sources.upstream_verdict import verdict_on

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FILES = tuple(
    UpstreamFile(filename=f"demo-{version}.tar.gz", version=version, url="https://a/x", sha256="0" * 64)
    for version in ("1.0", "2.0")
)


@pytest.mark.parametrize(
    ("marker", "policy", "shown", "rules"),
    [
        ("active", None, 2, []),
        ("archived", None, 2, []),
        ("active", Policy(deny=("demo<2",)), 1, ["policy.deny"]),
        ("quarantined", None, 0, ["status", "status"]),
        ("quarantined", Policy(deny=("demo<2",)), 0, ["status", "status"]),
    ],
)
def test_a_quarantined_project_offers_no_file_whatever_the_policy_says(
    marker: str, policy: Policy | None, shown: int, rules: list[str]
) -> None:
    verdict = verdict_on(UpstreamProject(name="demo", files=FILES, status=Status(marker=marker)), policy, NOW)
    assert len(verdict.shown) == shown
    assert [each.rule for each in verdict.hidden] == rules
