"""What is neither a page nor a file: uploads, and what FastAPI routes (webhooks, the page for people, whether all is well).

It promises that an upload is published whole or not at all, by the same operation as on the command line, and that a webhook
only makes the server ask GitHub. It never believes what a form or a message says without a check.

- `fastapi_router`: the one home of FastAPI. `routes`: what each address does. `answer_response`: our answers for Starlette.
- `upload_api`: an upload from its request to its commit. `upload_checks`: is what the form says true?
- `uploader_rights`: what an uploader may write. `upload_slots`: how many uploads come at once, in all and of one uploader.
- `reserved_names`: which file names upload sessions publish just now.
- `upload_groups`: which uploads share a commit. `shared_refresh`: one refresh for all who wait for one.
- `upload_form`: the form as a value. `upload_form_parser`: how it is read as it comes. `spooled_file`: its file on the way to
  the disk, with its digests, and the room that uploads leave free. `background_writer`: the next pieces come meanwhile.
- `quota_wait`: how long an upload waits for GitHub's limits.
- `webhook`: GitHub's messages.
"""
