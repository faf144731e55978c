"""The tests, in the same wings as the house: `tests/github` holds those of `wharf/github`.

At the top are the tests of the whole house, and what several wings share: builders of distributions, a public index, web
servers. `simulator` is GitHub, `actions` a runner of workflows, `cases` are cases as data, `real` needs the public index.
Everything is imported by its full name (`from tests.makers import make_wheel`), so that no folder hides a library.
"""
