"""REST: pull requests between branches of one repository. A merge is a real one, in the bare repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tests.simulator import plumbing, shapes
from tests.simulator.answers import Answer, Context, Refusal, error, reply
from tests.simulator.plumbing import GitError
from tests.simulator.rest_releases import page
from tests.simulator.state import Pull

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_FILES = 3000
_STATUS = {"A": "added", "M": "modified", "D": "removed"}


def get_all(context: Context) -> Answer:
    """The newest first; by state, head (`owner:branch`) and base."""
    query = context.request.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    owner, _, branch = (head or "").partition(":")
    found = [
        each
        for each in sorted(context.repo.pulls, key=lambda each: -each.number)
        if state in {each.state, "all"}
        # GitHub ignores a head that does not say whose it is.
        and (not branch or (each.head == branch and owner.lower() == context.repo.owner.lower()))
        and base in {None, each.base}
    ]
    return page(context, [shapes.pull_simple(context.hub, context.repo, each, _sha(context, each)) for each in found], "/pulls")


def post(context: Context) -> Answer:
    asked = context.request.json()
    title, head, base = (str(asked.get(key) or "") for key in ("title", "head", "base"))
    head = head.removeprefix(f"{context.repo.owner}:")
    repo, git_dir = context.repo, context.repo.git_dir
    for field, value in (("base", base), ("head", head)):
        if plumbing.read_ref(git_dir, f"refs/heads/{value}") is None:
            return _invalid({"field": field, "code": "invalid"})
    if not title:
        return _invalid({"field": "title", "code": "missing_field"})
    if any(each.state == "open" and (each.head, each.base) == (head, base) for each in repo.pulls):
        return _invalid({"code": "custom", "message": f"A pull request already exists for {repo.owner}:{head}."})
    try:
        new = plumbing.git(git_dir, "rev-list", "--count", f"refs/heads/{base}..refs/heads/{head}").strip()
        plumbing.git(git_dir, "merge-base", f"refs/heads/{base}", f"refs/heads/{head}")
    except GitError:
        return _invalid({"code": "custom", "message": f"The {head} branch has no history in common with {repo.owner}:{base}"})
    if new == b"0":
        return _invalid({"code": "custom", "message": f"No commits between {base} and {head}"})
    token = context.request.token
    with context.hub.lock:
        repo.numbers += 1
        pull = Pull(
            id=context.hub.next_id(),
            number=repo.numbers,
            title=title,
            body=asked.get("body"),
            head=head,
            base=base,
            author=token.login if token else "",
            created_at=context.hub.clock.text(),
            updated_at=context.hub.clock.text(),
        )
        repo.pulls.append(pull)
    shape = _shape(context, pull)
    return reply(201, shape, {"location": shape["url"]})


def get(context: Context) -> Answer:
    return reply(200, _shape(context, _find(context)))


def patch(context: Context) -> Answer:
    """Title, text and state can be changed."""
    pull, asked = _find(context), context.request.json()
    pull.title, pull.body = str(asked.get("title", pull.title)), asked.get("body", pull.body)
    if asked.get("state") in {"open", "closed"} and pull.merged_at is None:
        if asked["state"] == "closed" and pull.state == "open":
            pull.last, pull.closed_at = _sha(context, pull), context.hub.clock.text()
        pull.state = asked["state"]
    pull.updated_at = context.hub.clock.text()
    return reply(200, _shape(context, pull))


def get_files(context: Context) -> Answer:
    """What differs from where the two branches parted, 3,000 files at most."""
    repo, pull = context.repo, _find(context)
    api, web = f"{context.hub.api}/repos/{repo.slug}", f"{context.hub.url}/{repo.slug}"
    head = _sha(context, pull)
    parted = _parted(context, pull)
    listing = plumbing.git(repo.git_dir, "diff-tree", "-r", "-z", "--no-renames", parted, head).decode().split("\0")[:-1]
    found: list[dict[str, Any]] = []
    for entry, path in zip(listing[::2], listing[1::2], strict=True):
        _, _, old, new, status = entry.split()
        where = quote(path)
        found.append(
            {
                "sha": old if status == "D" else new,
                "filename": path,
                "status": _STATUS[status],
                "additions": 1,
                "deletions": 0,
                "changes": 1,
                "blob_url": f"{web}/blob/{head}/{where}",
                "raw_url": f"{web}/raw/{head}/{where}",
                "contents_url": f"{api}/contents/{where}?ref={head}",
            }
        )
    return page(context, found[:MOST_FILES], f"/pulls/{pull.number}/files")


def merge(context: Context) -> Answer:
    """By a merge commit, or squashed into one of its own."""
    repo, pull, asked = context.repo, _find(context), context.request.json()
    head, base = _sha(context, pull), plumbing.read_ref(repo.git_dir, f"refs/heads/{pull.base}")
    if asked.get("sha") not in {None, head}:
        return error(409, "Head branch was modified. Review and try the merge again.")
    tree = _merged_tree(context, pull) if pull.state == "open" and base else None
    if tree is None or base is None:
        return error(405, "Pull Request is not mergeable")
    method = asked.get("merge_method", "merge")
    title, text, parents = _message(context, pull, asked, head, squash=method == "squash")
    token = context.request.token
    who, moment = token.login if token else "", f"{int(context.hub.clock.now())} +0000"
    env = {"GIT_AUTHOR_NAME": who, "GIT_AUTHOR_EMAIL": f"{who}@users.noreply.github.com", "GIT_AUTHOR_DATE": moment}
    env |= {"GIT_COMMITTER_NAME": "GitHub", "GIT_COMMITTER_EMAIL": "noreply@github.com", "GIT_COMMITTER_DATE": moment}
    words = [word for parent in (base, *parents) for word in ("-p", parent)]
    made = plumbing.git(repo.git_dir, "commit-tree", tree, *words, data=f"{title}\n\n{text}".encode(), env=env).decode().strip()
    try:
        plumbing.update_ref(repo.git_dir, f"refs/heads/{pull.base}", made, base)
    except GitError:
        return error(409, "Base branch was modified. Review and try the merge again.")
    now = context.hub.clock.text()
    pull.last, pull.parted = head, _parted(context, pull)
    pull.state, pull.merged_at, pull.closed_at, pull.merge_commit, pull.merged_by = "closed", now, now, made, who
    context.hub.ref_changed(repo, f"refs/heads/{pull.base}", base, made, who)
    return reply(200, {"sha": made, "merged": True, "message": "Pull Request successfully merged"})


def _message(
    context: Context, pull: Pull, asked: Mapping[str, Any], head: str, *, squash: bool
) -> tuple[str, str, tuple[str, ...]]:
    """The commit's title and text, and its further parents."""
    if not squash:
        title = f"Merge pull request #{pull.number} from {context.repo.owner}/{pull.head}"
        return str(asked.get("commit_title") or title), str(asked.get("commit_message") or pull.title), (head,)
    message = plumbing.git(context.repo.git_dir, "log", "-1", "--format=%B", head).decode()
    first, _, rest = message.strip().partition("\n")
    return str(asked.get("commit_title") or f"{first} (#{pull.number})"), str(asked.get("commit_message") or rest.strip()), ()


