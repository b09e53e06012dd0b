"""When a worker that ended is started again, and when that would be of no use. Pure: `now_s` is passed in."""

from collections.abc import Iterable
from typing import Final

FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 30.0

HEALTHY_S: Final = 60.0
"""A process that ran so long is started again as if it had never ended before."""

MANY: Final = 5
"""So many short lives, one after the other, are no accident."""


class Restarts:
    """The lives of one process, and the waits between them: twice as long after each that was short."""

    def __init__(self) -> None:
        self.lives = 0
        self._born_s = 0.0
        self._is_alive = False
        self._short_lives = 0
        self._is_stillborn = False

    def begin(self, now_s: float) -> None:
        """Note that it is started."""
        self.lives += 1
        self._born_s = now_s
        self._is_alive = True

    def end(self, now_s: float, *, served: bool, at_least_s: float = 0.0) -> float:
        """Note that it ended; give how many seconds to wait before it is started again.

        `served` is whether it had found all that it needs, and begun to serve.
        """
        self._is_alive = False
        self._is_stillborn = not served
        self._short_lives = 0 if now_s - self._born_s >= HEALTHY_S else self._short_lives + 1
        return max(at_least_s, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** max(0, self._short_lives - 1)))

    @property
    def is_of_no_use(self) -> bool:
        """Whether it is down and did not get to serve the last time, or ended early many times."""
        return not self._is_alive and (self._is_stillborn or self._short_lives >= MANY)


def is_hopeless(workers: Iterable[Restarts]) -> bool:
    """Whether all workers are down and to start any is of no use.

    Then something that all need is not there, and to try again is for whoever started the whole, as it is with a
    single worker. While one of them runs, another that fails at its start is tried again.
    """
    return all(worker.is_of_no_use for worker in workers)
