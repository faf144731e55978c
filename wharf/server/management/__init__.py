"""The management API, `/-/api/v1/…`: what is in the indexes, and the verbs that change them, for programs.

It promises that each verb is the operation of the command of that name, carried out with the rights of whoever asks, and that
whoever may not write learns nothing by trying. It never remembers who may do what, and costs nothing before it is asked.

- `management_api`: what is done with each request before its route sees it. `callers`: who asks, and whether that may be.
- `request_rates`: how many requests a minute. `request_terms`: what a request takes, and what it brings.
- `management_routes`: the routes, as FastAPI has them. `route_errors`: what they answer where something is wrong.
- `api_hints`: what an error says to do, as requests in the place of commands.
- `request_models`: bodies by their types. `wharf.repository.server_answers` has those of answers, for clients too.
- `index_reading`: what an index has. `index_writing`: the verbs. `own_tokens`: tokens that tokens make.
- `openapi_page`: the description of all of that, for programs and for people.
"""
