"""The logs of calls read once more: replies and outcomes of many partitions, in the order they were handled in."""

import asyncio
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from worker.state.marks import Mark
from worker.stream.connection import KafkaConnection
from worker.stream.reader import SILENCE_S
from worker.stream.records import SourceRecord
from worker.stream.replies import read_source
from worker.stream.topics import CallTopics
from worker.stream.unpacking import require_readable

CHUNK: Final = 4_000
"""Records that are recalled at a time, at most: each bucket is asked once for all of them, and the end of a call is
often in the same chunk as the call."""

_QUEUED: Final = 12_000
_QUEUED_BYTES: Final = 16 * 1024 * 1024
"""Records, and their bytes, of all partitions that wait for their turn: each has its share, and is read no further
while it is full."""

_FETCH_BYTES: Final = 64 * 1024
"""Of one partition at a time: a rebuild reads all of them side by side, and its memory must stay flat."""

_POLL_MS: Final = 500

_NEVER: Final = -(2**127)
"""Earlier than the time of any record, in the terms of a log's keys."""

_GATHERING_S: Final = 1.0
"""How long more is waited for when there is something to give: who takes it must be heard of."""


class Recalled(msgspec.Struct, frozen=True, gc=False):
    """A reply or an outcome from the logs: what is needed of its record, so that many of them are small."""

    partition: int
    offset: int
    timestamp: int
    """When it was written, in milliseconds since 1970."""
    value: bytes
    is_reply: bool
    request: int | None
    """The offset of the request that a reply answers, where it says so."""
    at_ms: int
    """The time by which it was handled, in milliseconds since 1970: of a reply, its request's."""


def recalled(record: SourceRecord, *, is_reply: bool) -> Recalled:
    """A record of the log of replies or of the one of outcomes."""
    at_ms, request = record.timestamp, None
    if is_reply and (source := read_source(record)) is not None:
        at_ms, request = source.timestamp, source.offset
    return Recalled(record.partition, record.offset, record.timestamp, record.value or b"", is_reply, request, at_ms)


