"""What keeps the server at the tip of the branch.

It promises that a commit is shown within a second when it is on this machine, and within seconds when it is on GitHub. What was
shown stays until there is a newer commit that can be read whole. It never shows an empty index in the place of one that it
cannot read, and a fault of its own never ends it.

- `refresher`: when the branch is looked at and GitHub is asked, and what follows from the answers.
- `shown_indexes`: the snapshots that are shown, and how others take their place.
- `branch_poll`: how GitHub is asked for new commits, and how a damaged copy is fetched again.
- `clock_jumps`: whether the time of day was set.
- `repository_visibility`: whether everybody may read the repository on GitHub.
- `index_problems`: what is wrong with the indexes that are shown, told once each.
"""
