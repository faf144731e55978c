"""Which access a server has: by the password of a run, by GitHub, or by wharf's own tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.server.access.github_access import GitHubAccess
from wharf.server.access.public_repository_access import PublicRepositoryAccess
from wharf.server.access.run_password_access import RunPasswordAccess
from wharf.server.access.token_access import TokenAccess

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.repository.opening import Repository
    from wharf.server.access.access_protocol import Access
    from wharf.server.refresh.refresher import Refresher
    from wharf.server.rules import Rules


def access_of(
    repository: Repository, rules: Rules, refresher: Refresher, *, clock: Callable[[], float], warn: Callable[[str], None]
) -> Access:
    """The access that the rules want. `warn` is told if a command is shown an old index."""
    if rules.password is not None:
        return RunPasswordAccess(rules.password, refresher, warn)
    if rules.by_github and repository.github is not None:
        return GitHubAccess(repository.github, repository.branch.ref, refresher.lend, clock=clock)
    own = TokenAccess(repository.tokens, open_reading=rules.open_reading, hosts=rules.hosts)
    if rules.while_public and repository.github is not None:
        members = GitHubAccess(repository.github, repository.branch.ref, refresher.lend, clock=clock)
        return PublicRepositoryAccess(own, members, public=lambda: refresher.public)
    return own
