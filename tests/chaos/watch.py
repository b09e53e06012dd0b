"""Who waits for a reply now, and how long: replies as they are read, beside the requests as they are sent."""

import asyncio
import threading
import time
from itertools import pairwise
from typing import Final, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from tests.chaos.dialer import PARTITIONS
from tests.chaos.logs import record_of, source_of

PATIENCE_S: Final = 90.0
"""After this a call is taken to be never answered. Nothing else depends on how long anything takes."""

_POLL_S: Final = 0.05

Request = tuple[int, int]
"""A request record: its partition index and offset."""


class Watch:
    """Reads the replies in a thread. As a context, it does so within."""

    def __init__(self, bootstrap: str, replies: str) -> None:
        self.arrivals_s: list[float] = []
        """When replies came, in seconds since 1970, oldest first; of those that came together once."""
        self.waits_s: list[tuple[float, float]] = []
        """When each request was in the log, and how long it then waited for its first reply."""
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap, "group.id": "watch", "enable.auto.commit": False, "log_level": 0}
        )
        self._consumer.assign([TopicPartition(replies, index, OFFSET_BEGINNING) for index in range(PARTITIONS)])
        self._lock = threading.Lock()
        self._open: dict[Request, float] = {}
        self._answered: dict[Request, float] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._read, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._consumer.close()

    def asked(self, index: int, offset: int) -> None:
        """Take note of a request that is in the log."""
        now_s = time.time()
        with self._lock:
            if (answered_s := self._answered.get((index, offset))) is not None:
                self.waits_s.append((now_s, max(0.0, answered_s - now_s)))
            else:
                self._open[index, offset] = now_s

    @property
    def open(self) -> set[Request]:
        """The requests that have no reply yet."""
        with self._lock:
            return set(self._open)

    async def caught_up(self) -> bool:
        """Wait until all requests that are in the log now have their reply; say whether they got it."""
        awaited = self.open
        try:
            async with asyncio.timeout(PATIENCE_S):
                while awaited & self.open:
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return False
        return True

    def stalled_s(self, began_s: float, ended_s: float) -> float:
        """The longest time without any reply that began or ended within."""
        marks = [began_s, *(at_s for at_s in self.arrivals_s if began_s <= at_s <= ended_s), ended_s]
        return max(later - earlier for earlier, later in pairwise(marks))

    def waited_s(self, began_s: float, ended_s: float) -> float:
        """How long the most patient of the requests waited that were sent within."""
        with self._lock:
            return max((wait_s for at_s, wait_s in self.waits_s if began_s <= at_s <= ended_s), default=0.0)

    def _read(self) -> None:
        while not self._ended.is_set():
            messages = [message for message in self._consumer.consume(500, _POLL_S) if message.error() is None]
            now_s = time.time()
            with self._lock:
                for message in messages:
                    source = source_of(record_of(message))
                    request = message.partition() or 0, source
                    if request in self._open:
                        asked_s = self._open.pop(request)
                        self.waits_s.append((asked_s, now_s - asked_s))
                    self._answered.setdefault(request, now_s)
            if messages:
                self.arrivals_s.append(now_s)
