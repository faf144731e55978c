"""The verbs: each takes a repository and its input, and gives a result.

They promise an order in which no crash shows anything half done: bytes are stored before the index names them, and deleted
after it names them no more. Each can be run again. Nothing here prints or reads options: `cli` and `server` do that.

- `publish`: files into the store, then into the index. `publish_group` does it for several at once, and for one as a group of
  one. `publish_inputs` checks the files, `index_beginning` whether a missing index may be made; `file_selection` finds files
  in folders.
- `publish_to_server`: files into a server, by upload sessions; `file_to_server` sends one of them, and `batch_to_server`
  many. `server_project` reads what the server shows of a project, and `removal_over_server` chooses by that which files are
  removed.
- `promote`: releases of one index into another one. `dependency_search` finds what comes along. `propose` makes a pull request
  of it, and `proposal_text` says in it what changes for installers.
- `yank`, `remove`: releases or files marked, or taken out. `removal_choice` says which ones are meant, and `stored_bytes`
  deletes what nobody names any more.
- `set_status`: whether a project takes files, and whether they are offered.
- `prune`: releases that the rules of retention do not keep, taken out.
- `restore`: the records of an index as they were at a moment, as a new commit.
- `diff`: what differs between two moments or two indexes; `diff_text` says it.
- `upload_rights`: who may write which projects.
- `verify`: index and store compared. `verify_folder` and `verify_releases` know the two stores, `verify_findings` says what
  can be found, `verify_sessions` looks at upload sessions, and `verify_past` at a moment of the past. `kept_by_past` says which
  bytes the past keeps, whoever wants to delete them.
- `index_check`: an index branch, or a range of its commits, compared with the format. `index_check_names` knows the other
  indexes, and `index_check_summary` shows what was found on the page of a job.
- `build`: the static site. `build_plan` has what is to do, `build_links` where links lead, `build_pages` makes the pages, and
  `build_files` fetches the files. `index_with_bases` reads what an index shows.
- `init`: a repository with an index. `actions_workflow` writes its workflow, for the `working_tree` that a folder is in.
- `manage_indexes`: indexes made, listed, removed and restored. `index_from_past` makes one as another one was.
  `index_settings`: what `wharf.toml` says, shown or changed.
  `bases_check` asks whether an index may have certain bases, `upstream_words` says where names are looked for,
  and `policy_words` which files are shown.
- `open_upstream`: an upstream index, opened as the repository and its operator allow.
- `why`: what an installer gets of a project, and which rule hides what. `clear_cache` deletes what is kept of upstreams.
- `release_spec`: `PROJECT==VERSION` as typed. `result_documents`: what came of a verb, as JSON for the command line and the
  management API.
- `store_time`: the time where a repository is kept, for what is dated or deleted by it.
- `repository_dispatch`: the event that starts a workflow after a publish.
- `doctor`: what is wrong on this machine; `doctor_github` asks GitHub, `doctor_findings` has what is found,
  `doctor_indexes` looks at all indexes, `doctor_upstreams` at the upstreams that the person lists.
- `client_setup`: the configuration file of pip, uv or another client, found and edited.
- `setup_address`: the address of an index for those clients, where an address and a name of an index meet.
- `upload_session_verbs`, `upload_session_files`, `upload_session_publish`: upload sessions (PEP 694), their files, and how one
  is published. `upload_session_batch`: many files that come in one request.
"""