def _merged_tree(context: Context, pull: Pull) -> str | None:
    """The tree that a merge comes to; None for a conflict."""
    sides = [f"refs/heads/{pull.base}", _sha(context, pull)]
    try:
        return plumbing.git(context.repo.git_dir, "merge-tree", "--write-tree", *sides).decode().split("\n")[0]
    except GitError:
        return None


def _shape(context: Context, pull: Pull) -> dict[str, Any]:
    return shapes.pull(
        context.hub,
        context.repo,
        pull,
        _sha(context, pull),
        mergeable=None if pull.state == "closed" else _merged_tree(context, pull) is not None,
    )


def _parted(context: Context, pull: Pull) -> str:
    if pull.parted is not None:
        return pull.parted
    return plumbing.git(context.repo.git_dir, "merge-base", f"refs/heads/{pull.base}", _sha(context, pull)).decode().strip()


def _sha(context: Context, pull: Pull) -> str:
    """Where the head is; of one that is closed, where it was."""
    there = None if pull.state == "closed" else plumbing.read_ref(context.repo.git_dir, f"refs/heads/{pull.head}")
    found = there or pull.last
    if found is None:
        raise Refusal(error(404))
    return found


def _find(context: Context) -> Pull:
    number = int(re.sub(r"\D", "", context.args[0]))
    found = next((each for each in context.repo.pulls if each.number == number), None)
    if found is None:
        raise Refusal(error(404))
    return found


def _invalid(entry: dict[str, str]) -> Answer:
    return error(422, errors=[{"resource": "PullRequest", **entry}])
