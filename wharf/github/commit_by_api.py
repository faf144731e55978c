"""One commit on a branch by GitHub's API ("createCommitOnBranch"), which compares the tip and swaps."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from wharf.errors import NotAllowedError, StorageError, UncertainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wharf.github.api import GitHub
    from wharf.model import Json

_MUTATION = """
mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid } } }
"""


def commit_by_api(github: GitHub, index: str, tip: str, edits: Mapping[str, bytes | None], text: str) -> str:
    """Commit these bytes by path (None: the path goes) to an index that is at `tip`; the new commit.

    Raises GraphQLError, and UncertainError if GitHub does not say what it did.
    """
    headline, _, body = text.partition("\n")
    kept = {path: base64.b64encode(data).decode() for path, data in edits.items() if data is not None}
    additions: list[Json] = [{"path": path, "contents": contents} for path, contents in kept.items()]
    deletions: list[Json] = [{"path": path} for path in edits if path not in kept]
    variables: dict[str, Json] = {
        "branch": {"repositoryNameWithOwner": github.address.slug, "branchName": f"wharf/{index}"},
        "message": {"headline": headline, "body": body.strip()},
        "expectedHeadOid": tip,
        "fileChanges": {"additions": additions, "deletions": deletions},
    }
    done = github.graphql(_MUTATION, {"input": variables}).get("createCommitOnBranch")
    commit = done.get("commit") if isinstance(done, dict) else None
    made = commit.get("oid") if isinstance(commit, dict) else None
    if not isinstance(made, str):
        raise UncertainError("GitHub did not say which commit it made.", "")
    return made


def refusal(index: str, said: str, types: tuple[str, ...]) -> NotAllowedError | StorageError:
    """What the API's refusal of a commit means; `types` are those of a GraphQL error."""
    if "archived" in said:
        return NotAllowedError(said, "Unarchive it in its settings on GitHub.")
    if "FORBIDDEN" in types:
        return NotAllowedError(said, "Writing needs the permission `contents: write` (classic tokens: `repo`).")
    if types and "UNPROCESSABLE" not in types:
        return StorageError(said, "Run the same command again. If it persists, see GitHub's status page.")
    return NotAllowedError(f"wharf/{index}: {said}", f"Exempt wharf/{index} from the branch's rules.")
