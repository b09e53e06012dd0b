"""The limit on the share of dead letters, past which the worker pauses. Pure.

A wrong deployment, of a producer or of the worker itself, can make a whole topic look bad. Rather than drain it into
the dead letters, the worker leaves it where it is.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

NO_LIMIT_PERCENT: Final = 100

RETRY_S: Final = 5.0
"""How long a batch that was not admitted is left alone before it, or what has come of it, is judged again."""


class DeadLetterLimit:
    """Judges each batch before anything of it is written or published.

    Of any `window_records` records handled one after the other at most `percent` may be dead letters. Records that a
    new worker has yet to see count as good, so that a few bad ones at its start do not pause it.
    """

    def __init__(self, percent: int, window_records: int) -> None:
        self._window_records = window_records
        self._allowed = window_records * percent // 100
        self._handled = 0
        self._letters_at: deque[int] = deque()
        """The dead letters of the window, oldest first, each as the count of records handled before it."""
        self.is_exceeded = False
        """Whether the last batch judged was not admitted: it waits, and so does the worker."""

    def admits(self, records: int, bad: Iterable[int]) -> bool:
        """Judge a batch of so many records, of which those at the positions `bad` (ascending) would be dead letters.

        Counts it if it is admitted. If not, nothing is counted: it may be judged again.
        """
        letters_at = self._letters_at.copy()
        for position in bad:
            at = self._handled + position
            while letters_at and letters_at[0] <= at - self._window_records:
                letters_at.popleft()
            letters_at.append(at)
            if len(letters_at) > self._allowed:
                self.is_exceeded = True
                return False
        self._handled += records
        self._letters_at = letters_at
        self.is_exceeded = False
        return True

    def nothing_waits(self) -> None:
        """Note that the batch which was not admitted is no longer this worker's: another one has its partitions."""
        self.is_exceeded = False
