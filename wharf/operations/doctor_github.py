"""What doctor asks GitHub. Every request reads; what can only be known by writing is said to be unknown."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, NotFoundError, RejectedError
from wharf.github import release_listing
from wharf.github.account import KINDS, prefix_of
from wharf.github.api import GitHub
from wharf.github.app_jwt import App
from wharf.github.remote_branch import RemoteBranch
from wharf.github.renewing_token import RenewingToken
from wharf.operations.doctor_findings import Finding, findings_of, no_index
from wharf.operations.doctor_indexes import of_indexes
from wharf.repository import credentials
from wharf.repository.opening import folder_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wharf.github.request_turns import Waiting
    from wharf.github.rest_calls import About
    from wharf.index.branch import Branch
    from wharf.repository.credentials import Credential
    from wharf.repository.settings import Settings
    from wharf.repository_address import Address

_MANY_ASSETS = 900
_LARGE, _LARGEST = 8.0, 10  # GB; "Repository limits"
_SKEW = 60.0  # seconds
_FEW = 0.1  # of the requests of an hour

_SCOPED = ("ghp_", "gho_")  # may do what their user may, within their scopes
_OF_APPS = "ghs_"  # have no user


class GitHubDiagnosis:
    """One round of questions about one repository."""

    def __init__(self, address: Address, settings: Settings, environ: Mapping[str, str]) -> None:
        self._address = address
        self._settings = settings
        self._environ = environ

    def findings(self, waiting: Waiting) -> list[Finding]:
        """What was learned, up to the first thing that makes further questions useless."""
        return findings_of("token", lambda: self._visit(waiting))

    def _visit(self, waiting: Waiting) -> Iterator[Finding]:
        found = credentials.find(self._settings, self._environ)
        with GitHub(self._address, found.token if found else None, waiting=waiting) as github:
            yield self._token(found)
            yield from findings_of("github", lambda: self._ask(github))

    def _token(self, found: Credential | None) -> Finding:
        ignored = credentials.tokens_left_out(self._address, self._environ, self._settings.app)
        ignored = f" ({ignored})" if ignored else ""
        if found is None:
            host = self._address.host
            hint = f"Set WHARF_TOKEN, or log in: gh auth login --hostname {host}. Without one, only what is public can be read."
            return Finding(what="token", state="warning", detail=f"none was found for {host}{ignored}", hint=hint)
        kind = "a GitHub App's" if isinstance(found.token, App) else KINDS.get(prefix_of(found.token), "a token")
        detail = f"{kind}, from {found.source}{ignored}"
        if found.warning:
            return Finding(what="token", state="warning", detail=detail, hint=found.warning)
        return Finding(what="token", detail=detail)

    def _ask(self, github: GitHub) -> Iterator[Finding]:
        if github.app is not None:
            yield _app(github)
        quota = _quota(github)  # first: it costs nothing, and without any left nothing else is answered
        yield quota
        yield _clock(github)
        if quota.state == "problem":
            return
        try:
            about = github.rest.about()
        except NotFoundError:
            yield self._missing(github)
            return
        yield from self._about(github, about)
        readable = [*self._contents(github, about)]
        yield from readable
        yield _writing(github, about)
        if any(each.what == "reading" and each.state == "problem" for each in readable):
            return
        yield from findings_of("releases", lambda: _releases(github))
        yield from findings_of("immutable", lambda: _immutable(github))
        if any(each.what == "index" and each.state == "ok" for each in readable):
            yield from findings_of("fetch", lambda: self._fetch(github))

    def _missing(self, github: GitHub) -> Finding:
        hint = f"Check the spelling; `wharf init {github.address}` makes it if it is not there. If it is there and private: "
        hint += "give the token access to it." if github.source else "it needs a token: set WHARF_TOKEN."
        detail = f"GitHub shows no repository {github.address}" + (" to this token" if github.source else " without a token")
        return Finding(what="repository", state="problem", detail=detail, hint=hint)

    def _about(self, github: GitHub, about: About) -> Iterator[Finding]:
        kind = "private" if about.private else "public: everybody can read it"
        yield Finding(what="repository", detail=f"{github.address} is {kind}")
        if github.address.slug.lower() != self._address.slug.lower():
            detail = f"{self._address} is called {github.address} now"
            yield Finding(what="name", state="warning", detail=detail, hint="Change the address where you configured it.")
        if about.archived:
            hint = "Unarchive it in its settings on GitHub."
            yield Finding(what="archived", state="problem", detail="it is archived: it takes no changes", hint=hint)
        default = about.default_branch
        if default.startswith("wharf/"):
            yield Finding(
                what="default-branch",
                state="warning",
                detail=f"{default} is the default branch: whoever clones the repository gets the index",
                hint="Make another branch, and make that the default one in the settings on GitHub.",
            )
        if about.size is not None:
            large = about.size / 1e6 >= _LARGE
            yield Finding(
                what="size",
                state="warning" if large else "ok",
                detail=f"git holds {about.size / 1e6:.2f} GB of at most {_LARGEST} GB (files of releases do not count)",
                hint="Look for large files on its branches: an index alone never grows so large." if large else "",
            )

    def _contents(self, github: GitHub, about: About) -> Iterator[Finding]:
        """Whether contents may be read, proved by reading, and whether the index is there."""
        index, commit, proof = self._settings.index, None, None
        why = f"GitHub shows no branch {about.default_branch}"
        try:
            commit = github.rest.ref(f"heads/wharf/{index}")
            proof = commit or github.rest.ref(f"heads/{about.default_branch}")
        except RejectedError:
            hint = f"`wharf init {github.address}` makes a first commit, and the index."
            yield Finding(what="index", state="problem", detail="the repository is empty: it has no commit", hint=hint)
            return
        except NotAllowedError as error:
            why = error.message
        if proof is None:
            yield Finding(
                what="reading",
                state="problem",
                detail=f"the repository is shown, but not what is in it: {why}",
                hint="Give the token the permission `contents: read` (an Actions job: `permissions: contents: read`).",
            )
            return
        yield Finding(what="reading", detail="its contents may be read" if github.source else "everybody may read its contents")
        if commit is not None:
            yield Finding(what="index", detail=f"the index {index!r} is there: branch wharf/{index}, commit {commit[:12]}")
        else:
            yield self._no_index(github, about.default_branch)

    def _no_index(self, github: GitHub, default: str) -> Finding:
        names = list(github.rest.refs("heads/wharf"))
        if "refs/heads/wharf" in names:
            address = github.address
            delete = "" if default == "wharf" else f", or delete it: git push {address.git} :wharf"
            return Finding(
                what="index",
                state="problem",
                detail=f"a branch is named `wharf`: git allows no branch wharf/{self._settings.index} beside it",
                hint=f"Rename it on GitHub ({address.web}/branches){delete}.",
            )
        prefix = "refs/heads/wharf/"
        return no_index(
            str(github.address), self._settings.index, [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
        )

    def _fetch(self, github: GitHub) -> Iterator[Finding]:
        """Git has its own way to GitHub, with its own settings: it is tried, too."""
        clone, index = self._settings.cache / folder_of(self._address), self._settings.index
        started = time.monotonic()
        with RemoteBranch(clone, index, github) as branch:
            branch.fetch()
            yield Finding(what="fetch", detail=f"git fetched wharf/{index} in {time.monotonic() - started:.1f} s")
            yield from findings_of("index", lambda: _rights(github, branch))
            yield from findings_of("indexes", lambda: of_indexes(branch))


def _app(github: GitHub) -> Finding:
    """Which app, where it is installed, what it may do, and when its token ends. Raises as a request for a token does."""
    app, source = github.app, github.source
    if app is None or not isinstance(source, RenewingToken):
        raise TypeError("there is no app")
    source.token()
    if app.installation is None:
        raise TypeError("a token without an installation")
    found, ends = app.installation, time.strftime("%H:%M:%S", time.localtime(time.time() + source.left))
    where = f"installation {found.id} on {found.account} ({found.selection or 'unknown'} repositories)"
    rights = ", ".join(f"{name}: {level}" for name, level in sorted(found.permissions.items()))
    detail = f"{found.app}, {where}; granted {rights}; the token ends at {ends}, and is renewed before"
    if app.left_out:
        hint = f"The token does not reach {', '.join(app.left_out)}: install the app there, too."
        return Finding(what="app", state="warning", detail=detail, hint=hint)
    return Finding(what="app", detail=detail)


def _rights(github: GitHub, branch: Branch) -> Iterator[Finding]:
    """If the settings say who may publish what: who walks past that. Raises StorageError for settings that cannot be read."""
    if not branch.snapshot().settings.upload:
        return
    where = f"wharf/{branch.index}"
    reply = github.call("GET", f"{{repo}}/rules/branches/{where}", allow=(401, 403, 404))
    rules = reply.data if reply.status == 200 and isinstance(reply.data, list) else []
    if any(isinstance(each, dict) and each.get("type") == "update" for each in rules):
        yield Finding(what="rights", detail=f"the index has [upload], and a ruleset restricts who may push to {where}")
        return
    yield Finding(
        what="rights",
        state="warning",
        detail=f"the index has [upload], and whoever may push to {where} with git walks past it",
        hint="docs/indexes.md, Rights, says which ruleset and which token of a server make it binding.",
    )


def _quota(github: GitHub) -> Finding:
    """What is left of the hour's requests ("Get rate limit status for the authenticated user")."""
    github.call("GET", "/rate_limit", allow=(404,))
    core = github.rates.get("core")
    if core is None:  # an Enterprise Server need not have limits
        return Finding(what="quota", detail=f"{github.address.host} reports no limit")
    until = time.strftime("%H:%M:%S", time.localtime(time.time() + core.reset_in))
    detail = f"{core.remaining} of {core.limit} requests are left until {until}"
    if core.remaining == 0:
        hint = "Wait until then." if github.source else "Wait until then, or set WHARF_TOKEN: with a token there are more."
        return Finding(what="quota", state="problem", detail=detail, hint=hint)
    few = core.remaining < core.limit * _FEW
    hint = "Large publishes will wait for the next hour, if --max-wait allows." if few else ""
    return Finding(what="quota", state="warning" if few else "ok", detail=detail, hint=hint)


