"""The command line, `outbound-numbers`.

Exit codes: 0 done, 1 failed, 2 wrong use or a file that does not fit. Messages go to standard error and name the
thing, the place and the mend.
"""

from worker.cli.main import main

__all__ = ["main"]
