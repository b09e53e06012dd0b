"""`python -m worker`: the command line without its script."""

from worker.cli import main

main(prog_name="outbound-numbers")
