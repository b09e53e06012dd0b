"""The logs of calls as the memory of what was done: how far it got, and all of it once more, in order."""

import asyncio
import heapq
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, KafkaTimeoutError

from worker.state.marks import Mark
from worker.stream.connection import KafkaConnection
from worker.stream.reader import SILENCE_S
from worker.stream.records import SourceRecord
from worker.stream.replies import PublishedOffsets, Source, published_offsets, read_source
from worker.stream.topics import CallTopics
from worker.stream.unpacking import require_readable

CHUNK: Final = 2_000
"""Records that are recalled at a time, at most."""

_QUEUED: Final = 24_000
_QUEUED_BYTES: Final = 32 * 1024 * 1024
"""Records, and their bytes, of all partitions that wait for their turn: each has its share, and is read no further
while it is full."""

_FETCH_BYTES: Final = 64 * 1024
"""Of one partition at a time: a rebuild reads all of them side by side, and its memory must stay flat."""

_POLL_MS: Final = 500

_ENDS_S: Final = 5.0
"""How long it is waited for the ends of an input topic's logs."""

_UNKNOWN_END: Final = 2**53


class Standing(NamedTuple):
    """How far a partition index got."""

    done: Mark
    """What was handled for certain: committed, or answered in the log. `replies` is where the log of replies ends."""
    ends: Mark
    """Where the logs end."""


class Recalled(NamedTuple):
    """A reply or an outcome from the logs. `source` is the request that a reply answers, where it says so."""

    record: SourceRecord
    is_reply: bool
    source: Source | None

    @property
    def at_ms(self) -> int:
        """The time by which it was handled, in milliseconds since 1970: of a reply, its request's."""
        return self.record.timestamp if self.source is None else self.source.timestamp


