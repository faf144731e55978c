"""The index: a branch of a git repository, read at one commit and changed by one commit.

It promises that a change is applied whole or not at all, that a file name has the same bytes for ever, and that damage is
reported and never taken for absence. It never looks at the bytes of a distribution, never forces the branch, and starts no
program that a configuration names.

- `branch`: the branch, its tip, and the compare-and-swap that moves it. `branch_tip` reads the tip. `lone_ref` moves
  a ref, and `ref_transaction` several in one step, `ref_stamps` says whether one moved, and `ref_names` which there are.
  `ref_log` keeps their logs short.
- `snapshot`: the index at one commit, which is all that readers see. `all_indexes` reads all indexes at once.
  `tree_ids`: the ids of all projects, which say what differs.
- `change`: what a verb wants of an index, as a value. The kinds of changes are `add_files`, `promotion`, `restoration`,
  `prune_releases`, `yank_and_remove`, `status_change` and `wharf_toml_change`; each decides its conflicts. `guarded_change`
  asks before, whether somebody may do that. `grouped_changes` makes one commit of several changes, each of which meets
  the `amended_records` that those before it leave.
- `record`: a release as the bytes of `release.json`, and the state of a project. `known_records`: those of large projects,
  from one commit to the next.
- `wharf_toml`: `wharf.toml`, the settings of an index. `index_states` reads those of all indexes at once. `index_name`: what
  an index can be called. `name_globs`: globs over names. `wharf_toml_error`: what is said of a value that is not understood.
  `wharf_toml_values`: values that several keys have.
- `upstream_settings`: where `wharf.toml` lets an index look for names that it does not have. `policy`: which files it shows,
  by the `policy_rules`. `policy_values`: how rules write times and sizes. `version_patterns`: names with versions behind them.
  `retention`: which releases of a project it drops;
  `prune_releases` is the change that does it.
- `asset_location`: where a record says that a file is on GitHub.
- `moment`: a date, a time or a commit, as people write it. `commit_line`: which commit was the tip at a moment. `past_branch`:
  the branch as it was then.
- `commit_message`: why a commit was made, and by whom. `history` reads these messages again, and `file_removal` that
  of the commit which took a file away. `past_changes`: which records each commit changed.
- `changed_paths`: what differs between two commits, and `difference` the records in it. `newest_versions`: those of the
  projects in it.
- `commit_objects`: what is new in a commit, and `small_pack` writes that. `written_commit` keeps it until a ref leads
  to it. `pack_merging` merges many small packs, by `merged_pack` or by git.
  `store_clock`: the time that a commit gets. `revision`: words that can name a commit.
- For a check of what somebody else may have written: `branch_contents` (all paths, within bounds), `branch_paths` (which of
  them readers look at), `project_check`, `record_changes` (what must not change) and `wharf_toml_check`; `check_findings`
  keeps what they find.
- `git`: the git program. `bare_repository` makes a new repository, and `repository_format` refuses one that wharf cannot read.
  `git_objects` reads commits, folders and files through it.
"""
