"""`python -m bench`: what `make bench` runs."""

from bench.command import main

main(prog_name="bench")
