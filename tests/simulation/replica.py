"""A replica: the production loop on its simulated parts, driven from one await to the next.

Its strands, the loop and what the loop lets go on beside it, take turns as the scheduler chooses.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from random import Random
from typing import Any, Final, NamedTuple

from tests.model.engine import SELECTION_KEY, routing_of
from tests.simulation.intake import SimIntake
from tests.simulation.kafka import REQUESTS, Kafka
from tests.simulation.logs import SimCallLogs
from tests.simulation.points import OutageError, Point
from tests.simulation.publisher import SimPublisher
from tests.simulation.redis import Redis, SimContacts
from tests.simulation.story import SETTINGS
from worker.loop.delivery import Delivery
from worker.loop.limit import NO_LIMIT_PERCENT, DeadLetterLimit
from worker.loop.loop import Loop
from worker.loop.patience import Patience
from worker.loop.takeover import TakeOver
from worker.stream.topics import CallTopics

_ROUTING: Final = routing_of(SETTINGS)
_COMMIT_EVERY: Final = timedelta(milliseconds=8)
"""Of the schedule's time: some steps, so that it is sooner than the next batch as well as later."""

_BACKOFF: Final = Point("wait, and try again", can_fail=False)
_BEGINNING: Final = Point("start", can_fail=False)
_WAITING: Final = Point("wait for what goes on beside it", can_fail=False)


class Strand:
    """A coroutine that is driven from one await to the next; another one may wait for its end."""

    def __init__(self, running: Coroutine[Any, Any, None]) -> None:
        self.at = _BEGINNING
        self.error: BaseException | None = None
        self._running = running
        self._has_ended = False
        self._awaited: Strand | None = None

    def done(self) -> bool:
        return self._has_ended

    def cancel(self) -> None:
        self._running.close()
        self._has_ended = True

    def __await__(self) -> Generator["Strand", None, None]:
        if not self._has_ended:
            yield self
        if self.error is not None:
            raise self.error

    @property
    def can_run(self) -> bool:
        """Whether it neither has ended nor waits for one that has not."""
        return not self._has_ended and (self._awaited is None or self._awaited.done())

    def go_on(self, error: OutageError | None = None) -> None:
        """Run to the next await, with an error from this one if there is one."""
        try:
            at = self._running.send(None) if error is None else self._running.throw(error)
        except StopIteration:
            self._has_ended = True
        except BaseException as died_of:  # noqa: BLE001 - for who awaits it
            self._has_ended, self.error = True, died_of
        else:
            self._awaited = at if isinstance(at, Strand) else None
            self.at = _WAITING if self._awaited else at or _BACKOFF  # asyncio gives way by yielding nothing


class Servers(NamedTuple):
    """What survives a replica."""

    kafka: Kafka
    redis: Redis


class Parts(NamedTuple):
    """The parts of a replica that the loop knows."""

    intake: SimIntake
    publisher: SimPublisher
    contacts: SimContacts
    logs: SimCallLogs


Build = Callable[[str, Servers, Random], Parts]


def sound(name: str, servers: Servers, chance: Random) -> Parts:
    """The parts as they should be."""
    return Parts(
        SimIntake(name, servers.kafka, chance),
        SimPublisher(name, servers.kafka),
        SimContacts(servers.redis),
        SimCallLogs(servers.kafka, chance),
    )


class Replica:
    """One incarnation of a replica; after a stop or a kill there is none of its state left."""

    def __init__(self, name: str, parts: Parts, now: Callable[[], datetime]) -> None:
        self.name = name
        self.intake = parts.intake
        self.is_paused = False
        self._handed_out_when_told_to_stop = 0
        self._stop = asyncio.Event()
        self._beside: list[Strand] = []
        takeover = TakeOver(
            topics=CallTopics(),
            intake=parts.intake,
            logs=parts.logs,
            contacts=parts.contacts,
            now=now,
            token=partial(next, map(f"{name} {{}}".format, count())),
            alive=lambda: None,
        )
        patiently = Patience(lambda error: isinstance(error, OutageError), alive=lambda: None)
        loop = Loop(
            intake=parts.intake,
            takeover=takeover,
            delivery=Delivery(
                publisher=parts.publisher,
                offsets=parts.intake,
                patiently=patiently,
                spawn=self._spawn,
                now=now,
                commit_every=_COMMIT_EVERY,
                observe=lambda _report: None,
            ),
            contacts=parts.contacts,
            routing=lambda: _ROUTING,
            call_requested=REQUESTS,
            selection_key=SELECTION_KEY,
            now=now,
            patiently=patiently,
            limit=DeadLetterLimit(NO_LIMIT_PERCENT, 1),
            over_limit=lambda _refused: None,
        )
        self._loop = Strand(loop.run(self._stop))
        self.current = self._loop
        """The strand that went on last, or goes on next."""

    @property
    def strands(self) -> list[Strand]:
        """Those that can go on; none when it is paused or gone."""
        return [] if self.is_paused else [strand for strand in (self._loop, *self._beside) if strand.can_run]

    @property
    def has_ended(self) -> bool:
        """Whether it stopped, or was killed."""
        return self._loop.done()

    @property
    def at(self) -> Point:
        """The await where the current strand is."""
        return self.current.at

    @property
    def batches_since_told_to_stop(self) -> int:
        """How many it went on to take."""
        return self.intake.handed_out - self._handed_out_when_told_to_stop if self._stop.is_set() else 0

    def go_on(self, error: OutageError | None = None) -> None:
        """Run the current strand to its next await, with an error from this one if there is one."""
        self.current.go_on(error)
        self._beside = [strand for strand in self._beside if not strand.done()]
        if self._loop.done() and self._loop.error is not None:
            raise self._loop.error

    def stop(self) -> None:
        """Ask it to finish what is in hand and return, as SIGTERM does."""
        if not self._stop.is_set():
            self._handed_out_when_told_to_stop = self.intake.handed_out
            self._stop.set()

    def kill(self) -> None:
        """End it at the awaits where it is."""
        for strand in (*self._beside, self._loop):
            strand.cancel()

    def _spawn(self, running: Coroutine[Any, Any, None]) -> Strand:
        strand = Strand(running)
        self._beside.append(strand)
        return strand