def _writing(github: GitHub, about: About) -> Finding:
    """What can be known about writing without a write: `permissions` says what the user may do, not what the token may."""
    token = github.token
    if token is None:
        return Finding(what="writing", state="warning", detail="without a token nothing can be published", hint="Set one.")
    if github.app is not None and github.app.installation is not None:
        if github.app.installation.permissions.get("contents") == "write":
            return Finding(what="writing", detail="the app may write: it has contents: write")
        hint = "For publishing, give the app the permission Contents: Read and write, and accept it for the installation."
        return Finding(what="writing", state="warning", detail="the app may only read: it has contents: read", hint=hint)
    if prefix_of(token) == _OF_APPS:
        hint = "An Actions job needs `permissions: contents: write`, an app the permission `contents: write`."
        return Finding(what="writing", detail="only a write shows whether this token may write", hint=hint)
    if not about.may_push:
        hint = "For publishing, ask for the role Write in the repository's settings on GitHub."
        return Finding(what="writing", state="warning", detail="the token's user may not write to it", hint=hint)
    if prefix_of(token) in _SCOPED and about.scopes is not None:
        scopes = {each.strip() for each in about.scopes.split(",")}
        if "repo" in scopes or ("public_repo" in scopes and not about.private):
            return Finding(what="writing", detail="the token's user may write, and its scopes suffice")
        detail = f"the token's user may write, but its scopes ({', '.join(sorted(scopes)) or 'none'}) do not suffice"
        return Finding(what="writing", state="warning", detail=detail, hint="Give the token the scope `repo`.")
    detail = "the token's user may write; only a write shows whether the token may"
    return Finding(what="writing", detail=detail, hint="It needs the permission `contents: write`.")


