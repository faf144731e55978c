"""HTTP beneath the pages, and the one home of uvicorn.

It promises that no head, queue, body or wait is without a bound, and that a request which a router or a cache could read
otherwise is refused. It knows nothing of an index, and never logs what any client can send.

- `protocol`: one connection. `host_header`, `upgrade_offer`: what a request says of its host, and of other protocols.
- `headers`, `authorization`, `request_body`: the parts of a request that are read.
- `answer`: answers as values. `error_answers`: which answer an error is. `conditional_requests`: 304 and 412.
- `status_reason`: the reason of a refusal, in the status line.
- `cors`: which web pages of other sites may read.
- `listening_socket`: the socket of `wharf serve`. `acceptor`: connections of a port that several processes share.
- `uvicorn_config`: how uvicorn runs. `foreground_server`: until a signal. `background_server`: in a thread.
"""
