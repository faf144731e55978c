"""Wheels and sdists: what they are, what they say about themselves, and whether the two agree.

It promises that whatever could be read in two ways is refused, that what only some installers take is a warning, and that sizes
are limited before memory or time is spent. It never unpacks to the disk, and runs no code of a distribution.

- `read_distribution`: the check of one file, from its name to the Distribution that comes out.
- `wheel`, `sdist`: the checks of each kind. `scripts`: the commands that a wheel brings.
- `file_names`: what a file name says.
- `core_metadata`: METADATA and PKG-INFO. `requirements`: what in them only some installers understand.
  `dependencies`: the requirements that a promotion follows and a check compares. `metadata_fields`: all of it, to be shown.
- `zip_archive`, `zip_entries`: zip archives, by their directory and by what lies in them.
- `tar_archive`: tar archives in gzip.
- `archive_members`: the names in an archive, none of which may lead out of it.
- `time_limit`: the time that a check may take.
"""