def _clock(github: GitHub) -> Finding:
    skew = (github.now() - datetime.now(UTC)).total_seconds()
    if abs(skew) < _SKEW:
        return Finding(what="clock", detail="right to a minute, by GitHub's")
    detail = f"this machine's clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} GitHub's"
    return Finding(what="clock", state="warning", detail=detail, hint="Set it: tokens and upload times depend on it.")


def _releases(github: GitHub) -> Iterator[Finding]:
    found = list(github.rest.releases(100))
    if not found:
        yield Finding(what="releases", detail="there are none yet")
        return
    fullest = max(found, key=lambda each: len(each.assets))
    count = len(fullest.assets)
    detail = f"of the newest {len(found)}, {fullest.tag} has most files: {count} of at most {release_listing.MOST_ASSETS}"
    if count < _MANY_ASSETS:
        yield Finding(what="releases", detail=detail)
    else:
        yield Finding(what="releases", state="warning", detail=detail, hint="Further files go to another release.")


def _immutable(github: GitHub) -> Iterator[Finding]:
    reply = github.call("GET", "{repo}/immutable-releases", allow=(401, 403, 404))
    if reply.status == 200 and isinstance(reply.data, dict) and reply.data.get("enabled"):
        hint = "Publish all files of a release at once; files that come later go to another release."
        yield Finding(what="immutable", detail="releases are immutable: no published file can be deleted", hint=hint)
    else:
        yield Finding(what="immutable", detail="releases are not immutable, or this token may not know")
