"""GitHub's REST API in wharf's words. PyGithub has the paths, the parameters and the types; here its objects become ours."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, Final, TypeVar

from github import InputGitTreeElement
from github.AuthenticatedUser import AuthenticatedUser
from github.File import File
from github.GitRelease import GitRelease
from github.Organization import Organization
from github.PullRequest import PullRequest
from github.Repository import Repository
from github.Team import Team

from wharf.errors import NotAllowedError, NotFoundError, StorageError
from wharf.github.pygithub_requester import Pages, Sender, WireRequester, understood
from wharf.github.release_listing import Listed, Stored, marked, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from github.GitReleaseAsset import GitReleaseAsset

T = TypeVar("T")
G = TypeVar("G")

_ITEMS: Final = 1_000_000  # of a list


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What GitHub says of a repository. `size` is in kB.

    `may_push` is about the token's user, None where there is none; `scopes` are those of a classic token, None for any other.
    """

    private: bool
    archived: bool
    default_branch: str
    size: int | None
    may_push: bool | None
    scopes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """A pull request: its number, its web address, and the commit at its head."""

    number: int
    address: str
    head: str


class Rest:
    """The calls for one repository. Safe to use from several threads.

    - None of PyGithub's objects and exceptions gets out.
    - A method is one call, and a list one for each 100 items: no attribute of an object is looked up at GitHub later.
    - A deletion may find nothing: then it is done already.
    - Each raises what `GitHub.call` does, and StorageError for an answer that is not understood.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._requester = WireRequester(sender)
        self._repository = Repository(self._requester, url="{repo}")

    @understood()
    def about(self, slug: str | None = None) -> About:
        """The repository, or another one of that host (owner/name)."""
        return _about(Repository(self._requester, url=f"/repos/{slug}" if slug else "{repo}").complete())

    def releases(self, at_most: int | None = None) -> Iterator[Listed]:
        """The releases with their assets, the newest commit first; drafts for whoever may write."""
        return self._all(Pages(GitRelease, self._requester, "{repo}/releases"), _listed, at_most)

    @understood()
    def release(self, which: int | str) -> Listed | None:
        """A release by its id, or a published one by its tag."""
        try:
            return _listed(self._repository.get_release(which).complete())
        except NotFoundError:
            return None

    @understood()
    def create_release(self, tag: str, tip: str, text: str, *, prerelease: bool = False) -> Listed:
        """A draft, whose tag will point at the commit `tip`."""
        made = self._repository.create_git_release(
            tag, tag, text, draft=True, prerelease=prerelease, target_commitish=tip, make_latest="false"
        )
        return _listed(made)

    @understood()
    def publish_release(self, number: int, tag: str, tip: str, text: str, *, prerelease: bool = False) -> Listed:
        """Make a draft visible, with that tag."""
        draft = self._repository.get_release(number)
        return _listed(
            draft.update_release(
                tag, text, draft=False, prerelease=prerelease, tag_name=tag, target_commitish=tip, make_latest="false"
            )
        )

    @understood()
    def rewrite_release(self, number: int, text: str) -> Listed:
        """Give a release another text. Nothing else of it changes: who published it meanwhile is not contradicted."""
        _, told = self._requester.requestJsonAndCheck("PATCH", f"{{repo}}/releases/{number}", input={"body": text})
        if not isinstance(told, dict):
            raise TypeError("what should be a release is something else")
        return _listed(GitRelease(self._requester, {}, told, completed=True))

    @understood()
    def delete_release(self, number: int) -> None:
        """Delete a release; its tag stays."""
        self._repository.get_release(number).delete_release()

    def assets(self, release: int) -> Iterator[Stored]:
        """The assets of a release."""
        return self._all(self._repository.get_release(release).get_assets(), _stored)

    @understood()
    def upload(self, release: Listed, name: str, file: BinaryIO, size: int) -> Stored:
        """Upload `size` bytes into a release. Each try reads the file from its beginning."""
        target = GitRelease(self._requester, {}, {"upload_url": release.upload_url}, completed=True)
        made = target.upload_asset_from_memory(file, size, name)
        self._sender.know(made.raw_data["uploader"])
        return _stored(made)

    @understood()
    def delete_asset(self, number: int) -> None:
        """Delete an asset."""
        self._repository.get_release_asset(number).delete_asset()

    @understood()
    def ref(self, name: str) -> str | None:
        """The commit that a ref is at, as of `heads/main`; None if it is not there.

        Raises RejectedError (409) for a repository without a commit.
        """
        try:
            return _told(self._repository.get_git_ref(name).complete().object.sha)
        except NotFoundError:
            return None

    def refs(self, prefix: str) -> Iterator[str]:
        """The names of the refs that begin so, as `refs/heads/main` does with `heads/ma`."""
        return self._all(self._repository.get_git_matching_refs(prefix), lambda found: _told(found.ref))

    @understood()
    def create_branch(self, ref: str, files: Mapping[str, bytes], message: str) -> str:
        """Make a branch of one commit, which has no parent; that commit. A call for each file, and three more."""
        elements = []
        for path, data in files.items():
            blob = self._repository.create_git_blob(base64.b64encode(data).decode(), "base64")
            elements.append(InputGitTreeElement(path, "100644", "blob", sha=_told(blob.sha)))
        tree = self._repository.create_git_tree(elements)
        commit = _told(self._repository.create_git_commit(message, tree, []).sha)
        self._repository.create_git_ref(ref, commit)
        return commit

    @understood()
    def create_commit(self, parent: str, edits: Mapping[str, bytes | None], message: str) -> str:
        """Make a commit on another one, with these texts (UTF-8) by path; None: the path goes. No ref is at it. Four calls."""
        kept = {path: data.decode() for path, data in edits.items() if data is not None}
        elements = [
            InputGitTreeElement(path, "100644", "blob", kept[path])
            if path in kept
            else InputGitTreeElement(path, "100644", "blob", sha=None)
            for path in edits
        ]
        below = self._repository.get_git_commit(parent)
        tree = self._repository.create_git_tree(elements, self._repository.get_git_tree(_told(below.tree.sha)))
        return _told(self._repository.create_git_commit(message, tree, [below]).sha)

    @understood()
    def create_ref(self, ref: str, commit: str) -> None:
        """Make a ref. Raises RejectedError where it is there, or where there is no such commit."""
        self._repository.create_git_ref(ref, commit)

    @understood()
    def create_file(self, path: str, text: str, message: str) -> None:
        """Commit a new file to the default branch."""
        self._repository.create_file(path, message, text)

    @understood()
    def create_repository(self, login: str, *, private: bool) -> About:
        """Make the repository with a first commit, as that user's own or in an organisation."""
        address = self._sender.address
        maker: AuthenticatedUser | Organization = (
            AuthenticatedUser(self._requester, url="/user")
            if login.lower() == address.owner.lower()
            else Organization(self._requester, url=f"/orgs/{address.owner}")
        )
        return _about(maker.create_repo(address.name, private=private, auto_init=True))

    def pulls(self, head: str, base: str) -> Iterator[Pull]:
        """The open pull requests from one branch of the repository to another."""
        asked = {"state": "open", "head": f"{self._sender.address.owner}:{head}", "base": base}
        return self._all(Pages(PullRequest, self._requester, "{repo}/pulls", asked), _pull)

    @understood()
    def create_pull(self, head: str, base: str, title: str, text: str) -> Pull:
        """Open a pull request. Raises RejectedError where one is open for these branches."""
        return _pull(self._repository.create_pull(base, head, title=title, body=text))

    def pull_files(self, number: int) -> Iterator[tuple[str, str]]:
        """The paths that a pull request changes, each with the git id of the file; empty for one that it deletes."""
        pages = Pages(File, self._requester, f"{{repo}}/pulls/{number}/files")
        return self._all(pages, lambda each: (_told(each.filename), "" if each.status == "removed" else _told(each.sha)))

    @understood()
    def dispatch(self, kind: str, payload: Mapping[str, str | None]) -> None:
        """Send a `repository_dispatch` event."""
        self._repository.create_repository_dispatch(kind, dict(payload))

    @understood()
    def user(self) -> str | None:
        """The login of the user whose token it is; None for an app's or a job's token, which may not ask."""
        try:
            found = AuthenticatedUser(self._requester, url="/user").complete()
        except (NotAllowedError, NotFoundError):
            return None
        self._sender.know(found.raw_data)
        return _told(found.login)

    @understood()
    def is_member(self, org: str, team: str, login: str) -> bool:
        """Whether somebody is in a team, as far as GitHub shows that to this token."""
        try:
            found = Team(self._requester, url=f"/orgs/{org}/teams/{team}").get_team_membership(login)
        except NotFoundError:
            return False
        return found.state == "active"

    @understood()
    def only_repository(self) -> str | None:
        """The repository (owner/name) that an app's or a job's token is for; None if it is for several of them, or for none."""
        data = self._sender.call("GET", "/installation/repositories").data
        items = data["repositories"] if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(items, list):
            raise TypeError("what should be a list is something else")
        first = items[0] if len(items) == 1 and data["total_count"] == 1 else None
        name = first["full_name"] if isinstance(first, dict) else None
        return name if isinstance(name, str) else None

    def _all(self, items: Iterable[G], become: Callable[[G], T], at_most: int | None = None) -> Iterator[T]:
        """The items of a list, as values. Raises StorageError for a list without an end."""
        with understood():
            for number, each in enumerate(islice(items, at_most), 1):
                if number > _ITEMS:
                    host = self._sender.address.host
                    raise StorageError(f"{host} gives a list without an end.", "It is not read any further.")
                yield become(each)


