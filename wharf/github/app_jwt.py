"""A GitHub App as a person names it, and the JWT by which GitHub knows it. PyGithub signs it.

"Generating a JSON Web Token (JWT) for a GitHub App".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wharf.errors import UsageError
from wharf.secret import Secret

ISSUED_BEFORE: Final = 60
"""Seconds by which a JWT is dated back: a clock that is less than that ahead of GitHub's does no harm."""
VALID_FOR: Final = 540
"""Seconds for which a JWT is valid: with those before, the ten minutes that GitHub allows."""
SETTINGS: Final = "Settings, Developer settings, GitHub Apps"
"""Where GitHub shows an app to its owner: its ids, permissions and keys."""


@dataclass(frozen=True, slots=True)
class App:
    """An app: its id or client id, its private key as PEM, and in a few words who names it.

    `repositories` (owner/name) are others that its token is to reach as well, as far as they have the same owner.
    As a token source it gives a new JWT each time.
    """

    id: str
    key: Secret
    source: str
    repositories: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"the app {self.id} ({self.source})"

    def token(self) -> Secret:
        """A JWT that is valid for some minutes. Raises UsageError for a key that cannot sign."""
        import jwt
        from cryptography.exceptions import UnsupportedAlgorithm
        from github.Auth import AppAuth

        try:
            signer = AppAuth(self.id, self.key.reveal(), jwt_expiry=VALID_FOR, jwt_issued_at=-ISSUED_BEFORE)
            return Secret(signer.create_jwt())
        except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, AttributeError):
            # The library's words may hold parts of the key: they are not shown.
            raise unusable_key(self.source) from None

    def refused(self, token: Secret) -> bool:
        """False: another JWT would say the same."""
        del token
        return False


def unusable_key(source: str) -> UsageError:
    """The error for what is not an app's private key; nothing of it is shown."""
    return UsageError(
        f"{source}: that is not the private key of a GitHub App, which is RSA in PEM form without a password.",
        f"Take the .pem file that the app's page ({SETTINGS}) gave when the key was made: its first line "
        "says BEGIN RSA PRIVATE KEY.",
    )
