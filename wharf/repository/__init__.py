"""The repository that a person named: found in settings, entered with a token, and opened as one thing.

It promises that a token goes only to the host that it belongs to, and that the most direct word of the person wins. It never
shows a token, and never sends one to a host that only a file in a working tree names.

- `opening`: branch, store and tokens of a repository, opened together. `at_moment`: the same as it was at a moment.
- `settings`: which repository, which index, and how to write to it. `settings_file`: one file that says so.
- `credentials`: the token for a repository. `app_credential`: the GitHub App that a person names. `token_program`: programs
  that know tokens.
- `listed_upstreams`: upstream indexes that the person's own file lists, with the credentials for them.
- `tokens`: the tokens that wharf itself gives to clients of its server. `token_usage`: when each was used last.
- `locked_file`: a small file that one writer at a time replaces whole.
- For a wharf server instead of a repository: `server_settings` (which one), `server_address` (what a person types for it),
  `server_credentials` (the token for it), `server_client` (requests and answers), `server_problems` (its errors as ours),
  `server_answers` and `server_session_forms` (the forms of its documents), `server_index` (one of its indexes),
  `server_sessions` (releases that are staged there).
- `local_index`: whether a copy of the index is on this machine.
"""