class CallLogs:
    """The logs, as a member of the group sees them."""

    def __init__(self, connection: KafkaConnection, topics: CallTopics, group_id: str) -> None:
        self._connection = connection
        self._topics = topics
        self._group_id = group_id

    async def standings(self, indexes: Collection[int]) -> tuple[dict[int, Standing], PublishedOffsets]:
        """How far each partition index got, and which replies are out. Raises aiokafka's `KafkaError`."""
        if not indexes:
            return {}, {}
        topics = self._topics
        consumer = AIOKafkaConsumer(**self._connection.client_options(), group_id=self._group_id)
        try:
            await consumer.start()
            inputs = [TopicPartition(topic, index) for topic in topics.inputs for index in indexes]
            ends = await consumer.end_offsets([TopicPartition(topics.number_assigned, index) for index in indexes])
            for topic in topics.inputs:
                ends |= await _ends_if_known(consumer, [tp for tp in inputs if tp.topic == topic])
            offsets = await asyncio.gather(*map(consumer.committed, inputs))
            committed = {tp: offset or 0 for tp, offset in zip(inputs, offsets, strict=True)}
        finally:
            await consumer.stop()
        published = await published_offsets(self._connection, topics.number_assigned, indexes)

        def standing(index: int) -> Standing:
            requests, outcomes, replies = (
                TopicPartition(topic, index)
                for topic in (topics.call_requested, topics.call_outcome, topics.number_assigned)
            )
            answered = published.get((topics.call_requested, index), -1) + 1
            # What is beyond the end was of a log that is gone: its topic was made anew.
            done = Mark(
                min(max(committed[requests], answered), ends[requests]),
                min(committed[outcomes], ends[outcomes]),
                ends[replies],
            )
            return Standing(done, Mark(ends[requests], ends[outcomes], ends[replies]))

        return {index: standing(index) for index in indexes}, published

    async def are_behind(self, ends: Mapping[int, Mark]) -> bool:
        """Whether records before these ends wait to be handled. Raises aiokafka's `KafkaError`.

        They are read to know: behind the last one a transaction may have left a mark, which nobody commits.
        """
        standings, _ = await self.standings(list(ends))
        limits = self._inputs_of(ends)
        starts = self._inputs_of({index: standings[index].done for index in ends})
        behind = [tp for tp, limit in limits.items() if starts[tp] < limit]
        if not behind:
            return False
        consumer = AIOKafkaConsumer(
            **self._connection.client_options(), isolation_level="read_committed", enable_auto_commit=False
        )
        try:
            await consumer.start()
            consumer.assign(behind)
            for tp in behind:
                consumer.seek(tp, starts[tp])
            fetched = await consumer.getmany(timeout_ms=_POLL_MS, max_records=len(behind))
        finally:
            await consumer.stop()
        return any(records[0].offset < limits[tp] for tp, records in fetched.items())

    def _inputs_of(self, marks: Mapping[int, Mark]) -> dict[TopicPartition, int]:
        """What marks say of the input topics, by partition."""
        requests = {TopicPartition(self._topics.call_requested, index): mark.requests for index, mark in marks.items()}
        outcomes = {TopicPartition(self._topics.call_outcome, index): mark.outcomes for index, mark in marks.items()}
        return requests | outcomes

    def recall(self, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> "Recollection":
        """Read replies and outcomes once more, by partition index, from these marks up to those."""
        return Recollection(self._connection, self._topics, starts, ends)


async def _ends_if_known(consumer: AIOKafkaConsumer, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the logs of a topic end; beyond any offset if it cannot be read for now.

    Nobody takes partitions over later because, of the two input topics, one is gone: calls go on without it.
    """
    try:
        async with asyncio.timeout(_ENDS_S):
            ends: dict[TopicPartition, int] = await consumer.end_offsets(tps)
    except (TimeoutError, KafkaTimeoutError):
        return dict.fromkeys(tps, _UNKNOWN_END)
    return ends


class Recollection:
    """The replies and outcomes of some partition indexes, merged into the order in which they were handled.

    That is the order of the timestamps of requests and outcomes, outcomes first on a tie. It can be gone on with
    after an error. Close it.
    """

    def __init__(
        self,
        connection: KafkaConnection,
        topics: CallTopics,
        starts: Mapping[int, Mark],
        ends: Mapping[int, Mark],
    ) -> None:
        self._connection = connection
        outcomes, replies = topics.call_outcome, topics.number_assigned
        # In this order: the place of a log decides between equal times, and outcomes go first.
        self._sources = [
            *(
                _LogSource(TopicPartition(outcomes, index), start.outcomes, ends[index].outcomes, is_replies=False)
                for index, start in starts.items()
            ),
            *(
                _LogSource(TopicPartition(replies, index), start.replies, ends[index].replies, is_replies=True)
                for index, start in starts.items()
            ),
        ]
        self._share = max(1, len(self._sources))
        self._by_partition = {source.tp: (place, source) for place, source in enumerate(self._sources)}
        self._heads: list[tuple[int, int]] = []
        self._consumer: AIOKafkaConsumer | None = None
        self.missing = 0
        """Records that the logs no longer hold, of those that were asked for."""

    @property
    def remaining(self) -> int:
        """Offsets between what was given and the ends."""
        return sum(max(0, source.end - source.given) for source in self._sources)

    async def chunk(self) -> list[Recalled]:
        """The next records, `CHUNK` at most; none at the end. Raises aiokafka's `KafkaError`."""
        try:
            if self._consumer is None:
                await self._open()
            now_s = asyncio.get_running_loop().time
            moved_at_s = now_s()
            while not (chunk := self._merge()) and any(not source.is_finished for source in self._sources):
                if await self._fill():
                    moved_at_s = now_s()
                elif now_s() - moved_at_s > SILENCE_S:
                    raise KafkaTimeoutError("the logs of calls cannot be read on")
        except KafkaError:
            await self.close()
            raise
        return chunk

    async def close(self) -> None:
        """Disconnect, and forget what was read and not given."""
        consumer, self._consumer = self._consumer, None
        self._heads = []
        for source in self._sources:
            source.forget()
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
        open_still = [source for source in self._sources if not source.is_finished]
        if not open_still:
            return
        consumer.assign([source.tp for source in open_still])
        for tp, begin in (await consumer.beginning_offsets([source.tp for source in open_still])).items():
            source = self._by_partition[tp][1]
            if begin > source.given:
                self.missing += min(begin, source.end) - source.given
                source.given = source.position = begin
            consumer.seek(tp, source.given)

    async def _fill(self) -> bool:
        """Read on; say whether anything came, or any log was found read."""
        consumer: Any = self._consumer
        open_still = consumer.assignment()
        crowded = [s.tp for s in self._sources if s.tp in open_still and (s.is_read or s.is_crowded(self._share))]
        consumer.pause(*crowded)
        fetched = await consumer.getmany(timeout_ms=_POLL_MS)
        consumer.resume(*crowded)
        before = [source.position for source in self._sources]
        for tp, records in fetched.items():
            require_readable(records)
            place, source = self._by_partition[tp]
            was_empty = not source.queue
            source.take(records)
            if was_empty and source.queue:
                heapq.heappush(self._heads, (source.queue[0].at_ms, place))
        for source in self._sources:
            if not source.is_read:
                source.position = await consumer.position(source.tp)  # beyond markers of transactions, too
        return before != [source.position for source in self._sources]

    def _merge(self) -> list[Recalled]:
        """What may be given: as long as every log that is not read to its end has a record to compare with."""
        chunk: list[Recalled] = []
        if any(source.is_dry for source in self._sources):
            return chunk
        while self._heads and len(chunk) < CHUNK:
            _, place = heapq.heappop(self._heads)
            source = self._sources[place]
            chunk.append(source.give())
            if source.queue:
                heapq.heappush(self._heads, (source.queue[0].at_ms, place))
            elif source.is_dry:
                break
        return chunk


class _LogSource:
    """One partition of a log: from where it is read, and up to where."""

    def __init__(self, tp: TopicPartition, start: int, end: int, *, is_replies: bool) -> None:
        self.tp = tp
        self.end = end
        self.given = self.position = start
        self.queue: deque[Recalled] = deque()
        self._is_replies = is_replies
        self._queued_bytes = 0

    def take(self, records: Iterable[SourceRecord]) -> None:
        """Queue what is before the end."""
        for record in records:
            if record.offset < self.end:
                source = read_source(record) if self._is_replies else None
                self.queue.append(Recalled(record, self._is_replies, source))
                self._queued_bytes += len(record.value or b"")

    def give(self) -> Recalled:
        recalled = self.queue.popleft()
        self._queued_bytes -= len(recalled.record.value or b"")
        self.given = recalled.record.offset + 1
        return recalled

    def forget(self) -> None:
        self.queue.clear()
        self._queued_bytes = 0
        self.position = self.given

    @property
    def is_read(self) -> bool:
        return self.position >= self.end

    @property
    def is_finished(self) -> bool:
        return self.is_read and not self.queue

    @property
    def is_dry(self) -> bool:
        return not self.queue and not self.is_read

    def is_crowded(self, share: int) -> bool:
        return bool(self.queue) and (len(self.queue) * share >= _QUEUED or self._queued_bytes * share >= _QUEUED_BYTES)
