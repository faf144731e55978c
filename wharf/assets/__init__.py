"""The store for the bytes of distributions.

It promises that bytes have their name only when they are stored as they were checked, and that storing the same bytes again
changes nothing. It never decides which bytes the index names, and deletes only what it is told to.

- `asset_store`: what the verbs need of a store, whichever it is.
- `folder_store`: the store in a folder. The one in GitHub releases is in the wing `github`. `staged_publish`: files
  on their way into the folder; `shared_files`: those in it that an index takes up.
  `store_lock`: who publishes and who deletes there. `store_folders`: what is in the folders of both.
- `session_folder`: upload sessions in a folder. `session_lock`: who writes there. `session_record`: the files that say
  what a session is.
  `shared_update`: changes of one session that are written together. `session_requests`: what a client asks of one.
- `session_store`: what upload sessions need of a store. `upload_session`: a session as a value.
  `upload_session_states`: the states of sessions and of their files. `session_json`: a session as bytes.
"""
