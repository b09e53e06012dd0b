"""The logs of calls as the memory of what was done: how far it got; and once more what they hold."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError

from worker.state.marks import Mark
from worker.stream.connection import KafkaConnection
from worker.stream.recollection import Recollection
from worker.stream.replies import PublishedOffsets, published_offsets
from worker.stream.topics import CallTopics

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

    def recall(self, starts: Mapping[int, Mark], ends: Mapping[int, Mark]) -> Recollection:
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
