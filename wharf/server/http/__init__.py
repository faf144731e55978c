"""HTTP beneath the pages, and the one home of uvicorn.

It promises that no head, queue, body or wait is without a bound, and that a request which a router or a cache could read
otherwise is refused. It knows nothing of an index, and never logs what any client can send.

- `protocol`: one connection. `request_headers`: what is read of a head: its host, its token, an offer of another protocol.
- `request_body`: the body as it comes, within its bounds.
- `answer`: answers as values. `error_answers`: which answer an error is. `problem_answers`: the same for machines (RFC 9457).
  `xml_rpc_refusal`: what `pip search` is told.
- `conditional_requests`: 304 and 412.
- `status_reason`: the reason of a refusal, in the status line.
- `cors`: which web pages of other sites may read.
- `listening_socket`: the socket of `wharf serve`. `acceptor`: connections of a port that several processes share.
- `uvicorn_config`: how uvicorn runs. `foreground_server`: until a signal. `background_server`: in a thread.
"""
