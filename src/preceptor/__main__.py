"""`python -m preceptor` is `preceptor`."""

from preceptor.cli import main

main()
