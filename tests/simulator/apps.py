"""GitHub Apps: their keys, where they are installed, the JWTs that they sign, and the tokens that they get.

The JWT is checked here by the rules of "Generating a JSON Web Token (JWT) for a GitHub App", with cryptography alone.
"""

from __future__ import annotations

import base64
import binascii
import functools
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.simulator import shapes
from tests.simulator.answers import Answer, Refusal, Request, error, reply
from tests.simulator.state import LEVELS, Token, new_secret

if TYPE_CHECKING:
    from tests.simulator.hub import Hub
    from tests.simulator.state import Repo

HOUR = 3600.0
LONGEST = 600
NOT_DECODED = "A JSON web token could not be decoded"
ISSUED_AT = "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
EXPIRED = "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
TOO_FAR = "'Expiration time' claim ('exp') is too far in the future"
NOT_GRANTED = "The permissions requested are not granted to this installation."
NOT_THERE = "There is at least one repository that does not exist or is not accessible to the parent installation."
SUSPENDED = "This installation has been suspended"
_FOR_APPS = re.compile(r"/app(?:/.*)?|/repos/[^/]+/[^/]+/installation|/repositories/\d+/installation")


@functools.cache
def keys(number: int = 0) -> rsa.RSAPrivateKey:
    """A key, made once a process: that takes a while."""
    del number
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: rsa.RSAPrivateKey) -> str:
    """As GitHub gives it to whoever makes one."""
    form, no_password = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, no_password).decode()


@dataclass(kw_only=True)
class Installation:
    """`repositories` are slugs in lower case, or None for all of the account's. `permissions` are those that were granted."""

    id: int
    app: App
    account: str
    permissions: dict[str, str]
    repositories: set[str] | None
    suspended_at: str | None = None

    def reaches(self, repo: Repo) -> bool:
        own = repo.owner.lower() == self.account.lower()
        return own and (self.repositories is None or repo.slug.lower() in self.repositories)

    def suspend(self) -> None:
        self.suspended_at = self.app.hub.clock.text()

    def remove(self) -> None:
        """What it had is known no more from now on."""
        hub = self.app.hub
        with hub.lock:
            self.app.installations.remove(self)
            for token in [token for token in hub.tokens.values() if token.installation == self.id]:
                del hub.tokens[token.secret]


@dataclass(kw_only=True)
class App:
    hub: Hub
    id: int
    slug: str
    owner: str
    permissions: dict[str, str]
    public: list[rsa.RSAPublicKey]
    pem: str = field(repr=False)
    installations: list[Installation] = field(default_factory=list)
    lifetime: float = HOUR

    @property
    def client_id(self) -> str:
        return f"Iv23li{self.id:014d}"

    @property
    def page(self) -> str:
        return f"{self.hub.url}/github-apps/{self.slug}"

    def install(
        self, account: str, *slugs: str, permissions: dict[str, str] | None = None, everywhere: bool = False
    ) -> Installation:
        """On those repositories of an account, or on all of them."""
        made = Installation(
            id=self.hub.next_id(),
            app=self,
            account=account,
            permissions=dict(self.permissions if permissions is None else permissions),
            repositories=None if everywhere else {slug.lower() for slug in slugs},
        )
        self.installations.append(made)
        return made

    def tokens(self) -> list[Token]:
        """Those that were made for it, the first one first."""
        mine = {each.id for each in self.installations}
        return [token for token in self.hub.tokens.values() if token.installation in mine]


def is_for_apps(path: str) -> bool:
    """Whether a path of REST takes a JWT, and no token."""
    return _FOR_APPS.fullmatch(path) is not None


def handle(hub: Hub, request: Request, path: str) -> Answer:
    """One request of an app, charged to the app's own quota."""
    app = _signer(hub, request)
    with hub.lock:
        key = ("token", f"app {app.id}", "core")
        try:
            hub.limits.admit(key, 1, 1 if request.method == "GET" else 5, creates=False)
        except Refusal as refusal:
            refusal.answer.headers |= hub.limits.headers(key)
            raise
    try:
        answer = _route(hub, request, app, path)
    except Refusal as refusal:
        answer = refusal.answer
    with hub.lock:
        answer.headers |= hub.limits.headers(key)
    return answer


def _route(hub: Hub, request: Request, app: App, path: str) -> Answer:
    if request.method == "GET" and path == "/app":
        return reply(200, _integration(hub, app))
    if request.method == "GET" and path == "/app/installations":
        return reply(200, [_installation(hub, each) for each in app.installations])
    if request.method == "GET" and path.endswith("/installation"):
        return _of_repository(hub, app, path.removesuffix("/installation"))
    found = re.fullmatch(r"/app/installations/(\d+)(/access_tokens)?", path)
    mine = next((each for each in app.installations if found and each.id == int(found[1])), None)
    if found is None or mine is None:
        return error(404)
    if found[2] is None:
        return reply(200, _installation(hub, mine)) if request.method == "GET" else error(404)
    return _issue(hub, mine, request.json()) if request.method == "POST" else error(404)


