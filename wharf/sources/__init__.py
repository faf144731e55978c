"""Where pages get projects from: one index, or an index with its bases.

It promises that a version is shown with the files of one index, never with a mixture, and that the validator of a project
changes when what is shown of it may differ. It never writes, and it computes nothing about a project that nobody asks for.

- `source`: what a reader asks of a source.
- `layers`: an index and its bases as one source. `own_policy`: without the own files that a policy hides.
- `upstream_project`: a project as an upstream index shows it.
- `branch_address`: which addresses of upstreams count where a branch names them.
- `public_index_address`: where a name is looked for that no index of the repository has.
- `resolution_order`: the order in which an index and its bases are looked at.
"""
