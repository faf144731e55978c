"""The bytes of files: sent from a folder, redirected to GitHub, or passed through.

It promises that a stored file has the recorded size, that a file which passes through has the recorded digest before its last
byte is sent, and that GitHub is asked once for all who want a file. It never sends what the index does not name, follows a link
on the disk, or gives a client the server's own token.

- `file_sending`: a stored file, whole or in part. `byte_ranges`: which parts a client asks for.
- `github_file`: a file at GitHub, as a value. `redirect_or_stream`: by a redirect or through the server.
- `signed_links`: redirects to where GitHub has the file.
- `download_cache`: files that pass through. `github_bytes`: those that come from GitHub. `cache_folder`: where they are kept.
  `checked_files`: which of them have their digests.
- `streamed_download`: a file that is sent while it is downloaded.
"""
