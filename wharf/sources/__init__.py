"""Where pages get projects from: one index, or an index with its bases.

It promises that a version is shown with the files of one index, never with a mixture, and that the validator of a project
changes when what is shown of it may differ. It never writes into a repository, and it computes nothing about a project that
nobody asks for.

- `source`: what a reader asks of a source.
- `layers`: an index and its bases as one source. `own_policy`: without the own files that a policy hides.
- `lazy_trees`: the folders' ids of a snapshot, read when they are asked for.
- `upstream_project`: a project as an upstream index shows it.
- `branch_address`: which addresses of upstreams count where a branch names them.
- `upstream_address`: where an upstream is, and which links of its pages may be followed.
- `upstream_page`, `upstream_html`, `upstream_files`: the page of an upstream as a project, in JSON and in HTML, and each of
  its files, checked.
- `upstream_verdict`: what is shown of a project of an upstream.
- `upstream_index`: an upstream to ask for projects. Beneath it: `upstream_answers` (what is asked of any
  kind), `upstream_over_http` and `upstream_folder` (the two kinds), `upstream_requests` (redirects), `upstream_pauses` (after
  failures), `upstream_page_store` (pages on disk), `first_sight` (from when the age of a file counts) and `http_freshness` (how
  long an answer holds).
- `public_index_address`: where a name is looked for if nobody names an upstream. `public_names`: its list of projects.
- `resolution_order`: the order in which an index and its bases are looked at.
"""
