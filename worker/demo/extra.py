"""What the demonstration says when a part of it is missing or does not start."""

from typing import Final

MEND: Final = 'pip install "outbound-numbers[demo]"'


class DemoError(Exception):
    """The demonstration cannot start; the text says why and how to mend it."""


def missing(package: str) -> DemoError:
    """The error of an extra that is not installed."""
    return DemoError(f"the demo needs {package}, which is not installed; install it with: {MEND}")
