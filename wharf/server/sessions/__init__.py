"""Upload sessions over HTTP (PEP 694): a release is staged file by file, tried at its stage, and published at once.

It promises that rights are looked at on every request, before anything is said of a session; that nothing of a session is in
the index before it is published; and that whoever knows the address of a stage can read that stage, and nothing else.

- `session_api`: the requests, one by one. `session_call`: what one brings. `session_work`: what they share: who may, which
  index, and its store.
- `waiting_client`: whether a client is told of the end of a publish by its answer, or by the session.
- `session_answers`: the documents and the problems that are answered.
- `incoming_bytes`: the bytes of a file, from the connection to the disk.
- `batch_api`, `incoming_batch`: many files in one request, which is an extension of wharf.
- `stage`: the release before it is published, as the pages and files of an index.
"""
