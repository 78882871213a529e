"""`python -m paretoken`."""

from paretoken.cli.main import main

main()
