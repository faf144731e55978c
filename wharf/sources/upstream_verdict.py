"""What is shown of a project of an upstream: by its own status, then by the policy of the index. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wharf.index.policy import Hidden, Verdict

if TYPE_CHECKING:
    from datetime import datetime

    from wharf.index.policy import Policy
    from wharf.sources.upstream_project import UpstreamFile, UpstreamProject

STATUS: Final = "status"
"""The word in place of a rule for the files of a quarantined project, which offers none (PEP 792), whatever a policy says."""


def verdict_on(project: UpstreamProject, policy: Policy | None, moment: datetime) -> Verdict[UpstreamFile]:
    """The files of the project that are shown at a moment, and the others; `policy` None: no rule hides any."""
    if project.status.marker == "quarantined":
        return Verdict((), tuple(Hidden(file.filename, STATUS, "the project is quarantined") for file in project.files))
    if policy is None:
        return Verdict(project.files)
    return policy.judge(project.name, project.status, project.files, moment)
