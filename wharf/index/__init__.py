"""The index: records on a branch, changes to it, snapshots of it, and the git beneath."""
