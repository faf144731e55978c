"""GitHub: releases as a place for bytes, a branch as the index, and the API that both go through.

It promises that a token goes to the host that a person named and to no other, that GitHub's limits are obeyed and a wait is
shown, and that a change whose answer was lost is told from one that failed. It never overwrites or deletes what is not wharf's,
and lets no object and no error of PyGithub out.

- `release_store`: the place for bytes. `release_listing` says which releases and assets are there, and which are wharf's.
- `release_publishing`: one publish. `release_planning` says which file goes into which release, `release_writing` carries that
  out, `asset_upload` sends one file. `reused_assets` are those that were there; `release_tags` numbers the tags.
  `kept_listing` is the list of releases between two uploads.
  `promoted_assets` are those that another index is going to name, too. `pull_request_proposal`: a change of an index as
  a pull request.
- `release_states`: the life of a publish into a release, as a table.
- `session_drafts`: upload sessions, each a draft. `session_text` is what the draft says, `session_writes` changes it, together
  with what waits in `session_queue`; `session_asset` is a file of one, `session_outcome` what became of one that is a release,
  and `session_memory` what a process need not ask again.
- `remote_branch`: the index on GitHub. `clone` holds a copy to read from; `push_or_api` names the ways to commit, and
  `branch_push` and `commit_by_api` are those.
- `rest_calls`: the calls of the REST API by their names, with PyGithub's objects. `pygithub_requester` hands what they send
  to `api`, which knows the repository's name and what an answer means (`replies`, `answer_address`), and asks GraphQL.
- `wire`: sends a request when its turn comes, with its token. `request_turns` says when, by `quota` and `quota_headers`;
  `quota_by_token` and `quota_reservation` keep what GitHub counts.
- `renewing_token`: where a request takes its token from. `app_installation`, `app_jwt` and `app_refusals` are of a GitHub App.
- `account`: whose token it is. `webhook_message`: what a message of a webhook says.
"""
