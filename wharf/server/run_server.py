"""The server beside the command of `wharf run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wharf.server.app import make_app
from wharf.server.http.background_server import BackgroundServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from wharf.repository.opening import Repository
    from wharf.run_port.shared_port import SharedPort
    from wharf.server.rules import Rules


class RunServer:
    """The index beside a command, at a port that is listened on already. `rules` have the password of the run."""

    def __init__(self, repository: Repository, port: SharedPort, rules: Rules, *, warn: Callable[[str], None]) -> None:
        self._app = make_app(repository, rules, warn=warn)
        self._server = BackgroundServer(self._app, port)

    @property
    def missed(self) -> list[str]:
        """Names that were asked for, and are not the index's, where nobody was sent elsewhere for them."""
        return sorted(self._app.missed)

    @property
    def hidden(self) -> dict[str, str]:
        """Projects of which a policy hides files, each with a reason."""
        return dict(self._app.hidden)

    def serve_until_end(self) -> None:
        """Serve until another thread calls `end`."""
        self._server.serve_until_end()

    def end(self) -> None:
        """Stop at once, or as soon as it has started. From any thread."""
        self._server.end()
