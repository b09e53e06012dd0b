"""Where the scheduler decides: every await of a part, before its effect and after it."""

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


class OutageError(Exception):
    """What a server that does not answer makes a client raise."""


@dataclass(slots=True, eq=False)
class Point:
    """An await. The scheduler goes on from it, throws an `OutageError` into it, or never comes back to it.

    `on_its_way` is the effect of a request that may reach its server though its sender has long given up; the
    scheduler may keep it and let it happen later.
    """

    words: str
    on_its_way: Callable[[], None] | None = None
    can_fail: bool = True

    def __await__(self) -> Generator["Point", None, None]:
        yield self


def finish(running: Coroutine[Any, Any, T]) -> T:
    """Run to the end without a scheduler: every await goes on at once."""
    while True:
        try:
            running.send(None)
        except StopIteration as end:
            result: T = end.value
            return result


async def effect(words: str, act: Callable[[], T], *, on_its_way: Callable[[], None] | None = None) -> T:
    """Do something on a server. An outage before it is a lost request, one after it a lost answer."""
    await Point(f"before: {words}", on_its_way)
    result = act()
    await Point(f"after: {words}")
    return result
