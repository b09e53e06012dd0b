"""A replica: the production loop on its simulated parts, driven from one await to the next."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
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
from worker.loop.limit import NO_LIMIT_PERCENT, DeadLetterLimit
from worker.loop.loop import Loop
from worker.loop.takeover import TakeOver
from worker.stream.topics import CallTopics

_ROUTING: Final = routing_of(SETTINGS)
_BACKOFF: Final = Point("wait, and try again", can_fail=False)
_BEGINNING: Final = Point("start", can_fail=False)


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
        self.at = _BEGINNING
        self.is_paused = False
        self.has_ended = False
        self.batches_since_told_to_stop = 0
        self._stop = asyncio.Event()
        takeover = TakeOver(
            topics=CallTopics(),
            intake=parts.intake,
            logs=parts.logs,
            contacts=parts.contacts,
            now=now,
            token=partial(next, map(f"{name} {{}}".format, count())),
            alive=lambda: None,
        )
        loop = Loop(
            intake=parts.intake,
            takeover=takeover,
            publisher=parts.publisher,
            contacts=parts.contacts,
            routing=lambda: _ROUTING,
            call_requested=REQUESTS,
            selection_key=SELECTION_KEY,
            now=now,
            is_outage=lambda error: isinstance(error, OutageError),
            limit=DeadLetterLimit(NO_LIMIT_PERCENT, 1),
            over_limit=lambda _refused: None,
            observe=lambda _report: None,
            alive=lambda: None,
        )
        self._running: Coroutine[Any, Any, None] = loop.run(self._stop)

    @property
    def can_run(self) -> bool:
        """Whether it is neither paused nor gone."""
        return not (self.is_paused or self.has_ended)

    def go_on(self, error: OutageError | None = None) -> None:
        """Run to the next await, with an error from this one if there is one."""
        had = self.intake.in_hand
        try:
            point = self._running.send(None) if error is None else self._running.throw(error)
        except StopIteration:
            self.has_ended = True
        else:
            self.at = point or _BACKOFF  # asyncio gives way by yielding nothing
        if self._stop.is_set() and self.intake.in_hand and self.intake.in_hand is not had:
            self.batches_since_told_to_stop += 1

    def stop(self) -> None:
        """Ask it to finish the batch in hand and return, as SIGTERM does."""
        self._stop.set()

    def kill(self) -> None:
        """End it at the await where it is."""
        self._running.close()
        self.has_ended = True
