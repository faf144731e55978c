"""What the operator of a server is told.

It promises one line of ASCII for each thing that is told, and at most `REFUSALS` refusals a minute. It never shows a token, and
a terminal that is gone never stops the server.

- `operator_log`: what is logged, and the logins and uploads that were refused. `access_log`: each request.
"""
