"""propose: a promotion as a pull request on GitHub, for whoever may merge it. No index changes here."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from wharf.errors import UsageError
from wharf.github import pull_request_proposal
from wharf.github.remote_branch import RemoteBranch
from wharf.index.commit_message import CommitMessage
from wharf.operations import proposal_text
from wharf.operations.promote import opened_source, planned, result

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wharf.index.change import Named
    from wharf.operations.promote import Promoted, PromotionPlan, Wanted
    from wharf.repository.opening import Repository


def propose(
    repository: Repository,
    wanted: Sequence[Wanted],
    source: str,
    *,
    with_dependencies: bool = False,
    actor: str | None = None,
) -> Promoted:
    """Open a pull request that promotes the releases, or find the one that is open. The target stays as it is.

    Raises UsageError for a store in a folder, and otherwise what `promote` does. No rights are asked: whoever merges decides.
    """
    target = repository.branch
    if not isinstance(target, RemoteBranch):
        raise UsageError(
            "A pull request is made on GitHub, and this store is a folder.", "Leave --propose out, or name the repository."
        )
    with opened_source(repository, source) as branch, repository.assets.reuse() as reuse:
        plan = planned(repository, branch, wanted, with_dependencies=with_dependencies)
        done = result(None, plan, plan.outcome, _unannounced(plan))
        if not plan.outcome.edits or plan.target.commit is None:
            return done
        reuse.check(plan.files)
        message = CommitMessage(verb="promote", actor=actor, reason=f"From the index {source}.")
        title = proposal_text.title(plan, source, target.index)
        text = proposal_text.text(plan, done, source, target.index)
        proposal = pull_request_proposal.propose(target, plan.target.commit, plan.outcome, message, title=title, text=text)
        return dataclasses.replace(done, proposal=proposal)


def _unannounced(plan: PromotionPlan) -> tuple[Named, ...]:
    """The files without core metadata beside them, where the target wants that: a proposal stores nothing."""
    if not plan.target.settings.metadata_assets:
        return ()
    return tuple(each for each in plan.outcome.changed if each.file.core_metadata and "metadata" not in each.file.location)
