"""HTTP, whoever is asked: requests over connections that are kept, with bounds and deadlines. urllib3 is used here alone.

- A request holds what its caller put into it, and nothing of the person's: no netrc, no cookies. No redirect is followed.
- Certificates are checked. A proxy comes between for `https` alone, and sees the name of the host and nothing else.
- An answer has a bounded time, for its head and for a body that is read as a whole, however slowly they come. That body is
  bounded too. A download ends if it stands still or is too slow.
- A head that breaks off, or that cannot be read as it was sent, is not an answer.
- Nothing is sent twice here. `NoAnswerError.sent` says whether a request may have arrived.
- No error repeats more of an address than its host, and no log names one: a signed address is as good as a token.

Rooms: `http_client` (requests, answers, downloads), `environment` (certificates and proxies), `connections` (of urllib3),
`answer_deadline` (one deadline for all reads of an answer), `public_ip` (which IP addresses are public),
`public_addresses` (connections to those alone), `lost_connection` (why there is none).
"""
