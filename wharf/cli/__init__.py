"""The command line: options in, an operation, its result out.

It promises one JSON document with `--json`, results on stdout and everything else on stderr, and that `wharf --help` imports
only what it needs. A command only parses options, calls an operation and shows its result.

- `main`: the program `wharf`, its commands, and what becomes of errors.
- One file for each command or group of commands: `build_command`, `cache_command`, `diff_command`, `doctor_command`,
  `init_command`, `list_show_commands`, `log_command`, `promote_command`, `prune_command`, `publish_command`, `run_command`,
  `restore_command`, `serve_command`, `setup_command`, `status_command`, `token_commands`, `verify_command`, `why_command`,
  `yank_remove_commands`, `index_command`.
  `index_check_command` is one of the group `index_command`.
- `state`: the options of all commands, and how a command speaks. `common_options`, `at_option` and `fall_through_option`
  define options; `config_files` finds the files of the person.
- `messages`: texts and documents as they are printed. `whole_commands`: commands in messages, completed by the options that the
  person gave.
- `result_lines`: what came of a verb in lines for people, made from its JSON document.
- Over a server: `server_verbs` (each verb), `server_publish`, `server_removal` and `server_tokens`.
- `output`, `progress`, `progress_bars`: what results and progress look like.
- `publish_messages`: what `wharf publish` says. `serve_messages`: what `wharf serve` says when it answers.
- For `wharf run`: `child_process` (the command), `index_thread` (the index beside it), `run_sharing` (the port of several
  runs), `other_indexes` (those that are closed for the command), `run_notes` (what is said about the command).
"""
