"""`python -m schemas` writes the documents beside the models; with `--check` it says which of them are not fresh."""

import argparse
import sys
from pathlib import Path

from schemas.publish import differences, publish

MEND = "run `python -m schemas` and commit what it changes"


def main() -> int:
    """0: done, or everything fresh; 1: something is not; 2: wrong use."""
    parser = argparse.ArgumentParser(
        prog="python -m schemas", description="Generate the JSON Schema and AsyncAPI documents from the models."
    )
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a document is not fresh")
    folder = Path(__file__).parent
    if not parser.parse_args().check:
        publish(folder)
        return 0
    found = differences(folder)
    for each in found:
        sys.stderr.write(f"{folder.name}/{each}; {MEND}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
