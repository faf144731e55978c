"""The static site: pages and files that any web server can show.

It promises that the old site stays whole until all that is new lies beside it, and that the next build completes one that died.
It never touches a folder that is not a wharf site, and reads no repository.

- `output_folder`: the folder of a site while a build writes to it.
- `build_state`: what a site remembers of how it was built.
- `file_links`: which files a site can link to, and where the links lead.
- `layout`: where pages and files lie in a site, and the pages as bytes.
"""
