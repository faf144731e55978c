"""The simulator itself: its state, its two servers, and who a request comes from."""

from __future__ import annotations

import base64
import secrets
import threading
from typing import TYPE_CHECKING, ClassVar

from tests.simulator import apps, gitweb, graphql, plumbing, rest, storage, webhook
from tests.simulator.answers import Answer, Refusal, Request, error
from tests.simulator.faults import Faults
from tests.simulator.limits import Limits
from tests.simulator.server import lend
from tests.simulator.state import KINDS, LEVELS, Call, Clock, Repo, Token, new_secret

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType


class Hub:
    """A GitHub with the layout of an Enterprise Server: `url`/api/v3, /api/graphql, /api/uploads, /owner/name.git."""

    observer: ClassVar[Callable[[Request, Answer], None] | None] = None
    """Told every answer of the REST API of every hub."""

    def __init__(self, root: Path, latency: float = 0.0, *, tls: ssl.SSLContext | None = None) -> None:
        self.root = root
        self.latency = latency  # seconds, slept once in each request
        self.lock = threading.RLock()
        self.clock = Clock()
        self.limits = Limits(self.clock)
        self.faults = Faults()
        self.calls: list[Call] = []
        self.repos: dict[str, Repo] = {}
        self.moved: dict[str, Repo] = {}
        self.tokens: dict[str, Token] = {}
        self.apps: list[apps.App] = []
        self.teams: dict[str, dict[str, str]] = {}  # org/team: login: the state of the membership
        self.down = False
        self.storage_down = False
        self.dated = True  # whether answers say what time it is
        self.key = secrets.token_bytes(16)
        self.posts: list[threading.Thread] = []
        self._id = 1000
        (root / "repos").mkdir(parents=True, exist_ok=True)
        (root / "assets").mkdir(exist_ok=True)
        self._server = lend(self, storage=False, tls=tls)
        self._storage = lend(self, storage=True, tls=tls)
        self.url = self._server.url
        self.host = self.url.partition("://")[2]
        # Another name, as it is another host in earnest: what a client keeps for the one must not go to the other.
        self.storage_url = self._storage.url.replace("127.0.0.1", "localhost")
        self.api = self.url + "/api/v3"

    def __enter__(self) -> Hub:
        return self

    def __exit__(self, kind: type[BaseException] | None, error_: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._server.stop()
        self._storage.stop()
        for thread in self.posts:
            thread.join(60)

    def next_id(self) -> int:
        with self.lock:
            self._id += 1
            return self._id

    def create(
        self, slug: str, *, private: bool = True, auto_init: bool = True, immutable: bool = False, creator: str | None = None
    ) -> Repo:
        """A repository; with `auto_init` it has a first commit on `main`."""
        number = self.next_id()
        git_dir = self.root / "repos" / f"{number}.git"
        plumbing.create(git_dir)
        if auto_init:
            readme = f"# {slug.partition('/')[2]}\n".encode()
            author = creator or slug.partition("/")[0]
            plumbing.commit_files(
                git_dir, "main", None, "Initial commit", author, self.clock.now(), additions=[("README.md", readme)]
            )
        now = self.clock.text()
        repo = Repo(
            hub=self, id=number, slug=slug, private=private, git_dir=git_dir, immutable=immutable, created_at=now, pushed_at=now
        )
        with self.lock:
            self.repos[slug.lower()] = repo
            self.moved.pop(slug.lower(), None)
        return repo

    def fork(self, slug: str, to: str) -> Repo:
        """A fork, with the refs of `slug`. As on GitHub, each of them hands out by its id what was pushed to the other."""
        source = self.repos[slug.lower()]
        fork = self.create(to, private=source.private, auto_init=False)
        fork.fork = True
        plumbing.share(source.git_dir, fork.git_dir)
        return fork

    def adopt(self, repo: Repo, last_id: int) -> None:
        """Take in a repository that another hub had, whose ids end at `last_id`."""
        with self.lock:
            self.repos[repo.slug.lower()] = repo
            self._id = max(self._id, last_id)

    def token(
        self,
        login: str,
        rights: Mapping[str, str],
        *,
        kind: str = "classic",
        contents: bool = True,
        scopes: str = "repo",
        members: bool = False,
    ) -> str:
        """A new token. `contents=False`: may see the repositories, but not what is in them. `scopes`: of a classic one.

        `members`: of another one, whether it may ask who is in a team.
        """
        if kind not in KINDS or not LEVELS.keys() >= set(rights.values()):
            raise ValueError(f"no such token: {kind} {dict(rights)}")
        secret = new_secret(kind)
        lower = {slug.lower(): level for slug, level in rights.items()}
        with self.lock:
            self.tokens[secret] = Token(
                login=login, rights=lower, kind=kind, secret=secret, contents=contents, scopes=scopes, members=members
            )
        return secret

    def app(self, slug: str = "wharf-bot", *, owner: str = "acme", permissions: Mapping[str, str] | None = None) -> apps.App:
        """A new app with a key of its own. It is installed nowhere yet."""
        number = self.next_id()
        key = apps.keys(len(self.apps))
        granted = dict({"contents": "write"} if permissions is None else permissions)
        made = apps.App(
            hub=self, id=number, slug=slug, owner=owner, permissions=granted, public=[key.public_key()], pem=apps.pem(key)
        )
        with self.lock:
            self.apps.append(made)
        return made

    def revoke(self, token: str) -> None:
        with self.lock:
            self.tokens.pop(token, None)

    def count(self, kind: str) -> int:
        """How many requests of this kind came since `calls` was last cleared."""
        return sum(call.kind == kind for call in list(self.calls))

    def fault(self, where: str, how: str, *, times: int = 1, after: int = 0) -> None:
        """The next `times` requests that match, `after` so many that pass, fail in this way."""
        self.faults.add(where, how, times, after)

    def before(self, where: str, callback: Callable[[], object]) -> None:
        """Calls back once, in the moment before the next matching request is carried out."""
        self.faults.add_before(where, callback)

    def webhook(self, repo: Repo, url: str, secret: str) -> None:
        """From now on every change of a ref of `repo` is told to `url`, signed."""
        repo.hooks.append((url, secret.encode()))

    def ref_changed(self, repo: Repo, ref: str, old: str, new: str, login: str) -> None:
        """For the handlers: a ref moved. A release whose tag is deleted becomes a draft again."""
        repo.pushed_at = self.clock.text()
        with self.lock:
            for release in repo.releases:
                if new == plumbing.ZERO and ref == f"refs/tags/{release.tag_name}" and not release.draft:
                    release.draft, release.published_at = True, None
        webhook.send(self, repo, ref, old, new, login)

    def find(self, slug: str) -> Repo | None:
        with self.lock:
            return self.repos.get(slug.lower())

    def level(self, token: Token | None, repo: Repo) -> int:
        """What the request's sender may do with `repo`, as in LEVELS."""
        given = LEVELS[token.rights.get(repo.slug.lower(), "none")] if token else 0
        return given if repo.private else max(1, given)

    def login(self, request: Request) -> Token | None:
        """The token of the Authorization header, None without one. Raises Refusal (401)."""
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, value = header.partition(" ")
        words = [value.strip()] if request.kind != "git" else []  # git's own addresses know no other scheme than Basic
        if scheme.lower() == "basic":
            name, _, password = base64.b64decode(value + "==").decode(errors="replace").partition(":")
            words = [password, name]
        with self.lock:
            found = next((self.tokens[word] for word in words if word in self.tokens), None)
        if found is None or (found.ends is not None and found.ends <= self.clock.now()):
            raise Refusal(error(401, "Bad credentials"))
        request.token = found
        if found.installation is not None and self._suspended(found.installation):
            raise Refusal(error(403, apps.SUSPENDED))
        return found

    def _suspended(self, installation: int) -> bool:
        with self.lock:
            return any(
                each.suspended_at is not None for app in self.apps for each in app.installations if each.id == installation
            )

    def answer(self, request: Request, *, storage: bool) -> Answer:
        """What a request gets."""
        try:
            return _HANDLERS["storage" if storage else request.kind](self, request)
        except Refusal as refusal:
            return refusal.answer


_HANDLERS: dict[str, Callable[[Hub, Request], Answer]] = {
    "api": rest.handle,
    "upload": rest.handle_upload,
    "graphql": graphql.handle,
    "git": gitweb.handle,
    "web": storage.handle_web,
    "storage": storage.handle,
}
