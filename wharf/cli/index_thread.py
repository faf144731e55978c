"""The index of `wharf run`: a server in a thread beside the command, from its imports to its end."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wharf.cli.state import State
    from wharf.repository.opening import Repository
    from wharf.run_port.shared_port import SharedPort
    from wharf.secret import Secret
    from wharf.server.run_server import RunServer
    from wharf.sources.public_index_address import PublicIndex


_PATIENCE = 1.0  # seconds for a server that answers to end


class IndexThread(threading.Thread):
    """The server, from its imports to its end."""

    def __init__(
        self,
        state: State,
        repository: Repository | None,
        port: SharedPort,
        password: Secret,
        public_index: PublicIndex | bool,
    ) -> None:
        super().__init__(name="index", daemon=True)
        self._state = state
        self._repository = repository
        self._port = port
        self._password = password
        self._public_index = public_index
        self._lock = threading.Lock()
        self._ended = False
        self._server: RunServer | None = None

    def run(self) -> None:
        """Serve. If that is not possible, say so: the tools get no answer, and the command runs all the same."""
        from wharf.errors import WharfError

        try:
            with contextlib.ExitStack() as stack:
                repository = self._repository
                if repository is None:
                    repository = stack.enter_context(self._state.repository(whole=True, fetch="later", patient=False))
                self._serve(repository)
        except (WharfError, OSError) as error:
            hint = error.hint if isinstance(error, WharfError) else ""
            self._state.warn(f"The index cannot be served: {error} {hint}".rstrip())
        finally:
            self._port.close()  # or connections would wait in its queue for an answer

    def end(self) -> None:
        """Stop serving, if it has begun; without waiting for more than that."""
        with self._lock:
            self._ended = True
            server = self._server
        if server is not None:
            server.end()
            self.join(_PATIENCE)

    @property
    def missed(self) -> list[str]:
        """Names that were asked for and that this index lacks, if they could be in the public index."""
        return [] if self._server is None else self._server.missed

    @property
    def hidden(self) -> dict[str, str]:
        """Projects that were asked for and of which a policy hides files, each with a reason."""
        return {} if self._server is None else self._server.hidden

    def _serve(self, repository: Repository) -> None:
        from wharf.server.rules import Rules
        from wharf.server.run_server import RunServer
        from wharf.sources import public_index_address

        public = public_index_address.default(os.environ) if self._public_index is True else self._public_index or None
        rules = Rules(
            open_reading=False,
            upload_limit=1,
            cache=self._state.settings().cache / "files",
            public_index=public,
            upstreams=self._state.settings().upstreams,
            password=self._password,
        )
        server = RunServer(repository, self._port, rules, warn=self._state.warn)
        with self._lock:
            if self._ended:
                return
            self._server = server
        server.serve_until_end()
