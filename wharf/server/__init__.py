"""The server: an index over HTTP, for `wharf serve` and beside the command of `wharf run`.

It promises that a page is of one commit, whole; that a name of the index never leaves it; and that it answers with what it
fetched last while GitHub is away. It never runs git, parses a record or renders a page for a request whose answer lies ready,
and writes nothing into the index but uploads, and what the management API is asked for.

Wings, from the ground up:

- `http`: connections, requests and answers. `logs`: what the operator is told. `access`: who may read and upload.
- `files`: the bytes of files. `refresh`: how a new commit is noticed and shown. `upstream`: what other indexes have.
- `past`: addresses of the past. `web`: uploads, webhooks, the page for people. `json_pages`: those of the older JSON API.
- `sessions`: upload sessions, and the stages that show them before they are published. `management`: the management API.

Rooms:

- `simple_api`: where a request for a page or a file is answered. `page_requests`: what it asks for.
- `fall_through`: what is said of a name that the index has no project of, and whether the name may leave.
- `answer_cache`, `answer_maker`: answers that lie ready, and how one is made. `ready_answers`: those to the same words.
  `claimed_names`: the names of the index.
- `app`: puts a server together by its `rules`; `access_choice` and `file_answers` choose the parts.
- `operator_server`: `wharf serve`, by its `options`; `reading_choice` and `startup_check` come before it answers.
- `run_server`: the server beside the command of `wharf run`.
- `daemon_threads`: threads for what waits for GitHub or for a disk.
"""
