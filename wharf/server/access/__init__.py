"""Who may read and who may upload.

It promises that a refusal says why; that uploading always needs a token; and that nobody is let in because somebody could not
be asked, but for who was let in within the last hour. It never keeps a token longer than it is needed, sends a wharf token to
GitHub, or writes a token to a log or a disk.

- `access_protocol`: what the server asks, whichever access it has. It refuses uploads by a web page of another site.
- `token_access`: open reading by host name, and wharf's own tokens. `token_days`: what is done once a day and token.
- `github_access`: the tokens of GitHub, by GitHub's verdict. `github_token_check`: where a token is checked against GitHub.
- `public_repository_access`: open while the repository is public.
- `run_password_access`: the password of one `wharf run`.
- `borrowed_tokens`: the tokens of clients, for a server without a token.
"""
