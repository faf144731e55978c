"""Who may read from a server: as the operator chose or, where nobody chose, as the repository is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wharf.repository.opening import Repository
    from wharf.server.options import Auth, Options


@dataclass(frozen=True, slots=True)
class ReadingChoice:
    """`auth` is what holds; `private` whether the repository is private on GitHub."""

    auth: Auth
    private: bool
    options: Options

    @classmethod
    def of(cls, repository: Repository, options: Options, *, private: bool) -> ReadingChoice:
        """What holds for a repository. Raises UsageError for what does not go with it, and where nobody has a token."""
        default: Auth = "local" if repository.github is None else "github" if private else "public"
        choice = cls(options.auth or default, private, options)
        if choice.auth == "github" and repository.github is None:
            raise UsageError("--auth github is for a repository on GitHub.", "Name one with --repo, or use --auth tokens.")
        choice._check_tokens(repository)
        return choice

    @property
    def is_open(self) -> bool:
        """Whether whoever reaches the server can read."""
        return self.auth == "public" or (self.auth == "local" and self.options.loopback)

    @property
    def while_public(self) -> bool:
        """Whether reading is open only because the repository is public on GitHub."""
        return self.auth == "public" and self.options.auth is None

    def _check_tokens(self, repository: Repository) -> None:
        if self.auth == "github" or self.is_open or any(token.valid(datetime.now(UTC)) for token in repository.tokens.all()):
            return
        raise UsageError(
            f"Reading on {self.options.host} needs a token here, and there is no valid token that could be asked for.",
            "`wharf token create NAME --scope read` makes one; --auth public lets everybody read.",
        )

    def warnings(self) -> Iterator[str]:
        """What the operator should know before the server answers."""
        options = self.options
        if not options.loopback and options.tls_cert is None:
            yield "Without TLS, tokens and files travel in the open: use --tls-cert and --tls-key, or a proxy that has them."
        if self.is_open and self.auth != "public" and (options.behind_proxy or options.allowed_hosts):
            yield (
                "Whoever reaches a proxy in front of this server can read: "
                "--auth tokens asks for a token, --auth public says it is meant."
            )
        if self.is_open and self.private:
            yield "The repository is private on GitHub, and whoever reaches this server can read it."
        if self.auth == "public" and options.everywhere and not options.allowed_hosts:
            yield "Without a token it answers to local names only: --allowed-host NAME adds the name that clients ask for."