def _of_repository(hub: Hub, app: App, place: str) -> Answer:
    slug, number = place.removeprefix("/repos/"), place.rpartition("/")[2]
    with hub.lock:
        moved = hub.moved.get(slug.lower())
        repo = hub.repos.get(slug.lower())
        if place.startswith("/repositories/"):
            repo = next((each for each in hub.repos.values() if each.id == int(number)), None)
    if moved is not None:
        url = f"{hub.api}/repositories/{moved.id}/installation"
        return reply(
            301,
            {"message": "Moved Permanently", "url": url, "documentation_url": "https://docs.github.com/rest"},
            {"location": url},
        )
    mine = next((each for each in app.installations if repo is not None and each.reaches(repo)), None)
    return error(404) if mine is None else reply(200, _installation(hub, mine))


def _issue(hub: Hub, mine: Installation, asked: dict[str, Any]) -> Answer:
    """A token for the repositories and permissions that are asked for, or for all that the installation has."""
    if mine.suspended_at is not None:
        return error(403, SUSPENDED)
    granted = {**mine.permissions, "metadata": "read"}
    wanted: dict[str, str] = asked.get("permissions") or granted
    if any(LEVELS[level] > LEVELS[granted.get(name, "none")] for name, level in wanted.items()):
        return error(422, NOT_GRANTED)
    with hub.lock:
        reached = [repo for repo in hub.repos.values() if mine.reaches(repo)]
    chosen = [
        repo
        for repo in reached
        if ("repositories" not in asked and "repository_ids" not in asked)
        or repo.name.lower() in {str(name).lower() for name in asked.get("repositories", [])}
        or repo.id in asked.get("repository_ids", [])
    ]
    if len(chosen) < len(set(asked.get("repositories", []))) + len(set(asked.get("repository_ids", []))):
        return error(422, NOT_THERE)
    level = wanted.get("contents", "none")
    ends = hub.clock.now() + mine.app.lifetime
    secret = new_secret("installation")
    rights = {repo.slug.lower(): "read" if level == "none" else level for repo in chosen}
    token = Token(
        login=mine.app.slug, rights=rights, kind="installation", secret=secret, contents=level != "none",
        ends=ends, installation=mine.id, members="members" in wanted,
    )  # fmt: skip
    with hub.lock:
        hub.tokens[secret] = token
    body: dict[str, Any] = {
        "token": secret,
        "expires_at": datetime.fromtimestamp(ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "permissions": {**wanted, "metadata": "read"},
        "repository_selection": "selected" if "repositories" in asked or "repository_ids" in asked else "all",
    }
    if body["repository_selection"] == "selected":
        body["repositories"] = [shapes.repository(hub, repo, token) for repo in chosen]
    return reply(201, body)


def _signer(hub: Hub, request: Request) -> App:
    """The app that signed the JWT of a request. Raises Refusal."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise Refusal(error(401, NOT_DECODED))
    try:
        signed, _, signature = token.rpartition(".")
        head, _, payload = signed.partition(".")
        header, claims = json.loads(_decoded(head)), json.loads(_decoded(payload))
        proof = _decoded(signature)
    except (ValueError, binascii.Error):
        raise Refusal(error(401, NOT_DECODED)) from None
    if not isinstance(claims, dict) or header.get("alg") != "RS256":
        raise Refusal(error(401, NOT_DECODED))
    with hub.lock:
        app = next((each for each in hub.apps if claims.get("iss") in {each.id, str(each.id), each.client_id}), None)
    if app is None:
        raise Refusal(error(404, "Integration not found"))
    if not any(_proves(key, signed.encode(), proof) for key in app.public):
        raise Refusal(error(401, NOT_DECODED))
    now, issued, ends = hub.clock.now(), claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int) or issued > now:
        raise Refusal(error(401, ISSUED_AT))
    if not isinstance(ends, int) or ends <= now:
        raise Refusal(error(401, EXPIRED))
    if ends > now + LONGEST:
        raise Refusal(error(401, TOO_FAR))
    return app


def _proves(key: rsa.RSAPublicKey, data: bytes, signature: bytes) -> bool:
    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _decoded(part: str) -> bytes:
    return base64.b64decode(part.encode() + b"=" * (-len(part) % 4), altchars=b"-_", validate=True)


def _integration(hub: Hub, app: App) -> dict[str, Any]:
    moment = "2026-01-02T03:04:05Z"
    return {
        "id": app.id,
        "client_id": app.client_id,
        "slug": app.slug,
        "node_id": shapes.node_id("A", app.id),
        "owner": shapes.user(hub, app.owner),
        "name": app.slug,
        "description": None,
        "external_url": "https://example.org/",
        "html_url": app.page,
        "created_at": moment,
        "updated_at": moment,
        "permissions": {**app.permissions, "metadata": "read"},
        "events": [],
        "installations_count": len(app.installations),
    }


def _installation(hub: Hub, one: Installation) -> dict[str, Any]:
    moment = "2026-01-02T03:04:05Z"
    return {
        "id": one.id,
        "account": shapes.user(hub, one.account),
        "repository_selection": "all" if one.repositories is None else "selected",
        "access_tokens_url": f"{hub.api}/app/installations/{one.id}/access_tokens",
        "repositories_url": f"{hub.api}/installation/repositories",
        "html_url": f"{hub.url}/organizations/{one.account}/settings/installations/{one.id}",
        "app_id": one.app.id,
        "client_id": one.app.client_id,
        "app_slug": one.app.slug,
        "target_id": shapes.number_of(one.account),
        "target_type": "Organization",
        "permissions": {**one.permissions, "metadata": "read"},
        "events": [],
        "created_at": moment,
        "updated_at": moment,
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None if one.suspended_at is None else shapes.user(hub, one.account),
        "suspended_at": one.suspended_at,
    }
