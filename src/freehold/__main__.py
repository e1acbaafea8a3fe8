"""`python -m freehold`: the same as the `freehold` command, for where the script is not on the path."""

from freehold.app.cli import main

main()
