"""The verbs that change an index: the operations of the commands, with the rights of whoever asks."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from wharf.errors import MayNotWriteError, NoIndexError, NotAllowedError, NotFoundError, StorageError
from wharf.index.moment import parse_moment
from wharf.operations import result_documents
from wharf.operations.promote import Wanted, promote
from wharf.operations.removal_choice import choose
from wharf.operations.remove import Removed, remove_all
from wharf.operations.restore import restore
from wharf.operations.set_status import set_status
from wharf.operations.yank import set_yanked
from wharf.server.access.borrowed_tokens import as_server_error
from wharf.server.daemon_threads import DaemonThreads
from wharf.server.web.quota_wait import QuotaWait
from wharf.server.web.uploader_rights import UploaderRights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wharf.index.guarded_change import Check
    from wharf.model import Json, Status
    from wharf.operations.removal_choice import WantedRemoval
    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Uploader
    from wharf.server.web.quota_wait import Sleep
    from wharf.server.web.shared_refresh import SharedRefresh

    Act = Callable[[Repository, Check, str | None], dict[str, Json]]
    """What a verb does to a repository, under a check, in the name of an actor."""

AT_ONCE: Final = 2
"""Verbs that are carried out at the same time; they meet again at the branch."""


class IndexWriting:
    """For the event loop's thread; the verbs run in others. An index that a verb is about has to be there.

    - A verb is carried out as a whole or not at all, and answered when that is known and shown.
    - It is carried out with the GitHub token of whoever asks, if there is one.
    - What the uploader may write is looked at first, so that whoever may not write a project learns nothing of it; and again,
      for all that it comes to, when it is committed.
    """

    def __init__(self, repository: Repository, refresh: SharedRefresh, sleep: Sleep, clock: Callable[[], float]) -> None:
        self._own = repository
        self._refresh = refresh
        self._sleep = sleep
        self._rights = UploaderRights(repository.github, clock)
        self._threads = DaemonThreads("manage", AT_ONCE)

    async def yank(
        self, index: str, uploader: Uploader, project: str, version: str, filename: str | None, reason: str | None
    ) -> dict[str, Json]:
        """Yank a release or a file of it, or take that back (None)."""

        def act(repository: Repository, check: Check, actor: str | None) -> dict[str, Json]:
            done = set_yanked(repository, project, version, filename, reason=reason, actor=actor, check=check)
            return {**_where(repository, done.commit), **result_documents.yank_document(done)}

        return await self._carry_out(index, uploader, [project], act)

    async def remove(
        self, index: str, uploader: Uploader, wanted: Sequence[WantedRemoval], reason: str, *, dry_run: bool
    ) -> dict[str, Json]:
        """Remove releases, or files of them, for ever with one commit; or say what that would come to."""

        def act(repository: Repository, check: Check, actor: str | None) -> dict[str, Json]:
            choice = choose(repository.branch.snapshot(), wanted)
            if dry_run:
                done = Removed(commit=None, removed=choice.outcome.changed, gone=choice.outcome.gone)
                return {**_where(repository, None, dry_run=True), **result_documents.removal_document(done)}
            done = remove_all(repository, choice.leaving, reason=reason, actor=actor, check=check)
            return {**_where(repository, done.commit), **result_documents.removal_document(done)}

        return await self._carry_out(index, uploader, [each.project for each in wanted], act)

    async def set_status(self, index: str, uploader: Uploader, project: str, status: Status) -> dict[str, Json]:
        """Give a project a status."""

        def act(repository: Repository, check: Check, actor: str | None) -> dict[str, Json]:
            done = set_status(repository, project, status, actor=actor, check=check)
            told = result_documents.status_document(project, status, changed=done.commit is not None)
            return {**_where(repository, done.commit), **told}

        return await self._carry_out(index, uploader, [project], act)

    async def promote(
        self,
        index: str,
        uploader: Uploader,
        wanted: Sequence[Wanted],
        source: str,
        *,
        with_dependencies: bool,
        dry_run: bool,
    ) -> dict[str, Json]:
        """Take releases of another index into this one. That the source may be read is for the caller to see to."""

        def act(repository: Repository, check: Check, actor: str | None) -> dict[str, Json]:
            done = promote(
                repository,
                wanted,
                source,
                with_dependencies=with_dependencies,
                dry_run=dry_run,
                actor=actor,
                check=check,
            )
            told = result_documents.promotion_document(done, source)
            return {**_where(repository, done.commit, dry_run=dry_run), **told}

        return await self._carry_out(index, uploader, [each.project for each in wanted], act)

    async def restore(
        self, index: str, uploader: Uploader, to: str, projects: Sequence[str], *, dry_run: bool
    ) -> dict[str, Json]:
        """Bring an index, or projects of it, back to a moment. Raises UsageError for what is no moment."""
        moment = parse_moment(to)

        def act(repository: Repository, check: Check, actor: str | None) -> dict[str, Json]:
            done = restore(repository, moment, projects, dry_run=dry_run, actor=actor, check=check)
            told = result_documents.restoration_document(done, moment.text)
            return {**_where(repository, done.commit, dry_run=dry_run), **told}

        return await self._carry_out(index, uploader, projects, act)

    async def _carry_out(self, index: str, uploader: Uploader, projects: Sequence[str], act: Act) -> dict[str, Json]:
        patience = QuotaWait(self._sleep)
        question = partial(self._act, self._own.of_index(index), uploader, tuple(projects), act)
        try:
            return await patience.ask(partial(self._threads.run, question))
        finally:
            await self._refresh()

    def _act(self, repository: Repository, uploader: Uploader, projects: Sequence[str], act: Act) -> dict[str, Json]:
        with ExitStack() as stack:
            if uploader.token is not None:
                repository = stack.enter_context(repository.acting_as(uploader.token))
            # GitHub tells whose token it is when the commit is made.
            actor = uploader.name if uploader.token is None else None
            check = self._rights.of(repository, uploader)
            try:
                if projects:
                    check(repository.branch.snapshot().settings, projects)
                return act(repository, check, actor)
            except NoIndexError as error:
                raise StorageError(error.message, error.hint, told="The index is not there any more.") from error
            except (NotAllowedError, NotFoundError) as error:
                raise _as_told(error, repository, uploader) from error


def _as_told(error: NotAllowedError | NotFoundError, repository: Repository, uploader: Uploader) -> Exception:
    """What GitHub refused the uploader is for the uploader; what it refused the server itself is for its operator."""
    of_github = error.unseen if isinstance(error, NotFoundError) else not isinstance(error, MayNotWriteError)
    if not of_github or repository.github is None:
        return error
    return as_server_error(error) if uploader.token is None else NotAllowedError(error.message, error.hint)


def _where(repository: Repository, commit: str | None, *, dry_run: bool = False) -> dict[str, Json]:
    """The index, and the commit that it is at by that."""
    return {"index": repository.branch.index, "commit": None if dry_run else commit or repository.branch.tip()}
