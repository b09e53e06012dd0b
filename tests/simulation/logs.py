"""The logs, looked at by who takes partitions over: how far they got, and all that is in them once more."""

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random
from typing import Final

from tests.simulation.kafka import INPUTS, OUTCOMES, REPLIES, REQUESTS, Kafka, LogRecord
from tests.simulation.points import Point, effect
from worker.state.marks import Mark
from worker.stream.call_logs import Standing
from worker.stream.recollection import Recalled, recalled
from worker.stream.replies import TAIL_RECORDS, PublishedOffsets, note_published

_MAX_CHUNK: Final = 4


class SimCallLogs:
    """Promises what `worker.stream.call_logs.CallLogs` promises."""

    def __init__(self, kafka: Kafka, chance: Random) -> None:
        self._kafka = kafka
        self._chance = chance

    async def standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        return await effect(f"look at the logs of {sorted(indexes)}", lambda: self._standings(indexes))

    def recall(self, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> "SimRecollection":
        return SimRecollection(self._kafka, self._chance, starts, ends)

    def _standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        committed = self._kafka.group.committed
        published = self._read_tail(indexes)
        standings = {}
        for index in indexes:
            requests, outcomes, replies = (len(self._kafka.log(topic, index)) for topic in (*INPUTS[::-1], REPLIES))
            answered = published.get((REQUESTS, index), -1) + 1
            done = Mark(max(committed[REQUESTS, index], answered), committed[OUTCOMES, index], replies)
            standings[index] = Standing(done, Mark(requests, outcomes, replies))
        return standings, published

    def _read_tail(self, indexes: Collection[int]) -> PublishedOffsets:
        published: PublishedOffsets = {}
        for index in indexes:
            for reply in self._kafka.log(REPLIES, index)[-TAIL_RECORDS:]:
                note_published(published, reply)
        return published


class SimRecollection:
    """Promises what `worker.stream.call_logs.Recollection` promises. Chance decides how much comes at a time."""

    missing: Final = 0

    def __init__(self, kafka: Kafka, chance: Random, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> None:
        self._chance = chance
        logs = [kafka.log(OUTCOMES, index)[start.outcomes : ends[index].outcomes] for index, start in starts.items()]
        logs += [kafka.log(REPLIES, index)[start.replies : ends[index].replies] for index, start in starts.items()]
        self._left = deque(_merged(logs))

    @property
    def remaining(self) -> int:
        return len(self._left)

    async def chunk(self) -> list[Recalled]:
        await Point("read the logs once more")
        count = min(self._chance.randint(1, _MAX_CHUNK), len(self._left))
        return [self._left.popleft() for _ in range(count)]

    async def close(self) -> None:
        self._left.clear()


def _merged(logs: Sequence[Sequence[LogRecord]]) -> Iterator[Recalled]:
    """The first of the logs' next records, by time, again and again: no log's own order is changed."""
    queues = [deque(recalled(record, is_reply=record.topic == REPLIES) for record in log) for log in logs]
    while queues := [queue for queue in queues if queue]:
        yield min(queues, key=lambda queue: queue[0].at_ms).popleft()