def _about(found: Repository) -> About:
    """Out of a whole answer. What is not said to be public counts as private."""
    scopes = found.raw_headers.get("x-oauth-scopes")
    return About(
        private=found.private is not False,
        archived=found.archived is True,
        default_branch=_told(found.default_branch),
        size=found.size,
        may_push=getattr(found.permissions, "push", None),
        scopes=None if scopes is None else str(scopes),
    )


def _listed(found: GitRelease) -> Listed:
    assets = tuple(_stored(each) for each in _told(found.assets))
    times: tuple[datetime | None, ...] = (_told(found.created_at), found.updated_at, *(each.updated for each in assets))
    index, mark = marked(found.body or "")
    return Listed(
        id=_told(found.id),
        tag=_told(found.tag_name),
        draft=found.draft is True,
        immutable=found.immutable is True,
        upload_url=_told(found.upload_url),
        touched=max(_told(each) for each in times if each is not None),
        mark=mark,
        index=index,
        assets=assets,
        created=_told(found.created_at),
        session=session_of(found.body or ""),
    )


def _pull(found: PullRequest) -> Pull:
    return Pull(number=_told(found.number), address=_told(found.html_url), head=_told(_told(found.head).sha))


def _stored(found: GitReleaseAsset) -> Stored:
    kind, _, digest = (found.digest or "").partition(":")
    return Stored(
        id=_told(found.id),
        name=_told(found.name),
        state=_told(found.state),
        size=_told(found.size),
        sha256=digest if kind == "sha256" else None,
        updated=_told(found.updated_at),
    )


def _told(value: T | None) -> T:
    """What no answer lacks, though PyGithub takes null for anything. Raises TypeError, also for a time without its zone."""
    if value is None or (isinstance(value, datetime) and value.tzinfo is None):
        raise TypeError("an answer lacks something")
    return value
