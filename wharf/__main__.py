"""`python -m wharf`."""

from wharf.cli import main

main()