class Recollection:
    """The replies and outcomes of some partition indexes, merged into the order in which they were handled.

    That is the order of the timestamps of requests and outcomes, outcomes first on a tie; no log's own order is
    changed. It can be gone on with after an error. Close it.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topics: CallTopics,
        starts: Mapping[int, Mark],
        ends: Mapping[int, Mark],
    ) -> None:
        self._connection = connection
        outcomes = {TopicPartition(topics.call_outcome, i): (s.outcomes, ends[i].outcomes) for i, s in starts.items()}
        replies = {TopicPartition(topics.number_assigned, i): (s.replies, ends[i].replies) for i, s in starts.items()}
        # In this order: the place of a log decides between equal times, and outcomes go first.
        self._merged = Merged(len(outcomes) + len(replies))
        for tp, bounds in outcomes.items():
            self._merged.log(tp, *bounds, is_replies=False)
        for tp, bounds in replies.items():
            self._merged.log(tp, *bounds, is_replies=True)
        self._logs = self._merged.logs
        self._shares = max(1, len(self._logs))
        self._by_partition = {log.tp: log for log in self._logs}
        self._consumer: AIOKafkaConsumer | None = None
        self.missing = 0
        """Records that the logs no longer hold, of those that were asked for."""

    @property
    def remaining(self) -> int:
        """Offsets between what was given and the ends."""
        return sum(max(0, log.end - log.given) for log in self._logs)

    async def chunk(self) -> list[Recalled]:
        """The next records, `CHUNK` at most; none at the end. Raises aiokafka's `KafkaError`."""
        try:
            if self._consumer is None:
                await self._open()
            await self._gather()
        except KafkaError:
            await self.close()
            raise
        return self._merged.give(CHUNK)

    async def _gather(self) -> None:
        """Read on until there is a whole chunk, or all that remains; or some of it, if it takes long."""
        now_s = asyncio.get_running_loop().time
        begun_at_s = moved_at_s = now_s()
        while (ready := self._merged.ready()) < CHUNK and any(not log.is_read for log in self._logs):
            if ready and now_s() - begun_at_s > _GATHERING_S:
                return
            if await self._fill():
                moved_at_s = now_s()
            elif now_s() - moved_at_s > SILENCE_S:
                raise KafkaTimeoutError("the logs of calls cannot be read on")

    async def close(self) -> None:
        """Disconnect, and forget what was read and not given."""
        consumer, self._consumer = self._consumer, None
        self._merged.forget()
        if consumer is not None:
            await consumer.stop()

    async def _open(self) -> None:
        self._consumer = consumer = AIOKafkaConsumer(
            **self._connection.client_options(),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        await consumer.start()
        open_still = [log.tp for log in self._logs if not log.is_read]
        if not open_still:
            return
        consumer.assign(open_still)
        for tp, begin in (await consumer.beginning_offsets(open_still)).items():
            log = self._by_partition[tp]
            if begin > log.given:
                self.missing += min(begin, log.end) - log.given
                log.given = log.position = begin
            consumer.seek(tp, log.given)

    async def _fill(self) -> bool:
        """Read on; say whether anything came, or any log was found read."""
        consumer: Any = self._consumer
        wanted = [log.tp for log in self._logs if not log.is_full(self._shares)]
        consumer.resume(*wanted)
        fetched = await consumer.getmany(*wanted, timeout_ms=_POLL_MS)
        before = [log.position for log in self._logs]
        for tp, records in fetched.items():
            require_readable(records)
            self._by_partition[tp].take(records)
        for log in self._logs:
            if not log.is_read:
                log.position = await consumer.position(log.tp)  # beyond markers of transactions, too
        # Before more of them is fetched: what was fetched of a paused partition aiokafka throws away, in a cycle. Until
        # the garbage collector came that was 100 MB of a million records; and what lies there delays the next fetch.
        consumer.pause(*[tp for tp in fetched if self._by_partition[tp].is_full(self._shares)])
        return before != [log.position for log in self._logs]


class Merged:
    """Logs whose records are given in one order. Where each log is, as a place among them, decides between equals."""

    def __init__(self, width: int) -> None:
        """`width` is how many logs there will be."""
        self._width = width
        self.logs: list[Log] = []
        """In the order of their places."""
        self._ready: list[Recalled] = []
        self._ready_keys: list[int] = []

    def log(self, tp: TopicPartition, start: int, end: int, *, is_replies: bool) -> None:
        """Take one log more, behind those there are."""
        self.logs.append(Log(tp, start, end, is_replies=is_replies, place=len(self.logs), width=self._width))

    def ready(self) -> int:
        """How many records may be given: none that one still to be read might come before.

        A log that is not read to its end has none before its last one that was read.
        """
        if all(log.is_read or log.keys for log in self.logs):
            horizon = min((log.keys[-1] for log in self.logs if not log.is_read), default=None)
            moved = sum([log.move(horizon, self._ready_keys, self._ready) for log in self.logs])
            if moved:
                self._sort()
        return len(self._ready)

    def _sort(self) -> None:
        # All at once, in C, where each log is in order already: a heap of the next one of each costs three times that.
        keys, records = self._ready_keys, self._ready
        order = sorted(range(len(keys)), key=keys.__getitem__)
        self._ready_keys = [keys[at] for at in order]
        self._ready = [records[at] for at in order]

    def give(self, count: int) -> list[Recalled]:
        """The next records that may be given, so many at most."""
        given, self._ready = self._ready[:count], self._ready[count:]
        keys, self._ready_keys = self._ready_keys[:count], self._ready_keys[count:]
        last = {key % self._width: record for key, record in zip(keys, given, strict=True)}
        for place, record in last.items():
            self.logs[place].given = record.offset + 1
        return given

    def forget(self) -> None:
        """Forget what was read and not given."""
        self._ready, self._ready_keys = [], []
        for log in self.logs:
            log.forget()


class Log:
    """One partition of a log: from where it is read, up to where, and what waits for its turn."""

    def __init__(  # noqa: PLR0913 - which log, from where to where, and where among the others
        self, tp: TopicPartition, start: int, end: int, *, is_replies: bool, place: int, width: int
    ) -> None:
        self.tp = tp
        self.end = end
        self.given = self.position = start
        self.keys: list[int] = []
        """Of what waits, when it is due: the largest time so far in this log, and behind it the log's place."""
        self._queue: list[Recalled] = []
        self._is_replies = is_replies
        self._place = place
        self._width = width
        self._latest = _NEVER
        self._queued_bytes = 0

    def take(self, records: Iterable[SourceRecord]) -> None:
        """Queue what is before the end."""
        is_replies, width, place = self._is_replies, self._width, self._place
        key = self._latest
        for record in records:
            if record.offset < self.end:
                of_record = recalled(record, is_reply=is_replies)
                key = max(key, of_record.at_ms * width + place)
                self.keys.append(key)
                self._queue.append(of_record)
                self._queued_bytes += len(of_record.value)
        self._latest = key

    def move(self, horizon: int | None, keys: list[int], records: list[Recalled]) -> int:
        """Hand over what is due up to the horizon, all of it if there is none; say how many those are."""
        count = len(self.keys) if horizon is None else bisect_right(self.keys, horizon)
        moved = self._queue[:count]
        keys += self.keys[:count]
        records += moved
        del self.keys[:count], self._queue[:count]
        self._queued_bytes -= sum([len(record.value) for record in moved])
        return count

    def forget(self) -> None:
        """Forget what waits; it is read again."""
        self.keys, self._queue = [], []
        self._latest = _NEVER
        self._queued_bytes = 0
        self.position = self.given

    @property
    def is_read(self) -> bool:
        """Whether all of it was read."""
        return self.position >= self.end

    def is_full(self, shares: int) -> bool:
        """Whether no more of it is to be read for now: all of it was, or so much waits as its share may be."""
        is_crowded = len(self.keys) * shares >= _QUEUED or self._queued_bytes * shares >= _QUEUED_BYTES
        return self.is_read or (bool(self.keys) and is_crowded)
