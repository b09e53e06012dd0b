"""How the loop waits out the outage of a dependency."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina

T = TypeVar("T")


class Patience:
    """Takes a step again for as long as Kafka or Redis is away: with backoff and jitter, without an end."""

    def __init__(self, is_outage: Callable[[Exception], bool], alive: Callable[[], None]) -> None:
        """Take what tells errors that a dependency's return will mend, and what is called before each try."""
        self._is_outage = is_outage
        self._alive = alive

    async def __call__(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step. Raises what is no outage."""
        self._alive()
        try:
            return await step()  # mostly that is all; to set up retries takes 20 µs, and each batch has five steps
        except Exception as error:
            if not self._is_outage(error):
                raise
        # Taken again at once, and only then with pauses.
        async for attempt in stamina.retry_context(
            on=self._is_outage, attempts=None, timeout=None, wait_initial=0.1, wait_max=5.0, wait_jitter=1.0
        ):
            with attempt:
                self._alive()
                return await step()
        raise AssertionError("unreachable: the retries have no end")
