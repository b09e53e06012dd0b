"""A topic read once, from where it is kept or from near its end, up to where it ended when it was asked."""

import asyncio
from collections.abc import AsyncIterator, Collection
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaTimeoutError
from aiokafka.structs import ConsumerRecord

from worker.stream.connection import KafkaConnection
from worker.stream.unpacking import require_readable

_POLL_MS = 500

_FETCH_BYTES: Final = 128 * 1024
"""Of one partition at a time: at Kafka's own 1 MiB the tails of twelve partitions took 16 MB of memory."""

SILENCE_S: Final = 10.0
"""How long nothing may come before that is an error: who reads must be heard of meanwhile."""


async def read_to_end(
    connection: KafkaConnection, topic: str, partitions: Collection[int] | None = None, *, last: int | None = None
) -> AsyncIterator[ConsumerRecord]:
    """Give the records of the partitions (all of them by default), each partition's in order.

    `last` bounds how many offsets before the end are looked at, per partition. Raises aiokafka's `KafkaError`, among
    them `UnreadableBatchError`.
    """
    if partitions is not None and not partitions:
        return
    # A consumer that is given a topic and no group is assigned all its partitions.
    consumer = AIOKafkaConsumer(
        *([topic] if partitions is None else []),
        **connection.client_options(),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )
    try:
        await consumer.start()
        if partitions is not None:
            consumer.assign([TopicPartition(topic, index) for index in partitions])
        tps = list(consumer.assignment())
        ends = await consumer.end_offsets(tps)
        for tp, begin in (await consumer.beginning_offsets(tps)).items():
            consumer.seek(tp, begin if last is None else max(begin, ends[tp] - last))
        before: list[int] = []
        now_s = asyncio.get_running_loop().time
        moved_at_s = now_s()
        while True:
            positions = [await consumer.position(tp) for tp in tps]
            behind = [tp for tp, position in zip(tps, positions, strict=True) if position < ends[tp]]
            if not behind:
                return
            if positions != before:
                before, moved_at_s = positions, now_s()
            elif now_s() - moved_at_s > SILENCE_S:
                raise KafkaTimeoutError(f"{topic} cannot be read on")
            for records in (await consumer.getmany(*behind, timeout_ms=_POLL_MS)).values():
                require_readable(records)
                for record in records:
                    yield record
    finally:
        await consumer.stop()
